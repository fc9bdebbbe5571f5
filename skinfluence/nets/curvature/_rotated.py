"""Curvatures of one layer that are diagonal: in its parameters, or in an eigenbasis.

``add_moments`` and ``add_squares`` take the blocks of a batch of rows, one for each
output column. ``product`` and ``dot`` multiply solved gradients of test rows by
gradients of training rows, in tiles of bounded memory. ``multiply`` applies a function
of the curvature to gradients, on the CPU or where ``on`` has copied the basis, and
``diagonal`` describes another diagonal matrix in the same basis.
"""

import copy

import torch

_NUMBERS = 2**21  # entries of a tile of materialised gradients


class _Part:
    """Diagonal curvature of one layer in some basis.

    Attributes
    ----------
    values : tensor, float64 on the CPU
        The diagonal.
    """

    def __init__(self):
        self.values = 0.0

    def on(self, device):
        """Return a copy whose tensors are on a device."""
        out = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, torch.Tensor):
                setattr(out, name, value.to(device))
        return out

    def _gradients(self, block, dtype):
        """Gradients in the basis, shape (len(block), size)."""
        raise NotImplementedError

    def _solved(self, block, damping, dtype):
        values = (self.values.reshape(-1) + damping).to(dtype)
        return self._gradients(block, dtype) / values.to(block.like.device)

    def product(self, test, train, damping, dtype):
        """Inner products of solved test gradients and gradients, (m, n)."""
        out = test.like.new_empty(len(test), len(train), dtype=dtype)
        for left in self._tiles(len(test)):
            solved = self._solved(test.rows(left), damping, dtype)
            for right in self._tiles(len(train)):
                gradients = self._gradients(train.rows(right), dtype)
                out[left, right] = solved @ gradients.T
        return out

    def dot(self, test, train, damping, dtype):
        """Inner products of the same rows of both, shape (n,)."""
        parts = []
        for rows in self._tiles(len(test)):
            solved = self._solved(test.rows(rows), damping, dtype)
            gradients = self._gradients(train.rows(rows), dtype)
            parts.append((solved * gradients).sum(dim=1))
        return torch.cat(parts)

    def _tiles(self, n):
        return tiles(n, self.values.numel())


def tiles(n, size):
    """Slices of n rows of that many numbers each."""
    step = max(16, _NUMBERS // size)
    return [slice(start, start + step) for start in range(0, n, step)]


class Diagonal(_Part):
    """Diagonal curvature of parameters without Kronecker factors."""

    def add_moments(self, blocks):
        """Note the names of the parameters, whose own coordinates are the basis."""
        one = blocks[0].rows(slice(0, 1)).dense()
        self.names = tuple(one)
        self.n_parameters = sum(g.numel() for g in one.values())

    def finish(self):
        """Do nothing: there is no basis to compute."""

    def add_squares(self, blocks):
        """Add the squares of the rows."""
        for block in blocks:
            for rows in tiles(len(block), self.n_parameters):
                gradients = self._gradients(block.rows(rows), torch.float64)
                self.values = self.values + (gradients**2).sum(dim=0).cpu()

    def _gradients(self, block, dtype):
        dense = block.dense()
        return torch.cat([dense[k] for k in self.names], dim=1).to(dtype)

    def multiply(self, parts, factors):
        """Multiply gradients, dicts by parameter, by ``factors`` in the basis."""
        rows = torch.cat([parts[k] for k in self.names], dim=1)
        sizes = [parts[k].shape[1] for k in self.names]
        return dict(zip(self.names, (rows * factors).split(sizes, dim=1), strict=True))

    def diagonal(self, parts):
        """Diagonal in the basis of a diagonal matrix, a dict by parameter."""
        return torch.cat([parts[k].reshape(-1) for k in self.names])


class Kronecker(_Part):
    """Curvature of a layer whose gradients are sums of outer products."""

    def __init__(self):
        super().__init__()
        self.A, self.S = 0.0, 0.0

    def add_moments(self, blocks):
        """Add the second moments of inputs and errors, in float64."""
        self.weight, self.bias = blocks[0].weight, blocks[0].bias
        a = _inputs(blocks[0]).flatten(0, 1).double()  # the same for all outputs
        self.A = self.A + (a.T @ a).cpu()
        for block in blocks:
            d = block.d.flatten(0, 1).double()
            self.S = self.S + (d.T @ d).cpu()

    def finish(self):
        """Fix the eigenbases."""
        self.QA, self.QS = (_eigenvectors(M) for M in (self.A, self.S))
        self.A = self.S = None

    def add_squares(self, blocks):
        """Add the squares of the rows in the eigenbases."""
        dtype = torch.promote_types(blocks[0].a.dtype, torch.float32)
        a = _turned(_inputs(blocks[0]), self.QA, dtype)
        squares, total = 0.0, 0.0
        for block in blocks:
            d = _turned(block.d, self.QS, dtype)
            if a.shape[1] == 1:  # a single position: the square of a product
                squares = squares + d[:, 0] ** 2
            else:
                step = max(1, _NUMBERS // (d.shape[2] * a.shape[2]))
                for left, right in zip(d.split(step), a.split(step), strict=True):
                    total = total + (torch.bmm(left.mT, right) ** 2).sum(dim=0)
        if a.shape[1] == 1:
            total = squares.T @ (a[:, 0] ** 2)
        self.values = self.values + total.double().cpu()

    def _gradients(self, block, dtype):
        a, d = _turned(_inputs(block), self.QA, dtype), _turned(block.d, self.QS, dtype)
        if a.shape[1] == 1:
            return (d.mT * a).flatten(1)
        return torch.bmm(d.mT, a).flatten(1)

    def multiply(self, parts, factors):
        """Multiply gradients, dicts by parameter, by ``factors`` in the basis."""
        n_in = len(self.QA) - bool(self.bias)
        turned = self.QS.T @ self._matrices(parts) @ self.QA
        turned = self.QS @ (turned * factors) @ self.QA.T
        out = {self.weight: turned[:, :, :n_in].flatten(1)} if self.weight else {}
        if self.bias:
            out[self.bias] = turned[:, :, -1]
        return out

    def diagonal(self, parts):
        """Diagonal in the basis of a diagonal matrix, a dict by parameter."""
        (matrix,) = self._matrices({k: v.reshape(1, -1) for k, v in parts.items()})
        return (self.QS.T**2) @ matrix @ (self.QA**2)

    def _matrices(self, parts):
        """Put rows by parameter together, (n, outputs, inputs and one for the bias)."""
        n_out, n_in = len(self.QS), len(self.QA) - bool(self.bias)
        columns = [parts[self.weight].reshape(-1, n_out, n_in)] if self.weight else []
        if self.bias:
            columns.append(parts[self.bias].reshape(-1, n_out, 1))
        return torch.cat(columns, dim=2)


def _eigenvectors(matrix):
    """Eigenvectors without the rounding errors of entries that are zero.

    Products with these would be denormal numbers, which are many times slower.
    """
    vectors = torch.linalg.eigh(matrix)[1]
    noise = 64 * torch.finfo(vectors.dtype).eps
    return torch.where(vectors.abs() > noise, vectors, 0.0)


def _turned(factors, basis, dtype):
    """Factors in an eigenbasis."""
    return factors.to(dtype) @ basis.to(dtype).to(factors.device)


def _inputs(block):
    """Inputs of a layer, with ones for the bias: (n, positions, in (+ 1))."""
    a = block.a
    if not block.weight:
        a = a[:, :, :0]
    if block.bias:
        a = torch.cat([a, a.new_ones(*a.shape[:2], 1)], dim=2)
    return a
