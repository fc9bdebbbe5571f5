"""Smooth convex losses: certified Newton steps from one shared factorisation."""
