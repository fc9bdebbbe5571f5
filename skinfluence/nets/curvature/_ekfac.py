r"""EK-FAC: one block of Gauss-Newton per layer, diagonal in a Kronecker eigenbasis.

For a layer with inputs a (and 1, for the bias) and output errors d of the rows R of the
Gauss-Newton matrix, :math:`Q_A, Q_S` are the eigenvectors of the second moments of a
and of d, and the curvature is diagonal in their product:

.. math:: \Lambda_{kl} = \frac1n \sum_r \big(Q_S^\top R_r \, Q_A\big)_{kl}^2

The sum is over all classes; labels are not sampled from the model. Parameters without
such factors (embeddings, norms, modules without a rule) have a diagonal curvature.
"""

import torch

from skinfluence.nets.curvature._output_hessian import output_columns
from skinfluence.nets.curvature._preconditioned import Preconditioned
from skinfluence.nets.gradients._blocks import Outer
from skinfluence.nets.gradients._gram import row_batches


class EKFAC(Preconditioned):
    """Eigenvalue-corrected Kronecker factors of the Gauss-Newton matrix.

    **Cost.** Two passes over the rows per output, cubes of the layers' widths, and n x
    m x p operations for n training and m test rows; memory O(p). **When it fails.**
    The interaction of layers is ignored, and the inputs and the errors of a layer are
    treated as independent.

    References
    ----------
    T. George, C. Laurent, X. Bouthillier, N. Ballas, P. Vincent, "Fast approximate
    natural gradient descent in a Kronecker-factored eigenbasis", NeurIPS 2018.

    R. Grosse et al., "Studying large language model generalization with influence
    functions", 2023.
    """

    def prepare(self, damping):
        columns = output_columns(self.gradients.target, *self.train)
        first = next(self._blocks(columns))
        self._parts = [
            _Kronecker() if isinstance(b, Outer) else _Diagonal() for b in first
        ]
        for blocks in self._blocks(columns):
            for part, block in zip(self._parts, blocks, strict=True):
                part.add_moments(block)
        for part in self._parts:
            part.finish()
        for blocks in self._blocks(columns):
            for part, block in zip(self._parts, blocks, strict=True):
                part.add_squares(block)
        for part in self._parts:
            part.values /= self.n
        if damping == "auto":
            damping = sum(float(part.values.sum()) for part in self._parts) / self.n
        self.damping = damping
        if not damping > 0:
            raise ValueError(f"hessian='ekfac' needs damping above 0. Got {damping}.")

    def _blocks(self, columns):
        for column in columns:
            for _, factors in row_batches(self.gradients, *self.train, column):
                yield factors.blocks

    def solve(self, rows):
        names, shapes = zip(*self.gradients.target.params.items(), strict=True)
        sizes = [v.numel() for v in shapes]
        parts = dict(zip(names, rows.split(sizes, dim=1), strict=True))
        solved = {}
        for part in self._parts:
            solved |= part.solve(parts, self.damping)
        return torch.cat([solved[k] for k in names], dim=1)


class _Diagonal:
    """Diagonal curvature of parameters without Kronecker factors."""

    def __init__(self):
        self.names, self.values = (), 0.0

    def add_moments(self, block):
        """Note the names of the parameters, whose own coordinates are the basis."""
        self.names = tuple(block.dense())

    def finish(self):
        """Do nothing: there is no basis to compute."""

    def add_squares(self, block):
        """Add the squares of a block's rows."""
        dense = block.dense()
        rows = torch.cat([dense[k] for k in self.names], dim=1).double().cpu()
        self.values = self.values + (rows**2).sum(dim=0)

    def solve(self, parts, damping):
        """Divide gradients, dicts by parameter, by the damped curvature."""
        rows = torch.cat([parts[k] for k in self.names], dim=1)
        sizes = [parts[k].shape[1] for k in self.names]
        rows = rows / (self.values + damping)
        return dict(zip(self.names, rows.split(sizes, dim=1), strict=True))


class _Kronecker:
    """Curvature of a layer whose gradients are sums of outer products."""

    def __init__(self):
        self.A, self.S, self.values = 0.0, 0.0, 0.0

    def add_moments(self, block):
        """Add the second moments of inputs and errors."""
        self.weight, self.bias = block.weight, block.bias
        a, d = _inputs(block).flatten(0, 1), block.d.double().cpu().flatten(0, 1)
        self.A, self.S = self.A + a.T @ a, self.S + d.T @ d

    def finish(self):
        """Fix the eigenbases."""
        self.QA, self.QS = (torch.linalg.eigh(M)[1] for M in (self.A, self.S))

    def add_squares(self, block):
        """Add the squares of a block's rows in the eigenbases."""
        a, d = _inputs(block) @ self.QA, block.d.double().cpu() @ self.QS
        if a.shape[1] == 1:  # a single position: the square of a product
            self.values = self.values + (d[:, 0] ** 2).T @ (a[:, 0] ** 2)
        else:
            self.values = self.values + (torch.bmm(d.mT, a) ** 2).sum(dim=0)

    def solve(self, parts, damping):
        """Divide gradients, dicts by parameter, by the damped curvature."""
        n_out, n_in = len(self.QS), len(self.QA) - bool(self.bias)
        columns = [parts[self.weight].reshape(-1, n_out, n_in)] if self.weight else []
        if self.bias:
            columns.append(parts[self.bias].reshape(-1, n_out, 1))
        turned = self.QS.T @ torch.cat(columns, dim=2) @ self.QA
        turned = self.QS @ (turned / (self.values + damping)) @ self.QA.T
        out = {self.weight: turned[:, :, :n_in].flatten(1)} if self.weight else {}
        if self.bias:
            out[self.bias] = turned[:, :, -1]
        return out


def _inputs(block):
    """Inputs of a layer, with ones for the bias: (n, positions, in (+ 1)), float64."""
    a = block.a.double().cpu()
    if not block.weight:
        a = a[:, :, :0]
    if block.bias:
        a = torch.cat([a, a.new_ones(*a.shape[:2], 1)], dim=2)
    return a
