"""The suspects as a table: suggested targets, probabilities, and the rows they hurt."""

import numpy as np
from scipy.special import softmax

from skinfluence._display._row_labels import RowTable
from skinfluence._sklearn import take_rows
from skinfluence._threads import one_blas_thread
from skinfluence.cleaning.surprise._hurt_rows import most_hurt
from skinfluence.cleaning.surprise._jackknife import (
    jackknife_error,
    replicated_values,
)

N_HURT = 3
# Few readers look at more rows, and each takes a pass over the table.
N_EXPLAINED = 50


def suspects_table(X, y, rows, kept, wrong):
    """Tabulate the suspects, worst first.

    Parameters
    ----------
    X : array-like
        All rows, whose labels the table has.
    y : array-like
        Targets as given.
    rows : RowValues
        Values of the rows.
    kept : ndarray of bool, shape (n_samples,)
        False for suspects.
    wrong : WrongRows
        How likely the rows are wrong.

    Returns
    -------
    suspects : RowTable
        Columns ``row``, ``given``, ``suggested``, ``suggested_probability``,
        ``value``, ``standard_error``,
        ``probability_wrong``, ``probability_ceiling``, ``rank`` and ``hurts``, all of
        shape (n_suspects,).
    """
    order = np.argsort(rows.values, kind="stable")
    rank = np.empty(len(order), dtype=int)
    rank[order] = np.arange(1, len(order) + 1)
    suspects = order[~kept[order]]
    # Small matrices one after the other: threads would only wait for each other.
    with one_blas_thread():
        error = standard_errors(rows, suspects)
        hurts = hurt_rows(rows.scores, suspects)
    return RowTable.of(
        X,
        row=suspects,
        given=np.asarray(take_rows(y, suspects)),
        suggested=rows.scores.expected[suspects],
        suggested_probability=suggested_probability(rows.scores, suspects),
        value=rows.values[suspects],
        standard_error=error,
        probability_wrong=wrong.probability[suspects],
        probability_ceiling=wrong.ceiling[suspects],
        rank=rank[suspects],
        hurts=hurts,
    )


def suggested_probability(scores, rows):
    """Probability that the fixed scorer's models give to the label they predict."""
    if scores.n_classes is None:
        return np.full(len(rows), np.nan)
    (scored,) = scores.columns
    said = scored.temperature * scored.predictions[rows]
    return softmax(said, axis=1).max(axis=1)


def standard_errors(rows, suspects):
    """Over the folds, or of the fixed scorer by the jackknife; else NaN."""
    if rows.standard_error is not None:
        return rows.standard_error[suspects]
    if not rows.of_influence:
        return fixed_scorer_error(rows.scores, suspects)
    return np.full(len(suspects), np.nan)


def fixed_scorer_error(scores, rows):
    """Jackknife standard error of the fixed scorer's values of some rows.

    NaN for rows outside the sample that the models were fitted to.
    """
    error = np.full(len(rows), np.nan)
    fitted, places, there = _in_sample(scores, rows)
    if fitted.columns and there.any():
        columns = [replicated_values(s, places[there]) for s in fitted.columns]
        error[there] = jackknife_error(sum(columns))
    return error


def _in_sample(scores, rows):
    """Return the scores of the rows that the models were fitted to, the positions of
    some rows among them, and which of these rows are among them."""
    if scores.sample is None:
        return scores, rows, np.ones(len(rows), dtype=bool)
    places = np.searchsorted(scores.sample, rows)
    places = np.minimum(places, len(scores.sample) - 1)
    return scores.of_sample, places, scores.sample[places] == rows


def hurt_rows(scores, rows):
    """Rows that each of the first rows hurts most; empty for the others.

    Rows outside the sample that the models were fitted to hurt no other row.
    """
    hurts = np.empty(len(rows), dtype=object)
    hurts[:] = [np.empty(0, dtype=int)] * len(rows)
    fitted, places, there = _in_sample(scores, rows[:N_EXPLAINED])
    if len(fitted.columns) == 1 and there.any():
        found = most_hurt(fitted.columns[0].stack, places[there], N_HURT)
        for i, hurt in zip(np.flatnonzero(there), found, strict=True):
            hurts[i] = hurt if scores.sample is None else scores.sample[hurt]
    return hurts
