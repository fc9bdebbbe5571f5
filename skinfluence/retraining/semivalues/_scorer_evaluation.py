"""A scikit-learn scorer as the utility of a whole set of rows."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, is_classifier
from sklearn.utils.metaestimators import available_if

from skinfluence._predictions import model_prediction
from skinfluence._sklearn import n_rows
from skinfluence.retraining.engine import prior_margins


class ScorerEvaluation:
    """Minus the score of a model on one set of rows, shape (1,): a loss.

    Parameters
    ----------
    scorer : callable
        ``scorer(estimator, X, y)``, high = good.
    X, y : array-like
        Rows and their targets, not encoded.
    estimator : estimator
        Fitted to all rows: it has all classes and the prediction methods of models.
    sample_weight : ndarray or None
        Given to the scorer.
    """

    def __init__(self, scorer, X, y, estimator, sample_weight=None):
        self.scorer, self.X, self.y, self.estimator = scorer, X, y, estimator
        self.params = {} if sample_weight is None else {"sample_weight": sample_weight}

    def __len__(self):
        return 1

    def __call__(self, model):
        if hasattr(model, "error_score"):  # it could not be fitted
            return np.array([model.error_score], dtype=np.float64)
        if is_classifier(self.estimator):
            classes = self.estimator.classes_
            if not np.array_equal(model.classes_, classes) or _is_prior(model):
                model = AllClasses(model, self.estimator)
        return np.array([-self.scorer(model, self.X, self.y, **self.params)])


def _is_prior(model):
    return hasattr(model, "class_prior_") and hasattr(model, "strategy")


def _full_has(name):
    return lambda self: hasattr(self.full, name)


class AllClasses(ClassifierMixin, BaseEstimator):
    """A fitted model that lacks some classes, with columns for all of them."""

    def __init__(self, model, full):
        self.model, self.full = model, full
        self.classes_ = full.classes_

    def predict(self, X):
        """Predict labels."""
        return self.model.predict(X)

    @available_if(_full_has("predict_proba"))
    def predict_proba(self, X):
        """Predict probabilities, zero for classes that the model has not seen."""
        return model_prediction(self.model, X, "predict_proba", self.classes_)

    @available_if(_full_has("decision_function"))
    def decision_function(self, X):
        """Margins, -1 for classes that the model has not seen."""
        if _is_prior(self.model):
            margin = prior_margins(self.model, self.classes_, n_rows(X))
        else:
            margin = model_prediction(self.model, X, "decision_function", self.classes_)
        return margin[:, 0] if margin.shape[1] == 1 else margin
