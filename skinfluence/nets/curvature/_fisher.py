r"""Empirical Fisher: second moments of the rows' gradients, in dual form.

With G the gradients of n rows, :math:`F = G^\top G / n` and :math:`K = G G^\top`::

    G (F + d 1)^{-1} g_t / n = (K + n d 1)^{-1} G g_t
"""

import numpy as np
import torch

from skinfluence._memory import check_memory
from skinfluence.nets.curvature._damping import fisher_damping
from skinfluence.nets.curvature._output_hessian import gauss_newton_trace
from skinfluence.nets.curvature._preconditioned import Curvature, factorise
from skinfluence.nets.gradients._gram import gram, matvec, weighted_gradient


class Fisher(Curvature):
    """Second moments of the gradients of the training loss; exact for n rows.

    **Cost.** The n x n Gram matrix, n^3 / 3 operations, 8 n^2 bytes. **When it
    fails.** It approximates the Hessian only if the residuals are noise of the
    variance that the loss assumes; rows that are fitted perfectly contribute nothing.
    """

    def prepare(self, damping):
        n = self.n
        check_memory(
            24 * n**2,
            f"The Gram matrix of {n} rows",
            "Take hessian='ekfac' or 'last_layer'.",
        )
        K = torch.from_numpy(gram(self.gradients, self.train, self.train))
        if damping == "auto":
            trace = float(K.trace()) / n
            other = gauss_newton_trace(self.gradients, self.train)
            damping = self.automatic(trace, fisher_damping, trace, other)
        self.damping = damping
        if not self.damping > 0:
            raise ValueError(
                f"hessian='fisher' needs damping above 0. Got {self.damping}."
            )
        # Rounding of K may make eigenvalues negative.
        eps = torch.finfo(self.gradients.target.dtype).eps
        self.damping = max(self.damping, 10 * eps * float(K.diagonal().max()))
        self._factor = factorise(K, n * self.damping, "The Gram matrix of gradients")

    def influence(self, test, measure):
        training = self.gradients.target.training_loss
        mixed = gram(self.gradients, self.train, test, measures=(training, measure))
        solved = torch.cholesky_solve(torch.from_numpy(mixed), self._factor)
        return np.ascontiguousarray(solved.numpy().T)

    def values(self, test, measure, weight):
        mean = weighted_gradient(self.gradients, *test, weight, measure)
        mixed = torch.from_numpy(matvec(self.gradients, *self.train, mean))
        return torch.cholesky_solve(mixed[:, None], self._factor).numpy()[:, 0]
