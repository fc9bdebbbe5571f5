"""The reasons of suspects as a table."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import Bunch, indexable

from skinfluence._sklearn import n_rows, take_columns, take_rows
from skinfluence.cleaning.reasons._agreeing_rows import agreeing_rows
from skinfluence.cleaning.reasons._explanations import MAX_EXPLAINED, explain

N_NEIGHBORS = 3


def suspect_reasons(cleaner, X, y, rows):
    """Return the reasons of some suspects of a fitted `InfluenceCleaner`; see there."""
    X, y = indexable(X, y)
    kept, suspects = cleaner.sample_mask_, cleaner.suspects_
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y.ravel()
    if n_rows(X) != len(kept):
        raise ValueError(
            f"The 'X' parameter must hold the {len(kept)} rows that fit was given. Got "
            f"{n_rows(X)} rows."
        )
    if y.ndim > 1:
        raise ValueError(
            "The 'y' parameter must be one column of targets, shape (n_samples,). Got "
            f"shape {y.shape}: clean one column at a time for reasons."
        )
    places = _places(rows, suspects.row)
    rows = suspects.row[places]
    given, suggested = y[rows], np.ravel(suspects.suggested)[places]
    classification = is_classifier(cleaner.estimator)
    found = explain(X, y, rows, kept, classification)
    like_given, like_suggested = (
        agreeing_rows(X, y, wanted, other, rows, kept, N_NEIGHBORS, classification)
        for wanted, other in ((given, suggested), (suggested, given))
    )
    return Bunch(
        row=rows,
        given=given,
        suggested=suggested,
        suggested_probability=suspects.suggested_probability[places],
        to_blame=found.to_blame,
        blamed_column=_names(X, found.column),
        blame=found.blame,
        cell=_cells(X, rows, found.column),
        suggested_cell=_cells(X, found.donor, found.column),
        clears=found.clears,
        kind=found.kind,
        like_given=_objects(like_given),
        like_suggested=_objects(like_suggested),
        hurts=suspects.hurts[places],
    )


def _places(rows, suspects):
    """Return where rows stand among the suspects."""
    if rows is None:
        return np.arange(min(len(suspects), MAX_EXPLAINED))
    rows = np.atleast_1d(np.asarray(rows, dtype=int))
    place = {int(row): k for k, row in enumerate(suspects)}
    others = [int(row) for row in rows if int(row) not in place]
    if others:
        raise ValueError(
            "The 'rows' parameter must hold suspects, rows in suspects_.row. Got "
            f"{others[:5]}, for which there is nothing to explain."
        )
    return np.array([place[int(row)] for row in rows], dtype=int)


def _names(X, columns):
    """Return the names of columns, or their positions where they have none."""
    names = getattr(X, "columns", None)
    return _objects(
        [None if j < 0 else int(j) if names is None else names[j] for j in columns]
    )


def _cells(X, rows, columns):
    """Return one cell of each row, None where the column is not known."""
    return _objects(
        [
            None
            if j < 0
            else np.asarray(take_rows(take_columns(X, int(j)), [int(row)]))[0]
            for row, j in zip(rows, columns, strict=True)
        ]
    )


def _objects(values):
    """Return a column of anything."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
