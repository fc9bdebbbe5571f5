"""What ``max_time`` allows: nothing that is drawn is cut, since that would be biased.

A player's value in an order is what it adds to those before it. Of an order that is
walked only in part, early places are known and late ones are not, so that values from
it would be those of small coalitions. A draw that time ends is therefore left out, and
a limit below that of a single draw is refused, before it starts where that is known.
"""

import warnings

from joblib import effective_n_jobs

from skinfluence._progress import duration

# How often a model is timed: the first one may pay for imports and caches.
TRIES = 3


def too_long(seconds, n_models, engine, max_time, again):
    """Tell whether so many models take longer than the limit.

    Parameters
    ----------
    seconds : float
        That one model took.
    n_models : int
    engine : Coalitions
        Which trains them on its workers.
    max_time : float or None
        In seconds.
    again : callable
        Times the model again.

    Returns
    -------
    expected : float or None
        Seconds, where these are too many.
    """
    if max_time is None or engine.store is not None:  # which may have them all
        return None
    workers = effective_n_jobs(engine.n_jobs)
    for _ in range(TRIES):
        expected = seconds * n_models / workers
        if expected <= max_time:
            return None
        seconds = min(seconds, again())
    return expected


def refuse_limit(max_time, expected, n_models):
    """Raise, before it starts, for a first draw that takes too long."""
    raise ValueError(
        f"The 'max_time' parameter must leave time for one draw, which is {n_models} "
        f"models: about {duration(expected)}. Got max_time={max_time:g} s. Give it "
        "more, more workers (n_jobs), or make groups of rows the players (groups in "
        "fit)."
    )


def check_drawn(sampling, n_models, max_time, store):
    """Raise where time ended before the first draw did; warn of players unseen."""
    if max_time is None or sampling.enumerates:
        return
    scheme, n_draws = sampling.scheme, sampling.n_draws
    if n_draws == 0:
        raise ValueError(
            f"The 'max_time' parameter must leave time for one draw, which is "
            f"{scheme.n_retrainings(1)} models. Got max_time={max_time:g} s, after "
            f"which {n_models} were trained"
            + (
                "; they are kept in memory, and fitting again goes on from there."
                if store is not None
                else ": give it more, or make groups of rows the players."
            )
        )
    unseen = scheme.n_unseen(n_draws)
    if unseen:
        warnings.warn(
            f"max_time={max_time:g} s ended after {n_draws} random subsets: "
            f"{unseen} players were in all of them or in none, and have the value NaN.",
            UserWarning,
            stacklevel=8,  # who called fit
        )
