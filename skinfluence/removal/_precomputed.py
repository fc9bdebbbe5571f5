"""Refusal of precomputed kernels and distances."""


def refuse_precomputed(estimator, parameter):
    """Refuse matrices of distances or kernels in place of rows.

    Neither the algebra nor retraining knows which columns of a test matrix to drop.
    """
    if getattr(estimator, parameter) == "precomputed":
        raise ValueError(
            f"{type(estimator).__name__}({parameter}='precomputed') takes a matrix "
            "with one column per training row: leaving a row out would leave out a "
            f"column as well. Pass the rows themselves, and the {parameter} by its "
            "name or as a callable."
        )
