"""Readers of fitted boosters, one file per library: see `trees.tree_structure`."""
