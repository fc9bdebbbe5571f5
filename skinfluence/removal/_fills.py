"""Test rows with missing entries, whose fill values depend on the training rows."""

import numpy as np

from skinfluence.removal._raw import RawRemovals


class FilledRemovals(RawRemovals):
    """Removals that change the fill values of an imputer before a linear model.

    Only of columns in which no training row misses an entry: what the model is
    trained on stays, and the linear predictor of a test row that misses one moves by
    the coefficient without the rows times the move of the fill value.

    Parameters
    ----------
    model : LinearModel
        The model on transformed rows.
    removals : RawRemovals
        From it.
    fills : tuple of Fill
        What moves.
    transform : callable
        Takes rows to what the model is asked about.
    """

    def __init__(self, model, removals, fills, transform):
        self.removals, self.transform, self.fills = removals, transform, fills
        self.link, self.n_removals = removals.link, removals.n_removals
        self.unresolved = removals.unresolved
        columns = np.concatenate([fill.columns for fill in fills])
        moves = np.hstack([fill.moves for fill in fills])
        rows = np.arange(self.n_removals)
        theta = model.theta + removals.displacements(rows)
        coef = model.design.to_coef(theta)[..., columns]  # (n_removals, k, n_fills)
        self.slopes = coef * moves[:, None]

    def prepare(self, X):
        missing = np.hstack([fill.missing(X) for fill in self.fills])
        raw, state = self.removals.prepare(self.transform(X))
        state = state if isinstance(state, tuple) else (state,)
        return raw, (*state, missing.astype(np.float64))

    def moves(self, state, removals):
        *state, missing = state
        state = tuple(state) if len(state) > 1 else state[0]
        out = self.removals.moves(state, removals)
        return out + np.einsum("tf,ikf->tik", missing, self.slopes[removals])

    def own_moves(self):
        """Return those of the model, since no training row misses an entry."""
        return self.removals.own_moves()
