"""The smallest set of training rows without which an answer is another."""

import numpy as np

from skinfluence._display._shown_bunch import ShownBunch
from skinfluence._threads import blas_threads
from skinfluence.groups._arguments import check_method, check_number, make_estimand
from skinfluence.groups._players import make_players
from skinfluence.groups._residualised import ratio_of
from skinfluence.groups._search import (
    MOST_SETS,
    exhaustive,
    first_order,
    greedy,
    n_sets,
    one_shot,
    turns,
)

METHODS = ("greedy", "one_shot", "dinkelbach", "exhaustive")
# Sets that are gone through to close the gap between the bound and what was found.
CLOSING = 300


def find_flip_set(
    influence,
    X=None,
    y=None,
    *,
    target="prediction",
    coefficient=None,
    level=0.05,
    groups=None,
    method="greedy",
    max_rows=None,
):
    """Find a smallest set of training rows without which an answer turns.

    The answer is the prediction for one test row, the sign of a coefficient, or whether
    a coefficient is significant. Every set that is returned has been verified: the
    estimator was refitted without it. Beside it stands a certified lower bound: no set
    of fewer rows turns the answer, whatever the search may have missed.

    =============  ================================================================
    "greedy"       the row with the largest exact effect is removed and the model
                   is refitted, until the answer turns; then rows that turn out not to
                   be needed are put back
    "one_shot"     rows are removed in the order of their first-order effects on the
                   whole model (AMIP); the shortest head that turns is found by refits
    "dinkelbach"   for ``target="coefficient"`` of LinearRegression: the best set of
                   every size while the coefficients of the other columns are held
    "exhaustive"   every set, by size: the answer is the smallest, by proof
    =============  ================================================================

    **Cost.** Greedy: a refit and the influences of all rows for each row that is
    removed. One-shot: ``2 log2`` of the size of the set refits. Lower bounds cost what
    those of `PredictionCertificate` do. Coefficients have them for least squares, and
    predictions for every model that has a certificate of several removals; for other
    models a lower bound only tells whether a single row is enough.

    **When it fails.** First-order effects are those of single rows; rows that hide each
    other have none. The size that they predict, ``predicted_size``, may be off by
    factors of five either way, or say that no set exists where a small one does.

    Parameters
    ----------
    influence : fitted influence estimator
        Around the estimator in question. Its influences rank rows for
        ``target="prediction"``.
    X : array-like of shape (1, n_features), default=None
        The test row, for ``target="prediction"``.
    y : array-like of shape (1,), default=None
        For classifiers, the class that the prediction is to lose (or to get, if it is
        another one); None for the predicted class. For regressors, the number
        that the prediction is to cross.
    target : {"prediction", "coefficient", "significance"}, default="prediction"
        What is to turn. "coefficient": the sign of an entry of ``coef_``.
        "significance": on which side of ``level`` the p-value of its two-sided t-test
        is, for LinearRegression.
    coefficient : int or str, default=None
        Position in ``coef_``, or name of a feature.
    level : float, default=0.05
        Of the test of ``target="significance"``.
    groups : array-like of shape (n_samples_fit_,) or (n_groups, n_samples_fit_), \
            default=None
        Labels or boolean masks: whole groups are removed, a hospital, a day or an
        annotator, and sizes are numbers of groups. None: single rows.
    method : {"greedy", "one_shot", "dinkelbach", "exhaustive"}, default="greedy"
        How sets are searched.
    max_rows : int, default=None
        Largest set that is tried, in rows or groups; None: a quarter of them, and at
        least 20 where there are so many.

    Returns
    -------
    found : :class:`~sklearn.utils.Bunch`
        The set, and proofs about it.

        rows : ndarray of int
            The training rows, ascending. Empty where no set was found.
        groups : ndarray or None
            Labels of the groups that they are (numbers of masks).
        size : int or None
            How many rows or groups; None where no set was found.
        verified : bool
            Whether a set was found. Without it, a refit has turned the answer.
        lower_bound : int
            No fewer rows (groups) turn it. Equal to ``size``: the set is a smallest
            one, by proof.
        reason : str or None
            Why ``lower_bound`` tells no more than a single row from several, unless
            all small sets were tried; None where it may.
        predicted_size : int or None
            Number of rows by first-order effects; None if no number suffices, or where
            they are changes of a loss.
        value_before, value_after : float
            Of the prediction, the lead of the class over the next one, or what it
            exceeds ``y`` by; the coefficient; or the p-value minus the level. With all
            rows, and without those found (NaN for none).

    See Also
    --------
    most_influential_set : The rows that move the value most, for a given number.
    PredictionCertificate : The same for many predictions.

    References
    ----------
    .. [1] T. Broderick, R. Giordano, R. Meager, "An Automatic Finite-Sample Robustness
       Metric: When Can Dropping a Little Data Make a Big Difference?",
       arXiv:2011.14999.
    .. [2] N. Kuschnig, G. Zens, J. Crespo Cuaresma, "Hidden in Plain Sight:
       Influential Sets in Linear Models", 2021.

    Examples
    --------
    Without two of 47 stars a regression turns:

    >>> from sklearn.linear_model import LinearRegression
    >>> from skinfluence import LeaveOneOutInfluence, find_flip_set
    >>> from skinfluence.datasets import load_cyg_ob1
    >>> X, y = load_cyg_ob1(return_X_y=True)
    >>> loo = LeaveOneOutInfluence(LinearRegression()).fit(X, y)
    >>> found = find_flip_set(loo, target="coefficient", coefficient=0)
    >>> found.rows, found.lower_bound, found.predicted_size
    (array([29, 33]), 2, 3)
    >>> round(found.value_before, 3), round(found.value_after, 3)
    (-0.413, 0.156)
    """
    check_method(method, METHODS)
    estimand = make_estimand(influence, X, y, target, coefficient, level)
    players = make_players(influence, groups)
    n = players.n_players
    if max_rows is None:
        max_rows = max(1, min(n - 1, max(20, n // 4)))
    most = check_number("max_rows", max_rows, max(n - 1, 1))
    n_features = getattr(influence, "n_features_in_", 1)
    with blas_threads(influence.n_samples_fit_, n_features):
        return _found(estimand, players, method, most)


def _found(estimand, players, method, most):
    if method == "exhaustive":
        lower = _lower_bound(estimand, players, most)
        chosen, lower = _by_exhaustion(estimand, players, lower, most)
    else:
        search = {"greedy": greedy, "one_shot": one_shot, "dinkelbach": _by_ratio}
        chosen = search[method](estimand, players, most)
        limit = most if chosen is None else len(chosen) - 1
        lower = _lower_bound(estimand, players, limit)
        if chosen is not None:
            chosen, lower = _close(estimand, players, chosen, lower)
    predicted = None
    if estimand.distance() is not None:
        predicted = first_order(estimand, players)[1]
    value = np.nan
    if chosen is not None:
        kept = players.left(chosen)
        value = estimand.value(estimand.refit(kept), kept)
    chosen_or_none = [] if chosen is None else np.sort(chosen)
    return ShownBunch(
        rows=players.rows(chosen_or_none),
        groups=None if players.are_rows else players.named(chosen_or_none),
        size=None if chosen is None else len(chosen),
        verified=chosen is not None,
        lower_bound=lower,
        reason=estimand.reason,
        predicted_size=predicted,
        value_before=float(estimand.value_before),
        value_after=float(value),
    )


def _lower_bound(estimand, players, most):
    """Fewest players that may turn the estimand, by proof; ``most + 1`` at most."""
    if most < 1:
        return 1
    n_rows = most
    if not players.are_rows:
        largest = np.sort(players.masks.sum(axis=1))[::-1]
        n_rows = min(int(largest[:most].sum()), players.n - 1)
    lower = players.fewest_for(estimand.certified_rows(n_rows))
    if lower == 1 and estimand.exact_effects():
        everything = np.arange(players.n)
        model = estimand.refit(everything)
        who, gain = estimand.gains(model, everything, players)
        distance = estimand.distance()
        # Beyond rounding, so that what is undecided is not taken for proven.
        if len(who) == players.n_players and gain.max() < 0.999999 * distance:
            lower = 2
    return lower


def _by_exhaustion(estimand, players, lower, most):
    sizes, total = [], 0
    for size in range(lower, most + 1):
        total += n_sets(players, [size])
        if total > MOST_SETS:
            break
        sizes.append(size)
    chosen = exhaustive(estimand, players, sizes)
    if chosen is None and len(sizes) < most - lower + 1:
        raise ValueError(
            f"method='exhaustive' would go through more than {MOST_SETS} sets: none of "
            f"fewer than {lower + len(sizes)} turns the answer. Use max_rows="
            f"{lower + len(sizes) - 1}, or method='greedy', whose answer has a lower "
            "bound beside it."
        )
    return chosen, most + 1 if chosen is None else len(chosen)


def _close(estimand, players, chosen, lower):
    """Try all sets between the bound and what was found, where they are few."""
    while lower < len(chosen) and n_sets(players, [lower]) <= CLOSING:
        better = exhaustive(estimand, players, [lower])
        if better is not None:
            return better, lower
        lower += 1
    return chosen, lower


def _by_ratio(estimand, players, most):
    """Fewest rows whose set is best while other coefficients are held."""
    best_set = ratio_of(estimand, players)
    low, high = 0, 1
    while not turns(estimand, players, best_set(high)):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        if turns(estimand, players, best_set(middle)):
            high = middle
        else:
            low = middle
    return list(best_set(high))
