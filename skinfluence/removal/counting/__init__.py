"""Classifiers made of counts and moments: a row's part is subtracted."""
