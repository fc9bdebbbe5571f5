"""Neighbours models without some of their stored rows."""
