r"""EK-FAC: Gauss-Newton, one layer at a time, diagonal in Kronecker eigenbases.

For a layer with inputs a (and 1, for the bias) and output errors d of the rows R of the
Gauss-Newton matrix, :math:`Q_A, Q_S` are the eigenvectors of the second moments of a
and of d, and the curvature is diagonal in their product:

.. math:: \Lambda_{kl} = \frac1n \sum_r \big(Q_S^\top R_r \, Q_A\big)_{kl}^2

All classes are summed over, so that there is no noise of sampled labels. Parameters
without such factors (embeddings, norms, modules without a rule) have a diagonal.
"""

import torch

from skinfluence.nets._blocks import Outer
from skinfluence.nets._curvature._output_hessian import output_columns
from skinfluence.nets._curvature._preconditioned import Preconditioned
from skinfluence.nets._gram import row_batches


class EKFAC(Preconditioned):
    """Eigenvalue-corrected Kronecker factors of the Gauss-Newton matrix.

    **Cost.** Two passes over the rows per output, cubes of the layers' widths, and n x
    m x p operations for n training and m test rows; memory O(p). **When it fails.**
    It knows nothing of what layers share, and inputs and errors of a layer are taken
    for independent.

    References
    ----------
    T. George, C. Laurent, X. Bouthillier, N. Ballas, P. Vincent, "Fast approximate
    natural gradient descent in a Kronecker-factored eigenbasis", NeurIPS 2018.

    R. Grosse et al., "Studying large language model generalization with influence
    functions", 2023.
    """

    def prepare(self, damping):
        """Implement `Preconditioned.prepare`."""
        columns = output_columns(self.gradients.target, *self.train)
        self._parts = _fold(self._blocks(columns), _Moments)
        for part in self._parts:
            part.finish()
        for part, values in zip(
            self._parts, _fold(self._blocks(columns), _Squares, self._parts), strict=True
        ):
            part.values = values.total / self.n
        if damping == "auto":
            total = sum(float(part.values.sum()) for part in self._parts)
            damping = total / self.n
        self.damping = damping
        if not damping > 0:
            raise ValueError(f"hessian='ekfac' needs damping above 0. Got {damping}.")

    def _blocks(self, columns):
        for column in columns:
            for _, factors in row_batches(self.gradients, *self.train, column):
                yield factors.blocks

    def solve(self, rows):
        """Implement `Preconditioned.solve`."""
        names, shapes = zip(*self.gradients.target.params.items(), strict=True)
        sizes = [v.numel() for v in shapes]
        parts = dict(zip(names, rows.split(sizes, dim=1), strict=True))
        solved = {}
        for part in self._parts:
            solved |= part.solve(parts, self.damping)
        return torch.cat([solved[k] for k in names], dim=1)


def _fold(batches, kind, given=None):
    """Accumulate one ``kind`` per block over batches of blocks."""
    parts = None
    for blocks in batches:
        if parts is None:
            given = [None] * len(blocks) if given is None else given
            parts = [kind(g) for g in given]
        for part, block in zip(parts, blocks, strict=True):
            part.add(block)
    return parts


def _inputs(block):
    """Inputs of a layer with a one for the bias, (n, positions, in (+ 1)), float64."""
    a = block.a.double().cpu()
    if not block.weight:
        a = a[:, :, :0]
    if block.bias:
        a = torch.cat([a, torch.ones_like(block.a[:, :, :1]).double().cpu()], dim=2)
    return a


class _Moments:
    """Eigenbases of one block, then its curvature."""

    def __init__(self, _):
        self.A, self.S, self.weight, self.bias = 0.0, 0.0, None, None
        self.kronecker, self.names = False, ()

    def add(self, block):
        if not isinstance(block, Outer):
            self.names = tuple(block.dense())
            return
        self.kronecker, self.weight, self.bias = True, block.weight, block.bias
        self.names = tuple(k for k in (block.weight, block.bias) if k)
        a, d = _inputs(block).flatten(0, 1), block.d.double().cpu().flatten(0, 1)
        self.A, self.S = self.A + a.T @ a, self.S + d.T @ d

    def finish(self):
        if self.kronecker:
            self.QA = torch.linalg.eigh(self.A)[1]
            self.QS = torch.linalg.eigh(self.S)[1]

    def rotate(self, block):
        """Squares of a block's rows in the eigenbases, summed."""
        if not self.kronecker:
            dense = block.dense()
            rows = torch.cat([dense[k] for k in self.names], dim=1)
            return (rows.double().cpu() ** 2).sum(dim=0)
        a, d = _inputs(block) @ self.QA, block.d.double().cpu() @ self.QS
        if a.shape[1] == 1:
            return (d[:, 0] ** 2).T @ (a[:, 0] ** 2)
        return (torch.bmm(d.mT, a) ** 2).sum(dim=0)

    def solve(self, parts, damping):
        """Divide gradients by the damped curvature; dicts by parameter."""
        if not self.kronecker:
            rows = torch.cat([parts[k] for k in self.names], dim=1)
            rows = rows / (self.values + damping)
            sizes = [parts[k].shape[1] for k in self.names]
            return dict(zip(self.names, rows.split(sizes, dim=1), strict=True))
        n_out, columns = len(self.QS), []
        if self.weight:
            columns.append(parts[self.weight].reshape(-1, n_out, self._n_in))
        if self.bias:
            columns.append(parts[self.bias].reshape(-1, n_out, 1))
        turned = self.QS.T @ torch.cat(columns, dim=2) @ self.QA
        turned = self.QS @ (turned / (self.values + damping)) @ self.QA.T
        out = {}
        if self.weight:
            out[self.weight] = turned[:, :, : self._n_in].flatten(1)
        if self.bias:
            out[self.bias] = turned[:, :, -1]
        return out

    @property
    def _n_in(self):
        return len(self.QA) - bool(self.bias)


class _Squares:
    """Sum of squares in the eigenbases of a `_Moments`."""

    def __init__(self, moments):
        self.moments, self.total = moments, 0.0

    def add(self, block):
        self.total = self.total + self.moments.rotate(block)
