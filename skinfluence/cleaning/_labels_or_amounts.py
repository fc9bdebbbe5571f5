"""Whether targets are labels or amounts, if it is not declared."""

import numpy as np

# Whole numbers with more distinct values than this are amounts, not labels.
MAX_LABELS = 20


def are_labels(y):
    """Distinguish labels from amounts by their type; refuse to guess in case of doubt.

    Text and booleans are labels, numbers with fractions are amounts. Whole numbers are
    labels where they are two, or few: at most `MAX_LABELS`, and half of the rows.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.

    Raises
    ------
    ValueError
        For many whole numbers (counts, ranks, or labels of a large catalogue), and for
        dates and durations.

    Examples
    --------
    >>> from skinfluence.cleaning._labels_or_amounts import are_labels
    >>> are_labels(["a", "b", "c"]), are_labels([0, 1, 1]), are_labels([0.5, 1.0, 2.0])
    (True, True, False)
    """
    values = np.asarray(y)
    if values.dtype.kind in "mM":
        raise ValueError(
            "y must hold labels or amounts. Got dates or durations, which are neither: "
            "make numbers of them, for instance days since a fixed date."
        )
    if values.dtype.kind not in "iuf":
        return True
    if (values != np.floor(values)).any():  # NaN, too, is left to the scorer
        return False
    distinct = len(np.unique(values))
    if distinct <= max(2, min(MAX_LABELS, len(values) // 2)):
        return True
    raise ValueError(
        "The 'estimator' parameter must say whether y holds labels or amounts. Got "
        f"None, and {distinct} different whole numbers in {len(values)} rows, which "
        "can be either: pass any classifier, or any regressor; it is not trained."
    )


def few_whole_numbers(values):
    """Tell whether numbers are whole and few enough to be labels, for a guess.

    Parameters
    ----------
    values : ndarray of float, shape (n_samples,)
        Numbers, none of them missing.

    Returns
    -------
    few : bool
        Whole, and at most `MAX_LABELS` different ones, and half of the rows.
    """
    whole = bool((values == np.floor(values)).all())
    return whole and len(np.unique(values)) <= min(MAX_LABELS, len(values) // 2)
