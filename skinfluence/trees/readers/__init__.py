"""Readers of fitted boosters, one file per family: see `trees.tree_structure`."""
