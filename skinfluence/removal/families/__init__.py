"""The objective of each linear estimator, and the model of its removals."""
