r"""Gauss-Newton by conjugate gradients: products with vectors, no matrix.

The solves of many gradients share their products, and EK-FAC is the preconditioner: its
inverse M is nearly that of :math:`G + d`, so that few iterations are needed.
"""

import warnings

import numpy as np
import torch

from skinfluence._sklearn import take_rows
from skinfluence.nets.curvature._damping import gauss_newton_damping
from skinfluence.nets.curvature._ekfac import EKFAC
from skinfluence.nets.curvature._group_terms import (
    GroupSolves,
    gauss_newton_products,
)
from skinfluence.nets.curvature._output_hessian import gauss_newton_trace

# Bytes of the factors of a batch of rows, for all gradients of a block.
_BYTES = 2**27


class ConjugateGradient(GroupSolves):
    """Generalised Gauss-Newton matrix, solved for gradients iteratively.

    Parameters
    ----------
    *arguments
        Of `Curvature`.
    iterations : int or None, default=None
        Number of iterations; None: until they have converged.

    **Cost.** That of "ekfac", and per iteration a forward and three backward passes
    over the rows for each gradient, many gradients at a time. Memory O(p) per gradient
    of a block. **When it fails.** Small damping takes many iterations; a warning tells
    of solves that have not converged after 1,000 iterations.
    """

    def __init__(self, *arguments, iterations=None):
        self.iterations, self._is_batched = iterations, True
        super().__init__(*arguments)

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
        self._preconditioner = EKFAC(self.gradients, self.train, damping)
        self._row_bytes = self.gradients.row_bytes

    def solve(self, rows):
        self._preconditioner.gradients = self.gradients
        tolerance = 1e-12 if self.gradients.target.dtype == torch.float64 else 1e-6
        out = torch.zeros_like(rows)
        size = rows.norm(dim=1)
        open_ = torch.nonzero(size > 0)[:, 0]  # whose solves have not converged
        rest = rows[open_]
        turned = self._preconditioner.solve(rest)
        direction, power = turned, (rest * turned).sum(dim=1)
        for _ in range(self.iterations or 1000):
            product = self._product(direction)
            step = power / (direction * product).sum(dim=1)
            out[open_] += step[:, None] * direction
            rest = rest - step[:, None] * product
            far = rest.norm(dim=1) > tolerance * size[open_]
            if not far.any():
                return out
            open_, rest = open_[far], rest[far]
            turned = self._preconditioner.solve(rest)
            before, power = power[far], (rest * turned).sum(dim=1)
            direction = turned + (power / before)[:, None] * direction[far]
        if self.iterations is None:
            warnings.warn(
                f"Conjugate gradients did not converge for {len(open_)} of {len(rows)} "
                f"test rows: raise damping, {self.damping:.3g}.",
                stacklevel=2,
            )
        return out

    def products(self, members, moves):
        return gauss_newton_products(self.gradients, self.train, members, moves)

    def _product(self, vectors):
        """(G + damping) times vectors (m, p), streamed over the rows."""
        if self._is_batched:
            try:
                return self._batched_product(vectors)
            except RuntimeError:  # vmap has no rule for some module
                self._is_batched = False
        return torch.cat([self._batched_product(one[None]) for one in vectors])

    def _batched_product(self, vectors):
        target, (X, y) = self.gradients.target, self.train
        params = list(target.params.values())
        parts = vectors.split([v.numel() for v in params], dim=1)
        directions = [
            part.to(v).reshape(-1, *v.shape)
            for part, v in zip(parts, params, strict=True)
        ]
        row_bytes = len(vectors) * self._row_bytes
        size = int(np.clip(_BYTES // row_bytes, 8, 2048))
        out = self.damping * vectors
        for first in range(0, self.n, size):
            rows = np.arange(first, min(first + size, self.n))
            with target.at(), torch.enable_grad():
                inputs, targets = target.batch(take_rows(X, rows), y[rows])
                output = target.output(inputs)
                bent = _bend(target, output, targets, inputs, params, directions)
                grads = _backward(output, params, bent)
            flat = torch.cat([g.flatten(1) for g in grads], dim=1)
            out = out + flat.double().cpu() / self.n
        return out


def _bend(target, output, targets, inputs, params, directions):
    """Hessian by the outputs, times the derivative of the outputs in directions."""
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
    (moved,) = _backward(back, [dummy], directions)
    z = output.detach().requires_grad_()
    loss = target.training_loss(z, targets, inputs).sum()
    (slope,) = torch.autograd.grad(loss, z, create_graph=True)
    if not slope.requires_grad:
        return torch.zeros_like(moved)
    return _backward(slope, [z], moved)[0]


def _backward(outputs, inputs, vectors):
    """Products of vectors, stacked in the first dimension, with a Jacobian."""
    several = isinstance(vectors, list)
    if len(vectors[0] if several else vectors) > 1:
        return torch.autograd.grad(
            outputs,
            inputs,
            vectors,
            retain_graph=True,
            is_grads_batched=True,
            allow_unused=True,
            materialize_grads=True,
        )
    one = [v[0] for v in vectors] if several else vectors[0]
    options = {"retain_graph": True, "allow_unused": True, "materialize_grads": True}
    return [g[None] for g in torch.autograd.grad(outputs, inputs, one, **options)]
