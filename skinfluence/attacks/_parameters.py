"""Validation of the parameters of `TargetDetector`."""

from numbers import Real

from sklearn.base import is_classifier


def check_parameters(detector):
    """Raise for parameters of a `TargetDetector` that are out of range."""
    if not hasattr(detector.influence, "influence") or not is_classifier(
        detector.influence
    ):
        raise ValueError(
            "The 'influence' parameter must be an influence estimator around a "
            "classifier, for instance LeaveOneOutInfluence(LogisticRegression()). "
            f"Got {detector.influence!r:.90}."
        )
    share = detector.renormalize
    number = isinstance(share, Real) and not isinstance(share, bool)
    if not number or not 0 <= share <= 1:
        raise ValueError(
            "The 'renormalize' parameter must be a number in [0, 1], not a bool: "
            f"0.0 for plain influence, 1.0 for cosines. Got {share!r}."
        )
    for name, most in (("contamination", 0.5), ("max_removed", 1)):
        value = getattr(detector, name)
        if not isinstance(value, Real) or not 0 < value <= most:
            raise ValueError(
                f"The {name!r} parameter must be a share of rows in (0, {most}]. "
                f"Got {value!r}."
            )
