"""Kernel machines: one Gram matrix, factorised once."""
