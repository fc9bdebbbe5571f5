"""How well low values point at rows that are known to be wrong."""

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.utils import Bunch, check_array, check_consistent_length


def noise_detection(values, is_wrong, *, k=None):
    """Average precision, precision at k and AUROC of low values as suspicion.

    Rows are inspected from the lowest value upwards.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        One value per training row, low = suspect: ``sample_values`` of any method,
        ``sample_values_`` of a cleaner, minus the self-influence.
    is_wrong : array-like of bool, shape (n_samples,)
        The rows that are known to be wrong.
    k : int, default=None
        Number of rows inspected for ``precision_at_k``; None: as many as are wrong.

    Returns
    -------
    result : Bunch
        ``average_precision``, ``precision_at_k``, ``roc_auc``, ``k`` and
        ``base_rate``: the share of wrong rows, which is what either precision is
        by chance. Among equal values the first row is inspected first.

    See Also
    --------
    skinfluence.InfluenceCleaner : Drops the suspects.

    Examples
    --------
    >>> from skinfluence.metrics import noise_detection
    >>> found = noise_detection([-3.0, 0.5, -1.0, 2.0], [True, False, False, True])
    >>> found.average_precision, found.precision_at_k, found.base_rate
    (0.75, 0.5, 0.5)
    """
    values = check_array(values, ensure_2d=False, dtype="float64", input_name="values")
    is_wrong = np.asarray(is_wrong)
    if is_wrong.dtype != bool or values.ndim != 1 or is_wrong.ndim != 1:
        raise ValueError(
            "The 'values' and 'is_wrong' parameters must be one number and one "
            f"boolean per row. Got shapes {values.shape} and {is_wrong.shape}, dtype "
            f"{is_wrong.dtype}: turn row numbers into a mask."
        )
    check_consistent_length(values, is_wrong)
    n_wrong = int(is_wrong.sum())
    if not 0 < n_wrong < len(is_wrong):
        raise ValueError(
            "The 'is_wrong' parameter must hold wrong rows and right ones. Got "
            f"{n_wrong} wrong of {len(is_wrong)}: nothing could be told apart."
        )
    k = n_wrong if k is None else k
    if not 1 <= k <= len(values):
        raise ValueError(
            f"The 'k' parameter must be between 1 and n_samples={len(values)}. "
            f"Got {k!r}."
        )
    inspected = np.argsort(values, kind="stable")[:k]
    return Bunch(
        average_precision=float(average_precision_score(is_wrong, -values)),
        precision_at_k=float(is_wrong[inspected].mean()),
        roc_auc=float(roc_auc_score(is_wrong, -values)),
        k=int(k),
        base_rate=n_wrong / len(values),
    )
