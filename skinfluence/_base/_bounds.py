"""Public methods of estimators whose influence has proven bounds."""

from abc import abstractmethod

import numpy as np

from skinfluence._counts import counted
from skinfluence._memory import check_memory
from skinfluence._sklearn import n_rows, take_rows


class BoundedInfluence:
    """Mixin of a `BaseInfluence`: intervals that contain what refitting changes.

    A method implements `_certified`, and sets `_row_certificate` to None in ``fit``.
    """

    @abstractmethod
    def _certified(self, masks=None):
        """Return an object whose ``bounds(X, y, loss)`` bound the influence."""

    def influence_bounds(self, X, y=None):
        """Bound what leaving out each training row does to each test row.

        The loss change of refitting, from the exact minimiser of scikit-learn's
        objective with all rows to that without the row, is proven to lie between
        them. All errors are included: the tolerance at which the solver stopped, the
        intercept, sample weights, rounding. See the user guide,
        :ref:`certified_influence`, for the proofs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their true values; None as in `influence`.

        Returns
        -------
        lower, upper : ndarray of shape (n_samples, n_samples_fit_)
            Never NaN. If nothing is known about a removal (for instance if a class
            loses its only row) they bound any possible change of the loss, and are
            infinite for losses without a largest value.

        Raises
        ------
        UnsupportedEstimator
            A TypeError: for models and losses of which nothing is proven, with the
            reason.
        """
        X, y, loss = self._check_test(X, y)
        self._check_matrix(n_rows(X), 2)
        out = np.empty((2, n_rows(X), self.n_samples_fit_))
        with self._threads():
            if self._row_certificate is None:
                self._row_certificate = self._certified()
            for rows in self._blocks(n_rows(X)):
                block = take_rows(X, rows), y[rows], loss
                out[:, rows] = self._row_certificate.bounds(*block)
        return out[0], out[1]

    def group_influence_bounds(self, X, y=None, *, groups):
        """Bound what leaving out groups of training rows does to each test row.

        As `influence_bounds`, for the refit without all rows of a group.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their true values; None as in `influence`.
        groups : array-like of shape (n_samples_fit_,) or \
                (n_groups, n_samples_fit_)
            Labels or boolean masks, as in `group_influence`.

        Returns
        -------
        lower, upper : ndarray of shape (n_samples, n_groups)
            Never NaN; as in `influence_bounds`.

        Raises
        ------
        UnsupportedEstimator
            A TypeError: for models and losses of which nothing is proven, with the
            reason.
        """
        X, y, loss = self._check_test(X, y)
        masks = self._group_masks(groups)
        whole = masks.all(axis=1)
        if whole.any():
            raise ValueError(
                "The 'groups' parameter must leave at least one training row. Got "
                f"{counted(int(whole.sum()), 'group')} with all of them."
            )
        check_memory(
            8 * len(masks) * (2 * n_rows(X) + self.n_samples_fit_),
            f"Bounds of the influence of {counted(len(masks), 'group')} of "
            f"{self.n_samples_fit_} training rows on {counted(n_rows(X), 'test row')}",
            "Ask for fewer groups or fewer test rows at a time.",
        )
        with self._threads():
            return self._certified(masks).bounds(X, y, loss)
