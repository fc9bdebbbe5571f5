"""What the draws of a sampling will cost, said before they are trained."""

from functools import partial
from time import monotonic

from skinfluence._progress import duration
from skinfluence._sklearn import n_rows
from skinfluence._threads import one_blas_thread
from skinfluence.retraining.engine import announce_training, evaluate, retrain, which
from skinfluence.retraining.semivalues._retrained_losses import subsets_of
from skinfluence.retraining.semivalues._time_limit import refuse_limit, too_long


def announce(sampling, engine, players, limits, evaluation=None):
    """Say what training will cost before it starts, from one model of medium size.

    Where all coalitions are too many for ``limits.max_time``, ``sampling`` is changed
    to random draws.

    Parameters
    ----------
    sampling : Sampling
    engine : Coalitions
    players : Players
    limits : Limits
    evaluation : callable, default=None
        Timed together with the fit where models are evaluated at once.

    Returns
    -------
    model : fitted estimator or None
        That one; None if there is nothing to train.

    Raises
    ------
    ValueError
        Where even the first draw takes longer than ``limits.max_time``.
    """
    count = sampling.n_retrainings
    if not count:
        return None
    subsets, numbers = subsets_of(sampling.scheme, 0, players.of_row)[0]
    middle = len(subsets) // 2
    timed = partial(_timed, engine, subsets[middle], numbers[middle], evaluation)
    try:
        model, each = timed()
    except Exception:
        if engine.error_score == "raise":
            raise
        return None
    limit = engine, limits.max_time, lambda: timed()[1]
    if sampling.enumerates and too_long(each, count, *limit):
        sampling.draw_at_random()
        count = sampling.n_retrainings
    if not (sampling.enumerates or limits.truncation is not None):
        first = sampling.scheme.n_retrainings(1)
        expected = too_long(each, first, *limit)
        if expected is not None:
            refuse_limit(limits.max_time, expected, first)
    _say(each, count, len(players.of_row), engine, limits.max_time)
    return model


def _say(each, count, n, engine, max_time):
    """Print the cost, or warn of one that is large."""
    seconds = each * count
    if engine.verbose > 0:
        limit = (
            f"; max_time ends it after {max_time:g} s" if max_time is not None else ""
        )
        print(
            f"{count} models are to be trained on up to {n} rows: about "
            f"{duration(seconds)} for one worker, as one of them took {each:.2g} s"
            f"{limit}.",
            flush=True,
        )
    elif max_time is None:
        announce_training(
            count,
            seconds / count,
            f"They have up to {n} rows each. max_retrainings and max_time "
            "limit it, groups in fit value groups of rows.",
            n_jobs=engine.n_jobs,
            stacklevel=10,  # who called fit
        )


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
