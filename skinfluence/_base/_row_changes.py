"""Rows that a fitted influence estimator gains or loses: `RowChanges`."""

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse, vstack
from sklearn.utils import indexable
from sklearn.utils.validation import check_is_fitted

from skinfluence._fit_weights import check_fit_weights
from skinfluence._sklearn import n_rows, take_rows
from skinfluence._targets import check_targets


@dataclass(frozen=True)
class Change:
    """Rows that are added to a table, after all others, or removed from it.

    Attributes
    ----------
    X, y : array-like
        These rows and their targets, as given to ``fit``.
    weight : ndarray of shape (n_samples,)
        Their weights.
    sign : {1, -1}
        1: they are added.
    removed : ndarray of int
        Positions of rows that are removed, ascending.
    """

    X: Any
    y: np.ndarray
    weight: np.ndarray
    sign: int
    removed: np.ndarray

    def applied(self, values, new):
        """Return an array with an entry per row after the change; ``new`` if added."""
        if self.sign > 0:
            return np.concatenate([values, new])
        return np.delete(values, self.removed, axis=0)


class RowChanges:
    """Mixin of a `BaseInfluence`: the public methods that change the training rows.

    A method that keeps sums over its rows, or their order, implements `_refuse_changes`
    and `_follow`, and keeps the targets of ``fit`` as ``_targets``.
    """

    _n_changed = 0  # rows added or removed since all of them were last passed to fit

    def _refuse_changes(self):
        """Raise where a change takes no less time than a fit, with the reason."""
        raise TypeError(
            f"{type(self).__name__} keeps nothing that a few rows could be added to or "
            "removed from: its answers come from training on all rows. Call fit with "
            "the changed table instead. LeaveOneOutInfluence of least squares, ridge "
            "and naive Bayes, and KNNShapley, follow changes."
        )

    def _follow(self, change):
        """Bring what ``fit`` keeps up to date; return whether that was possible.

        Called on a copy with the rows, targets and fit parameters of the new table.
        Arrays belong to the original too and are not to be written to.
        """
        raise NotImplementedError

    def add_rows(self, X, y, sample_weight=None):
        """Add training rows, as fitting to the larger table would, in less time.

        For methods and models that keep sums over the rows, or their order; others
        raise an error. New classes and sums that are no longer accurate lead to a fit.

        Parameters
        ----------
        X : array-like of shape (n_new, n_features)
            New training rows, of the kind that was passed to `fit`. They follow all
            others.
        y : array-like of shape (n_new,) or (n_new, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_new,), default=None
            Their weights, where the estimator takes some; None for weights of 1.

        Returns
        -------
        self : object
            Equal, but for rounding, to an estimator fitted to the changed table.

        Raises
        ------
        TypeError
            For methods and models that cannot follow changes, with the reason.
        ValueError
            For a row without the axis of rows, X[i] instead of X[[i]], say.
        """
        check_is_fitted(self)
        self._refuse_changes()
        _refuse_single_row(X, y)
        check_targets(y)
        X, y, sample_weight = indexable(X, y, sample_weight)
        n = n_rows(X)
        if not n:
            return self
        params = dict(self._fit_params)
        old = params.get("sample_weight")
        if sample_weight is not None:
            check_fit_weights({"sample_weight": sample_weight})
        if sample_weight is not None or old is not None:
            weights = _weights(old, self.n_samples_fit_), _weights(sample_weight, n)
            params["sample_weight"] = np.concatenate(weights)
        targets = _joined_targets(self._targets, y)
        none = np.empty(0, dtype=np.intp)
        y = targets[self.n_samples_fit_ :]
        change = Change(X, y, _weights(sample_weight, n), 1, none)
        return self._change(_joined(self._fit_X, X), targets, params, change, n)

    def remove_rows(self, indices):
        """Remove training rows, as fitting to the remaining ones would, in less time.

        For methods and models as in `add_rows`. Classes that lose their last row and
        sums that are no longer accurate lead to a fit.

        Parameters
        ----------
        indices : array-like of int
            Positions of the rows in the current table, from 0. Rows that remain keep
            their order, so that positions behind them move up.

        Returns
        -------
        self : object
            Equal, but for rounding, to an estimator fitted to the remaining rows.

        Raises
        ------
        TypeError
            For methods and models that cannot follow changes, with the reason.
        """
        check_is_fitted(self)
        self._refuse_changes()
        n = self.n_samples_fit_
        gone = _positions(indices, n)
        if not len(gone):
            return self
        kept = np.delete(np.arange(n), gone)
        params, weight = dict(self._fit_params), np.ones(len(gone))
        if params.get("sample_weight") is not None:
            weights = _weights(params["sample_weight"], n)
            params["sample_weight"], weight = weights[kept], weights[gone]
        targets = np.asarray(self._targets)
        change = Change(take_rows(self._fit_X, gone), targets[gone], weight, -1, gone)
        X = take_rows(self._fit_X, kept)
        return self._change(X, targets[kept], params, change, len(gone))

    def _change(self, X, y, params, change, n_changed):
        """Let a copy follow the change, or fit it, and become that copy."""
        out = copy(self)
        out.n_samples_fit_, out._n_changed = n_rows(X), self._n_changed + n_changed
        out._fit_X, out._targets, out._fit_params = X, y, params
        # Rounding errors of many changes add up; a fit costs less than so many.
        if out._n_changed > self.n_samples_fit_ or not out._follow(change):
            out = copy(self)
            validation = self._validation or (None, None)
            out.fit(X, y, *validation, **params)
        vars(self).update(vars(out))
        for name in vars(self).keys() - vars(out).keys():
            delattr(self, name)
        return self


