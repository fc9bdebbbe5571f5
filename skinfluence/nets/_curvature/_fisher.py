r"""Empirical Fisher: second moments of the rows' gradients, in dual form.

With G the gradients of n rows, :math:`F = G^\top G / n` and :math:`K = G G^\top`::

    G (F + d 1)^{-1} g_t / n = (K + n d 1)^{-1} G g_t
"""

import numpy as np
import torch

from skinfluence._memory import check_memory
from skinfluence._sklearn import n_rows
from skinfluence.nets._curvature._preconditioned import factorise
from skinfluence.nets._gram import gram


class Fisher:
    """Second moments of the gradients of the training loss; exact for n rows.

    **Cost.** The n x n Gram matrix, n^3 / 3 operations, 8 n^2 bytes. **When it
    fails.** It stands for the Hessian only where residuals are noise of the size the
    loss assumes; rows fitted perfectly weigh nothing.
    """

    def __init__(self, gradients, train, damping):
        self.gradients, self.train, n = gradients, train, n_rows(train[0])
        check_memory(
            24 * n**2,
            f"The Gram matrix of {n} rows",
            "Take hessian='ekfac' or 'last_layer'.",
        )
        K = torch.from_numpy(gram(gradients, train, train))
        if damping == "auto":
            damping = float(K.trace()) / n**2
        self.damping = damping
        size = float(K.diagonal().max())
        rounding = 10 * n * torch.finfo(gradients.target.dtype).eps * size
        self._factor = factorise(
            K, max(n * damping, rounding, 1e-300), "The Gram matrix of the gradients"
        )

    def influence(self, test, measure):
        """Influence of the training rows, shape (n_test, n_train)."""
        training = self.gradients.target.training_loss
        mixed = gram(self.gradients, self.train, test, measures=(training, measure))
        solved = torch.cholesky_solve(torch.from_numpy(mixed), self._factor)
        return np.ascontiguousarray(solved.numpy().T)
