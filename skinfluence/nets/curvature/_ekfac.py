r"""EK-FAC: one block of Gauss-Newton per layer, diagonal in a Kronecker eigenbasis.

For a layer with inputs a (and 1, for the bias) and output errors d of the rows R of the
Gauss-Newton matrix, :math:`Q_A, Q_S` are the eigenvectors of the second moments of a
and of d, and the curvature is diagonal in their product:

.. math:: \Lambda_{kl} = \frac1n \sum_r \big(Q_S^\top R_r \, Q_A\big)_{kl}^2

The sum is over all classes; labels are not sampled from the model. Parameters without
such factors (embeddings, norms, modules without a rule) have a diagonal curvature.
"""

import numpy as np
import torch

from skinfluence._sklearn import n_rows
from skinfluence.nets.curvature._damping import evidence_damping
from skinfluence.nets.curvature._output_hessian import output_columns
from skinfluence.nets.curvature._preconditioned import Preconditioned
from skinfluence.nets.curvature._rotated import Diagonal, Kronecker
from skinfluence.nets.gradients._blocks import Outer
from skinfluence.nets.gradients._gram import row_batches, several_batches

_KEPT_BYTES = 2**25  # factors that are kept for a second pass over the rows


def curvature_columns(gradients, train):
    """Yield, for batches of rows, the blocks of all outputs by layer, and bytes."""
    columns = output_columns(gradients.target, *train)
    for _, several in several_batches(gradients, *train, columns):
        size = sum(factors.n_bytes for factors in several)
        layers = zip(*(factors.blocks for factors in several), strict=True)
        yield list(layers), size


def layer_curvatures(columns, n):
    """Return the curvature of every layer, `Kronecker` or `Diagonal`.

    Parameters
    ----------
    columns : callable
        Returns an iterator as of `curvature_columns`, which may go over several sets of
        parameters. Called twice if the factors do not fit into 32 MiB.
    n : int
        Number of rows that the squares are divided by.
    """
    parts, kept, room = None, [], _KEPT_BYTES
    for blocks, size in columns():
        if parts is None:
            parts = [
                Kronecker() if isinstance(block, Outer) else Diagonal()
                for block, *_ in blocks
            ]
        for part, own in zip(parts, blocks, strict=True):
            part.add_moments(own)
        room -= size
        kept = [*kept, (blocks, size)] if room >= 0 else []
    for part in parts:
        part.finish()
    for blocks, _ in kept or columns():
        for part, own in zip(parts, blocks, strict=True):
            part.add_squares(own)
    for part in parts:
        part.values /= n
    return parts


def multiplied(parts, factors, target, rows):
    """Multiply rows of shape (m, p) by factors in the eigenbases of the layers."""
    names, shapes = zip(*target.params.items(), strict=True)
    by_name = dict(
        zip(names, rows.split([v.numel() for v in shapes], dim=1), strict=True)
    )
    out = {}
    for part, own in zip(parts, factors, strict=True):
        out |= part.multiply(by_name, own)
    return torch.cat([out[k] for k in names], dim=1)


class EKFAC(Preconditioned):
    """Eigenvalue-corrected Kronecker factors of the Gauss-Newton matrix.

    **Cost.** A pass over the rows per output (two, if their factors do not fit into
    32 MiB), cubes of the layers' widths, and n x m x p operations for n training and
    m test rows, in float32 for a float32 net (`product_dtype`). Memory O(p) and 32 MiB.
    **When it fails.** The interaction of layers is ignored, and the inputs and the
    errors of a layer are treated as independent.

    References
    ----------
    T. George, C. Laurent, X. Bouthillier, N. Ballas, P. Vincent, "Fast approximate
    natural gradient descent in a Kronecker-factored eigenbasis", NeurIPS 2018.

    R. Grosse et al., "Studying large language model generalization with influence
    functions", 2023.
    """

    def prepare(self, damping):
        self._parts = layer_curvatures(
            lambda: curvature_columns(self.gradients, self.train), self.n
        )
        self.largest = max(float(part.values.max()) for part in self._parts)
        if damping == "auto":
            values = torch.cat([part.values.reshape(-1) for part in self._parts])
            damping = self.automatic(
                float(values.sum()), evidence_damping, values.numpy()
            )
        self.damping = damping
        if not damping > 0:
            raise ValueError(f"hessian='ekfac' needs damping above 0. Got {damping}.")

    def influence(self, test, measure):
        """Multiply, layer by layer, solved test gradients by training gradients."""
        out, dtype = np.zeros((n_rows(test[0]), self.n)), self.product_dtype
        train = row_batches(self.gradients, *self.train)
        first = next(train)
        one_batch = len(first[0]) == self.n
        for columns, theirs in row_batches(self.gradients, *test, measure):
            if not one_batch:
                train = row_batches(self.gradients, *self.train)
            for rows, mine in [first] if one_batch else train:
                block = 0.0
                for part, left, right in self._pairs(theirs, mine):
                    block = block + part.product(left, right, self.damping, dtype)
                block = block.double().cpu().numpy() / self.n
                out[columns[0] : columns[-1] + 1, rows[0] : rows[-1] + 1] = block
        return out

    def own_influence(self, measure):
        """Multiply the gradients of the same rows."""
        out, dtype = np.empty(self.n), self.product_dtype
        both = [measure, None]
        for rows, (theirs, mine) in several_batches(self.gradients, *self.train, both):
            own = sum(
                part.dot(left, right, self.damping, dtype)
                for part, left, right in self._pairs(theirs, mine)
            )
            out[rows] = own.double().cpu() / self.n
        return out

    def _pairs(self, theirs, mine):
        return zip(self._parts, theirs.blocks, mine.blocks, strict=True)

    def solve(self, rows):
        factors = [1 / (part.values + self.damping) for part in self._parts]
        return multiplied(self._parts, factors, self.gradients.target, rows)
