"""The retraining engine: subsets of rows in, fitted models out."""

import warnings

import numpy as np
from joblib import Memory, hash
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.utils.parallel import Parallel, delayed

from skinfluence._sklearn import n_rows, seed_estimator, take_params, take_rows
from skinfluence._threads import one_blas_thread


def fit_without(
    estimator,
    X,
    y,
    fit_params,
    removals,
    *,
    seed,
    n_jobs=None,
    memory=None,
    verbose=0,
):
    """Fit one clone of ``estimator`` for each set of removed rows.

    Parameters
    ----------
    estimator : estimator
        Unfitted; cloned for every retraining.
    X, y : array-like
        All training rows.
    fit_params : dict
        Passed to ``fit``; entries with one element per row lose the same rows.
    removals : sequence of ndarray of int
        Rows to leave out, one array per retraining.
    seed : int
        Unset random states get seeds from ``(seed, first removed row + 1)``, so
        that results do not depend on the number of workers, backend or order.
    n_jobs : int, default=None
        Workers; None leaves it to ``joblib.parallel_config``.
    memory : str or joblib.Memory, default=None
        Keeps every finished retraining on disk: a killed run resumes.
    verbose : int, default=0
        Passed to joblib.

    Returns
    -------
    models : list of fitted estimators
        A subset with a single class gives a `DummyClassifier` that predicts it.
    """
    n = n_rows(X)
    if isinstance(memory, str) or hasattr(memory, "__fspath__"):
        memory = Memory(memory, verbose=0)
    fit_one, key = _fit_one, None
    if memory is not None:
        fit_one = memory.cache(
            _fit_one, ignore=["estimator", "X", "y", "fit_params", "n"]
        )
        # The key is hashed once; hashing the data anew would cost more than a fit.
        key = hash((estimator, X, y, sorted(fit_params.items(), key=lambda kv: kv[0])))
    return Parallel(n_jobs=n_jobs, verbose=verbose)(
        delayed(fit_one)(estimator, X, y, fit_params, n, key, seed, removed)
        for removed in removals
    )


def _fit_one(estimator, X, y, fit_params, n, key, seed, removed):
    """Fit without the rows ``removed``; ``key`` stands for the data on disk."""
    kept = np.setdiff1d(np.arange(n), removed, assume_unique=True)
    y_kept = take_rows(y, kept)
    with one_blas_thread():  # tiny fits under many BLAS threads are 40x slower
        if is_classifier(estimator) and len(np.unique(np.asarray(y_kept))) == 1:
            model = DummyClassifier(strategy="most_frequent")
            return model.fit(np.zeros((len(kept), 1)), y_kept)
        model = seed_estimator(clone(estimator), seed, int(removed[0]) + 1)
        try:
            return model.fit(
                take_rows(X, kept), y_kept, **take_params(fit_params, kept, n)
            )
        except Exception as error:
            error.add_note(
                f"while fitting {type(model).__name__} without rows "
                f"{[int(i) for i in removed[:10]]} ({len(kept)} rows left, seed {seed})"
            )
            raise


def warn_if_many(n, reason):
    """Warn before a long run of retrainings, with their number."""
    if n > 1000:
        warnings.warn(
            f"{reason}: {n} models are trained. Set n_jobs to use more cores, memory "
            "to keep finished ones on disk.",
            UserWarning,
            stacklevel=4,
        )
