"""Which rows are flagged: those that are likely to be wrong or harmful, or a share."""

from typing import NamedTuple

import numpy as np

from skinfluence.retraining import OutOfBagInfluence, TreeInfluence

# Their models leave rows out by themselves: the values are ``oob_values_``.
OUT_OF_BAG = OutOfBagInfluence, TreeInfluence

# Standard errors below zero of an influence that is clearly negative. That the row is
# also more likely wrong than right is what keeps right rows, so two are enough.
SURE = 2.0


def check_flagging(drop_fraction, per_class, influence, y, classification):
    """Raise, before any work, if rows cannot be flagged with these parameters.

    Parameters
    ----------
    drop_fraction : float or "auto"
        Share of rows to flag, or the rule that needs none.
    per_class : bool
        Whether the share is that of every class.
    influence : influence estimator or None
        Values the rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    classification : bool
        Whether y holds labels.
    """
    if drop_fraction == "auto" and isinstance(influence, OUT_OF_BAG):
        raise ValueError(
            "The 'drop_fraction' parameter must be a number where influence is "
            f"{type(influence).__name__}: its oob_values_ say how well models without "
            "the row predict it, of which none is too low by itself. Got 'auto'. Set "
            "drop_fraction=0.05, say."
        )
    if not per_class:
        return
    n_columns = np.shape(y)[1] if np.ndim(y) > 1 else 1
    if not classification or n_columns != 1:
        what = f"{n_columns} columns of labels" if classification else "a regressor"
        raise ValueError(
            "The 'per_class' parameter must be False unless y is one column of labels. "
            f"Got per_class=True for {what}: set it to False."
        )
    if drop_fraction == "auto":
        raise ValueError(
            "The 'per_class' parameter must be False unless drop_fraction is a share, "
            "which is then taken of every class. Got per_class=True and "
            "drop_fraction='auto', which flags single rows: set per_class=False, or "
            "drop_fraction=0.05, say."
        )


class Valued(NamedTuple):
    """Values of some rows, as `RowValues` has them of all."""

    values: np.ndarray
    standard_error: np.ndarray | None
    of_influence: bool


def kept_rows(
    rows,
    probability_wrong,
    y,
    drop_fraction,
    classification,
    per_class=False,
    decided=None,
):
    """Return the rows that are not flagged; at least one, the best, of every class.

    Parameters
    ----------
    rows : RowValues
        Values of the rows.
    probability_wrong : ndarray of shape (n_samples,)
        Probability that each row is wrong, by the fixed scorer.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    drop_fraction : float or "auto"
        The share to flag, lowest values first; or "auto": rows that are more likely
        wrong than right and, where an influence estimator values the rows, whose
        value is clearly negative. Where these are more than half of all rows, none.
    classification : bool
        Whether y holds labels.
    per_class : bool, default=False
        Whether the share is that of every class instead of the table.
    decided : Decided, default=None
        Rows with a verdict, which are not flagged. A share is that of the rows that
        are not dropped.

    Returns
    -------
    mask : ndarray of bool, shape (n_samples,)
        True = kept.
    """
    values = np.array(rows.values, dtype=np.float64)
    if decided is not None:
        left, mask = decided.left, np.ones(len(values), dtype=bool)
        values[decided.sure] = np.nan
        rest = Valued(
            values[left],
            None if rows.standard_error is None else rows.standard_error[left],
            rows.of_influence,
        )
        mask[left] = kept_rows(
            rest,
            np.where(decided.sure, 0.0, probability_wrong)[left],
            decided.y[left],
            drop_fraction,
            classification,
            per_class,
        )
        return mask
    if drop_fraction != "auto":
        return without_lowest(values, y, drop_fraction, classification, per_class)
    flagged = probability_wrong > 0.5
    if rows.of_influence:
        flagged &= clearly_negative(values, rows.standard_error)
    if flagged.mean() > 0.5:  # the rows left do not show which rows are wrong
        return np.ones(len(values), dtype=bool)
    if classification:
        flagged &= ~best_of_classes(values, y)
    return ~flagged


def clearly_negative(values, standard_error):
    """Tell which values are below zero by two standard errors.

    A standard error of four or five folds is small by chance in many of a thousand
    rows: none counts for less than that of the median row. Rows without one (NaN) are
    not clearly anything.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.cleaning._flagged import clearly_negative
    >>> error = np.array([1.0, 0.1, 1.0, 1.0, np.nan])
    >>> clearly_negative(np.array([-2.5, -1.5, -1.9, 4.0, -9.0]), error)
    array([ True, False, False, False, False])
    """
    if np.isnan(standard_error).all():
        return np.zeros(len(values), dtype=bool)
    typical = np.nanmedian(standard_error)
    return values < -SURE * np.maximum(standard_error, typical)


def best_of_classes(values, y):
    """Mark the row of the highest value in every class of every column of labels."""
    y, best = np.asarray(y), np.zeros(len(values), dtype=bool)
    from_best = np.argsort(values, kind="stable")[::-1]
    for labels in y.reshape(len(y), -1).T:
        _, first = np.unique(labels[from_best], return_index=True)
        best[from_best[first]] = True
    return best


def without_lowest(values, y, drop_fraction, classification, per_class=False):
    """Keep all but the lowest values, and the best row of every class.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        Low = suspect; NaN = not judged, kept.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    drop_fraction : float
        The share to drop, rounded down to whole rows.
    classification : bool
        Whether y holds labels.
    per_class : bool, default=False
        Whether the share is that of every class instead of the table; for one column
        of labels.

    Returns
    -------
    mask : ndarray of bool, shape (n_samples,)
        True = kept.

    Examples
    --------
    >>> from skinfluence.cleaning._flagged import without_lowest
    >>> without_lowest([-3, -2, -1, 0], ["a", "b", "b", "b"], 0.5, True)
    array([ True, False, False,  True])
    >>> without_lowest([-3, -2, -1, 0], ["a", "a", "b", "b"], 0.5, True, per_class=True)
    array([False,  True, False,  True])
    """
    values, y = np.asarray(values, dtype=np.float64), np.asarray(y)
    mask = np.ones(len(values), dtype=bool)
    order = np.argsort(values, kind="stable")
    droppable = ~np.isnan(values)
    if classification:
        droppable &= ~best_of_classes(values, y)
    order = order[droppable[order]]
    if classification and per_class:
        labels = y.ravel()
        for label in np.unique(labels):
            of_label = order[labels[order] == label]
            mask[of_label[: _count(drop_fraction, (labels == label).sum())]] = False
    else:
        mask[order[: _count(drop_fraction, len(values))]] = False
    return mask


def _count(share, n):
    return int(share * n + 1e-9)  # 0.29 of 100 rows is 29
