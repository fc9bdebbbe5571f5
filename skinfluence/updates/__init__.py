"""A fitted model that gains and loses rows: sums over its rows, and what follows."""

from skinfluence.updates import _class_moments, _counts, _squares
from skinfluence.updates._dispatch import refuse_changes, row_sums
from skinfluence.updates._row_sums import RowSums

__all__ = ["RowSums", "refuse_changes", "row_sums"]
