"""Gradients of rows as factors, and their products."""

from dataclasses import dataclass


@dataclass
class Factors:
    """Gradients of n rows in blocks, one per layer, each of other parameters."""

    blocks: list

    def __len__(self):
        return len(self.blocks[0])

    @property
    def n_bytes(self):
        """Memory of the blocks."""
        return sum(block.n_bytes for block in self.blocks)

    def gram(self, other, scale=None):
        """Inner products with the rows of ``other``, shape (n, m).

        Parameters
        ----------
        other : Factors
            Of the same net and parameters.
        scale : dict of str to float or None, default=None
            A factor for each parameter's coordinates, for instance a learning rate.
        """
        out = self.blocks[0].like.new_zeros(len(self), len(other))
        for mine, theirs in zip(self.blocks, other.blocks, strict=True):
            mine.gram(theirs, out, scale or {})
        return out

    def self_dot(self, scale=None):
        """Squared norms, shape (n,)."""
        return sum(block.self_dot(scale or {}) for block in self.blocks)

    def dot(self, other, scale=None):
        """Inner products of each row with the same row of ``other``, shape (n,).

        Used for two losses of the same rows. The gradients are materialised.
        """
        mine, theirs = self.dense(), other.dense()
        return sum(
            (scale or {}).get(name, 1.0) * (g * theirs[name]).sum(dim=1)
            for name, g in mine.items()
        )

    def matvec(self, vector):
        """Inner products with one gradient, shape (n,)."""
        return sum(block.matvec(vector) for block in self.blocks)

    def dense(self):
        """Return the gradients by parameter, each of shape (n, size)."""
        return {k: g for block in self.blocks for k, g in block.dense().items()}
