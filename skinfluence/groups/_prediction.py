"""The prediction for one test row."""

import numpy as np
from sklearn.base import clone, is_classifier

from skinfluence._sklearn import fit_rows, n_rows
from skinfluence.certificates._certifier import Training
from skinfluence.certificates._families import certifier
from skinfluence.groups._estimand import Estimand
from skinfluence.removal import UnsupportedEstimator


class Prediction(Estimand):
    """The class predicted for a test row, or the side of a number it is on.

    The value is, of a classifier, by how much the class leads the next one in
    probability (in decision function, where there are no probabilities); of a
    regressor, by how much the prediction exceeds ``y``.

    Parameters
    ----------
    influence : fitted influence estimator
    X : array-like of shape (1, n_features)
        The test row.
    y : array-like of shape (1,) or None
        The class that is to be lost or won, None for the predicted one; the number
        that a regressor's prediction is to cross.
    """

    def __init__(self, influence, X, y):
        super().__init__(influence)
        if X is None or n_rows(X) != 1:
            raise ValueError(
                "The 'X' parameter must hold the one test row whose prediction is to "
                f"turn, shape (1, n_features). Got {'None' if X is None else n_rows(X)}"
                " rows: PredictionCertificate answers for many."
            )
        self.x, self.classifies = X, is_classifier(influence.estimator_)
        if not self.classifies and y is None:
            raise ValueError(
                "The 'y' parameter must hold the number that the prediction of a "
                "regressor is to cross. Got None."
            )
        prediction = influence.estimator_.predict(X)
        target = prediction if y is None else np.ravel(y)
        if len(target) != 1 or np.size(prediction) != 1:
            raise ValueError(
                "The 'y' parameter must hold one value, for the one row of X and one "
                f"output. Got {np.size(target)} values."
            )
        if self.classifies:
            influence._encode(target)  # refuses unknown classes
        self.target = target[0]
        model = influence.estimator_
        self.value_before = self.value(model, np.arange(influence.n_samples_fit_))
        self._held = self._holds(model)

    def _holds(self, model):
        prediction = np.ravel(model.predict(self.x))[0]
        if self.classifies:
            return prediction == self.target
        return prediction > self.target

    def value(self, model, kept):
        if not self.classifies:
            return float(np.ravel(model.predict(self.x))[0] - self.target)
        scores = _class_scores(model, self.x)
        own = model.classes_ == self.target
        if not own.any() or own.all():
            return 1.0 if own.any() else -1.0
        return float(scores[own][0] - scores[~own].max())

    def turned(self, model, kept):
        return self._holds(model) != self._held

    def gains(self, model, kept, players, first_order=False):
        """Implement `Estimand.gains`: changes of the loss of the class."""
        influence, n = self.influence, self.influence.n_samples_fit_
        if len(kept) < n:
            args = self.X, self.y, self.fit_params, kept, influence._seed
            influence = fit_rows(clone(influence), *args)
        who = players.present(kept)
        y = [self.target] if self.classifies else None
        if players.are_rows:
            change = influence.influence(self.x, y)[0]
        else:
            groups = players.masks_of(who, kept)
            change = influence.group_influence(self.x, y, groups=groups)[0]
        # Without the row the loss is higher, or the prediction of a regressor lower.
        return who, change if self._held else -change

    def distance(self):
        """Implement `Estimand.distance`: losses do not add up to a margin."""
        return None if self.classifies else abs(self.value_before)

    def certified_rows(self, most):
        """Implement `Estimand.certified_rows`, by the certificate of the estimator."""
        influence = self.influence
        training = Training(
            influence.estimator,
            influence.estimator_,
            self.X,
            self.y,
            self.fit_params,
            "removal",
            None if self.classifies else float(self.target),
            influence._seed,
            getattr(influence, "n_jobs", None),
        )
        try:
            found = certifier(training)
        except (UnsupportedEstimator, ValueError) as error:
            self.reason = error.args[0]
            return 0
        self.reason = found.reason
        ((lower, _),) = found.bounds(self.x, most)
        if self.classifies:  # without its last row no class is predicted
            before = influence.estimator_.predict(self.x)
            lower = min(lower, int((self.y == before).sum()) - 1)
        return min(lower, most)


def _class_scores(model, x):
    """Scores of the classes of a model for one row; the largest is predicted."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(x)[0]
    if hasattr(model, "decision_function"):
        scores = np.ravel(model.decision_function(x))
        return np.array([-scores[0], scores[0]]) if len(scores) == 1 else scores
    return (model.classes_ == model.predict(x)[0]).astype(np.float64)
