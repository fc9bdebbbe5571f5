"""Who may be removed: single rows, or whole groups of them."""

import numpy as np


class Players:
    """Single rows, or groups of rows that leave together.

    Parameters
    ----------
    n : int
        Training rows.
    masks : ndarray of bool of shape (n_players, n), default=None
        The rows of each group, which may overlap; None for single rows.
    labels : ndarray of shape (n_players,), default=None
        Labels of the groups.
    """

    def __init__(self, n, masks=None, labels=None):
        self.n, self.masks, self.labels = n, masks, labels
        self.n_players = n if masks is None else len(masks)

    @property
    def are_rows(self):
        """Whether each player is one row."""
        return self.masks is None

    def rows(self, chosen):
        """Rows of some players, ascending."""
        chosen = np.asarray(chosen, dtype=np.intp)
        if self.masks is None:
            return np.sort(chosen)
        return np.flatnonzero(self.masks[chosen].any(axis=0))

    def left(self, chosen):
        """Rows that stay without some players."""
        return np.setdiff1d(np.arange(self.n), self.rows(chosen), assume_unique=True)

    def present(self, kept):
        """Players of which some row is left, and not all that is left."""
        if self.masks is None:
            return kept
        size = self.masks[:, kept].sum(axis=1)
        return np.flatnonzero((size > 0) & (size < len(kept)))

    def masks_of(self, players, kept):
        """Their rows among those that are left; None for single rows."""
        return None if self.masks is None else self.masks[np.ix_(players, kept)]

    def named(self, chosen):
        """Names of players: positions of rows, or labels of groups."""
        chosen = np.asarray(chosen, dtype=np.intp)
        return chosen if self.labels is None else self.labels[chosen]

    def fewest_for(self, n_rows):
        """Fewest players that can hold more than ``n_rows`` rows."""
        if self.masks is None:
            return n_rows + 1
        total = np.cumsum(np.sort(self.masks.sum(axis=1))[::-1])
        return int(np.searchsorted(total, n_rows, side="right")) + 1


def make_players(influence, groups):
    """Return the `Players` that ``groups`` means for a fitted influence estimator."""
    n = influence.n_samples_fit_
    if groups is None:
        return Players(n)
    return Players(n, *labelled_masks(influence, groups))


def labelled_masks(influence, groups):
    """Return boolean masks of groups, and what the groups are called."""
    masks = influence._group_masks(groups)
    groups = np.asarray(groups)
    return masks, np.unique(groups) if groups.ndim == 1 else np.arange(len(masks))
