r"""Gauss-Newton by conjugate gradients: products with vectors, no matrix.

The solves of many gradients share their products, and EK-FAC is the preconditioner: its
inverse M is nearly that of :math:`G + d`, so that few iterations are needed. Gradients,
training rows and M are copied to the net's device once, before the iterations.
"""

import warnings

import numpy as np
import torch
from torch.utils._pytree import tree_leaves

from skinfluence._sklearn import take_rows
from skinfluence.nets._device import working_bytes
from skinfluence.nets._inputs import rows_of
from skinfluence.nets.curvature._damping import gauss_newton_damping
from skinfluence.nets.curvature._ekfac import EKFAC, multiplied
from skinfluence.nets.curvature._group_terms import (
    GroupSolves,
    gauss_newton_products,
)
from skinfluence.nets.curvature._output_hessian import gauss_newton_trace

# Bytes of the factors of a batch of rows, for all gradients of a block.
_BYTES = 2**27
# Iterations between two looks at the residuals, for which the CPU waits for a device.
_UNSEEN = 8


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
        target = self.gradients.target
        device = torch.device(target.device)
        tolerance = 1e-12 if target.dtype == torch.float64 else 1e-6
        parts = [part.on(device) for part in self._preconditioner._parts]
        factors = [1 / (part.values + self.damping) for part in parts]
        train, rows = self._train_on(device), rows.to(device)
        out, size = torch.zeros_like(rows), rows.norm(dim=1)
        open_ = torch.nonzero(size > 0)[:, 0]  # whose solves have not converged
        rest = rows[open_]
        turned = multiplied(parts, factors, target, rest)
        direction, power = turned, (rest * turned).sum(dim=1)
        unseen = 1 if device.type == "cpu" else _UNSEEN
        for k in range(1, 1 + (self.iterations or 1000)):
            product = self._product(direction, train)
            step = _ratio(power, (direction * product).sum(dim=1))
            out[open_] += step[:, None] * direction
            rest = rest - step[:, None] * product
            if k == self.iterations:
                break
            if k % unseen == 0:
                far = rest.norm(dim=1) > tolerance * size[open_]
                if not far.any():
                    break
                open_, rest = open_[far], rest[far]
                direction, power = direction[far], power[far]
            turned = multiplied(parts, factors, target, rest)
            before, power = power, (rest * turned).sum(dim=1)
            direction = turned + _ratio(power, before)[:, None] * direction
        else:
            warnings.warn(
                f"Conjugate gradients did not converge for {len(open_)} of {len(rows)} "
                f"test rows: raise damping, {self.damping:.3g}.",
                stacklevel=2,
            )
        return out.cpu()

    def products(self, members, moves):
        return gauss_newton_products(self.gradients, self.train, members, moves)

    def _train_on(self, device):
        """Return all training rows on the device, or None if they take too much."""
        X, y = self.train
        size = sum(part.nbytes for part in tree_leaves(X) if hasattr(part, "nbytes"))
        if device.type != "cpu" and size > working_bytes(device):
            return None
        return self.gradients.target.batch(X, y)

    def _product(self, vectors, train):
        """(G + damping) times vectors (m, p), streamed over the rows."""
        if self._is_batched:
            try:
                return self._batched_product(vectors, train)
            except RuntimeError:  # vmap has no rule for some module
                self._is_batched = False
        return torch.cat([self._batched_product(one[None], train) for one in vectors])

    def _batched_product(self, vectors, train):
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
            rows = slice(first, min(first + size, self.n))
            if train is None:
                index = np.arange(rows.start, rows.stop)
                inputs, targets = target.batch(take_rows(X, index), y[rows])
            else:
                inputs, targets = rows_of(train[0], rows), train[1][rows]
            with target.at(), torch.enable_grad():
                output = target.output(inputs)
                bent = _bend(target, output, targets, inputs, params, directions)
                grads = _backward(output, params, bent)
            flat = torch.cat([g.flatten(1) for g in grads], dim=1)
            out = out + flat.double() / self.n
        return out


def _ratio(a, b):
    """a / b, or 0 where a is: the iterations have come to an end."""
    return torch.where(a > 0, a / b, 0.0)


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
