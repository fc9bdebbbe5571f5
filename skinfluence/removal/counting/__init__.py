"""Classifiers made of counts and moments, from which a row's part is subtracted."""
