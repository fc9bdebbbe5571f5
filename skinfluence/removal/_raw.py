"""Changes of losses, computed from how removals move raw predictions."""

from abc import abstractmethod

import numpy as np

from skinfluence.removal._model import Removals

# Elements of a tile of the (test row, removal, output) array: small enough for its
# temporaries to stay in cache and for malloc to reuse their pages.
TILE = 2**17


class RawRemovals(Removals):
    """Removals of a model whose raw predictions (logit, log joint, value) move.

    Attributes
    ----------
    link : str
        How raw predictions become predictions, see `_predictions.link_prediction`.
    n_removals : int
        Number of removals.
    first_order : bool
        Whether to follow the slope of the loss instead of evaluating it.
    """

    link = "identity"
    first_order = False

    @abstractmethod
    def prepare(self, X):
        """Compute what does not depend on removals.

        Returns
        -------
        raw : ndarray of shape (n_samples, k)
            Raw predictions with all rows.
        state : ndarray or tuple of ndarrays
            What `moves` needs of the test rows; first axis n_samples.
        """

    @abstractmethod
    def moves(self, state, removals):
        """Raw predictions without minus with, shape (n_samples, n_removals, k).

        ``removals`` is a slice of removals, ``state`` a part of what `prepare`
        returned.
        """

    @abstractmethod
    def own_moves(self):
        """Raw predictions of the training rows (n, k), and row i's own moves (n, k)."""

    def influence(self, X, y, loss):
        raw, state = self.prepare(X)
        out = np.empty((len(raw), self.n_removals))
        for rows, removals, tile in self._tiles(raw, state, y, loss):
            out[rows, removals] = tile
        return out

    def mean_influence(self, X, y, loss, weight):
        """Add up tiles, so that the matrix is never held."""
        return self._mean_of_tiles(*self.prepare(X), y, loss, weight)

    def _mean_of_tiles(self, raw, state, y, loss, weight):
        out = np.zeros(self.n_removals)
        for rows, removals, tile in self._tiles(raw, state, y, loss):
            out[removals] += weight[rows] @ tile
        return out

    def _tiles(self, raw, state, y, loss):
        """Yield test rows, removals and their part of the matrix of influences."""
        n, k = raw.shape
        slope = loss.slope(y, raw, self.link) if self.first_order else None
        n_test = min(n, 256)
        n_removals = max(1, TILE // max(1, n_test * k))
        for i in range(0, self.n_removals, n_removals):
            removals = slice(i, min(i + n_removals, self.n_removals))
            for t in range(0, n, n_test):
                rows = slice(t, t + n_test)
                part = (
                    tuple(s[rows] for s in state)
                    if isinstance(state, tuple)
                    else state[rows]
                )
                moves = self.moves(part, removals)
                if self.first_order:
                    tile = np.einsum("tmk,tk->tm", moves, slope[rows])
                else:
                    tile = loss.change(y[rows], raw[rows], moves, self.link)
                yield rows, removals, tile

    def own_influence(self, y, loss):
        raw, moves = self.own_moves()
        if self.first_order:
            return (loss.slope(y, raw, self.link) * moves).sum(axis=1)
        return loss.change(y, raw, moves[:, None], self.link)[:, 0]
