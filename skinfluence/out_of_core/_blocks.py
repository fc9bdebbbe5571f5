"""Blocks of training rows, as dask makes them, and passes over them."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from skinfluence._sklearn import take_rows
from skinfluence._targets import is_missing


@dataclass(frozen=True)
class Block:
    """Some consecutive training rows in memory.

    Attributes
    ----------
    X : ndarray of shape (n, n_features), float64
        Rows that go into a Pipeline are an array, a sparse matrix or a dataframe.
    y : ndarray of shape (n,) or (n, n_outputs)
    weight : ndarray of shape (n,)
    """

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray

    def rows(self, rows):
        """Return some of the rows as a block."""
        return Block(self.X[rows], self.y[rows], self.weight[rows])


class Blocks:
    """A table of training rows in blocks that need not fit into memory together.

    Parameters
    ----------
    parts : list of delayed Block
    sizes : list of int
        Numbers of rows.
    n_features : int
    names : list or None, default=None
        Names of the columns of a dataframe.
    numbers : list of int, default=None
        Names of the blocks in errors; None: their positions.
    """

    def __init__(self, parts, sizes, n_features, names=None, numbers=None):
        self.parts, self.sizes, self.n_features = parts, sizes, n_features
        self.names = names
        self.numbers = list(range(len(parts))) if numbers is None else numbers
        self.starts = np.concatenate([[0], np.cumsum(sizes)])

    def __len__(self):
        return int(self.starts[-1])

    def slices(self):
        """Yield the positions of each block's rows."""
        for start, stop in zip(self.starts[:-1], self.starts[1:], strict=True):
            yield slice(int(start), int(stop))

    def transformed(self, transform, n_features, names=None):
        """Return the rows after a transformation, which every pass applies again."""
        from dask import delayed

        task, transform = delayed(_transformed, pure=False), delayed(transform)
        numbered = zip(self.numbers, self.parts, strict=True)
        parts = [task(k, part, transform) for k, part in numbered]
        return Blocks(parts, self.sizes, n_features, names, self.numbers)

    def chosen(self, mask):
        """Return the rows where a mask of shape (n,) is True, as `Blocks`."""
        from dask import delayed

        take = delayed(_taken, pure=False)
        own = [np.flatnonzero(mask[where]) for where in self.slices()]
        left = [k for k, rows in enumerate(own) if len(rows)]
        parts = [take(self.parts[k], own[k]) for k in left]
        sizes = [len(own[k]) for k in left]
        numbers = [self.numbers[k] for k in left]
        return Blocks(parts, sizes, self.n_features, self.names, numbers)

    def tasks(self, function, *per_block, **shared):
        """Return ``function(block, *own, **shared)`` of every block, delayed.

        ``per_block`` are sequences with one item for each block.
        """
        from dask import delayed

        task = delayed(function, pure=False)
        shared = {name: delayed(value) for name, value in shared.items()}
        return [
            task(part, *own, **shared)
            for part, *own in zip(self.parts, *per_block, strict=True)
        ]

    def map(self, function, *per_block, **shared):
        """Return the results of all blocks as a list, in memory."""
        from dask import compute

        return list(compute(*self.tasks(function, *per_block, **shared)))

    def total(self, function, *per_block, combine=None, **shared):
        """Add up tuples of arrays over the blocks, in a tree.

        ``combine`` takes two results; by default entries of tuples are added.
        """
        from dask import delayed

        combine = delayed(combine or _added, pure=False)
        level = self.tasks(function, *per_block, **shared)
        while len(level) > 1:
            pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
            level = [combine(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
        return level[0].compute()


def _taken(block, rows):
    return Block(take_rows(block.X, rows), block.y[rows], block.weight[rows])


def _added(one, other):
    return tuple(a + b for a, b in zip(one, other, strict=True))


def blocks_of(X, y, sample_weight=None, raw=False, labels=True):
    """Return the `Blocks` of dask arrays or dataframes.

    With ``raw`` the rows are kept as they are, for transformers to read. With
    ``labels`` targets may be texts.

    Raises
    ------
    TypeError
        Where X or y are no dask collections.
    ValueError
        Where their rows do not belong together. Values are checked block by block when
        they are read, and an error names the block.
    """
    from dask import delayed
    from dask.delayed import Delayed

    for name, values in (("X", X), ("y", y), ("sample_weight", sample_weight)):
        if isinstance(values, Delayed):
            raise TypeError(
                f"{name} must be a dask array or dataframe, whose number of columns is "
                "known. Got a Delayed: use dask.array.from_delayed or "
                "dask.dataframe.from_delayed."
            )
    frame = hasattr(X, "columns") and X.ndim == 2
    names = list(X.columns) if frame else None
    if names is not None:
        sizes, rows = partitions_of(X)
    else:
        X = as_array(X, "X")
        if X.ndim != 2:
            raise ValueError(
                f"X must have two dimensions, rows and columns. Got shape {X.shape}: "
                "of one column pass X[:, None], of a series its to_frame()."
            )
        sizes = [int(size) for size in X.chunks[0]]
        rows = X.rechunk({1: X.shape[1]}) if X.numblocks[1] > 1 else X
        rows = rows.to_delayed().ravel()
    # Partitions without rows do not contribute.
    numbers = [k for k, size in enumerate(sizes) if size]
    if not numbers:
        raise ValueError("X must have rows. Got none.")
    columns, sizes = [[rows[k] for k in numbers]], tuple(sizes[k] for k in numbers)
    for name, values in (("y", y), ("sample_weight", sample_weight)):
        if values is not None:
            columns.append(_aligned(values, name, sizes))
    read = delayed(_read, pure=False)
    shared = {"raw": raw, "labels": labels, "names": names}
    parts = [read(k, *own, **shared) for k, *own in zip(numbers, *columns, strict=True)]
    return Blocks(parts, list(sizes), X.shape[1], names, numbers)


def targets_of(blocks, y, labels=True):
    """Return the targets of all rows of `Blocks` in memory; X is not read.

    Parameters
    ----------
    blocks : Blocks
        Made of the same targets.
    y : dask or other array-like of shape (n,) or (n, n_outputs)
    labels : bool, default=True
        Whether targets may be texts.

    Returns
    -------
    targets : list of ndarray
        The targets of each block.
    """
    from dask import compute, delayed

    read = delayed(_checked_targets, pure=False)
    parts = _aligned(y, "y", tuple(blocks.sizes))
    numbered = zip(blocks.numbers, parts, strict=True)
    return list(compute(*[read(k, part, labels) for k, part in numbered]))


def _aligned(values, name, sizes):
    """Return the delayed parts of an array that belong to blocks of these sizes."""
    array = as_array(values, name)
    if array.ndim not in ((1, 2) if name == "y" else (1,)):
        raise ValueError(
            f"{name} must have a number per row{', or several' * (name == 'y')}. Got "
            f"shape {array.shape}."
        )
    if len(array) != sum(sizes):
        raise ValueError(
            f"X and {name} must have as many rows. Got {sum(sizes)} and {len(array)}."
        )
    return _whole_rows(array if array.chunks[0] == sizes else array.rechunk({0: sizes}))


def labels_of(frame):
    """Return the delayed index of each partition of a dataframe that has rows."""
    sizes, parts = partitions_of(frame.index)
    return [part for size, part in zip(sizes, parts, strict=True) if size]


def partitions_of(frame):
    """Return the numbers of rows of a dataframe's partitions, and the partitions."""
    from dask import compute, delayed

    # dask merges partitions of Parquet where few columns are read, ``len`` reads none:
    # the numbers of rows belong to the partitions that are returned.
    parts = frame.simplify().to_delayed(optimize_graph=False)
    return list(compute(*[delayed(len)(part) for part in parts])), parts


def _whole_rows(array):
    if array.ndim == 2 and array.numblocks[1] > 1:
        array = array.rechunk({1: array.shape[1]})
    return array.to_delayed().ravel()


def as_array(values, name):
    """Return a dask array whose blocks have known sizes."""
    import dask.array as da

    if hasattr(values, "to_dask_array"):
        from dask import delayed

        sizes, parts = partitions_of(values)
        read, meta = delayed(np.asarray), np.asarray(values._meta)
        return da.concatenate(
            [
                da.from_delayed(read(part), (size, *meta.shape[1:]), meta.dtype)
                for size, part in zip(sizes, parts, strict=True)
            ]
        )
    if isinstance(values, da.Array):
        if np.isnan(values.shape[0]):
            return values.compute_chunk_sizes()
        return values
    if name == "X":
        raise TypeError(
            "The 'X' parameter must be a dask array or dataframe where 'y' or "
            f"'sample_weight' is. Got {type(values).__name__}: "
            "use dask.array.from_array."
        )
    values = np.asarray(values)
    # dask cannot choose chunks of objects, texts for instance.
    return da.from_array(values, chunks=-1 if values.dtype.hasobject else "auto")


def _read(number, X, y, weight=None, raw=False, labels=True, names=None):
    """Return a `Block`; errors name the number of the partition."""
    if names is not None and list(X.columns) != names:
        raise ValueError(
            f"The partitions of X must have the same columns, {names}. Got "
            f"{list(X.columns)} in partition {number}."
        )
    for name, values in (("X", X), ("sample_weight", weight)):
        _refuse_masked(number, name, values)
    if weight is not None and np.asarray(weight).dtype.kind == "c":
        raise ValueError(
            "The 'sample_weight' parameter must hold real numbers. Got complex ones in "
            f"partition {number}."
        )
    X, y = X if raw else _numbers(X, number), _checked_targets(number, y, labels)
    n = X.shape[0]
    weight = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise ValueError(
            "The 'sample_weight' parameter must hold finite weights that are not "
            f"negative. Got others in partition {number}."
        )
    return Block(X, y, weight)


def _checked_targets(number, y, labels):
    """Return the targets of a partition; errors name its number."""
    _refuse_masked(number, "y", y)
    y = np.asarray(y.toarray() if sp.issparse(y) else y)
    if y.dtype.kind == "c":
        raise ValueError(
            f"y must hold real numbers. Got complex ones in partition {number}."
        )
    if y.dtype.kind in "mM" and np.isnat(y).any():
        raise ValueError(
            f"y must not hold missing values. Got NaT in partition {number}: drop "
            "these rows."
        )
    if not labels:
        try:
            y = y.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"y must hold numbers. Got other values in partition {number}: {error}."
            ) from error
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError(
            f"y must hold finite numbers. Got NaN or infinity in partition {number}."
        )
    if y.dtype.kind == "O" and any(map(is_missing, y.ravel())):
        raise ValueError(
            f"y must not hold missing values. Got some in partition {number}: drop "
            "these rows."
        )
    if y.dtype.kind == "O" and set(map(type, y.ravel())) <= {bool, int}:
        y = np.array(y.tolist())  # of nullable dtypes
    return y


def _refuse_masked(number, name, values):
    if np.ma.is_masked(values):
        raise ValueError(
            f"{name} must not hold masked values. Got some in partition {number}: drop "
            "these rows, or fill them by dask.array.ma.filled."
        )


def as_floats(X):
    """Return rows as an array of floats, which may contain NaN and infinities."""
    X = np.asarray(X.toarray() if sp.issparse(X) else X)
    if X.dtype.kind == "c":
        raise TypeError("complex numbers")
    return X.astype(np.float64, copy=False)


def _numbers(X, number):
    """Return finite floats."""
    try:
        X = as_floats(X)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"X must hold numbers. Got other values in partition {number}: {error}. "
            "Encode or drop these columns."
        ) from error
    with np.errstate(all="ignore"):
        suspect = not np.isfinite(np.ones(len(X)) @ X).all()  # or it overflows
    if suspect and not np.isfinite(X).all():
        row = int((~np.isfinite(X).all(axis=1)).argmax())
        raise ValueError(
            f"X must hold finite numbers. Got NaN or infinity in partition {number}, "
            f"row {row} of it. Drop these rows, or impute them."
        )
    return X


def _transformed(number, block, transform):
    """Transform the rows of a block; errors name the number of the partition."""
    try:
        X = transform(block.X)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The transformers before the model refuse partition {number}: {error}"
        ) from error
    return Block(_numbers(X, number), block.y, block.weight)
