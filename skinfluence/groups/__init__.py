"""Sets of rows: the smallest that turn something, the most influential, groups."""

from skinfluence.groups._flip_set import find_flip_set
from skinfluence.groups._group_values import group_values
from skinfluence.groups._most_influential_set import most_influential_set

__all__ = ["find_flip_set", "group_values", "most_influential_set"]
