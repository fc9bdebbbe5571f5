"""How many label flips a prediction of logistic regression survives: bounds."""

import numpy as np

from skinfluence._sklearn import final_estimator, n_rows, preprocess, take_rows
from skinfluence.certificates._certifier import Certifier
from skinfluence.certificates._largest import largest_number
from skinfluence.certificates._plans import Plan
from skinfluence.certificates._removal_bounds import BoxBound
from skinfluence.removal import UnsupportedEstimator, removal_model
from skinfluence.removal.smooth._smooth import Smooth

# Products of test and training rows that are held at a time.
HELD = 2**22


class LogisticFlips(Certifier):
    """Flips of the labels of a binary logistic regression with an L2 penalty.

    Parameters
    ----------
    training : Training
        Of LogisticRegression, or a Pipeline that ends in one.
    """

    def __init__(self, training):
        super().__init__(training)
        estimator = final_estimator(training.fitted)
        args = training.transformed, training.y, training.sample_weight
        model = removal_model(estimator, *args)
        unweighted = getattr(estimator, "class_weight", None) is None
        if not isinstance(model, Smooth) or not unweighted or model.held_fixed:
            raise UnsupportedEstimator(
                "Label flips of LogisticRegression are certified for two classes, a "
                f"given L2 penalty and class_weight=None. Got {estimator!r:.100} of "
                f"{len(estimator.classes_)} classes. Use RidgeClassifier, whose flips "
                "are exact for any number of classes, or PartitionClassifier."
            )
        self._bound, self.labels = BoxBound(model, None, "label_flip"), model.labels

    def bounds(self, X, most):
        X = preprocess(self.training.fitted, X)
        size = max(1, HELD // len(self.labels))
        for start in range(0, n_rows(X), size):
            rows = np.arange(start, min(start + size, n_rows(X)))
            yield from self._block(take_rows(X, rows), most)

    def _block(self, X, most):
        margin, holds = self._bound(X, 0.0)
        lower = largest_number(holds, n_rows(X), most)
        predicted = final_estimator(self.training.fitted).predict(X)
        second = final_estimator(self.training.fitted).classes_[1]
        # The solver's model and the optimum disagree: nothing is certain.
        lower[(predicted == second) != (margin > 0)] = 0
        _, pulls = self._bound.pulls(X)
        box = self._bound.box
        gain = -np.sign(margin)[:, None] * pulls * (box.sign * box.weight)
        for k, own in zip(lower, gain, strict=True):
            order = np.argsort(-own, kind="stable")[:most]
            order = order[own[order] > 0]
            yield int(k), Plan(order, 1 - self.labels[order], int(k) + 1)
