"""Checks of a table before a model is trained on it: leaks, duplicates, conflicts."""

from skinfluence.audit._audit_table import audit_table

__all__ = ["audit_table"]
