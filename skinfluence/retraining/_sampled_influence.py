"""Influence estimated from random draws, with the standard errors of the estimates."""

from abc import abstractmethod

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skinfluence._sklearn import n_rows, take_rows
from skinfluence.retraining._retraining_influence import RetrainingInfluence


class SampledInfluence(RetrainingInfluence):
    """Base class of methods whose values are means over random draws.

    A method implements `_influence_and_error` and `_sample_values_and_error`, which
    return values and their standard errors.
    """

    @abstractmethod
    def _influence_and_error(self, X, y, loss):
        """Influence on a block of test rows, and the standard error of each entry."""

    @abstractmethod
    def _sample_values_and_error(self, X, y, loss, weight):
        """Weighted mean over all test rows, and its standard errors."""

    def _check_has_errors(self):
        """Raise where a fitted method has no standard errors."""

    def influence(self, X=None, y=None, *, return_std=False):
        """Influence of every training row on every test row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Test rows. None: those given to `fit` as ``X_val``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their true values; without them the model's own prediction is
            explained.
        return_std : bool, default=False
            Whether to return standard errors as well.

        Returns
        -------
        influence : ndarray of shape (n_samples, n_samples_fit_)
            ``influence[t, i]`` > 0: training row ``i`` made the prediction of test
            row ``t`` better. In units of the loss of one test row.
        std : ndarray of shape (n_samples, n_samples_fit_)
            Monte-Carlo standard error of each entry, only if ``return_std``: the
            spread over other random draws. Zero where nothing was sampled, infinite
            for a single draw, which has no spread.
        """
        if not return_std:
            return super().influence(X, y)
        X, y, loss = self._check_sampled(X, y)
        self._check_matrix(n_rows(X), 2)
        values = np.empty((n_rows(X), self.n_samples_fit_))
        std = np.empty_like(values)
        with self._threads():
            for rows in self._blocks(n_rows(X)):
                block = take_rows(X, rows), y[rows], loss
                values[rows], std[rows] = self._influence_and_error(*block)
        return values, std

    def sample_values(self, X=None, y=None, sample_weight=None, *, return_std=False):
        """Mean influence of every training row over the test rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Test rows. None: those given to `fit` as ``X_val``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their true values; None as in `influence`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the test rows in the mean.
        return_std : bool, default=False
            Whether to return standard errors as well.

        Returns
        -------
        values : ndarray of shape (n_samples_fit_,)
            Low = suspect: the model predicts better without the row.
        std : ndarray of shape (n_samples_fit_,)
            Their Monte-Carlo standard errors, only if ``return_std``. All test rows
            share the draws, so that the errors of single entries cannot be combined
            into these as if they were independent.
        """
        if not return_std:
            return super().sample_values(X, y, sample_weight)
        X, y, loss = self._check_sampled(X, y)
        weight = self._check_weight(sample_weight, n_rows(X))
        with self._threads():
            return self._sample_values_and_error(X, y, loss, weight)

    def self_influence(self, *, return_std=False):
        """Influence of every training row on its own loss: memorization.

        Parameters
        ----------
        return_std : bool, default=False
            Whether to return standard errors as well.

        Returns
        -------
        values : ndarray of shape (n_samples_fit_,)
            High = the model predicts the row well only because it has seen it.
        std : ndarray of shape (n_samples_fit_,)
            Their Monte-Carlo standard errors, only if ``return_std``.
        """
        if not return_std:
            return super().self_influence()
        check_is_fitted(self)
        self._check_has_errors()
        with self._threads():
            return self._self_influence_and_error(self._fit_X, self._fit_y, self._loss)

    def _self_influence_and_error(self, X, y, loss):
        values, std = np.empty(self.n_samples_fit_), np.empty(self.n_samples_fit_)
        for rows in self._blocks(self.n_samples_fit_):
            block = self._influence_and_error(take_rows(X, rows), y[rows], loss)
            own = np.arange(len(rows)), rows
            values[rows], std[rows] = block[0][own], block[1][own]
        return values, std

    def _check_sampled(self, X, y):
        check_is_fitted(self)
        self._check_has_errors()
        return self._check_test(X, y)
