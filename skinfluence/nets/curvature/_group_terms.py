r"""Second-order terms between the rows of a group, beyond the sum over its rows.

Without a group S the Hessian of the summed loss, :math:`H`, loses :math:`H_S`, so that
the parameters move by :math:`(H - H_S)^{-1} g_S`, whose Neumann series begins

.. math:: H^{-1} g_S + H^{-1} H_S H^{-1} g_S

The first term adds up over the rows of the group, the second is computed here: products
of :math:`H_S` with the moves of the groups.
"""

from abc import abstractmethod

import numpy as np
import torch

from skinfluence._sklearn import n_rows, take_rows
from skinfluence.nets.curvature._output_hessian import output_columns
from skinfluence.nets.curvature._preconditioned import Preconditioned, dense_batches

_ROWS = 2048


class GroupSolves(Preconditioned):
    """A curvature whose parts by the rows of a group are known.

    **Cost** of the interaction: two solves and a product for each group.
    """

    @abstractmethod
    def products(self, members, moves):
        """Products of each group's part of the summed curvature with its move."""

    def interaction(self, test, measure, members):
        """As of `Curvature`."""
        members = torch.from_numpy(members)
        batches = dense_batches(self.gradients, *self.train)
        gradients = sum(members[rows].T @ mine for rows, mine in batches)
        bent = self.products(members, self.solve(gradients) / self.n)
        moves = self.solve(bent) / self.n
        out = np.empty((n_rows(test[0]), members.shape[1]))
        for rows, theirs in dense_batches(self.gradients, *test, measure):
            out[rows] = (theirs @ moves.T).numpy()
        return out


def gauss_newton_products(gradients, train, members, moves):
    """Products of each group's Gauss-Newton matrix with its move, (n_groups, p).

    Parameters
    ----------
    gradients : RowGradients
    train : tuple of (X, y)
    members : tensor of shape (n, n_groups)
        One where a row is in a group, else zero.
    moves : tensor of shape (n_groups, p)
    """
    out = torch.zeros_like(moves)
    for column in output_columns(gradients.target, *train):
        for rows, mine in dense_batches(gradients, *train, column):
            out += (mine @ moves.T * members[rows]).T @ mine
    return out


def hessian_products(target, train, members, moves):
    """Products of each group's Hessian with its move, by double backward passes."""
    (X, y), params = train, list(target.params.values())
    out = torch.zeros_like(moves)
    for group, move in enumerate(moves):
        chosen = np.flatnonzero(members[:, group].numpy())
        for start in range(0, len(chosen), _ROWS):
            rows = chosen[start : start + _ROWS]
            with target.at(), torch.enable_grad():
                inputs, targets = target.batch(take_rows(X, rows), y[rows])
                loss = target.training_loss(target.output(inputs), targets, inputs)
                first = torch.autograd.grad(loss.sum(), params, create_graph=True)
                first = torch.cat([g.reshape(-1) for g in first])
                if not first.requires_grad:  # linear in the parameters
                    continue
                parts = torch.autograd.grad(
                    first,
                    params,
                    move.to(first),
                    allow_unused=True,
                    materialize_grads=True,
                )
            out[group] += torch.cat([g.reshape(-1) for g in parts]).double().cpu()
    return out
