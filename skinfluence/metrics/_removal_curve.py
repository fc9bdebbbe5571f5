"""Test scores after removing the most helpful, the most harmful or random rows."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.utils import check_array, indexable
from sklearn.utils.parallel import delayed

from skinfluence._collections import refuse_collections
from skinfluence._display._shown_bunch import ShownBunch
from skinfluence._sklearn import fit_rows, fresh_seed, n_rows
from skinfluence._skorch import jobs_of_training
from skinfluence._targets import check_targets
from skinfluence._threads import Parallel
from skinfluence.metrics._inputs import training_values
from skinfluence.retraining.engine import trainable


def removal_curve(
    estimator,
    values,
    X,
    y,
    X_test,
    y_test,
    *,
    fractions=(0.05, 0.1, 0.2, 0.3, 0.4),
    n_random=10,
    scoring=None,
    n_jobs=None,
    random_state=None,
):
    """Score of ``estimator`` retrained without the lowest, highest or random rows.

    If the values are right, removing the lowest rows raises the score, or lowers it
    less than removing random rows, and removing the highest rows lowers it more.

    **Cost.** ``len(fractions) * (2 + n_random) + 1`` fits of ``estimator``.

    **When it fails.** The curve is optimistic on the test rows from which the values
    were computed: use other rows. Removing rows by their values also changes the
    balance of the classes, which random removal does not.

    Parameters
    ----------
    estimator : estimator
        The estimator to retrain; cloned.
    values : fitted influence estimator or array-like of shape (n_train,)
        One value per training row, positive = helpful. For an estimator its
        ``sample_values`` on the test rows are computed; pass values computed from other
        rows to avoid an optimistic curve.
    X, y : array-like
        Training rows.
    X_test, y_test : array-like
        Rows to score on.
    fractions : array-like of float, default=(0.05, 0.1, 0.2, 0.3, 0.4)
        Shares of the training rows to remove, in (0, 1).
    n_random : int, default=10
        Number of random removals per fraction, each nested in the next larger one.
    scoring : str, callable or None, default=None
        Any scikit-learn scorer; None is the estimator's own ``score``.
    n_jobs : int, default=None
        Number of fits in parallel; None obeys ``joblib.parallel_config``.
    random_state : int, RandomState or None, default=None
        Chooses the random rows and seeds estimators whose own ``random_state`` is
        None.

    Returns
    -------
    result : Bunch
        ``fractions``, shape (n_fractions,); ``all_rows``, the score without any
        removal; ``lowest`` and ``highest``, shape (n_fractions,): scores without the
        rows of lowest and of highest value; ``random``, shape (n_random,
        n_fractions).

    See Also
    --------
    skinfluence.RemovalCurveDisplay : Draws it.

    References
    ----------
    .. [1] A. Ghorbani, J. Zou, "Data Shapley: Equitable Valuation of Data for
       Machine Learning", ICML 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from skinfluence import LeaveOneOutInfluence
    >>> from skinfluence.metrics import removal_curve
    >>> X, y = load_diabetes(return_X_y=True)
    >>> loo = LeaveOneOutInfluence(Ridge()).fit(X[::3], y[::3])
    >>> values = loo.sample_values(X[1::3], y[1::3])
    >>> curve = removal_curve(
    ...     Ridge(), values, X[::3], y[::3], X[2::3], y[2::3], random_state=0
    ... )
    >>> bool((curve.lowest > curve.highest).all())
    True
    """
    refuse_collections("removal_curve", X=X, y=y, X_test=X_test, y_test=y_test)
    check_targets(y)
    check_targets(y_test, "y_test")
    X, y = indexable(X, y)
    n = n_rows(X)
    values = training_values(values, n, X_test, y_test)
    fractions = check_array(fractions, ensure_2d=False, dtype="float64")
    if fractions.ndim != 1 or not ((fractions > 0) & (fractions < 1)).all():
        raise ValueError(
            "The 'fractions' parameter must hold shares of the rows between 0 and 1. "
            f"Got {np.asarray(fractions).tolist()}."
        )
    if n_random < 1:
        raise ValueError(
            "The 'n_random' parameter must be at least 1: without random removals "
            f"there is nothing to compare with. Got {n_random!r}."
        )
    seed = fresh_seed(random_state)
    rng = np.random.default_rng(seed)
    lowest = np.argsort(values, kind="stable")
    orders = [lowest, lowest[::-1], *(rng.permutation(n) for _ in range(n_random))]
    counts = np.floor(fractions * n + 1e-9).astype(int)  # 0.29 of 100 rows is 29
    kept = [np.arange(n)]
    kept += [np.sort(order[count:]) for order in orders for count in counts]
    _need_two_classes(estimator, y, kept, fractions)
    estimator = trainable(estimator, y)
    scores = Parallel(n_jobs=jobs_of_training(estimator, n_jobs))(
        delayed(_score_without)(estimator, X, y, rows, X_test, y_test, scoring, seed)
        for rows in kept
    )
    curves = np.reshape(scores[1:], (len(orders), len(counts)))
    return ShownBunch(
        fractions=fractions,
        all_rows=float(scores[0]),
        lowest=curves[0],
        highest=curves[1],
        random=curves[2:],
    )


def _need_two_classes(estimator, y, kept, fractions):
    if not is_classifier(estimator):
        return
    labels = np.asarray(y)
    if any((labels[rows] == labels[rows[0]]).all() for rows in kept):
        raise ValueError(
            "The 'fractions' parameter must leave rows of at least two classes. "
            f"Without {max(fractions):.0%} of the rows a single one is left: remove "
            "less."
        )


def _score_without(estimator, X, y, rows, X_test, y_test, scoring, seed):
    model = fit_rows(estimator, X, y, {}, rows, seed)
    return check_scoring(model, scoring)(model, X_test, y_test)
