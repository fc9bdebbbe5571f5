"""Labels of rows: the index of a DataFrame, else their positions."""

import sys

import numpy as np

from skinfluence._display._shown_bunch import ShownBunch


def row_labels(X, rows):
    """Return the labels of some rows of X, as a pandas Index where X has one.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        A DataFrame of pandas has labels; the labels of anything else are positions.
    rows : ndarray of int
        Positions.
    """
    pandas = sys.modules.get("pandas")  # without it X is no DataFrame
    index = getattr(X, "index", None)
    if pandas is not None and isinstance(index, pandas.Index) and hasattr(X, "iloc"):
        return index[rows]
    return np.asarray(rows)


def need_pandas(asked):
    """Return pandas, or raise with the install command.

    Parameters
    ----------
    asked : str
        The parameter or attribute that needs pandas.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            f"{asked} needs pandas. Install it with pip install 'skinfluence[tables]'."
        ) from error
    return pandas


class RowTable(ShownBunch):
    """Columns about some rows of X, of equal length; ``row`` holds their positions.

    Attributes
    ----------
    frame : DataFrame
        The columns; its index is that of X, or the positions of the rows. Not an
        entry of the Bunch: it is made when it is asked for, and needs pandas.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence._display._row_labels import RowTable
    >>> table = RowTable.of([[0.0], [1.0]], row=np.array([1]), value=[0.5])
    >>> table.value, table.frame.index.tolist()
    ([0.5], [1])
    """

    @classmethod
    def of(cls, X, **columns):
        """Return the table of the rows ``row`` of X."""
        made = cls(**columns)
        vars(made)["_labels"] = row_labels(X, columns["row"])
        return made

    @property
    def frame(self):
        """The columns as a DataFrame."""
        return need_pandas("frame").DataFrame(dict(self), index=self._labels)

    def _fields_html(self):
        return ""  # each field is a column of the table that follows

    def _shown_labels(self):
        return self._labels

    def __dir__(self):
        return [*super().__dir__(), "frame"]

    def __setstate__(self, state):
        vars(self).update(state)  # Bunch keeps none of it
