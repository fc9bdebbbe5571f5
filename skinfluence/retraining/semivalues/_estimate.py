"""Estimates of semivalues: a game, draws of its coalitions, means over the draws."""

from joblib import effective_n_jobs

from skinfluence._memory import check_memory
from skinfluence.retraining.semivalues._budget import Budget, Limits, spend
from skinfluence.retraining.semivalues._cost import announce
from skinfluence.retraining.semivalues._one_class import RestOfGame
from skinfluence.retraining.semivalues._prefix_losses import PrefixLosses
from skinfluence.retraining.semivalues._retrained_losses import RetrainedLosses
from skinfluence.retraining.semivalues._time_limit import check_drawn

# Losses held at a time while models are evaluated at once.
LOSSES = 2**23


def estimate_rows(game, sampling, kept, rows, weight=None, spread=False):
    """Values of the players for test rows, or for their weighted sum.

    Parameters
    ----------
    game : Game
    sampling : Sampling
    kept : KeptDraws or None
        None where nothing is trained.
    rows : tuple
        Test rows, encoded targets, loss.
    weight : ndarray of shape (n_rows,), default=None
        Weights of the test rows, if only their weighted sum is needed.
    spread : bool, default=False
        Whether standard errors are needed.

    Returns
    -------
    estimate : RunningMean, EnumeratedValues or SampleReuse
        With ``mean``, shape (n_rows, n_players), and ``standard_error()``.
    """
    evaluation = game.evaluation(*rows, weight)
    empty, full = game.ends(evaluation)
    if kept is None:
        source = PrefixLosses(game, sampling.scheme, rows, weight)
    else:
        source = kept.losses(evaluation, empty, full)
    rest, counted = _count(game, sampling, source, evaluation, empty)
    estimate = sampling.scheme.start(empty, full, spread)
    draws = range(sampling.n_draws)
    for draw, losses in zip(draws, rest(draws), strict=True):
        sampling.scheme.add(estimate, draw, losses)
    if counted is not None:
        estimate.shift(counted)
    return estimate


class FixedRows:
    """Values for test rows known in `fit`: models are evaluated and discarded.

    Parameters
    ----------
    game : Game
    sampling : Sampling
        Its ``n_draws`` is set to the number of draws that were made.
    engine : Coalitions or None
        None where nothing is trained.
    rows : tuple
        Test rows, encoded targets, loss.
    limits : Limits
    n_jobs : int or None
        Number of workers, which determines the size of a round of draws.

    Attributes
    ----------
    estimate, mean_estimate : RunningMean, EnumeratedValues or SampleReuse
        Of single rows, and of their mean.
    n_retrainings : int
        Models that were trained.
    """

    def __init__(self, game, sampling, engine, rows, limits, n_jobs):
        evaluation, players = game.evaluation(*rows), game.players
        empty, full = game.ends(evaluation)
        check_memory(
            24 * len(empty) * len(players),
            f"The values of {len(players)} players for {len(empty)} test rows",
            "Pass fewer rows as X_val.",
        )
        if engine is not None:
            announce(sampling, engine, players, limits, evaluation)
        given, scheme = limits, sampling.scheme
        if sampling.enumerates:
            limits = Limits()
        per_draw = 2 * (len(players) + 1) * len(empty)
        budget = Budget(
            sampling.n_draws,
            limits.max_time,
            limits.standard_error,
            effective_n_jobs(n_jobs) * max(1, LOSSES // per_draw),
        )
        if engine is None:
            source = PrefixLosses(game, scheme, rows, tolerance=limits.truncation)
        else:
            args = engine, scheme, players.of_row, evaluation, empty, full
            source = RetrainedLosses(*args, limits.truncation, budget.deadline)
        self.estimate = scheme.start(empty, full)
        self.mean_estimate = scheme.start(
            empty.mean(keepdims=True), full.mean(keepdims=True)
        )
        rest, counted = _count(game, sampling, source, evaluation, empty)
        estimates = self.estimate, self.mean_estimate
        sampling.stop_after(spend(budget, scheme, rest, estimates))
        self.n_retrainings = source.n_retrainings
        store = None if engine is None else engine.store
        check_drawn(sampling, self.n_retrainings, given.max_time, store)
        budget.warn_if_missed(self.mean_estimate)
        if counted is not None:
            self.estimate.shift(counted)
            self.mean_estimate.shift(counted.mean(axis=0))


def _count(game, sampling, source, evaluation, empty):
    """Return the source that remains to be sampled, and closed-form values or None."""
    if sampling.scheme.name != "permutations":
        return source, None
    one_class = game.one_class(evaluation, empty)
    if one_class is None:
        return source, None
    rest = RestOfGame(source, sampling.scheme, one_class)
    return rest, one_class.values(sampling.probabilities)
