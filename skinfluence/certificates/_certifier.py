"""The seam: what a family answers about the robustness of its predictions."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from skinfluence._sklearn import final_sample_weight, preprocess


@dataclass
class Training:
    """A fitted estimator, what it was fitted to, and what may happen to that.

    Attributes
    ----------
    estimator, fitted : estimator
        Before and after.
    X, y : array-like
        Training rows; their targets, an ndarray.
    fit_params : dict
        Passed to ``fit``.
    change : {"removal", "label_flip"}
    threshold : float or None
        Number with which predictions of regressors are compared.
    seed : int
        Of unset random states.
    n_jobs : int or None
    classes : ndarray or None
        Labels that a flip may give, sorted; None: those of ``y``.
    """

    estimator: Any
    fitted: Any
    X: Any
    y: np.ndarray
    fit_params: dict
    change: str
    threshold: float | None = None
    seed: int = 0
    n_jobs: int | None = None
    classes: np.ndarray | None = None

    @property
    def transformed(self):
        """Training rows as the last step of a Pipeline sees them."""
        return preprocess(self.fitted, self.X)

    @property
    def sample_weight(self):
        """Weights of the rows that reach the last step."""
        return final_sample_weight(self.fitted, self.fit_params)[0]


class Certifier(ABC):
    """Certified numbers of changes, and plans to turn predictions with few more.

    Attributes
    ----------
    exact : bool
        Whether one change more than is certified turns the prediction.
    new_classes, lost_classes : bool
        Whether it knows what flips to classes do that no training row has yet, and
        that a class which has lost all its rows is not predicted.
    reason : str or None
        Why it never certifies more than one change; None where it may.
    """

    exact = new_classes = lost_classes = False
    reason = None

    def __init__(self, training):
        self.training = training

    @property
    def classes(self):
        """Labels that class indices of plans stand for."""
        given = self.training.classes
        return self.training.fitted.classes_ if given is None else given

    @abstractmethod
    def bounds(self, X, most):
        """Yield for each test row what is certified, and a `Plan`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows, as the estimator takes them.
        most : int
            Largest number of changes that is asked about.

        Yields
        ------
        lower : int
            No so many changes turn the prediction; may exceed ``most``.
        plan : Plan
        """


class ExactCertifier(Certifier):
    """Families in which the fewest changes that turn a prediction can be counted."""

    exact = True

    def bounds(self, X, most):
        X = preprocess(self.training.fitted, X)
        return ((plan.size - 1, plan) for plan in self._plans(X, most))

    @abstractmethod
    def _plans(self, X, most):
        """Yield plans for test rows as the last step of a Pipeline sees them."""
