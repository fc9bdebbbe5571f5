"""Exact leave-one-out of linear models on tables in blocks, by dask.

A pass over the table maps blocks of rows to sums of the size of the coefficients,
which are added up in a tree. Fitting is Newton's method, a pass per step. Then every
row moves the coefficients along ``H^{-1} x_i`` by a known amount, so that one number
per row is kept, and influence is computed block by block when it is asked for.
"""

from skinfluence.out_of_core._assign_values import assign_values
from skinfluence.out_of_core._mixin import CollectionInfluence

__all__ = ["CollectionInfluence", "assign_values"]