def _refuse_single_row(X, y):
    """Raise for the features of one row, or its target, without the axis of rows."""
    of_one = np.ndim(X) == 1 and np.size(X) > 0
    if of_one or (y is not None and np.ndim(y) == 0):
        raise ValueError(
            "The 'X' and 'y' parameters must hold rows, not a single row: of one row "
            f"pass X[[i]], y[[i]]. Got X of {np.ndim(X)} and y of {np.ndim(y)} "
            "dimensions."
        )


def _weights(weight, n):
    """Weights of n rows as an array; ones for None."""
    if weight is None:
        return np.ones(n)
    return np.broadcast_to(np.asarray(weight, dtype=np.float64), n)


def _positions(indices, n):
    """Validate positions of rows, of which some have to remain; return them sorted."""
    indices = np.asarray(indices)
    if not indices.size:
        return np.empty(0, dtype=np.intp)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise TypeError(
            "The 'indices' parameter must be a 1-d array of integers, the positions of "
            f"training rows. Got shape {indices.shape} and dtype {indices.dtype}; "
            "np.flatnonzero(mask) turns a boolean mask into positions."
        )
    out = np.unique(indices)
    wrong = out[(out < 0) | (out >= n)]
    if len(wrong):
        raise ValueError(
            f"The 'indices' parameter must lie between 0 and n_samples_fit_ - 1 = "
            f"{n - 1}. Got {wrong[:10].tolist()}."
        )
    if n - len(out) < 2:
        raise ValueError(
            "The 'indices' parameter must leave at least 2 of the training rows. Got "
            f"{len(out)} of {n} rows."
        )
    return out


def _joined(first, second):
    """Rows of two tables of one kind, one after the other."""
    frames = [hasattr(table, "columns") for table in (first, second)]
    if frames[0] != frames[1] or issparse(first) != issparse(second):
        raise TypeError(
            "The 'X' parameter must be of the kind that was passed to fit, "
            f"{type(first).__name__}. Got {type(second).__name__}."
        )
    width = np.shape(first)[1]
    rows = second if hasattr(second, "shape") else np.asarray(second)
    if len(rows.shape) != 2 or rows.shape[1] != width:
        raise ValueError(
            f"The 'X' parameter must be of shape (n_new, {width}), with the features "
            f"of fit. Got shape {rows.shape}."
        )
    if issparse(first):
        return vstack([first, second], format="csr")
    if not frames[0]:
        return np.concatenate([np.asarray(first), rows])
    if not hasattr(first, "iloc"):
        raise TypeError(
            "Rows are added to arrays, sparse matrices and DataFrames of pandas. Got "
            f"{type(first).__module__}.{type(first).__name__}: call fit with the "
            "changed table instead."
        )
    import pandas as pd

    if list(first.columns) != list(second.columns):
        raise ValueError(
            "The 'X' parameter must have the columns of fit, in their order: "
            f"{list(first.columns)[:10]}. Got {list(second.columns)[:10]}."
        )
    return pd.concat([first, second])


def _joined_targets(first, second):
    """Targets one after the other; text and numbers do not mix."""
    first, second = np.asarray(first), np.asarray(second)
    if first.shape[1:] != second.shape[1:]:
        raise ValueError(
            f"y must have the shape of fit's, (n,{str(first.shape[1:])[1:]}. Got "
            f"{second.shape}."
        )
    numbers = [y.dtype.kind in "biuf" for y in (first, second)]
    if numbers[0] != numbers[1] or first.dtype == object:
        out = np.concatenate([first.astype(object), second.astype(object)])
        check_targets(out)
        return out
    return np.concatenate([first, second])
