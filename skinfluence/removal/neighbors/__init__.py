"""Neighbours: whoever comes next takes the place of a removed row."""
