"""What scikit-learn estimators minimise, and the models that lose rows of it."""
