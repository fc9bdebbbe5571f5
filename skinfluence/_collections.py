"""Recognition of dask collections, without an import of dask."""

import sys


def is_collection(*objects):
    """Tell whether any of the objects is a dask collection."""
    dask = sys.modules.get("dask")
    return dask is not None and any(map(dask.is_dask_collection, objects))
