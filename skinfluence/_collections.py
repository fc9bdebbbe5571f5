"""Recognition of dask collections, without an import of dask."""

import sys

import numpy as np


def is_collection(*objects):
    """Tell whether any of the objects is a dask collection."""
    dask = sys.modules.get("dask")
    return dask is not None and any(map(dask.is_dask_collection, objects))


def in_memory(*objects):
    """Return the objects, all dask collections among them computed at once."""
    if not is_collection(*objects):
        return objects
    from dask import compute

    return compute(*objects)


def of_partitions(model, method, X):
    """Call a method of a fitted model on the partitions of a dask collection.

    Parameters
    ----------
    model : estimator
        Fitted. It gets partitions as they are, dataframes among them.
    method : str
        Its name; it returns one element for each row.
    X : dask array or dataframe of shape (n_samples, n_features)
        Rows.

    Returns
    -------
    result : ndarray of shape (n_samples, ...)
        In memory.
    """
    from dask import compute, delayed

    if hasattr(X, "rechunk") and X.ndim > 1 and X.numblocks[1] > 1:
        X = X.rechunk({1: X.shape[1]})
    parts = np.ravel(X.to_delayed())
    shared, called = delayed(model, traverse=False), delayed(_called)
    results = compute(*[called(shared, method, part) for part in parts])
    results = [result for result in results if result is not None]
    # Without any row the model has an error of its own.
    return np.concatenate(results) if results else getattr(model, method)(X.compute())


def _called(model, method, part):
    return getattr(model, method)(part) if len(part) else None


def refuse_collections(taker, **arrays):
    """Raise TypeError for a dask collection, which scikit-learn would compute silently.

    Parameters
    ----------
    taker : str
        The method or function that needs arrays in memory.
    **arrays
        Its arguments.
    """
    for name, value in arrays.items():
        if is_collection(value):
            raise TypeError(
                f"{taker} expects {name} in memory, got a {type(value).__name__} of "
                f"dask. If the table fits into memory, pass {name}.compute(), else a "
                "sample of its rows."
            )


def need_rows(method, X):
    """Raise TypeError where a method reads training rows that were collections."""
    if X is None:
        raise TypeError(
            f"{method} reads the training rows, which were a collection of dask and "
            "are not kept in memory. Fit to a sample of the rows in memory, those of "
            "suspects_.row among them."
        )
