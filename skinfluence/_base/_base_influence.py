"""The base class of influence estimators: sign, unit, method names, validation."""

from abc import abstractmethod
from time import perf_counter

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_array, column_or_1d, get_tags, indexable
from sklearn.utils.validation import check_is_fitted

from skinfluence._base._influential_rows import InfluentialRows
from skinfluence._base._row_blocks import RowBlocks
from skinfluence._base._row_changes import RowChanges
from skinfluence._collections import in_memory, is_collection
from skinfluence._counts import counted
from skinfluence._disk_entries import check_folder
from skinfluence._display._fit_summary import InfluenceSummary
from skinfluence._fit_weights import check_fit_weights
from skinfluence._group_masks import group_masks
from skinfluence._losses import LOSS_NAMES, MinusPrediction, resolve_loss
from skinfluence._memory import check_memory
from skinfluence._sklearn import (
    EstimatorWrapper,
    StrOptions,
    fit_callbacks,
    fresh_seed,
    n_rows,
    with_callbacks,
)
from skinfluence._targets import check_targets
from skinfluence._threads import blas_threads


class BaseInfluence(
    InfluentialRows, InfluenceSummary, RowBlocks, RowChanges, EstimatorWrapper
):
    """Base class: which training rows made a model's predictions better or worse.

    **Sign.** Loss without the row minus loss with it: positive means that the row
    made the prediction better. **Unit.** The loss of one test row.

    The public methods here validate, encode the targets and cut the work into
    blocks bounded by scikit-learn's ``working_memory``. A subclass implements
    `_fit_influence` (work that does not depend on test rows) and `_influence` (a
    block of the matrix), and overrides `_sample_values`, `_self_influence` or
    `_group_influence` if it has a cheaper or more exact way.

    See Also
    --------
    skinfluence.testing.check_influence : Checks that an estimator keeps this contract.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from skinfluence import BaseInfluence
    >>> class SameTarget(BaseInfluence):
    ...     def __init__(self, estimator, *, loss="auto"):
    ...         self.estimator = estimator
    ...         self.loss = loss
    ...
    ...     def _fit_influence(self, X, y, fit_params):
    ...         pass
    ...
    ...     def _influence(self, X, y, loss):
    ...         return -np.abs(y - self._fit_y.T)
    >>> method = SameTarget(LinearRegression()).fit([[1.0], [2.0], [4.0]], [0, 1, 3])
    >>> method.influence([[2.0]], [1])
    array([[-1., -0., -2.]])
    """

    _parameter_constraints: dict = {
        **EstimatorWrapper._parameter_constraints,
        "loss": [StrOptions({"auto", *LOSS_NAMES}), callable],
    }

    # Whether rows of negative weight have an influence, where the estimator takes them.
    _negative_weights = False

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if tags.estimator_type == "classifier":  # one label per row is explained
            tags.classifier_tags.multi_label = False
            tags.target_tags.multi_output = False
        return tags

    @abstractmethod
    def _fit_influence(self, X, y, fit_params):
        """Do the work that does not depend on test rows. ``estimator_`` is fitted."""

    @abstractmethod
    def _influence(self, X, y, loss):
        """Influence on a block of test rows, shape (n_samples, n_samples_fit_).

        ``y`` is encoded: class indices, or floats of shape (n_samples, n_outputs).
        """

    @with_callbacks
    def fit(self, X, y, **fit_params):
        """Train a clone of the estimator on all rows and prepare the influences.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, whatever the wrapped estimator takes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        **fit_params : dict
            Passed to the estimator's ``fit``, for instance ``sample_weight``; routed
            when metadata routing is enabled.

        Returns
        -------
        self : object
            The fitted influence estimator.
        """
        begun = perf_counter()
        vars(self).pop("_seconds", None)  # none until fit is whole
        self._validate_params()
        self._refuse_frozen()
        if is_collection(X, y):
            self._fit_collections(X, y, self._routed("fit", fit_params))
            self._seconds = perf_counter() - begun
            return self
        check_targets(y)
        check_fit_weights(fit_params, self._negative_weights)
        random_state = getattr(self, "random_state", None)
        check_folder(getattr(self, "memory", None))
        if random_state is None and getattr(self, "memory", None) is not None:
            random_state = 0  # with a new seed a killed run could not be resumed
        self._seed = fresh_seed(random_state)
        params = self._routed("fit", fit_params)
        # Fitted before any other check of the rows, so that users get its own errors.
        start = perf_counter()
        self.estimator_ = self._fit_clone(X, y, params, self._seed)
        self._fit_seconds = perf_counter() - start
        X, y = indexable(X, y)
        self.n_samples_fit_ = n_rows(X)
        self._loss = resolve_loss(self.loss, self.estimator_)
        self._fit_X, self._fit_y = X, self._encode(y)
        self._fit_params = params
        with self._threads(), fit_callbacks(self):
            self._fit_influence(X, y, params)
        self._seconds = perf_counter() - begun
        return self

    def _fit_collections(self, X, y, fit_params):
        """Fit to dask collections, where a method can."""
        raise TypeError(
            f"{type(self).__name__} does not take dask collections, which "
            "LeaveOneOutInfluence, InfluenceFunctions and KNNShapley do. Pass arrays "
            "that fit into memory, a sample of the rows for instance."
        )

    def influence(self, X, y=None):
        """Influence of every training row on every test row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their true values. Without them the model's own prediction is
            explained: the predicted class for classifiers; for regressors, which
            have no loss without a target, the prediction itself (positive = the
            row raises it).

        Returns
        -------
        influence : ndarray of shape (n_samples, n_samples_fit_)
            ``influence[t, i]`` > 0: training row ``i`` made the prediction of test
            row ``t`` better. In units of the loss of one test row.
        """
        return self._matrix(*self._check_test(X, y))

    def _matrix(self, X, y, loss):
        self._check_matrix(n_rows(X))
        out = np.empty((n_rows(X), self.n_samples_fit_))
        with self._threads():
            if len(list(self._blocks(len(out)))) == 1:
                return self._influence(X, y, loss)
            for rows, block in self._influences(X, y, loss):
                out[rows] = block
        return out

    def sample_values(self, X, y, sample_weight=None):
        """Mean influence of every training row over the test rows.

        The matrix of influences is never held in memory.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their true values; None as in `influence`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the test rows in the mean.

        Returns
        -------
        values : ndarray of shape (n_samples_fit_,)
            Low = suspect: the model predicts better without the row.
        """
        X, y, loss = self._check_test(X, y)
        weight = self._check_weight(sample_weight, n_rows(X))
        with self._threads():
            return self._sample_values(X, y, loss, weight)

    def self_influence(self):
        """Influence of every training row on its own loss: memorization.

        Returns
        -------
        values : ndarray of shape (n_samples_fit_,)
            High = the model predicts the row well only because it has seen it.
        """
        check_is_fitted(self)
        with self._threads():
            return self._self_influence(self._fit_X, self._fit_y, self._loss)

    def _asked_rows(self, X):
        """Return the test rows of a query, before they are validated."""
        return X

    def group_influence(self, X, y=None, *, groups):
        """Influence of groups of training rows, removed together.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their true values; None as in `influence`.
        groups : array-like of shape (n_samples_fit_,) or \
                (n_groups, n_samples_fit_)
            Labels (columns of the result follow ``np.unique(groups)``), or one
            boolean mask per group, in which case groups may overlap.

        Returns
        -------
        influence : ndarray of shape (n_samples, n_groups)
            Loss without the group minus loss with it. Exact if the method is exact,
            else the sum over the group's rows, which is a first-order estimate.
        """
        X, y, loss = self._check_test(X, y)
        masks = self._group_masks(groups)
        check_memory(
            8 * len(masks) * (n_rows(X) + self.n_samples_fit_),
            f"The influence of {counted(len(masks), 'group')} of "
            f"{self.n_samples_fit_} training rows on {counted(n_rows(X), 'test row')}",
            "Pass fewer groups or fewer test rows at a time; influence needs less "
            "memory for single rows.",
        )
        with self._threads():
            return self._group_influence(X, y, loss, masks)

    def _check_matrix(self, n_test, n_matrices=1):
        """Raise before any work if matrices of influences would not fit into memory."""
        check_memory(
            8 * n_test * self.n_samples_fit_ * n_matrices,
            ("The matrix" if n_matrices == 1 else f"{n_matrices} matrices")
            + f" of {n_test} x {self.n_samples_fit_} influences",
            "Use sample_values or influential_rows, or fewer test rows at a time.",
        )

    def _sample_values(self, X, y, loss, weight):
        values = np.zeros(self.n_samples_fit_)
        for rows, block in self._influences(X, y, loss):
            values += weight[rows] @ block
        return values

    def _self_influence(self, X, y, loss):
        values = np.empty(self.n_samples_fit_)
        for rows, block in self._influences(X, y, loss):
            values[rows] = block[np.arange(len(block)), rows]
        return values

    def _group_influence(self, X, y, loss, masks):
        out = np.empty((n_rows(X), len(masks)))
        member = masks.T.astype(np.float64)
        for rows, block in self._influences(X, y, loss):
            out[rows] = block @ member
        return out

    def _time_fit(self, X, y, fit_params):
        """Train once more on all rows and return the seconds that took."""
        start = perf_counter()
        self._fit_clone(X, y, fit_params, self._seed)
        return perf_counter() - start

    def _threads(self):
        """Return a context that limits the threads of small linear algebra."""
        return blas_threads(self.n_samples_fit_, getattr(self, "n_features_in_", 1))

    def _check_test(self, X, y):
        """Return X, encoded y and the loss for public methods that take test rows."""
        check_is_fitted(self)
        X, y = in_memory(X, y)
        if y is not None:
            check_targets(y)
            X, y = indexable(X, y)
            y = self._encode(y)
            if y.shape[1:] != self._fit_y.shape[1:]:
                raise ValueError(
                    f"y must have {counted(self._fit_y.shape[1], 'output')} per row, "
                    f"as in fit. Got {y.shape[1]}."
                )
            return X, y, self._loss
        (X,) = indexable(X)
        prediction = self.estimator_.predict(X)
        if is_classifier(self.estimator_):
            return X, self._encode(prediction), self._loss
        prediction = np.asarray(prediction, dtype=np.float64)
        return X, prediction.reshape(len(prediction), -1), MinusPrediction()

    def _encode(self, y):
        """Class indices for classifiers, floats (n_samples, n_outputs) for others."""
        if not is_classifier(self.estimator_):
            y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
            return y.reshape(y.shape[0], -1)
        classes = self.estimator_.classes_
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] == 1:
            # Estimators of a single output have already warned in their own fit.
            several = get_tags(self.estimator).target_tags.multi_output
            y = column_or_1d(y, warn=several)
        if y.ndim != 1 or not isinstance(classes, np.ndarray):
            raise ValueError(
                f"{type(self).__name__} explains classifiers with one label per row. "
                f"Got y of shape {y.shape}: fit one estimator per output."
            )
        unknown = np.setdiff1d(y, classes)
        if unknown.size:
            raise ValueError(
                f"y must hold the classes seen during fit, {classes[:10].tolist()}. "
                f"Got {unknown[:10].tolist()} as well: the loss of an unknown class is "
                "not defined. Leave these rows out."
            )
        return np.searchsorted(classes, y)

    def _check_weight(self, sample_weight, n):
        """Return the weights of ``n`` test rows in a mean: they sum to one."""
        if sample_weight is None:
            return np.full(n, 1.0 / n)
        (sample_weight,) = in_memory(sample_weight)
        weight = check_array(
            sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
        )
        if weight.shape != (n,) or weight.sum() <= 0 or weight.min() < 0:
            raise ValueError(
                "The 'sample_weight' parameter must hold one non-negative weight "
                f"per test row, shape ({n},), with a positive sum. Got shape "
                f"{weight.shape}, sum {weight.sum():.6g}."
            )
        return weight / weight.sum()

    def _group_masks(self, groups):
        return group_masks(groups, self.n_samples_fit_)
