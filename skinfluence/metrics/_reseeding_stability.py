"""Agreement of a method's influences between seeds."""

from itertools import combinations

import numpy as np
from sklearn.base import clone

from skinfluence._display._shown_bunch import ShownBunch
from skinfluence._memory import check_memory
from skinfluence._sklearn import fresh_seed, n_rows
from skinfluence.metrics._correlation import row_correlations
from skinfluence.metrics._inputs import numbers


def reseeding_stability(
    influence,
    X=None,
    y=None,
    X_test=None,
    y_test=None,
    *,
    n_repeats=3,
    random_state=None,
):
    """Rank correlation of influences between fits that differ in the seed alone.

    It bounds the correlation of a method with any ground truth: if r is the correlation
    between two seeds, that of a single seed with the mean over infinitely many seeds is
    about ``sqrt(r)``. 1: neither the method nor the model depends on the seed.

    **Cost.** ``n_repeats`` fits of ``influence`` and as many matrices.

    Parameters
    ----------
    influence : influence estimator or array-like of shape \
            (n_repeats, n_test, n_train)
        An estimator need not be fitted: it is cloned, and every parameter
        ``random_state`` in it, nested ones too, is given another seed in each repeat.
        Or the matrices of another library, one per seed.
    X, y : array-like, default=None
        Training rows; needed if ``influence`` is an estimator.
    X_test, y_test : array-like, default=None
        Test rows for it; without ``y_test`` the model's own prediction is explained.
    n_repeats : int, default=3
        Number of seeds for an estimator, at least 2.
    random_state : int, RandomState or None, default=None
        Chooses the seeds.

    Returns
    -------
    result : Bunch
        ``correlation``: the mean over test rows and pairs of seeds;
        ``correlations``, shape (n_pairs, n_test); ``mean``, shape (n_test,
        n_train): the influences averaged over the seeds; ``std``: their standard
        deviation, the noise of a single one.

    See Also
    --------
    leave_one_out_correlation : A correlation that it bounds.

    References
    ----------
    .. [1] E. Nguyen, M. Seo, S. J. Oh, "A Bayesian Approach To Analysing Training
       Data Attribution In Deep Learning", NeurIPS 2023.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skinfluence import LeaveOneOutInfluence
    >>> from skinfluence.metrics import reseeding_stability
    >>> X, y = load_iris(return_X_y=True)
    >>> loo = LeaveOneOutInfluence(DecisionTreeClassifier(max_depth=2))
    >>> result = reseeding_stability(loo, X[::3], y[::3], X[1::9], y[1::9])
    >>> result.mean.shape
    (17, 50)
    """
    runs = (
        _fitted_again(influence, X, y, X_test, y_test, n_repeats, random_state)
        if hasattr(influence, "influence")
        else numbers(influence, "influence")
    )
    if runs.ndim != 3 or len(runs) < 2:
        raise ValueError(
            "The 'influence' parameter must be an influence estimator, or matrices of "
            "at least 2 seeds, shape (n_repeats, n_test, n_train). Got shape "
            f"{runs.shape}."
        )
    correlations = np.stack(
        [row_correlations(a, b, rank=True) for a, b in combinations(runs, 2)]
    )
    return ShownBunch(
        correlation=float(correlations.mean()),
        correlations=correlations,
        mean=runs.mean(axis=0),
        std=runs.std(axis=0, ddof=1),
    )


def _fitted_again(influence, X, y, X_test, y_test, n_repeats, random_state):
    """Return the matrices of fits that differ in their seeds."""
    if n_repeats < 2:
        raise ValueError(
            f"The 'n_repeats' parameter must be at least 2. Got {n_repeats!r}."
        )
    for name, rows in (("X", X), ("y", y), ("X_test", X_test)):
        if rows is None:
            raise ValueError(
                f"The {name!r} parameter must be passed if 'influence' is an "
                f"estimator, which is refitted. Got None and {influence!r:.60}."
            )
    check_memory(
        16 * n_repeats * n_rows(X_test) * n_rows(X),
        f"{n_repeats} matrices of {n_rows(X_test)} x {n_rows(X)} influences",
        "Pass fewer test rows or a smaller n_repeats.",
    )
    seeds = np.random.SeedSequence(fresh_seed(random_state)).generate_state(n_repeats)
    names = [
        name
        for name in influence.get_params(deep=True)
        if name == "random_state" or name.endswith("__random_state")
    ]
    runs = []
    for seed in seeds:
        seeded = clone(influence).set_params(**dict.fromkeys(names, int(seed) >> 1))
        runs.append(seeded.fit(X, y).influence(X_test, y_test))
    return np.stack(runs)
