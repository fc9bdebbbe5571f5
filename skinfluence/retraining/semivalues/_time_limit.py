"""The checks of ``max_time``.

A player's value in an order is its contribution to the players before it. In an order
that is evaluated only in part, the contributions at early places are known and those at
late places are not, so that using it would bias values towards small coalitions. An
unfinished draw is therefore discarded. A limit shorter than a single draw is an error,
raised before training starts if the time of a draw can be estimated.
"""

import warnings

from joblib import effective_n_jobs

from skinfluence._counts import counted, verb
from skinfluence._progress import duration

# Number of times a model is timed, since the first fit may pay for imports and caches.
TRIES = 3


def too_long(seconds, n_models, engine, max_time, again):
    """Tell whether so many models take longer than the limit.

    Parameters
    ----------
    seconds : float
        Training time of one model.
    n_models : int
    engine : Coalitions
        Its number of workers divides the time.
    max_time : float or None
        In seconds.
    again : callable
        Times the model again.

    Returns
    -------
    expected : float or None
        Seconds, if they exceed the limit.
    """
    if max_time is None or engine.store is not None:  # which may hold all the models
        return None
    workers = effective_n_jobs(engine.n_jobs)
    for _ in range(TRIES):
        expected = seconds * n_models / workers
        if expected <= max_time:
            return None
        seconds = min(seconds, again())
    return expected


def refuse_limit(max_time, expected, n_models):
    """Raise for a first draw that will exceed the limit, before it starts."""
    raise ValueError(
        f"The 'max_time' parameter must leave time for one draw, which is {n_models} "
        f"models: about {duration(expected)}. Got max_time={max_time:g} s: raise it, "
        "use more workers (n_jobs), or make groups of rows the players (groups in fit)."
    )


def check_drawn(sampling, n_models, max_time, store):
    """Raise if no draw was finished in time; warn of players without a value."""
    if max_time is None or sampling.enumerates:
        return
    scheme, n_draws = sampling.scheme, sampling.n_draws
    if n_draws == 0:
        raise ValueError(
            f"The 'max_time' parameter must leave time for one draw, which is "
            f"{counted(scheme.n_retrainings(1), 'model')}. Got max_time={max_time:g} "
            f"s, after which {counted(n_models, 'model')} "
            f"{verb(n_models, 'was', 'were')} trained"
            + (
                "; what was trained is kept on disk (memory): fit again to continue."
                if store is not None
                else ": raise it, or make groups of rows the players."
            )
        )
    unseen = scheme.n_unseen(n_draws)
    if unseen:
        warnings.warn(
            f"max_time={max_time:g} s ended after {n_draws} random subsets: "
            f"{unseen} players are in all of them or in none, and have the value NaN.",
            UserWarning,
            stacklevel=8,  # the caller of fit
        )
