"""The truth: predictions of models that are refitted to a changed table."""

import numpy as np
from sklearn.base import is_classifier

from skinfluence.retraining.engine import retrain, trainable


class Changed:
    """Refits of an estimator without some rows, or with other labels.

    Parameters
    ----------
    training : Training
    """

    def __init__(self, training):
        self.training = training
        self.classifies = is_classifier(training.fitted)
        if self.classifies:
            self._values = training.fitted.classes_
            self.labels = np.searchsorted(self._values, training.y)
        else:
            self._values, self.labels = np.unique(training.y, return_inverse=True)

    def side(self, model, X):
        """Predictions: class indices, or whether they are above the threshold."""
        return self.side_of(model.predict(X))

    def side_of(self, y):
        """Targets, or predictions, as `side` says them; -1 for unknown classes."""
        y = np.ravel(y)
        if not self.classifies:
            return (y > self.training.threshold).astype(np.intp)
        place = np.searchsorted(self._values, y)
        place = np.minimum(place, len(self._values) - 1)
        return np.where(self._values[place] == y, place, -1)

    def values(self, labels):
        """Targets of class indices."""
        return self._values[[] if labels is None else labels]

    def turns(self, x, before, rows, labels):
        """Tell whether the prediction for one test row is another after changes."""
        training, n = self.training, len(self.labels)
        y, kept = training.y, np.arange(n)
        if labels is None:
            kept = np.delete(kept, rows)
        else:
            y = y.copy()
            y[rows] = self._values[labels]
        estimator = trainable(training.estimator, training.y)
        args = estimator, training.X, y, training.fit_params, kept, training.seed, 0
        return bool(self.side(retrain(*args), x)[0] != before)
