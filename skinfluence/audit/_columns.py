"""The columns of a table as the checks read them: numbers, codes and missing values."""

from dataclasses import dataclass

import numpy as np

MANY = 20


@dataclass(frozen=True)
class Column:
    """A column, read once.

    Attributes
    ----------
    name : str
    numbers : ndarray of float or None
        The values where they are numbers or dates, NaN where missing.
    codes : ndarray of int
        Equal numbers for equal values; -1 where a value is missing.
    texts : ndarray of str or None
        The value of each code, where values are no numbers.
    """

    name: str
    numbers: np.ndarray | None
    codes: np.ndarray
    texts: np.ndarray | None = None

    @property
    def missing(self):
        """True where a value is missing."""
        return self.codes < 0

    @property
    def n_distinct(self):
        """Number of different values, missing ones apart."""
        return len(np.unique(self.codes[~self.missing]))

    @property
    def fractional(self):
        """Whether the values are numbers, some of which are not whole."""
        if self.numbers is None:
            return False
        return bool(np.any(self.numbers[~self.missing] % 1 != 0))

    @property
    def many_numbers(self):
        """Whether the values are numbers between which there is room for others."""
        return self.fractional and self.n_distinct > MANY

    @property
    def continuous(self):
        """Whether numbers hardly ever repeat, so that equal rows are no coincidence."""
        return self.fractional and self.n_distinct > (~self.missing).sum() / 2


def read_columns(frame, like=None):
    """Read the columns of a frame of pandas.

    Parameters
    ----------
    frame : DataFrame
        The table.
    like : DataFrame, default=None
        Another table, whose rows follow in the same codes.

    Returns
    -------
    columns : list of Column
        Of both tables together.
    """
    import pandas

    columns = []
    for i, name in enumerate(frame.columns):
        values = frame.iloc[:, i]
        if like is not None:
            values = pandas.concat([values, like.iloc[:, i]], ignore_index=True)
        columns.append(read_column(str(name), values))
    return columns


def read_column(name, values):
    """Read a column; see `Column`."""
    import pandas

    values = pandas.Series(values).reset_index(drop=True)
    missing = values.isna().to_numpy()
    kind = values.dtype.kind
    numbers = None
    if kind in "biuf":
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    elif kind in "mM":
        numbers = values.astype("int64").to_numpy(dtype=np.float64)
        numbers[missing] = np.nan
    keys = numbers if numbers is not None else values.astype(str)
    codes, distinct = pandas.factorize(keys, use_na_sentinel=True)
    codes = np.where(missing, -1, codes)
    texts = np.asarray(distinct, dtype=object) if numbers is None else None
    return Column(name, numbers, codes, texts)


def row_codes(columns):
    """Return equal numbers for rows that are equal in all columns."""
    import pandas

    codes = pandas.DataFrame({i: c.codes for i, c in enumerate(columns)})
    hashes = pandas.util.hash_pandas_object(codes, index=False)
    # Two rows in 2^64 share a hash by chance; equal rows always do.
    return pandas.factorize(hashes)[0]
