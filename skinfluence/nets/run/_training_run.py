"""The interface of recorded training runs, of nets and of other models (no torch)."""

from abc import ABC, abstractmethod
from contextlib import contextmanager, nullcontext

import numpy as np

from skinfluence._sklearn import seed_estimator
from skinfluence._skorch import seeded_training


class TrainingRun(ABC):
    """A model and the record of its training.

    Rows and targets are pairs ``(X, y)``: rows as the user gives them, targets as
    `BaseInfluence` encodes them. ``loss`` is a `Loss` with a slope.

    Parameters
    ----------
    model : estimator
        A copy of the user's estimator, not fitted.

    Attributes
    ----------
    model : estimator
        The same, trained in place by `fit`.
    """

    def __init__(self, model):
        self.model = model

    def fit(self, X, y, fit_params, *, seed, random_state):
        """Train the model and record it.

        Parameters
        ----------
        X, y : array-like
            Training rows.
        fit_params : dict
            Passed to the model's ``fit``.
        seed, random_state
            As for `seeded`.

        Returns
        -------
        model : estimator
            Fitted.
        """
        with seeded(self.model, seed, random_state):
            self._train(X, y, fit_params)
        return self.model

    @abstractmethod
    def _train(self, X, y, fit_params):
        """Fit ``model`` in place; random states are set."""

    @abstractmethod
    def partial_fit(self, X, y):
        """Train for the same number of epochs again, and record them too."""

    @property
    @abstractmethod
    def checkpoints(self):
        """The recorded checkpoints or steps, in the order of training."""

    @abstractmethod
    def influence(self, train, test, loss, cosine):
        """Share of training rows in the fall of test losses, (n_test, n_train).

        ``cosine``: sum cosines of gradients instead of their inner products.
        """

    @abstractmethod
    def self_influence(self, train, loss, cosine):
        """Diagonal of `influence` of the training rows on themselves."""

    @abstractmethod
    def values(self, train, test, loss, weight):
        """Weighted sum of `influence` over the test rows, without the matrix."""

    @abstractmethod
    def mean_loss(self, train):
        """Mean training loss of each row over the checkpoints, shape (n_train,)."""


@contextmanager
def seeded(model, seed, random_state):
    """Seed a model, and torch's generators within the context.

    Parameters
    ----------
    model : estimator
        Not fitted.
    seed : int
        Seeds every random state in the model that is not set.
    random_state : int, RandomState instance or None
        The user's parameter. With None a net draws from torch's global generator, as
        it does without recording, and not from ``seed``.
    """
    seed_estimator(model, seed)
    with nullcontext() if random_state is None else seeded_training(model, seed, 0):
        yield


def checkpoint_epochs(checkpoints, start, n_epochs):
    """Epochs after which to keep a checkpoint, counted over the whole history.

    Parameters
    ----------
    checkpoints : int or list of int
        Their number, evenly spaced in the ``n_epochs`` after ``start``, or the epochs.

    Returns
    -------
    epochs : set of int
    """
    if not isinstance(checkpoints, int):
        return set(checkpoints)
    count = min(checkpoints, n_epochs)
    steps = np.arange(1, count + 1) * n_epochs / count
    return set((start + np.ceil(steps - 1e-9)).astype(int).tolist())
