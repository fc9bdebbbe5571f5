"""Sets of rows: the smallest that turn something, and the most influential ones."""

from skinfluence.groups._flip_set import find_flip_set
from skinfluence.groups._most_influential_set import most_influential_set

__all__ = ["find_flip_set", "most_influential_set"]
