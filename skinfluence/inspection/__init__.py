"""Look at a fitted model and the rows it was fitted on."""

from skinfluence.inspection._case_diagnostics import case_diagnostics

__all__ = ["case_diagnostics"]
