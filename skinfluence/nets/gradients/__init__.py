"""Gradients of rows, kept as factors per layer, and their inner products."""
