"""The expected cost of a sampling, announced before its models are trained."""

from functools import partial
from time import monotonic

from skinfluence._progress import duration
from skinfluence._sklearn import n_rows
from skinfluence._threads import one_blas_thread
from skinfluence.retraining.engine import (
    announce_training,
    describe_retraining,
    evaluate,
    retrain,
)
from skinfluence.retraining.semivalues._retrained_losses import subsets_of
from skinfluence.retraining.semivalues._time_limit import refuse_limit, too_long


def announce(sampling, engine, players, limits, evaluation=None):
    """Announce the cost of training, extrapolated from one model of medium size.

    If enumerating all coalitions would exceed ``limits.max_time``, ``sampling`` is
    changed to random draws.

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
        The model that was timed; None if there is nothing to train.

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
    except Exception:  # whatever the user's estimator raises
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
    """Print the cost, or warn if it is large."""
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
            f"Each is trained on up to {n} rows. max_retrainings and max_time "
            "limit the work; groups in fit values groups of rows instead of rows.",
            n_jobs=engine.n_jobs,
            stacklevel=10,  # the caller of fit
        )


def _timed(engine, rows, number, evaluation):
    """Train a model in this process; return it and the seconds that took.

    The time to start workers must not be counted as part of a fit.
    """
    start = monotonic()
    with one_blas_thread():
        model = retrain(*engine.table, rows, engine.seed, number)
        if evaluation is not None:
            where = rows, n_rows(engine.table[1]), engine.seed, number
            evaluate(model, evaluation, lambda: describe_retraining(model, *where))
    return model, monotonic() - start
