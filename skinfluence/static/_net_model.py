"""A skorch net trained by `CheckpointRun`s, under the contract of removals."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import sklearn
from sklearn.utils import gen_batches

from skinfluence._sklearn import take_rows
from skinfluence.nets.curvature import CURVATURES
from skinfluence.removal import RemovalModel, Removals


@dataclass
class _Point:
    """A checkpoint of a run, and the curvature there."""

    run: object
    checkpoint: object
    curvature: object


class NetModel(RemovalModel):
    """A net at checkpoints of its training, whose rows can be removed to first order.

    Influences are means over the checkpoints of all runs.

    Parameters
    ----------
    runs : list of CheckpointRun
        Fitted.
    X, y : array-like
        Training rows, and encoded targets; rows that were held out of training have
        influence zero.
    hessian : str
        A key of `CURVATURES`.
    held_fixed : iterable of str, default=()
        Names of the fitted steps before the net.
    group_order : {1, 2}, default=1
        Order to which sets of rows are removed.
    refine : int, default=0
        Number of conjugate gradient iterations that refine "ekfac".
    """

    lacks = (
        "Training does not bring a skorch net to a minimum of its objective, so that "
        "its rows can be removed to first order only. Use "
        "InfluenceFunctions(step='infinitesimal')."
    )

    def __init__(self, runs, X, y, hessian, held_fixed=(), group_order=1, refine=0):
        self.runs, self.X, self.y = runs, X, y
        self.points, self.damping = [], None
        self._make = CURVATURES[hessian]
        if refine:
            self._make = partial(CURVATURES["cg"], iterations=refine)
        self.held_fixed, self.group_order = tuple(held_fixed), group_order

    def choose_damping(self, damping):
        """Prepare the curvatures, on which the value of "auto" depends.

        Returns
        -------
        damping : float, or ndarray of float
            One number per checkpoint if there are several.
        """
        self.points = []
        for run in self.runs:
            X, y = run.rows(self.X, self.y)
            gradients, last, points = run.gradients(), None, []
            for checkpoint in reversed(run.checkpoints):
                train = take_rows(X, checkpoint.rows), y[checkpoint.rows]
                descent = None
                if damping == "auto" and last is None:
                    descent = run.descent(checkpoint, train)
                with gradients.target.at(checkpoint.state):
                    curvature = self._make(gradients, train, damping, descent, last)
                last = last or curvature
                points.append(_Point(run, checkpoint, curvature))
            self.points += points[::-1]
        chosen = [point.curvature.damping for point in self.points]
        self.damping = chosen[0] if len(chosen) == 1 else np.array(chosen)
        return self.damping

    def first_order(self, damping=0.0, masks=None):
        """Return the removals to first order, sets of rows to ``group_order``."""
        if not self.points or not np.array_equal(damping, self.damping):
            self.choose_damping(damping)
        return NetRemovals(self, masks)


class NetRemovals(Removals):
    """Removals from a net to first order, through its damped curvatures."""

    def __init__(self, model, masks):
        self.model = model
        self.members = None if masks is None else masks.T.astype(np.float64)
        self.unresolved = np.empty(0, dtype=np.intp)

    def _at_points(self, X, y, loss):
        """Yield (rows of the training set, curvature, test rows, measure)."""
        for point in self.model.points:
            gradients = point.run.gradients()
            test, kept = point.run.rows(X, y), point.checkpoint.rows
            with gradients.target.at(point.checkpoint.state):
                point.curvature.gradients = gradients
                yield kept, point.curvature, test, gradients.target.measure(loss)

    def influence(self, X, y, loss):
        """Add up the points, each in blocks of rows bounded by working_memory."""
        n, members = len(self.model.y), self.members
        out = np.zeros((len(y), n if members is None else members.shape[1]))
        size = sklearn.get_config()["working_memory"] * 2**20 // (8 * n)
        for kept, curvature, (X_net, y_net), measure in self._at_points(X, y, loss):
            for rows in gen_batches(len(y), max(1, int(size))):
                test = take_rows(X_net, np.arange(rows.start, rows.stop)), y_net[rows]
                block = curvature.influence(test, measure)
                if members is None:
                    out[rows, kept] += block
                    continue
                out[rows] += block @ members[kept]
                if self.model.group_order == 2:
                    out[rows] += curvature.interaction(test, measure, members[kept])
        out /= len(self.model.points)
        return out

    def mean_influence(self, X, y, loss, weight):
        """Solve for the mean gradient of the test rows at each point."""
        out = np.zeros(len(self.model.y))
        for kept, curvature, test, measure in self._at_points(X, y, loss):
            out[kept] += curvature.values(test, measure, weight)
        return out / len(self.model.points)

    def own_influence(self, y, loss):
        """Multiply the gradients of the same rows at each point."""
        out = np.zeros(len(self.model.y))
        for kept, curvature, _, measure in self._at_points(self.model.X, y, loss):
            out[kept] += curvature.own_influence(measure)
        return out / len(self.model.points)
