"""Results and fitted estimators as notebooks show them, and labels of rows."""
