r"""Generalised Gauss-Newton matrix: the Hessian without the net's second derivatives.

:math:`G = \frac1n \sum_i J_i^\top H_i J_i = R^\top R / n`, with J the derivative of
the outputs, H the Hessian of the loss by the outputs, and R the rows of
`output_columns`. It has no negative eigenvalues, and equals the Hessian if the outputs
are linear in the parameters, as for the last layer alone. By the kernel of its rows::

    (G + d 1)^{-1} = 1/d [1 - R^T (n d 1 + R R^T)^{-1} R]
"""

import numpy as np
import torch

from skinfluence._memory import check_memory
from skinfluence._sklearn import n_rows, take_rows
from skinfluence.nets.curvature._damping import gauss_newton_damping
from skinfluence.nets.curvature._group_terms import (
    GroupSolves,
    gauss_newton_products,
)
from skinfluence.nets.curvature._output_hessian import output_columns
from skinfluence.nets.curvature._preconditioned import (
    Curvature,
    dense_batches,
    factorise,
)
from skinfluence.nets.gradients._gram import (
    gram,
    matvec,
    row_batches,
    self_dot,
    weighted_gradient,
)

# Up to this many rows of R all are kept; of more rows, the largest ones are kept up to
# a share of the trace.
_ALL = 2_000
_SHARE = 0.999


def gauss_newton(*arguments):
    """Return the explicit form if there are few parameters, else the kernel form.

    Parameters
    ----------
    *arguments
        Of `Curvature`.
    """
    gradients, train = arguments[:2]
    columns = output_columns(gradients.target, *train)
    p = sum(v.numel() for v in gradients.target.params.values())
    if p <= min(_ALL, len(columns) * n_rows(train[0])):
        return ExplicitGaussNewton(*arguments)
    return KernelGaussNewton(*arguments)


class ExplicitGaussNewton(GroupSolves):
    """The explicit p x p matrix.

    **Cost.** The products that form it, p^3 / 3 operations, 8 p^2 bytes.
    """

    def prepare(self, damping):
        X, y = self.train
        G = 0.0
        for column in output_columns(self.gradients.target, X, y):
            for _, rows in dense_batches(self.gradients, X, y, column):
                G = G + rows.T @ rows / self.n
        self.largest = float(G.trace())
        if damping == "auto":
            damping = self.automatic(self.largest, gauss_newton_damping, self.largest)
        self.damping = damping
        self._factor = factorise(G, damping, "The Gauss-Newton matrix")

    def solve(self, rows):
        return torch.cholesky_solve(rows.T, self._factor).T

    def products(self, members, moves):
        return gauss_newton_products(self.gradients, self.train, members, moves)


class KernelGaussNewton(Curvature):
    """The kernel of r rows of R, or of the largest of them if there are many.

    **Cost.** r^2 (inputs + outputs) per layer and r^3 / 3 operations, 8 r (r + n)
    bytes. Of more than 2,000 rows, the largest ones with 99.9% of the trace are kept.
    """

    def prepare(self, damping):
        (X, y), gradients = self.train, self.gradients
        columns = output_columns(gradients.target, X, y)
        sizes = np.stack([self_dot(gradients, X, y, measures=(c, c)) for c in columns])
        if damping == "auto":
            trace = sizes.sum() / self.n
            damping = self.automatic(trace, gauss_newton_damping, trace)
        self.damping = damping
        if not self.damping > 0:
            raise ValueError(
                f"The Gauss-Newton matrix of {self.n} rows is singular: set damping "
                f"above 0. Got {self.damping}."
            )
        kept = _largest(sizes)
        r = int(kept.sum())
        check_memory(
            8 * r * (3 * r + 2 * self.n),
            f"The kernel of {r} rows of the Gauss-Newton matrix",
            "Take hessian='ekfac' or 'last_layer'.",
        )
        self._rows = [
            factors
            for column, mine in zip(columns, kept, strict=True)
            if mine.any()
            for _, factors in row_batches(
                gradients, take_rows(X, np.flatnonzero(mine)), y[mine], column
            )
        ]
        K = self._with_rows(self._rows)
        self._factor = factorise(
            K, self.n * self.damping, "The kernel of Gauss-Newton rows"
        )
        mixed = self._with_rows_of(self.train, None)
        self._moved = torch.cholesky_solve(mixed, self._factor)
        self._row = np.concatenate([np.flatnonzero(mine) for mine in kept])

    def _with_rows(self, batches):
        """Inner products of R with batches of factors, (r, m) float64."""
        return torch.cat(
            [
                torch.cat([mine.gram(theirs).double().cpu() for mine in self._rows])
                for theirs in batches
            ],
            dim=1,
        )

    def _with_rows_of(self, rows, measure):
        batches = row_batches(self.gradients, *rows, measure)
        return self._with_rows(factors for _, factors in batches)

    def influence(self, test, measure):
        training = self.gradients.target.training_loss
        plain = gram(self.gradients, test, self.train, measures=(measure, training))
        held = self._with_rows_of(test, measure).T @ self._moved
        return (plain - held.numpy()) / (self.n * self.damping)

    def values(self, test, measure, weight):
        mean = weighted_gradient(self.gradients, *test, weight, measure)
        plain = matvec(self.gradients, *self.train, mean)
        mixed = torch.cat([mine.matvec(mean) for mine in self._rows]).double().cpu()
        return (plain - (mixed @ self._moved).numpy()) / (self.n * self.damping)

    def interaction(self, test, measure, members):
        """As of `Curvature`, of the rows of R: ``R (G + d)^-1 = n (n d + K)^-1 R``."""
        mixed = self._with_rows_of(test, measure)
        theirs = torch.cholesky_solve(mixed, self._factor).numpy()
        moved = self._moved.numpy() @ members
        return theirs.T @ (moved * members[self._row])


def _largest(sizes):
    """Mask of the largest entries that hold most of the sum."""
    if sizes.size <= _ALL:
        return sizes >= 0
    order = np.argsort(-sizes, axis=None)
    share = np.cumsum(sizes.ravel()[order]) / sizes.sum()
    kept = np.zeros(sizes.size, dtype=bool)
    kept[order[: np.searchsorted(share, _SHARE) + 1]] = True
    return kept.reshape(sizes.shape)
