"""Memorized rows: what the test score owes to them, and which test rows need them."""

import numpy as np
from sklearn.utils import gen_batches, indexable

from skinfluence._display._shown_bunch import ShownBunch
from skinfluence._sklearn import n_rows, take_rows
from skinfluence.inspection._style import check_vector
from skinfluence.metrics import removal_curve


def memorization_curve(
    estimator,
    memorization,
    X,
    y,
    X_test,
    y_test,
    *,
    fractions=(0.02, 0.05, 0.1, 0.2),
    n_random=10,
    scoring=None,
    n_jobs=None,
    random_state=None,
):
    """Test score without the most memorized rows, against random rows.

    Memorization of a row is its influence on its own loss. If the score falls more
    than without random rows, the rows that had to be memorized were needed: the long
    tail of rare examples [1]_. If it rises, they were mistakes.

    **Cost.** ``len(fractions) * (2 + n_random) + 1`` fits of ``estimator``.

    **When it fails.** Mistakes are memorized like rare examples: on noisy labels the
    curve shows the sum of both. For learners of high variance, a single tree, say,
    memorized rows are mostly chance.

    Parameters
    ----------
    estimator : estimator
        Trained again; cloned.
    memorization : fitted influence estimator or array-like of shape (n_train,)
        An estimator is asked for its ``self_influence``.
    X, y : array-like
        Training rows.
    X_test, y_test : array-like
        Rows to score on.
    fractions : array-like of float, default=(0.02, 0.05, 0.1, 0.2)
        Shares of the training rows to remove, in (0, 1).
    n_random : int, default=10
        Random removals per fraction.
    scoring : str, callable or None, default=None
        Any scikit-learn scorer; None is the estimator's own ``score``.
    n_jobs : int, default=None
        Fits at once; None obeys ``joblib.parallel_config``.
    random_state : int, RandomState or None, default=None
        Chooses the random rows and seeds estimators whose own ``random_state`` is
        None.

    Returns
    -------
    curve : Bunch
        As :func:`~skinfluence.metrics.removal_curve` returns it: ``highest`` holds
        the scores without the most memorized rows, ``lowest`` those without the
        least memorized, ``random`` those without random rows, ``all_rows`` the score
        without any removal.

    See Also
    --------
    RemovalCurveDisplay : Draws it, with ``value_name="memorization"``.
    high_influence_pairs : Which test rows need which memorized row.

    References
    ----------
    .. [1] V. Feldman, C. Zhang, "What Neural Networks Memorize and Why: Discovering
       the Long Tail via Influence Estimation", NeurIPS 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from skinfluence import LeaveOneOutInfluence, memorization_curve
    >>> X, y = load_digits(return_X_y=True)
    >>> knn = KNeighborsClassifier(1)
    >>> loo = LeaveOneOutInfluence(knn, loss="zero_one").fit(X[:500], y[:500])
    >>> curve = memorization_curve(
    ...     knn, loo, X[:500], y[:500], X[500:], y[500:], random_state=0
    ... )
    >>> bool(curve.highest[0] < curve.random[:, 0].mean())
    True
    """
    if hasattr(memorization, "self_influence"):
        memorization = memorization.self_influence()
    return removal_curve(
        estimator,
        check_vector(memorization, "memorization", n_rows(X)),
        X,
        y,
        X_test,
        y_test,
        fractions=fractions,
        n_random=n_random,
        scoring=scoring,
        n_jobs=n_jobs,
        random_state=random_state,
    )


def high_influence_pairs(influence, X, y, *, memorization=0.25, threshold=0.15):
    """Find pairs of a memorized training row and a test row that needs it.

    The pairs that Feldman and Zhang [1]_ look at: training rows whose memorization is
    at least ``memorization``, and test rows on which their influence is at least
    ``threshold``. Unit of both: the evaluation loss. The defaults are theirs, for
    the expected accuracy over random training sets: other losses than
    ``loss="zero_one"`` need others.

    **Cost.** One matrix of influences, in blocks.

    Parameters
    ----------
    influence : fitted influence estimator
        Asked for ``self_influence`` and ``influence``.
    X, y : array-like
        Test rows.
    memorization : float, default=0.25
        Least self-influence of the training row.
    threshold : float, default=0.15
        Least influence on the test row.

    Returns
    -------
    pairs : Bunch
        Arrays of shape (n_pairs,), by descending influence: ``train`` and ``test``,
        positions of the rows; ``influence``; ``memorization`` of the training row.

    See Also
    --------
    MemorizationDisplay : Draws all rows, the pairs marked.
    memorization_curve : What the test score owes to memorized rows.

    References
    ----------
    .. [1] V. Feldman, C. Zhang, "What Neural Networks Memorize and Why: Discovering
       the Long Tail via Influence Estimation", NeurIPS 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from skinfluence import LeaveOneOutInfluence, high_influence_pairs
    >>> X, y = load_digits(return_X_y=True)
    >>> knn = KNeighborsClassifier(3)
    >>> loo = LeaveOneOutInfluence(knn, loss="brier").fit(X[:500], y[:500])
    >>> pairs = high_influence_pairs(loo, X[500:], y[500:])
    >>> bool((y[pairs.train] == y[500:][pairs.test]).all())
    True
    """
    own = influence.self_influence()
    X, y = indexable(X, y)
    memorized = np.flatnonzero(own >= memorization)
    test, train, values = [], [], []
    for rows in row_blocks(influence, X):
        block = influence.influence(take_rows(X, rows), take_rows(y, rows))
        t, i = np.nonzero(block[:, memorized] >= threshold)
        test.append(rows[t])
        train.append(memorized[i])
        values.append(block[t, memorized[i]])
    test, train, values = map(np.concatenate, (test, train, values))
    order = np.argsort(-values, kind="stable")
    return ShownBunch(
        train=train[order],
        test=test[order],
        influence=values[order],
        memorization=own[train[order]],
    )


def row_blocks(influence, X):
    """Cut the test rows so that a block of influences takes at most 64 MiB."""
    size = max(1, 2**23 // influence.n_samples_fit_)
    for batch in gen_batches(n_rows(X), size):
        yield np.arange(batch.start, batch.stop)
