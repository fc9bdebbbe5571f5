"""Base classes of curvatures, in general and by solves for gradients."""

import math
from abc import ABC, abstractmethod

import numpy as np
import torch

from skinfluence._sklearn import n_rows, take_rows
from skinfluence.nets.gradients._gram import matvec, weighted_gradient

# Number of entries in a batch of materialised gradients.
_NUMBERS = 2**23
_OWN_ROWS = 1024
# Largest relative error of products in the type of the net's parameters.
_TOLERANCE = 1e-5


def dense_batches(gradients, X, y, measure=None, dtype=torch.float64):
    """Yield (rows, gradients of shape (len(rows), p) on the CPU)."""
    n, names = n_rows(X), list(gradients.target.params)
    p = sum(v.numel() for v in gradients.target.params.values())
    size = int(np.clip(_NUMBERS // p, 16, 4096))
    for start in range(0, n, size):
        rows = np.arange(start, min(start + size, n))
        parts = gradients(take_rows(X, rows), y[rows], measure).dense()
        yield rows, torch.cat([parts[k] for k in names], dim=1).to("cpu", dtype)


def product_dtype(dtype, largest, damping):
    r"""Type in which gradients can be multiplied by solved gradients.

    By Cauchy and Schwarz the rounding error of the influence of row i on row t in a
    type of precision :math:`\epsilon` is at most

    .. math:: c \, \epsilon \, \sqrt{\kappa} \, \sqrt{I(i, i) \, I(t, t)}, \qquad
        \kappa = 1 + \lambda_\max / \mathrm{damping}

    with c of the order of one (errors of sums are random) and self-influences I for
    equal losses. The gradients of a float32 net bring an error of this order with them.
    Above 1e-5 the products are float64.

    Parameters
    ----------
    dtype : torch.dtype
        Of the net's parameters.
    largest : float
        The largest eigenvalue, or a bound.
    damping : float
    """
    dtype = torch.promote_types(dtype, torch.float32)
    error = torch.finfo(dtype).eps * math.sqrt(1 + largest / damping)
    return dtype if error <= _TOLERANCE else torch.float64


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
    descent : Descent or None, default=None
        What training did, from which "auto" follows; None: unknown.
    last : Curvature or None, default=None
        That of the run's last checkpoint, if this is an earlier one.

    Attributes
    ----------
    damping : float
        The value that was added.
    trace : float
        Of H, if the damping is "auto".
    """

    def __init__(self, gradients, train, damping, descent=None, last=None):
        self.gradients, self.train, self.n = gradients, train, n_rows(train[0])
        self.descent, self._last, self.trace = descent, last, None
        self.prepare(damping)
        self._last = None

    def automatic(self, trace, rule, *arguments):
        """Return the damping by a rule, in proportion to the trace before the end.

        Parameters
        ----------
        trace : float
            Of H.
        rule : callable
            ``rule(*arguments, n, descent)`` is the damping at the last checkpoint.
        """
        self.trace = trace
        if self._last is None:
            damping = rule(*arguments, self.n, self.descent)
        else:
            known = trace > 0 and self._last.trace > 0
            damping = self._last.damping * (trace / self._last.trace if known else 1)
        if not damping > 0:
            raise ValueError(
                "damping='auto' is zero here: the curvature of the training loss is "
                f"zero at the parameters of the net (trace {trace:.3g}), and training "
                "has not lowered the loss. Check that the net learns, with a smaller "
                "learning rate for instance, or set 'damping' to a number above 0."
            )
        return damping

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

    @abstractmethod
    def values(self, test, measure, weight):
        """Weighted sum of `influence` over the test rows, without the matrix."""

    def own_influence(self, measure):
        """Influence of each training row on itself, shape (n_train,)."""
        (X, y), out = self.train, np.empty(self.n)
        for start in range(0, self.n, _OWN_ROWS):
            rows = np.arange(start, min(start + _OWN_ROWS, self.n))
            block = self.influence((take_rows(X, rows), y[rows]), measure)
            out[rows] = block.diagonal(start)
        return out

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
    """A curvature matrix whose inverse is applied to gradients.

    Attributes
    ----------
    largest : float
        A bound of the largest eigenvalue of H, set by ``prepare`` if H has no
        negative eigenvalues; infinite otherwise.
    """

    largest = math.inf

    @abstractmethod
    def solve(self, rows):
        """Apply the inverse of H + damping to rows of shape (m, p), in float64."""

    @property
    def product_dtype(self):
        """Type of the products with solved gradients."""
        dtype = self.gradients.target.dtype
        return product_dtype(dtype, self.largest, self.damping)

    def influence(self, test, measure):
        """Solve for batches of test rows, and multiply by the training gradients."""
        out, dtype = np.empty((n_rows(test[0]), self.n)), self.product_dtype
        for columns, theirs in dense_batches(self.gradients, *test, measure):
            solved = (self.solve(theirs) / self.n).to(dtype)
            for rows, mine in dense_batches(self.gradients, *self.train, dtype=dtype):
                out[np.ix_(columns, rows)] = (solved @ mine.T).numpy()
        return out

    def values(self, test, measure, weight):
        """Solve for the mean test gradient."""
        target = self.gradients.target
        mean = weighted_gradient(self.gradients, *test, weight, measure)
        flat = torch.cat([mean[k].reshape(-1) for k in target.params]).double().cpu()
        (solved,) = self.solve(flat[None])
        if self.product_dtype != target.dtype:
            batches = dense_batches(self.gradients, *self.train)
            out = torch.cat([rows @ solved for _, rows in batches])
            return out.numpy() / self.n
        parts = solved.split([v.numel() for v in target.params.values()])
        vector = {
            k: part.to(v).reshape(v.shape)
            for (k, v), part in zip(target.params.items(), parts, strict=True)
        }
        return matvec(self.gradients, *self.train, vector) / self.n

    def own_influence(self, measure):
        """Solve for batches of training rows, without the matrix between them."""
        out, batches = np.empty(self.n), dense_batches(self.gradients, *self.train)
        tests = dense_batches(self.gradients, *self.train, measure)
        for (rows, mine), (_, theirs) in zip(batches, tests, strict=True):
            out[rows] = (self.solve(theirs) * mine).sum(dim=1) / self.n
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
