"""Gradients of many rows with respect to one layer, kept as factors.

A block holds n gradients of the same parameters and has five methods: ``gram`` (inner
products with another block's rows), ``self_dot`` (squared norms), ``matvec`` (inner
products with one gradient), ``dense`` (the gradients themselves) and ``rows`` (a block
of some of the rows, without a copy if they are a slice). ``scale``
multiplies the coordinates of each parameter, for learning rates that differ between
parameters.
"""

from dataclasses import dataclass

import torch

_CHUNK = 2**20  # entries of a temporary array, so that it fits into a cache
# Multiplying and summing one pair of positions is limited by memory access, and takes
# as long as a dot product of this length.
_PAIR = 256


@dataclass
class Outer:
    r"""Sums of outer products: Linear and convolution layers.

    .. math:: g_i = \sum_t d_{it} \otimes (a_{it}, 1)

    so that the inner product of two rows is
    :math:`\sum_{ts} (a_{it}^\top a_{js} + 1) \, d_{it}^\top d_{js}`: with one position
    an elementwise product of two matrices, n x m x (in + out) operations instead of
    n x m x in x out.

    Attributes
    ----------
    weight, bias : str or None
        Names of the parameters; None if they are not variables.
    a : Tensor of shape (n, n_positions, n_in)
    d : Tensor of shape (n, n_positions, n_out)
    """

    weight: str | None
    bias: str | None
    a: torch.Tensor
    d: torch.Tensor

    def __len__(self):
        return len(self.a)

    @property
    def like(self):
        """A tensor of the block's device and dtype."""
        return self.a

    def rows(self, rows):
        """Return the block of some rows."""
        return Outer(self.weight, self.bias, self.a[rows], self.d[rows])

    @property
    def n_bytes(self):
        """Memory of the factors."""
        return (self.a.numel() + self.d.numel()) * self.a.element_size()

    def _scales(self, scale):
        weight = float(scale.get(self.weight, 1.0)) if self.weight else 0.0
        bias = float(scale.get(self.bias, 1.0)) if self.bias else 0.0
        return weight, bias

    def _factored(self, n, m, S):
        """Tell whether factors need fewer operations than gradients."""
        T, n_in, n_out = self.a.shape[1], self.a.shape[2], self.d.shape[2]
        size = n_in * n_out
        build = n * T * size + m * S * size
        pair = n_in + n_out + (1 if T == S == 1 else _PAIR)
        return n * m * T * S * pair <= n * m * size + build

    def gram(self, other, out, scale):
        """Add the inner products of rows of ``self`` and ``other`` to ``out``."""
        n, m = out.shape
        T, S = self.a.shape[1], other.a.shape[1]
        weight, bias = self._scales(scale)
        if not self._factored(n, m, S):
            return _dense_gram(self, other, out, scale)
        if T == S == 1:
            a, d, a2, d2 = self.a[:, 0], self.d[:, 0], other.a[:, 0], other.d[:, 0]
            step = max(1, _CHUNK // m)
            for start in range(0, n, step):
                rows = slice(start, start + step)
                inputs = a[rows] @ a2.T if weight else a.new_zeros(len(a[rows]), m)
                if weight not in (0.0, 1.0):
                    inputs *= weight
                if bias:
                    inputs += bias
                out[rows].addcmul_(inputs, d[rows] @ d2.T)
            return
        a2, d2 = other.a.reshape(m * S, -1), other.d.reshape(m * S, -1)
        step = max(1, _CHUNK // (T * S * m))
        for start in range(0, n, step):
            rows = slice(start, start + step)
            a = self.a[rows].reshape(-1, self.a.shape[2])
            d = self.d[rows].reshape(-1, self.d.shape[2])
            product = a @ a2.T
            if weight != 1.0:
                product *= weight
            product += bias
            product *= d @ d2.T
            out[rows] += product.reshape(-1, T, m, S).sum(dim=(1, 3))

    def self_dot(self, scale):
        """Squared norms of the gradients, shape (n,)."""
        weight, bias = self._scales(scale)
        T, n_in, n_out = self.a.shape[1], self.a.shape[2], self.d.shape[2]
        if T == 1:
            inputs = weight * (self.a[:, 0] ** 2).sum(dim=1) + bias
            return inputs * (self.d[:, 0] ** 2).sum(dim=1)
        if T * (n_in + n_out + 1) <= n_in * n_out:
            inputs = weight * torch.bmm(self.a, self.a.mT) + bias
            return (inputs * torch.bmm(self.d, self.d.mT)).sum(dim=(1, 2))
        return _dense_self_dot(self, scale)

    def matvec(self, vector):
        """Inner products with one gradient, a dict of tensors by parameter."""
        out = self.a.new_zeros(len(self))
        if self.weight:
            moved = self.a @ vector[self.weight].reshape(self.d.shape[2], -1).T
            out += (moved * self.d).sum(dim=(1, 2))
        if self.bias:
            out += self.d.sum(dim=1) @ vector[self.bias]
        return out

    def dense(self):
        """Return the gradients by parameter, each of shape (n, size)."""
        parts = {}
        if self.weight:
            parts[self.weight] = torch.bmm(self.d.mT, self.a).reshape(len(self), -1)
        if self.bias:
            parts[self.bias] = self.d.sum(dim=1)
        return parts


@dataclass
class Lookup:
    """Sums of rows of an Embedding: the gradient of row i is d_it at token it."""

    weight: str
    tokens: torch.Tensor  # (n, n_positions)
    d: torch.Tensor  # (n, n_positions, size)
    n_tokens: int

    def __len__(self):
        return len(self.tokens)

    @property
    def like(self):
        """A tensor of the block's device and dtype."""
        return self.d

    def rows(self, rows):
        """Return the block of some rows."""
        return Lookup(self.weight, self.tokens[rows], self.d[rows], self.n_tokens)

    @property
    def n_bytes(self):
        """Memory of the factors."""
        return self.d.numel() * self.d.element_size() + self.tokens.numel() * 8

    def gram(self, other, out, scale):
        """Add the inner products of rows of ``self`` and ``other`` to ``out``."""
        weight = float(scale.get(self.weight, 1.0))
        n, m = out.shape
        T, S = self.d.shape[1], other.d.shape[1]
        size = self.d.shape[2]
        if n * m * T * S * size > n * m * size * self.n_tokens + (n + m) * size:
            return _dense_gram(self, other, out, scale)
        tokens, d2 = other.tokens.reshape(-1), other.d.reshape(m * S, -1)
        step = max(1, _CHUNK // (T * S * m))
        for start in range(0, n, step):
            rows = slice(start, start + step)
            same = self.tokens[rows].reshape(-1, 1) == tokens
            product = self.d[rows].reshape(-1, size) @ d2.T
            product *= same
            out[rows] += weight * product.reshape(-1, T, m, S).sum(dim=(1, 3))

    def self_dot(self, scale):
        """Squared norms of the gradients, shape (n,)."""
        same = self.tokens[:, :, None] == self.tokens[:, None, :]
        dots = (torch.bmm(self.d, self.d.mT) * same).sum(dim=(1, 2))
        return float(scale.get(self.weight, 1.0)) * dots

    def matvec(self, vector):
        """Inner products with one gradient, a dict of tensors by parameter."""
        rows = vector[self.weight].reshape(self.n_tokens, -1)[self.tokens]
        return (rows * self.d).sum(dim=(1, 2))

    def dense(self):
        """Return the gradients by parameter, each of shape (n, size)."""
        n, size = len(self), self.d.shape[2]
        full = self.d.new_zeros(n, self.n_tokens, size)
        index = self.tokens[:, :, None].expand(-1, -1, size)
        return {self.weight: full.scatter_add_(1, index, self.d).reshape(n, -1)}


@dataclass
class Dense:
    """Materialised gradients, for few parameters or layers without a rule."""

    parts: dict  # parameter name -> (n, size)

    def __len__(self):
        return len(self.like)

    @property
    def like(self):
        """A tensor of the block's device and dtype."""
        return next(iter(self.parts.values()))

    def rows(self, rows):
        """Return the block of some rows."""
        return Dense({name: g[rows] for name, g in self.parts.items()})

    @property
    def n_bytes(self):
        """Memory of the gradients."""
        return sum(g.numel() * g.element_size() for g in self.parts.values())

    def gram(self, other, out, scale):
        """Add the inner products of rows of ``self`` and ``other`` to ``out``."""
        _dense_gram(self, other, out, scale)

    def self_dot(self, scale):
        """Squared norms of the gradients, shape (n,)."""
        return _dense_self_dot(self, scale)

    def matvec(self, vector):
        """Inner products with one gradient, a dict of tensors by parameter."""
        return sum(g @ vector[name].reshape(-1) for name, g in self.parts.items())

    def dense(self):
        """Return the gradients by parameter, each of shape (n, size)."""
        return self.parts


def _dense_gram(left, right, out, scale):
    # The right side is multiplied by every tile of the left side: materialise it once.
    if not hasattr(right, "_kept"):
        right._kept = right.dense()
    first, second = left.dense(), right._kept
    for name, g in first.items():
        factor = float(scale.get(name, 1.0))
        if factor:
            out.addmm_(g, second[name].T, alpha=factor)


def _dense_self_dot(block, scale):
    return sum(
        float(scale.get(name, 1.0)) * (g**2).sum(dim=1)
        for name, g in block.dense().items()
    )
