"""Detection of rows that are known to be wrong, by their low values."""

from numbers import Integral

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from skinfluence._display._shown_bunch import ShownBunch
from skinfluence.metrics._inputs import check_marked, training_values


def noise_detection(values, is_wrong, *, X=None, y=None, k=None):
    """Average precision, precision at k and AUROC of finding wrong rows by low values.

    Rows are inspected from the lowest value upwards.

    Parameters
    ----------
    values : fitted influence estimator or array-like of shape (n_train,)
        One value per training row, low = suspect: for instance ``sample_values`` of any
        method, ``sample_values_`` of a cleaner, or minus the self-influence. For an
        estimator its ``sample_values`` are computed.
    is_wrong : array-like of bool, shape (n_train,)
        The training rows that are known to be wrong.
    X : array-like of shape (n_test, n_features), default=None
        Test rows; needed if ``values`` is an estimator.
    y : array-like of shape (n_test,), default=None
        Their true values.
    k : int, default=None
        Number of rows inspected for ``precision_at_k``; None: the number of wrong rows.

    Returns
    -------
    result : Bunch
        ``average_precision``, ``precision_at_k``, ``roc_auc``, ``k`` and
        ``base_rate``: the share of wrong rows, which is the expected value of either
        precision by chance. Among equal values the first row is inspected first.

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
    is_wrong = check_marked(is_wrong, "is_wrong", "wrong", "right")
    n_wrong = int(is_wrong.sum())
    k = n_wrong if k is None else k
    if not isinstance(k, Integral) or not 1 <= k <= len(is_wrong):
        raise ValueError(
            f"The 'k' parameter must be an integer from 1 to n_train={len(is_wrong)}. "
            f"Got {k!r}."
        )
    values = training_values(values, len(is_wrong), X, y)
    inspected = np.argsort(values, kind="stable")[:k]
    return ShownBunch(
        average_precision=float(average_precision_score(is_wrong, -values)),
        precision_at_k=float(is_wrong[inspected].mean()),
        roc_auc=float(roc_auc_score(is_wrong, -values)),
        k=int(k),
        base_rate=n_wrong / len(values),
    )
