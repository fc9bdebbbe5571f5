"""The Hessian of the mean training loss itself."""

import numpy as np
import torch

from skinfluence._memory import check_memory
from skinfluence._sklearn import n_rows, take_rows
from skinfluence.nets.curvature._damping import gauss_newton_damping
from skinfluence.nets.curvature._group_terms import GroupSolves, hessian_products
from skinfluence.nets.curvature._preconditioned import factorise

_MOST_PARAMETERS = 5_000
_ROWS = 2048
_COLUMNS = 64


class ExactHessian(GroupSolves):
    """Second derivatives of the mean training loss, p x p.

    **Cost.** 2 p passes over the rows, p^3 / 3 operations, 8 p^2 bytes. **When it
    fails.** Away from a minimum it has negative eigenvalues: ``damping="auto"`` then
    raises the smallest to the default damping.
    """

    def prepare(self, damping):
        H = hessian(self.gradients.target, *self.train)
        if damping == "auto":
            values = torch.linalg.eigvalsh(H)
            trace = float(values.clamp(min=0).sum())
            damping = self.automatic(trace, gauss_newton_damping, trace)
            damping -= float(values[0].clamp(max=0))
        self.damping = damping
        self._factor = factorise(H, damping, "The Hessian of the training loss")

    def solve(self, rows):
        return torch.cholesky_solve(rows.T, self._factor).T

    def products(self, members, moves):
        return hessian_products(self.gradients.target, self.train, members, moves)


def hessian(target, X, y):
    """Hessian of the mean training loss, (p, p) float64, by double backward passes."""
    params = list(target.params.values())
    p, n = sum(v.numel() for v in params), n_rows(X)
    if p > _MOST_PARAMETERS:
        raise ValueError(
            f"hessian='exact' is for up to {_MOST_PARAMETERS:,} parameters. The net "
            f"has {p:,}: take hessian='gauss_newton'."
        )
    check_memory(24 * p**2, f"The Hessian of {p} parameters", "Take hessian='cg'.")
    out = torch.zeros(p, p, dtype=torch.float64)
    for start in range(0, n, _ROWS):
        rows = np.arange(start, min(start + _ROWS, n))
        with target.at(), torch.enable_grad():
            inputs, targets = target.batch(take_rows(X, rows), y[rows])
            loss = target.training_loss(target.output(inputs), targets, inputs).sum()
            first = torch.autograd.grad(loss, params, create_graph=True)
            first = torch.cat([g.reshape(-1) for g in first])
            for start_column in range(0, p, _COLUMNS):
                columns = slice(start_column, start_column + _COLUMNS)
                out[columns] += _rows_of_hessian(first, params, columns) / n
    return (out + out.T) / 2


def _rows_of_hessian(first, params, columns):
    if not first.requires_grad:  # a loss that is linear in the parameters
        return 0.0
    unit = torch.eye(len(first), device=first.device, dtype=first.dtype)[columns]
    parts = torch.autograd.grad(
        first,
        params,
        unit,
        retain_graph=True,
        allow_unused=True,
        materialize_grads=True,
        is_grads_batched=True,
    )
    return torch.cat([g.reshape(len(unit), -1) for g in parts], dim=1).double().cpu()
