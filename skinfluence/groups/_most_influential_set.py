"""The rows that move an answer most, for a given number of them."""

from itertools import combinations

import numpy as np

from skinfluence._display._shown_bunch import ShownBunch
from skinfluence._threads import blas_threads
from skinfluence.groups._arguments import check_method, check_number, make_estimand
from skinfluence.groups._players import make_players
from skinfluence.groups._residualised import ratio_of
from skinfluence.groups._search import MOST_SETS, first_order, greedy, n_sets

METHODS = ("greedy", "one_shot", "dinkelbach", "exhaustive")


def most_influential_set(
    influence,
    X=None,
    y=None,
    *,
    n_rows,
    target="prediction",
    coefficient=None,
    level=0.05,
    groups=None,
    method="greedy",
):
    """Find the training rows that together move an answer most towards its other side.

    The value is that of `find_flip_set`: the lead of the predicted class, a
    coefficient, or a p-value minus the level; it is moved against its sign, through
    zero if it goes so far. The value without the rows is that of a refit, and never a
    sum of single effects, which may be far from it: of four stars in the example it is
    a quarter.

    **Cost.** "greedy": ``n_rows`` refits and influences of all rows. "one_shot" and
    "dinkelbach": one refit; the latter O(n) per pass, so that 10^4 of 10^7 rows are
    found in seconds.

    **When it fails.** But for "exhaustive", another set may move the value further:
    ``value_bound`` says how far any set could, where that is known.

    Parameters
    ----------
    influence : fitted influence estimator
        Around the estimator in question.
    X, y : array-like, default=None
        The test row of ``target="prediction"``, as in `find_flip_set`.
    n_rows : int
        How many rows, or groups, are removed.
    target : {"prediction", "coefficient", "significance"}, default="prediction"
        The estimand to move, as in `find_flip_set`.
    coefficient : int or str, default=None
        Position in ``coef_``, or name of a feature.
    level : float, default=0.05
        Of the test of ``target="significance"``.
    groups : array-like of shape (n_samples_fit_,) or (n_groups, n_samples_fit_), \
            default=None
        Labels or boolean masks of groups that are removed as a whole.
    method : {"greedy", "one_shot", "dinkelbach", "exhaustive"}, default="greedy"
        As in `find_flip_set`: of "dinkelbach" the set is the best one while the
        coefficients of other columns are held.

    Returns
    -------
    found : :class:`~sklearn.utils.Bunch`
        The set, and what its removal does.

        rows : ndarray of int
            The training rows, ascending.
        groups : ndarray or None
            Labels of the groups that they are (numbers of masks).
        verified : bool
            True: ``value_after`` is that of a refit.
        value_before, value_after : float
            With all rows, and without these.
        predicted_change : float
            Sum of the first-order effects of these rows on the value (for predictions
            of classifiers, on the loss), positive where they move it to the other side.
        value_bound : float
            No set of so many rows moves the value beyond this one; infinite where
            nothing is proven: known for coefficients of least squares and ridge.

    See Also
    --------
    find_flip_set : As few rows as turn the answer.

    References
    ----------
    .. [1] L. Konrad, N. Kuschnig, arXiv:2606.05919, 2026.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from skinfluence import LeaveOneOutInfluence, most_influential_set
    >>> from skinfluence.datasets import load_cyg_ob1
    >>> X, y = load_cyg_ob1(return_X_y=True)
    >>> loo = LeaveOneOutInfluence(LinearRegression()).fit(X, y)
    >>> found = most_influential_set(
    ...     loo, n_rows=4, target="coefficient", coefficient=0
    ... )
    >>> found.rows  # the giants
    array([10, 19, 29, 33])
    >>> round(found.value_before, 2), round(found.value_after, 2)
    (-0.41, 2.05)
    """
    check_method(method, METHODS)
    estimand = make_estimand(influence, X, y, target, coefficient, level)
    players = make_players(influence, groups)
    k = check_number("n_rows", n_rows, max(players.n_players - 1, 1))
    n_features = getattr(influence, "n_features_in_", 1)
    with blas_threads(influence.n_samples_fit_, n_features):
        chosen = _chosen(estimand, players, method, k)
        kept = players.left(chosen)
        after = estimand.value(estimand.refit(kept), kept)
        bound = _value_bound(estimand, len(players.rows(chosen)))
        predicted = _predicted_change(estimand, players, chosen)
    return ShownBunch(
        rows=players.rows(chosen),
        groups=None if players.are_rows else players.named(np.sort(chosen)),
        verified=True,
        value_before=float(estimand.value_before),
        value_after=float(after),
        predicted_change=predicted,
        value_bound=bound,
    )


def _chosen(estimand, players, method, k):
    if method == "dinkelbach":
        return ratio_of(estimand, players)(k)
    if method == "one_shot":
        return first_order(estimand, players, positive=False)[0][:k]
    if method == "exhaustive":
        return _best_of_all(estimand, players, k)
    return np.array(greedy(estimand, players, k, stop_when_turned=False))


def _best_of_all(estimand, players, k):
    if n_sets(players, [k]) > MOST_SETS:
        raise ValueError(
            f"method='exhaustive' goes through up to {MOST_SETS} sets. Got "
            f"{n_sets(players, [k])} of n_rows={k}: use method='greedy'."
        )
    sign = np.sign(estimand.value_before)

    def value(chosen):
        kept = players.left(chosen)
        return sign * estimand.value(estimand.refit(kept), kept)

    return np.array(min(combinations(range(players.n_players), k), key=value))


def _predicted_change(estimand, players, chosen):
    everything = np.arange(players.n)
    model = estimand.refit(everything)
    who, gain = estimand.gains(model, everything, players, first_order=True)
    return float(gain[np.isin(who, chosen)].sum())


def _value_bound(estimand, n_rows):
    sign = np.sign(estimand.value_before)
    change = estimand.largest_change(n_rows)
    return float(estimand.value_before - sign * change)
