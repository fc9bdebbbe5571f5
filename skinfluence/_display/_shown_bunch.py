"""Results that notebooks show as tables: a Bunch with ``_repr_html_``."""

from collections import Counter

import numpy as np
import sklearn
from sklearn.utils import Bunch

from skinfluence._counts import counted
from skinfluence._display._html import Sentence, table

MOST_ROWS, MOST_COLUMNS = 5, 12


class ShownBunch(Bunch):
    """A Bunch that a notebook shows by its fields, their shapes and a few rows.

    As estimators of scikit-learn it is shown as text after
    ``sklearn.set_config(display="text")``.

    Examples
    --------
    >>> from skinfluence._display._shown_bunch import ShownBunch
    >>> found = ShownBunch(row=[3, 1], note=["<i>", ""])
    >>> found
    {'row': [3, 1], 'note': ['<i>', '']}
    >>> "&lt;i&gt;" in found._repr_html_()
    True
    """

    def _repr_html_(self):
        if sklearn.get_config()["display"] != "diagram":
            return None
        return self._fields_html() + self._top_html()

    def _fields_html(self):
        fields = [(name, *_described(value)) for name, value in self.items()]
        return table(["field", "shape", "value"], fields)

    def _top_html(self):
        """Return the first rows of the fields that have an entry for each row."""
        frame = self._shown_frame()
        if frame is not None:
            top = frame.iloc[:MOST_ROWS]
            labels, names = list(top.index), list(frame.columns)
            columns = [top.iloc[:, j].tolist() for j in range(top.shape[1])]
            return _rows_html(labels, names, columns, len(frame))
        lengths = [len(value) for value in self.values() if _is_column(value)]
        if not lengths:
            return ""
        n = Counter(lengths).most_common(1)[0][0]
        of_rows = {k: v for k, v in self.items() if _is_column(v) and len(v) == n}
        columns = [list(value[:MOST_ROWS]) for value in of_rows.values()]
        labels = self._shown_labels()
        labels = range(n) if labels is None else labels
        return _rows_html(list(labels[:MOST_ROWS]), list(of_rows), columns, n)

    def _shown_frame(self):
        frame = self.get("frame")
        return frame if hasattr(frame, "iloc") else None

    def _shown_labels(self):
        """Return the labels of the rows; None if they have none."""


def _is_column(value):
    """Tell whether a field is one column of entries."""
    one_column = isinstance(value, np.ndarray) and value.ndim == 1
    return one_column or isinstance(value, list)


def _described(value):
    """Return shape and contents of a field."""
    if isinstance(value, np.ndarray) and value.ndim:
        return Sentence(value.shape), Sentence(value.dtype)
    if hasattr(value, "shape") and not np.isscalar(value):
        return Sentence(tuple(value.shape)), Sentence(type(value).__name__)
    if isinstance(value, list):
        return Sentence((len(value),)), Sentence("list")
    return Sentence(), value


def _rows_html(labels, names, columns, n):
    left = len(names) - MOST_COLUMNS
    names = names[:MOST_COLUMNS]
    lines = zip(labels, *columns[:MOST_COLUMNS], strict=True)
    caption = counted(n, "row")
    if n > MOST_ROWS:
        caption = f"the first {MOST_ROWS} of {caption}"
    caption += f", {counted(left, 'more column')}" if left > 0 else ""
    return table([Sentence(), *names], lines, Sentence(caption))
