"""Numbers per row beside a dask dataframe, partition by partition."""

import numpy as np

from skinfluence._collections import is_collection
from skinfluence.out_of_core._blocks import as_array, partitions_of


def assign_values(X, **values):
    """Return a dask dataframe with a number per row in new columns.

    Partitions and index stay as they are, so that ``to_parquet`` writes the values
    beside the rows, a part for each partition. Nothing but the numbers of rows is
    computed.

    Parameters
    ----------
    X : dask dataframe
        The rows.
    **values : array-like or dask array of shape (n_samples,)
        New columns, ``sample_values(X_test, y_test)`` for instance.

    Returns
    -------
    table : dask dataframe
        X with the new columns.

    Raises
    ------
    TypeError
        Where X is no dask dataframe.
    ValueError
        For values of another shape.

    See Also
    --------
    case_diagnostics : Its ``frame`` has the partitions of X already.

    Examples
    --------
    >>> import dask.dataframe as dd
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skinfluence import assign_values
    >>> rows = dd.from_pandas(pd.DataFrame({"age": [30, 41, 52, 28]}), npartitions=2)
    >>> assign_values(rows, value=np.array([0.1, -0.3, 0.2, 0.0])).compute()
       age  value
    0   30    0.1
    1   41   -0.3
    2   52    0.2
    3   28    0.0
    """
    if not (is_collection(X) and hasattr(X, "columns")):
        raise TypeError(
            f"The 'X' parameter must be a dask dataframe. Got {type(X).__name__}: "
            "of a dataframe in memory use its own assign, of a dask array "
            "dask.array.from_array(values, chunks=X.chunks[0])."
        )
    import dask
    import dask.dataframe as dd

    sizes, rows = partitions_of(X)
    ends = np.cumsum(sizes)
    for name, column in values.items():
        if hasattr(column, "to_dask_array"):
            column = as_array(column, name)
        values[name] = column = column if is_collection(column) else np.asarray(column)
        if column.shape != (sum(sizes),):
            raise ValueError(
                f"The {name!r} parameter must have one value per row of X, shape "
                f"({sum(sizes)},). Got shape {column.shape}."
            )
    beside = dask.delayed(_beside, pure=False)
    parts = [
        beside(part, {name: v[end - size : end] for name, v in values.items()})
        for part, size, end in zip(rows, sizes, ends, strict=True)
    ]
    empty = {name: np.empty(0, dtype=column.dtype) for name, column in values.items()}
    meta = X._meta.assign(**empty)
    return dd.from_delayed(parts, meta=meta, divisions=X.divisions)


def _beside(part, values):
    return part.assign(**values)
