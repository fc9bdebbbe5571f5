"""Linear predictors and squared losses: designs, dual forms, one factorisation."""
