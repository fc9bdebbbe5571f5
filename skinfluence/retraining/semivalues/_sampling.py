"""What is drawn to find semivalues, how often, and what that will cost."""

from functools import partial
from time import monotonic

from skinfluence._progress import duration
from skinfluence._sklearn import n_rows
from skinfluence._threads import one_blas_thread
from skinfluence.retraining.engine import announce_training, evaluate, retrain, which
from skinfluence.retraining.semivalues._enumeration import (
    MAX_PLAYERS,
    ChainEnumeration,
    Enumeration,
)
from skinfluence.retraining.semivalues._permutations import PermutationSampling
from skinfluence.retraining.semivalues._retrained_losses import subsets_of
from skinfluence.retraining.semivalues._sample_reuse import CoalitionSampling
from skinfluence.retraining.semivalues._time_limit import refuse_limit, too_long

# Retrainings per player where no budget is given.
PER_PLAYER = 100

# Random coalitions below which a player may well be in all of them.
FEWEST_COALITIONS = 64


def enumerates(n_players, max_retrainings):
    """Tell whether every coalition is looked at."""
    return n_players <= MAX_PLAYERS and (
        max_retrainings is None or max_retrainings >= 2**n_players - 2
    )


def plan(
    probabilities,
    sample_reuse,
    incremental,
    max_retrainings,
    seed,
    antithetic,
    enumerated=True,
):
    """Choose between enumeration, random orders and random coalitions.

    Parameters
    ----------
    probabilities : ndarray of shape (n_players,)
        Of `size_probabilities`.
    sample_reuse : bool
        Whether the values are Banzhaf's.
    incremental : bool
        Whether models of prefixes cost nothing.
    max_retrainings : int or None
        The budget.
    seed : int
    antithetic : bool
    enumerated : bool, default=True
        Whether a game that is small enough may be enumerated.

    Returns
    -------
    scheme : Enumeration, PermutationSampling or CoalitionSampling
    n_draws : int
    """
    n = len(probabilities)
    if enumerated and enumerates(n, max_retrainings):
        kind = ChainEnumeration if incremental else Enumeration
        scheme = kind(probabilities)
        return scheme, scheme.n_draws
    budget = max_retrainings or PER_PLAYER * n
    if sample_reuse:
        scheme, per_draw, fewest = CoalitionSampling(n, seed), 1, FEWEST_COALITIONS
    else:
        scheme = PermutationSampling(probabilities, seed, antithetic)
        per_draw = fewest = n * scheme.orders_per_draw
    if budget < fewest:
        raise ValueError(
            f"The 'max_retrainings' parameter must be at least {fewest} for the values "
            f"of {n} players. Got {max_retrainings}. Give it more, or make groups of "
            "rows the players (groups in fit)."
        )
    return scheme, budget // per_draw


def announce(
    planned,
    engine,
    player,
    evaluation=None,
    max_time=None,
    verbose=0,
    truncated=False,
):
    """Tell what training will cost before it starts, from one model of medium size.

    Returns
    -------
    model : fitted estimator or None
        That one; None if there is nothing to train.
    scheme, n_draws
        Of `plan` with the arguments ``planned``: without enumeration where all
        coalitions are too many for ``max_time``.

    Raises
    ------
    ValueError
        Where even the first draw takes longer than ``max_time``.
    """
    scheme, n_draws = plan(*planned)
    count = scheme.n_retrainings(n_draws)
    if not count:
        return None, scheme, n_draws
    subsets, numbers = subsets_of(scheme, 0, player)[0]
    middle = len(subsets) // 2
    timed = partial(_timed, engine, subsets[middle], numbers[middle], evaluation)
    try:
        model, each = timed()
    except Exception:
        if engine.error_score == "raise":
            raise
        return None, scheme, n_draws
    limits = engine, max_time, lambda: timed()[1]
    if isinstance(scheme, Enumeration) and too_long(each, count, *limits):
        scheme, n_draws = plan(*planned, enumerated=False)
        count = scheme.n_retrainings(n_draws)
    if not (isinstance(scheme, Enumeration) or truncated):
        first = scheme.n_retrainings(1)
        expected = too_long(each, first, *limits)
        if expected is not None:
            refuse_limit(max_time, expected, first)
    seconds = each * count
    message = (
        f"{count} models are to be trained on up to {len(player)} rows: about "
        f"{duration(seconds)} for one worker, as one of them took {each:.2g} s"
    )
    limit = f"; max_time ends it after {max_time:g} s" if max_time is not None else ""
    if verbose > 0:
        print(message + limit + ".", flush=True)
    elif max_time is None:
        announce_training(
            count,
            seconds / count,
            f"They have up to {len(player)} rows each. max_retrainings and max_time "
            "limit it, groups in fit value groups of rows.",
            n_jobs=engine.n_jobs,
            stacklevel=10,  # who called fit
        )
    return model, scheme, n_draws


def _timed(engine, rows, number, evaluation):
    """Train a model, and return it and the seconds that took.

    In this process: starting workers is no part of a fit.
    """
    start = monotonic()
    with one_blas_thread():
        model = retrain(*engine.table, rows, engine.seed, number)
        if evaluation is not None:
            where = rows, n_rows(engine.table[1]), engine.seed, number
            evaluate(model, evaluation, lambda: which(model, *where))
    return model, monotonic() - start
