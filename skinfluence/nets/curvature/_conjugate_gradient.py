"""Gauss-Newton by conjugate gradients: products with vectors, no matrix."""

import warnings

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, cg

from skinfluence._sklearn import take_rows
from skinfluence.nets.curvature._damping import gauss_newton_damping
from skinfluence.nets.curvature._group_terms import (
    GroupSolves,
    gauss_newton_products,
)
from skinfluence.nets.curvature._output_hessian import gauss_newton_trace

_ROWS = 2048


class ConjugateGradient(GroupSolves):
    """Generalised Gauss-Newton matrix, one solve per test row.

    **Cost.** Three passes over all rows per iteration, tens to hundreds of iterations
    per test row; memory O(p). Suitable for large nets and few test rows. **When it
    fails.** Small damping takes many iterations; a warning tells of solves that have
    not converged after 1,000 iterations.
    """

    def prepare(self, damping):
        self.largest = gauss_newton_trace(self.gradients, self.train)
        if damping == "auto":
            damping = self.automatic(self.largest, gauss_newton_damping, self.largest)
        self.damping = damping
        if not self.damping > 0:
            raise ValueError(
                "Conjugate gradients need a damping above 0. Got "
                f"damping={self.damping}."
            )

    def solve(self, rows):
        exact = self.gradients.target.dtype == torch.float64
        p = rows.shape[1]
        operator = LinearOperator((p, p), matvec=self._product, dtype=np.float64)
        out, unfinished = np.empty(rows.shape), 0
        for t, b in enumerate(rows.numpy()):
            out[t], info = cg(operator, b, rtol=1e-12 if exact else 1e-6, maxiter=1000)
            unfinished += info != 0
        if unfinished:
            warnings.warn(
                f"Conjugate gradients did not converge for {unfinished} of {len(rows)} "
                f"test rows: raise damping, {self.damping:.3g}.",
                stacklevel=2,
            )
        return torch.from_numpy(out)

    def products(self, members, moves):
        return gauss_newton_products(self.gradients, self.train, members, moves)

    def _product(self, vector):
        """(G + damping) times a vector, streamed over the rows."""
        target, (X, y) = self.gradients.target, self.train
        params = list(target.params.values())
        vector = np.asarray(vector, dtype=np.float64).reshape(-1)
        direction, start = [], 0
        for v in params:
            part = torch.from_numpy(vector[start : start + v.numel()])
            direction.append(part.to(v).reshape(v.shape))
            start += v.numel()
        out = self.damping * torch.from_numpy(vector)
        for first in range(0, self.n, _ROWS):
            rows = np.arange(first, min(first + _ROWS, self.n))
            with target.at(), torch.enable_grad():
                inputs, targets = target.batch(take_rows(X, rows), y[rows])
                output = target.output(inputs)
                bent = _bend(target, output, targets, inputs, params, direction)
                parts = torch.autograd.grad(
                    output, params, bent, allow_unused=True, materialize_grads=True
                )
            flat = torch.cat([g.reshape(-1) for g in parts])
            out = out + flat.double().cpu() / self.n
        return out.numpy()


def _bend(target, output, targets, inputs, params, direction):
    """Hessian by the outputs, times the derivative of the outputs in a direction."""
    # The directional derivative takes two backward passes: the result of the first is
    # linear in a dummy vector, by which it is differentiated.
    dummy = torch.zeros_like(output, requires_grad=True)
    back = torch.autograd.grad(
        output,
        params,
        dummy,
        create_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )
    total = sum((g * v).sum() for g, v in zip(back, direction, strict=True))
    (moved,) = torch.autograd.grad(total, dummy, retain_graph=True)
    z = output.detach().requires_grad_()
    loss = target.training_loss(z, targets, inputs).sum()
    (slope,) = torch.autograd.grad(loss, z, create_graph=True)
    if not slope.requires_grad:
        return torch.zeros_like(z)
    (bent,) = torch.autograd.grad(slope, z, moved, materialize_grads=True)
    return bent
