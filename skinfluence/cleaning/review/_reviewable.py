"""A scored table, which returns the next rows to look at after any verdicts."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from skinfluence._display._shown_bunch import ShownBunch
from skinfluence.cleaning.review._decided import decided_rows
from skinfluence.cleaning.review._recalibration import estimate
from skinfluence.cleaning.review._verdicts import (
    check_given,
    check_verdicts,
    read_columns,
)


def decided_in(verdicts, y, classification):
    """Check verdicts on a table in memory; see `InfluenceCleaner.fit`.

    Returns
    -------
    decided : Decided
    """
    y = np.asarray(y)
    if y.ndim != 1:
        raise ValueError(
            "The 'verdicts' parameter must be None unless y is one column, shape "
            f"(n_samples,): a verdict has one value. Got y of shape {y.shape}."
        )

    def complaint(i, here, given):
        return (
            f"verdicts, entry {i}: row {checked.rows[i]} of y is {here!r}, and the row "
            f"that was reviewed had {given!r}: pass the table that was reviewed "
            "(without a column given nothing is compared)"
        )

    checked = check_verdicts(read_columns(verdicts), len(y))
    check_given(checked, y, complaint)
    return decided_rows(checked, y, classification), checked


@dataclass(frozen=True)
class Reviewable:
    """The data of a table that a review needs.

    Attributes
    ----------
    features : ndarray of shape (n_samples, 3)
        See `skinfluence.cleaning.review._recalibration.features`.
    labels : ndarray of int, shape (n_samples,)
        Index of the label as given; 0 for numbers.
    given, suggested, values : ndarray of shape (n_samples,)
        Targets, those that models without the row predict, and values of rows.
    classification : bool
        Whether y holds labels.
    """

    features: np.ndarray
    labels: np.ndarray
    given: np.ndarray
    suggested: np.ndarray
    values: np.ndarray
    classification: bool

    def estimate(self, decided, count=True):
        """Learn from verdicts.

        Parameters
        ----------
        decided : Decided or None
        count : bool, default=True
            Whether wrong rows are counted.

        Returns
        -------
        estimate : Estimate
        """
        none = np.zeros(len(self.given), dtype=bool)
        sure, wrong = (none, none) if decided is None else (decided.sure, decided.wrong)
        return estimate(self.features, self.labels, sure, wrong, count)

    def probability(self, estimate, decided):
        """Probability of every row to be wrong as given; 0 or 1 where it is decided."""
        p = expit(estimate.log_odds)
        return p if decided is None else np.where(decided.sure, decided.wrong, p)

    def table(self, decided, n_rows, n_random):
        """Return the rows to look at next, as columns.

        Parameters
        ----------
        decided : Decided or None
        n_rows : int
            The most likely wrong rows without a verdict, so many.
        n_random : int
            Others drawn at random, so many.

        Returns
        -------
        table : Bunch
        """
        found = self.estimate(decided, count=False)
        asked = np.zeros(len(self.given), dtype=bool)
        if decided is not None:
            asked = decided.asked
        order = np.argsort(-found.log_odds, kind="stable")
        order = order[~asked[order]]
        first, rest = order[:n_rows], order[n_rows:]
        drawn = np.random.default_rng(int(asked.sum())).permutation(rest)
        rows = np.concatenate([first, drawn[:n_random]])
        empty = np.full(len(rows), "", dtype=object)
        return ShownBunch(
            row=rows,
            given=self.given[rows],
            suggested=self.suggested[rows],
            probability_wrong=self.probability(found, decided)[rows],
            sample_value=self.values[rows],
            verdict=empty,
            value=empty.copy(),
            note=empty.copy(),
        )
