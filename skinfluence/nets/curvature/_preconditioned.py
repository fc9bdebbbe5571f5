"""Base classes of curvatures, in general and by solves for gradients."""

from abc import ABC, abstractmethod

import numpy as np
import torch

from skinfluence._sklearn import n_rows, take_rows

# Number of entries in a batch of materialised gradients.
_NUMBERS = 2**23


def dense_batches(gradients, X, y, measure=None):
    """Yield (rows, gradients of shape (len(rows), p) in float64 on the CPU)."""
    n, names = n_rows(X), list(gradients.target.params)
    p = sum(v.numel() for v in gradients.target.params.values())
    size = int(np.clip(_NUMBERS // p, 16, 4096))
    for start in range(0, n, size):
        rows = np.arange(start, min(start + size, n))
        parts = gradients(take_rows(X, rows), y[rows], measure).dense()
        yield rows, torch.cat([parts[k] for k in names], dim=1).double().cpu()


class Curvature(ABC):
    """A damped curvature matrix H of the training loss, and influence through it.

    Parameters
    ----------
    gradients : RowGradients
        Of the net at its final parameters.
    train : tuple of (X, y)
        Rows it was trained on, with encoded targets.
    damping : float or "auto"
        Added to the diagonal of H.

    Attributes
    ----------
    damping : float
        The value that was added.
    """

    def __init__(self, gradients, train, damping):
        self.gradients, self.train, self.n = gradients, train, n_rows(train[0])
        self.prepare(damping)

    def __getstate__(self):
        return {**vars(self), "gradients": None}  # which refer to a live net

    @abstractmethod
    def prepare(self, damping):
        """Set ``damping`` and factorise; raise if H + damping is not positive."""

    @abstractmethod
    def influence(self, test, measure):
        """Influence of the training rows, shape (n_test, n_train).

        Parameters
        ----------
        test : tuple of (X, y)
        measure : callable
            Evaluation loss, as `NetTarget.measure` returns it.
        """

    def interaction(self, test, measure, members):
        """Second-order part of the influence of groups, shape (n_test, n_groups).

        Parameters
        ----------
        test, measure
            As of `influence`.
        members : ndarray of float, shape (n_train, n_groups)
            One where a row is in a group, else zero.
        """
        raise NotImplementedError(type(self).__name__)


class Preconditioned(Curvature):
    """A curvature matrix whose inverse is applied to gradients."""

    @abstractmethod
    def solve(self, rows):
        """Apply the inverse of H + damping to rows of shape (m, p), in float64."""

    def influence(self, test, measure):
        """Solve for batches of test rows, and multiply by the training gradients."""
        out = np.empty((n_rows(test[0]), self.n))
        for columns, theirs in dense_batches(self.gradients, *test, measure):
            solved = self.solve(theirs) / self.n
            for rows, mine in dense_batches(self.gradients, *self.train):
                out[np.ix_(columns, rows)] = (solved @ mine.T).numpy()
        return out


def factorise(matrix, damping, what):
    """Return the Cholesky factor of ``matrix + damping 1``, or raise."""
    matrix = matrix + damping * torch.eye(len(matrix), dtype=matrix.dtype)
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if failed or not torch.isfinite(factor).all():
        smallest = float(torch.linalg.eigvalsh(matrix)[0]) - damping
        raise ValueError(
            f"{what} plus damping={damping:.3g} is not positive definite: its smallest "
            f"eigenvalue is {smallest:.3g}. Set damping above {max(0, -smallest):.3g}, "
            "or use hessian='gauss_newton', whose eigenvalues are not negative."
        )
    return factor
