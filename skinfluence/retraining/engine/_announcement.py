"""A warning before a long run of retrainings: its duration, and how to avoid it."""

import warnings

from joblib import effective_n_jobs

from skinfluence._progress import duration

# Training that takes longer than this, in seconds, is announced by a warning.
LONG = 10.0


def announce_training(n_fits, seconds, why, *, n_jobs=None, again=None, stacklevel=5):
    """Warn if retraining will take long.

    Parameters
    ----------
    n_fits : int
        Number of models to be trained.
    seconds : float
        Training time of one model.
    why : str
        Full sentences: why the models are trained, and how to avoid it.
    n_jobs : int, default=None
        As joblib takes it.
    again : callable, default=None
        Trains one more model and returns the seconds it took. Called if the run seems
        long, since the first fit of a process may be slow for other reasons.
    stacklevel : int, default=5
        Number of frames from here to the caller of ``fit``.
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
        f"took {seconds:.2g} s{at_once}. {why} n_jobs distributes the work over "
        "processes; memory keeps finished models on disk.",
        UserWarning,
        stacklevel=stacklevel,
    )
