"""Discriminant analysis: means and covariances without a row."""
