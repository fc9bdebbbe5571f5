"""The estimand that rows are to turn: its value on any rows, and single effects."""

from abc import ABC, abstractmethod

import numpy as np
from sklearn.base import is_classifier

from skinfluence._skorch import nets_in
from skinfluence.retraining.engine import retrain, trainable


class Estimand(ABC):
    """A number that depends on the training rows, and a side that it is on.

    Parameters
    ----------
    influence : fitted influence estimator
        Holds the estimator and the training rows.

    Attributes
    ----------
    value_before : float
        With all rows.
    reason : str or None
        Why `certified_rows` has nothing to say of more than one row, once it is known.
    """

    reason = None

    def __init__(self, influence):
        self.influence = influence
        self.X, y = influence._fit_X, influence._fit_y
        if self.X is None:
            raise TypeError(
                "The 'influence' parameter must be fitted to rows in memory, to which "
                "the estimator is fitted again. Got one that is fitted to dask "
                "collections."
            )
        if is_classifier(influence.estimator_):
            y = influence.estimator_.classes_[y]
        elif y.shape[1] == 1 and not nets_in(influence.estimator):
            y = y.ravel()  # a net's loss needs the column
        self.y, self.fit_params = y, influence._fit_params

    def refit(self, kept):
        """Train on some of the rows; nothing is approximated."""
        if len(kept) == self.influence.n_samples_fit_:
            return self.influence.estimator_
        estimator = trainable(self.influence.estimator, self.y)
        args = self.X, self.y, self.fit_params, kept, self.influence._seed, 0
        return retrain(estimator, *args)

    @abstractmethod
    def value(self, model, kept):
        """Return the number for a model that was trained on rows ``kept``."""

    def turned(self, model, kept):
        """Tell whether a model is on the other side than that of all rows."""
        return self.value(model, kept) * np.sign(self.value_before) < 0

    @abstractmethod
    def gains(self, model, kept, players, first_order=False):
        """How far the removal of single players moves towards the other side.

        Parameters
        ----------
        model : fitted estimator
            Trained on rows ``kept``.
        kept : ndarray of int
        players : Players
        first_order : bool, default=False
            By derivatives instead of exact removal, where there is a choice.

        Returns
        -------
        who : ndarray of int
            Players that are left.
        gain : ndarray of shape (len(who),)
        """

    def distance(self):
        """How much `gains` have to add up to, to first order; None: not comparable."""
        return abs(self.value_before)

    def exact_effects(self):
        """Tell whether `gains` of single players are exact, and prove something."""
        return False

    def certified_rows(self, most):
        """Return the largest number of rows, up to ``most``, that cannot turn it."""
        return 0

    def largest_change(self, k):
        """Bound how far any k rows move the value; infinite where nothing is known."""
        return np.inf
