"""Rows that are decided on, as masks over the table."""

from dataclasses import dataclass

import numpy as np

from skinfluence.cleaning.review._new_targets import new_targets


@dataclass(frozen=True)
class Decided:
    """The consequences of verdicts for every row.

    Attributes
    ----------
    asked : ndarray of bool, shape (n_samples,)
        Rows with a verdict, including "unsure": they are not shown again.
    wrong, right : ndarray of bool, shape (n_samples,)
        Rows to drop or to relabel, and rows to keep.
    dropped : ndarray of bool, shape (n_samples,)
        Rows that go.
    y : ndarray of shape (n_samples,)
        Targets after rows are relabelled.
    """

    asked: np.ndarray
    wrong: np.ndarray
    right: np.ndarray
    dropped: np.ndarray
    y: np.ndarray

    @property
    def sure(self):
        """Rows that are known to be right or wrong: no estimate flags them."""
        return self.wrong | self.right

    @property
    def relabelled(self):
        """Rows that get another target."""
        return self.wrong & ~self.dropped

    @property
    def left(self):
        """Positions of the rows that stay."""
        return np.flatnonzero(~self.dropped)

    def part(self, rows):
        """Return the same for some of the rows."""
        return Decided(
            self.asked[rows],
            self.wrong[rows],
            self.right[rows],
            self.dropped[rows],
            self.y[rows],
        )


def decided_rows(verdicts, y, classification, where=None):
    """Make masks of verdicts; parameters and errors are those of `new_targets`."""

    def mask(rows):
        marked = np.zeros(len(y), dtype=bool)
        marked[rows] = True
        return marked

    return Decided(
        mask(verdicts.rows),
        mask(verdicts.of("drop", "relabel")),
        mask(verdicts.of("keep")),
        mask(verdicts.of("drop")),
        new_targets(verdicts, y, classification, where),
    )
