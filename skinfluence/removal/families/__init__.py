"""What each linear estimator minimises, and the model of its removals."""
