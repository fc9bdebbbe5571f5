"""Moves of the coefficients without rows, or sets of rows, of a fitted model."""

import numpy as np

from skinfluence.removal.linear._quadratic import Quadratic

# Certified error of the linear predictor without a row, for step="exact".
TOLERANCE = 1e-11
# Least share of the information that is left, from which normal equations lose digits.
TRUSTED = 1e-3
# Elements of a block of masks.
BLOCK = 2**27


def moves_without(fitted, removals, step, bases):
    """Return coefficients without rows minus those with all.

    Parameters
    ----------
    fitted : FittedModel
        The model.
    removals : SingleRows or Clusters
        The rows or clusters that are removed.
    step : {"exact", "one_step"}
        See `case_diagnostics`.
    bases : list of WorkingModel or None
        One for each linear predictor; None where the model is no likelihood.

    Returns
    -------
    moves : ndarray of shape (m, k, p)
        In the coordinates of the design.
    alone : ndarray of int
        Removals without which a class is missing. Of two classes the coefficients are
        then zero, and the intercept is infinite; of more, their moves are NaN.
    """
    model, quadratic = fitted.model, isinstance(fitted.model, Quadratic)
    certain = removals.certain(bases)
    if step == "one_step" and bases is not None and not quadratic:
        moves = removals.one_steps(bases[0])[:, None]
        unresolved = certain
    elif quadratic and isinstance(removals, Clusters):
        moves, unresolved = _squares_without(model, removals, bases)
    elif step == "one_step" and bases is None:
        moves, unresolved = removals.ask(lambda masks: model.newton(0.0, masks))
    else:
        moves, unresolved = removals.ask(lambda masks: model.exact(TOLERANCE, masks))
        unresolved = np.union1d(unresolved, certain)
    alone = []
    for k in unresolved.astype(np.intp):
        theta = fitted.refit(removals.kept(k))
        if theta is None:
            alone.append(k)
            moves[k] = -fitted.full.theta if len(fitted.full.theta) == 1 else np.nan
        else:
            moves[k] = theta - fitted.full.theta
    return moves, np.array(alone, dtype=np.intp)


def _squares_without(model, clusters, bases):
    """Least squares without clusters, by matrices of the size of the coefficients."""
    steps = [base.steps_without(clusters.members) for base in bases]
    moves = np.stack([moves for moves, _ in steps], axis=1)
    rough = np.min([left for _, left in steps], axis=0) < TRUSTED
    if model.labels is not None:
        rough |= clusters.hold_all_of(model.labels)
    rough = np.flatnonzero(rough)
    if not len(rough):
        return moves, rough
    found, unresolved = clusters.ask(lambda masks: model.exact(TOLERANCE, masks), rough)
    moves[rough] = found
    return moves, rough[unresolved]


class SingleRows:
    """Every row leaves alone."""

    def __init__(self, n):
        self.n = self.n_removals = n

    def kept(self, k):
        """Positions of the rows that stay."""
        return np.delete(np.arange(self.n), k)

    def certain(self, bases):
        """Removals whose algebra is not asked: rows of leverage one."""
        return np.empty(0, int) if bases is None else np.flatnonzero(bases[0].full)

    def one_steps(self, base):
        """Scoring steps, shape (n, p)."""
        return base.one_steps()

    def ask(self, remove):
        """Moves of the coefficients and removals without an answer."""
        found = remove(None)
        return found.displacements(np.arange(self.n)), found.unresolved


class Clusters:
    """All rows of a label leave together."""

    def __init__(self, labels, codes):
        self.labels, self.codes, self.sizes = labels, codes, np.bincount(codes)
        self.n_removals = len(self.labels)
        order = np.argsort(self.codes, kind="stable")
        self.members = np.split(order, np.cumsum(self.sizes)[:-1])

    def kept(self, k):
        """Positions of the rows that stay."""
        return np.flatnonzero(self.codes != k)

    def hold_all_of(self, classes):
        """Tell which clusters hold all rows of some class, shape (n_clusters,)."""
        sizes = np.zeros((self.n_removals, classes.max() + 1))
        np.add.at(sizes, (self.codes, classes), 1)
        return (sizes == sizes.sum(axis=0)).any(axis=1)

    def certain(self, bases):
        """Removals whose algebra is not asked: none."""
        return np.empty(0, int)

    def one_steps(self, base):
        """Scoring steps, shape (n_clusters, p)."""
        return base.steps_without(self.members)[0]

    def ask(self, remove, some=None):
        """Moves of the coefficients and removals without an answer.

        ``some`` are the clusters asked about; None: all.
        """
        some = np.arange(self.n_removals) if some is None else some
        size = max(1, BLOCK // len(self.codes))
        moves, unresolved = [], []
        for start in range(0, len(some), size):
            block = some[start : start + size]
            found = remove(self.codes == block[:, None])
            moves.append(found.displacements(np.arange(len(block))))
            unresolved.append(np.asarray(found.unresolved) + start)
        return np.concatenate(moves), np.concatenate(unresolved).astype(np.intp)
