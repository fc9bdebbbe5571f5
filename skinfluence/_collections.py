"""Recognition of dask collections, without an import of dask."""

import sys


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
