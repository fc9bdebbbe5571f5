"""Dispatch of fitted estimators to the sums that they are functions of."""

from functools import singledispatch


@singledispatch
def row_sums(estimator, X, y, weight):
    """Return the `RowSums` of a fitted estimator.

    Parameters
    ----------
    estimator : fitted estimator
        Its type decides the family.
    X : array-like of shape (n_samples, n_features)
        The rows it was trained on.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Their targets, as given to ``fit``.
    weight : ndarray of shape (n_samples,)
        Their weights, all one for None.

    Raises
    ------
    TypeError
        With the reason why there are none.
    """
    refuse_changes(
        f"{type(estimator).__name__} is no function of sums over its rows that could "
        "be brought up to date; LinearRegression, Ridge, RidgeClassifier, GaussianNB, "
        "MultinomialNB, BernoulliNB and ComplementNB are"
    )


def refuse_changes(reason):
    """Raise the error of an estimator, or a setting, whose rows do not change."""
    raise TypeError(f"{reason}. Call fit with the changed table instead.")
