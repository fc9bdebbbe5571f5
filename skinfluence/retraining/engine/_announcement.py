"""Say before a long run of retrainings what it will cost, and what avoids it."""

import warnings

from joblib import effective_n_jobs

from skinfluence._progress import duration

# Seconds of training that are announced by a warning.
LONG = 10.0


def announce_training(n_fits, seconds, why, *, n_jobs=None, again=None, stacklevel=5):
    """Warn where retraining will take long.

    Parameters
    ----------
    n_fits : int
        Models to be trained.
    seconds : float
        What one of them takes.
    why : str
        Why they are trained and what would avoid it, in sentences.
    n_jobs : int, default=None
        As joblib takes it.
    again : callable, default=None
        Trains one model more; called where the run seems long, as a first fit may be
        slow for reasons of its own. Returns its seconds.
    stacklevel : int, default=5
        From here to who called ``fit``.
    """
    workers = min(effective_n_jobs(n_jobs), max(n_fits, 1))
    if n_fits * seconds / workers <= LONG:
        return
    if again is not None:
        seconds = min(seconds, again())
        if n_fits * seconds / workers <= LONG:
            return
    models = "1 model is" if n_fits == 1 else f"{n_fits} models are"
    at_once = f", {workers} at a time" if workers > 1 else ""
    warnings.warn(
        f"{models} to be trained: about {duration(n_fits * seconds / workers)}, as one "
        f"took {seconds:.2g} s{at_once}. {why} n_jobs shares the work among processes, "
        "memory keeps what is finished.",
        UserWarning,
        stacklevel=stacklevel,
    )
