"""Influence functions of a net that was trained by a `CheckpointRun`."""

import numpy as np

from skinfluence._sklearn import take_rows
from skinfluence.nets.curvature import CURVATURES


class NetInfluence:
    """What `InfluenceFunctions` asks of a net at the end of its training.

    Parameters
    ----------
    run : CheckpointRun
        Fitted.
    X, y : array-like
        Training rows, and encoded targets; rows that were held out of training have
        influence zero.
    hessian : str
        A key of `CURVATURES`.
    damping : float or "auto"
        Added to the diagonal.
    """

    def __init__(self, run, X, y, hessian, damping):
        self.run, self.n = run, len(y)
        self.kept = run.checkpoints[-1].rows
        X, y = run.rows(X, y)
        train = take_rows(X, self.kept), y[self.kept]
        self.curvature = CURVATURES[hessian](run.gradients(), train, damping)

    @property
    def damping(self):
        """What was added."""
        return self.curvature.damping

    def influence(self, X, y, loss):
        """Influence matrix, shape (n_test, n_train)."""
        self.curvature.gradients = gradients = self.run.gradients()
        out = np.zeros((len(y), self.n))
        out[:, self.kept] = self.curvature.influence(
            self.run.rows(X, y), gradients.target.measure(loss)
        )
        return out
