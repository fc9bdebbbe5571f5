"""The game: training rows are the players, and a coalition has losses on test rows."""

import numpy as np
from sklearn.base import is_classifier

from skinfluence._sklearn import take_rows
from skinfluence.retraining.engine import Evaluation, prior_model
from skinfluence.retraining.semivalues._one_class import (
    OneClassGame,
    kinds_of_players,
)
from skinfluence.retraining.semivalues._scorer_evaluation import ScorerEvaluation


class Game:
    """The game in which a coalition's worth is the losses of the model trained on it.

    Parameters
    ----------
    model : fitted estimator
        Of all rows.
    y : array-like
        Training targets.
    encoded_y : ndarray
        The same as class indices, or floats.
    players : Players
        Training rows, or groups of them.
    scorer : callable or None
        A scikit-learn scorer in the place of the loss.
    prefix_models : PrefixModels or None
        Models that add rows without retraining, if the estimator has them.
    """

    def __init__(self, model, y, encoded_y, players, scorer=None, prefix_models=None):
        self.model, self.y, self.encoded_y = model, y, encoded_y
        self.players, self.scorer = players, scorer
        self.prefix_models = prefix_models

    def evaluation(self, X, y, loss, weight=None):
        """Return a function from a model to its losses, or to their weighted sum."""
        classes = self.model.classes_ if is_classifier(self.model) else None
        if self.scorer is None:
            evaluation = Evaluation(X, y, loss, classes)
            return evaluation if weight is None else WeightedSum(evaluation, weight)
        if classes is not None:
            y = classes[y]
        elif y.shape[1] == 1:
            y = y[:, 0]
        if weight is not None and np.ptp(weight) == 0:
            weight = None
        return ScorerEvaluation(self.scorer, X, y, self.model, weight)

    def ends(self, evaluation):
        """Return the losses of the prior model (no training rows) and of the full."""
        return evaluation(prior_model(self.model, self.y)), evaluation(self.model)

    def one_class(self, evaluation, empty):
        """Return the part of the game that coalitions of one class play, or None."""
        if not is_classifier(self.model):
            return None
        first = [
            np.flatnonzero(self.encoded_y == c)[:1]
            for c in range(len(self.model.classes_))
        ]
        models = [prior_model(self.model, take_rows(self.y, row)) for row in first]
        return OneClassGame(
            kinds_of_players(self.players.rows, self.encoded_y),
            empty,
            np.stack([evaluation(model) for model in models], axis=1),
        )


class WeightedSum:
    """One number of a model: the weighted sum of its losses, shape (1,)."""

    def __init__(self, evaluation, weight):
        self.evaluation, self.weight = evaluation, weight

    def __call__(self, model):
        return np.array([self.weight @ self.evaluation(model)])
