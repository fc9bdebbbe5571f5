"""What a measure takes: a fitted influence estimator, or numbers from elsewhere."""

from sklearn.utils import check_array


def influence_matrix(influence, X, y):
    """Return a matrix of influences, shape (n_test, n_train).

    Parameters
    ----------
    influence : fitted influence estimator or array-like of shape (n_test, n_train)
        A matrix may come from any library, as long as positive means that the
        training row made the prediction better.
    X, y : array-like or None
        Test rows, which an estimator needs and a matrix does not.
    """
    if not hasattr(influence, "influence"):
        return check_array(influence, dtype="float64", input_name="influence")
    if X is None:
        raise ValueError(
            "The 'X' and 'y' parameters must hold the test rows where 'influence' is "
            f"an estimator. Got X=None and {influence!r:.60}: pass them, or pass "
            "influence.influence(X, y)."
        )
    return influence.influence(X, y)


def training_values(values, n, X, y):
    """Return one value per training row, low = suspect, shape (n,).

    Parameters
    ----------
    values : fitted influence estimator or array-like of shape (n,)
        An estimator is asked for its ``sample_values`` on the test rows.
    n : int
        Number of training rows.
    X, y : array-like
        Test rows.
    """
    if hasattr(values, "sample_values"):
        values = values.sample_values(X, y)
    values = check_array(
        values, ensure_2d=False, dtype="float64", input_name="values"
    ).ravel()
    if len(values) != n:
        raise ValueError(
            f"The 'values' parameter must hold one value per training row, shape "
            f"({n},). Got shape ({len(values)},): fit the influence estimator on the "
            "same rows."
        )
    return values
