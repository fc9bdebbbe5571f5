"""The reasons of suspects: target or cell to blame, suggested value, kind of row."""

from dataclasses import dataclass

import numpy as np

from skinfluence._sklearn import take_columns
from skinfluence._threads import one_blas_thread
from skinfluence.cleaning.reasons._blamed_cells import contradictions, distances
from skinfluence.cleaning.reasons._cell_or_target import probabilities
from skinfluence.cleaning.reasons._kinds import far, rare_classes, repeated
from skinfluence.cleaning.reasons._repairs import as_given, repaired
from skinfluence.cleaning.reasons._scores_of_columns import (
    WITHOUT_SCORES,
    scores_of_columns,
)
from skinfluence.cleaning.surprise._missing import is_missing

# Few readers look at more.
MAX_EXPLAINED = 200
MAX_REFERENCE = 20_000
MIN_REFERENCE = 20
KINDS = "duplicate", "conflict", "outlier", "rare class"


@dataclass(frozen=True)
class Explanations:
    """Reasons of m rows; all of shape (m,).

    Attributes
    ----------
    to_blame : ndarray of str
        "target" or "cell", whichever is likelier wrong; empty where nothing is known:
        the table has no columns to speak of, or too few rows that are not suspect.
    cell_probability : ndarray of float
        Probability that one of the cells is wrong, if either one of them or the target
        is; NaN where nothing is known.
    column : ndarray of int
        Position of the cell that is most to blame; -1 where nothing is known.
    blame : ndarray of float
        Probability that the target, or this cell, is the one wrong value of the row.
    donor : ndarray of int
        A row whose cell of this column this one should have, if it is wrong; -1 where
        nothing is known, or no other row has another value.
    clears : ndarray of bool
        Whether models without the row then predict its target as given.
    kind : ndarray of str
        Those of "duplicate", "conflict", "outlier" and "rare class" that apply.
    unknown : str
        Why no cell is blamed; empty if the cells were analysed.
    """

    to_blame: np.ndarray
    cell_probability: np.ndarray
    column: np.ndarray
    blame: np.ndarray
    donor: np.ndarray
    clears: np.ndarray
    kind: np.ndarray
    unknown: str = ""


def explain(X, y, rows, kept, classification):
    """Find the reasons of some suspects.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Table.
    y : ndarray of shape (n_samples,)
        Targets as given.
    rows : ndarray of int, shape (m,)
        The suspects.
    kept : ndarray of bool, shape (n_samples,)
        False for all suspects.
    classification : bool
        Whether y holds labels.

    Returns
    -------
    explanations : Explanations
    """
    m = len(rows)
    to_blame, of_cells = np.full(m, "", dtype=object), np.full(m, np.nan)
    blame = np.full(m, np.nan)
    column, donor = np.full(m, -1), np.full(m, -1)
    clears, kinds = np.zeros(m, dtype=bool), {}
    reference = _reference(kept, rows)
    table, unknown = None, ""
    if m and len(reference) < MIN_REFERENCE:
        unknown = f"fewer than {MIN_REFERENCE} rows are not suspect"
    elif m:
        table = scores_of_columns(X, y, classification, reference, rows)
        unknown = WITHOUT_SCORES if table is None else ""
    if table is not None:
        n = len(reference)
        with one_blas_thread():
            strength, expected, precision = contradictions(table, n)
            block = strength[:, :-1].argmax(axis=1)
            missing = _missing_cells(X, table.positions, reference)
            place, scores = repaired(table, n, expected, precision, block, missing)
            target = y[np.concatenate([reference, rows])]
            clears = as_given(table, n, scores, target, classification)
            kinds["outlier"] = far(distances(table, n), n)
        of_cells, blame = probabilities(strength, clears)
        to_blame = np.where(of_cells > 0.5, "cell", "target").astype(object)
        column = table.positions[block]
        donor = np.where(place < 0, -1, reference[place])
        kinds["duplicate"], kinds["conflict"] = repeated(X, y, table.positions, rows)
    if m and classification:
        kinds["rare class"] = rare_classes(y, rows)
    kind = _joined(kinds, m)
    return Explanations(to_blame, of_cells, column, blame, donor, clears, kind, unknown)


def _missing_cells(X, positions, reference):
    columns = [np.asarray(take_columns(X, [j])).ravel() for j in positions]
    return np.column_stack([is_missing(column[reference]) for column in columns])


def _reference(kept, rows):
    """Rows that are neither suspects nor explained; a sample if there are many."""
    reference = kept.copy()
    reference[rows] = False
    reference = np.flatnonzero(reference)
    if len(reference) > MAX_REFERENCE:
        rng = np.random.default_rng(0)
        reference = np.sort(rng.choice(reference, MAX_REFERENCE, replace=False))
    return reference


def _joined(kinds, m):
    return np.array(
        [
            ", ".join(name for name in KINDS if name in kinds and kinds[name][i])
            for i in range(m)
        ],
        dtype=object,
    )
