"""Exact Shapley values of k-nearest neighbours, without training anything."""

from collections import deque
from numbers import Integral, Real

import numpy as np
import sklearn
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.utils.validation import validate_data

from skinfluence._losses import MinusPrediction
from skinfluence._sklearn import Interval, StrOptions, fit_seeded, n_rows, take_rows
from skinfluence.removal.neighbors._ties import Closeness
from skinfluence.retraining._block_neighbors import BlockNeighbors
from skinfluence.retraining._neighbor_order import (
    KnownRows,
    NeighborOrder,
    distance_order,
)
from skinfluence.retraining._retraining_influence import RetrainingInfluence
from skinfluence.retraining._threaded_blocks import ThreadedBlocks
from skinfluence.retraining.semivalues._neighbor_game import NeighborGame
from skinfluence.updates import refuse_changes

MOST_MEMORY = 320  # MiB of a block; larger ones are not faster


class KNNShapley(BlockNeighbors, ThreadedBlocks, RetrainingInfluence):
    r"""Shapley value of every training row for the predictions of its neighbours.

    .. math:: I(i, t) = \frac{1}{n} \sum_{S \not\ni i} \binom{n - 1}{|S|}^{-1}
        \left[\ell_t(S) - \ell_t(S + i)\right]

    over all subsets S of the other rows, with the loss of test row t under its
    :math:`\min(K, |S|)` nearest rows in S:

    ===================  ====================================================
    "soft"               one minus the share of neighbours of the true class
    "hard"               one minus their number divided by K (Jia et al. 2019);
                         differs from "soft" if S has fewer than K rows
    "squared_error"      squared error of the neighbours' mean: regression
    ===================  ====================================================

    Positive: the row made the prediction better. Unit: the loss of one test row. The
    values of a test row add up to the loss without any training row minus the loss with
    all of them. Without any training row a classification counts as wrong, with a loss
    of 1, and regression predicts the mean of all targets.

    **Cost.** O(n log n) per test row, most of it for sorting, and its distances.
    Memory is bounded by scikit-learn's ``working_memory``, and 320 MB at most. No
    retraining: the exact sum over all subsets has a closed form. With ``X_val`` in
    `fit`, `add_rows` and `remove_rows` keep the order of the rows, 12 bytes for each
    pair of a training and a test row, and take O(n) per test row after the first time.

    **dask.** X and y may be dask arrays or dataframes of numbers. Distances are
    computed block by block, those of a few test rows from all rows at a time: a pass
    over the table for as many test rows as have ``16 n`` bytes each in
    ``working_memory``. `influence` is then a lazy dask array, in blocks of test rows,
    and ``estimator_`` finds neighbours by merging those of the blocks; among rows at
    equal distance the first ones of the table.

    **When it fails.** Values depend on the distances: scale the columns, for instance
    by a `~sklearn.preprocessing.StandardScaler` or an embedding before it in a
    Pipeline. Among rows at equal distance, the neighbours that ``estimator_`` chooses
    come first, then the others in the order of the training set. Columns that are
    irrelevant for the target dominate the distances as much as relevant ones do.

    Parameters
    ----------
    n_neighbors : int, default=5
        K; may exceed the number of rows.
    metric : str or callable, default="minkowski"
        Any of `sklearn.metrics.pairwise_distances`; "minkowski" with ``p``.
    p : float, default=2
        Power of the Minkowski metric.
    metric_params : dict, default=None
        More arguments of the metric.
    utility : {"soft", "hard", "squared_error"}, default="soft"
        The game; "squared_error" makes this a regressor.
    semivalue : {"shapley", "banzhaf"}, default="shapley"
        "banzhaf": all subsets count the same, instead of all sizes.
    n_jobs : int, default=None
        Threads that work on blocks of test rows; None obeys
        ``joblib.parallel_config``.

    Attributes
    ----------
    estimator_ : KNeighborsClassifier or KNeighborsRegressor
        The matching model of all rows.
    n_samples_fit_ : int
        Number of training rows.

    See Also
    --------
    LeaveOneOutInfluence : The effect on the model of all rows alone.

    References
    ----------
    .. [1] R. Jia, D. Dao, B. Wang, F. A. Hubis, N. M. Gurel, B. Li, C. Zhang,
       C. Spanos, D. Song, "Efficient Task-Specific Data Valuation for Nearest
       Neighbor Algorithms", VLDB 2019.
    .. [2] J. T. Wang, R. Jia, "A Note on 'Efficient Task-Specific Data Valuation for
       Nearest Neighbor Algorithms'", arXiv:2304.04258, 2023.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skinfluence import KNNShapley
    >>> X, y = load_iris(return_X_y=True)
    >>> y[60] = 0  # it was 1
    >>> knn = KNNShapley(n_neighbors=5).fit(X[::2], y[::2])
    >>> int(knn.sample_values(X[1::2], y[1::2]).argmin()) * 2
    60
    """

    _parameter_constraints: dict = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "metric": [str, callable],
        "p": [Interval(Real, 0, None, closed="right")],
        "metric_params": [dict, None],
        "utility": [StrOptions({"soft", "hard", "squared_error"})],
        "semivalue": [StrOptions({"shapley", "banzhaf"})],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        n_neighbors=5,
        *,
        metric="minkowski",
        p=2,
        metric_params=None,
        utility="soft",
        semivalue="shapley",
        n_jobs=None,
    ):
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.utility = utility
        self.semivalue = semivalue
        self.n_jobs = n_jobs

    @property
    def estimator(self):
        """The matching unfitted neighbours model; a property, not a parameter."""
        regression = self.utility == "squared_error"
        model = KNeighborsRegressor if regression else KNeighborsClassifier
        return model(
            self.n_neighbors,
            metric=self.metric,
            p=self.p,
            metric_params=self.metric_params,
        )

    @property
    def loss(self):
        """The loss by its name in other estimators; a property, not a parameter."""
        return "squared_error" if self.utility == "squared_error" else "zero_one"

    _estimand = "loss without the row minus loss with it, mean over subsets of the rows"

    def _path(self):
        return "closed form over all subsets"

    def _check_validation(self, model, X):
        # It does not predict where n_neighbors exceeds the number of rows.
        validate_data(model, X, reset=False, accept_sparse="csr")

    def _fit_influence(self, X, y, fit_params):
        self._lazy = False
        self._rows = self._checked(X)
        self._set_game()

    def _set_game(self):
        self._distances = {"metric": self.metric, **(self.metric_params or {})}
        if self.metric == "minkowski":
            self._distances = (
                {"metric": "euclidean"}
                if self.p == 2 and not self.metric_params
                else {**self._distances, "p": self.p}
            )
        soft = self.utility != "hard"
        self._game = NeighborGame(
            self.n_samples_fit_, self.n_neighbors, soft, self.semivalue
        )

    def _checked(self, X):
        if self._lazy:
            return self.estimator_.checked(X)
        return validate_data(self.estimator_, X, reset=False, accept_sparse="csr")

    def _blocks(self, n):
        return self._passes(n) if self._lazy else self._sorted(n)

    def _sorted(self, n):
        """Cut test rows into those whose neighbours are sorted at once."""
        memory = min(sklearn.get_config()["working_memory"], MOST_MEMORY)
        with sklearn.config_context(working_memory=memory):
            return list(super()._blocks(n))

    def _numbers_per_row(self):
        # About ten arrays of a block: distances, order, labels, values, temporaries.
        return 10 * self.n_samples_fit_

    def _refuse_changes(self):
        if self._validation is None:
            refuse_changes(
                "KNNShapley keeps the order of the training rows for the test rows of "
                "fit alone, X_val and y_val, without which a fit takes no longer"
            )
        if self.metric == "precomputed":
            refuse_changes("metric='precomputed' has a column for each training row")

    def _follow(self, change):
        rows = self._validation[0]
        n_test = n_rows(rows)
        if self._followed is None:
            # 32-bit distances of 32-bit rows
            kind = self._pairwise(take_rows(rows, [0]), self._rows[:1]).dtype
            order = NeighborOrder.empty(n_test, self._rows.shape[0], kind)

            def put(block):
                order.put(block, self._pairwise(take_rows(rows, block), self._rows))

            deque(self._each_block(put, n_test), maxlen=0)
            self._followed = order
        table = self._fit_X, self._targets, self._fit_params
        self.estimator_ = fit_seeded(self._trained, *table, self._seed)
        if change.sign < 0:
            kept = self._followed.without(change.removed)
        else:
            new = self._checked(change.X)
            distances = self._pairwise(rows, new)
            close = Closeness(self.estimator_, self._checked(rows), new)
            kept = self._followed.with_rows(distances, close.rounded_up(distances))
        self._followed, self._fit_y = kept, self._encode(self._targets)
        self._fit_influence(*table)
        return True

    def _check_test(self, X, y):
        known = X is None and self._followed is not None
        X, y, loss = super()._check_test(X, y)
        if known:
            X = np.arange(len(y)).view(KnownRows)
        return X, y, loss

    def _pairwise(self, X, rows):
        return pairwise_distances(self._checked(X), rows, **self._distances)

    def _influence(self, X, y, loss):
        if self._lazy:
            return self._by_distances(self._distances_to(X), y, loss)
        n, K = self.n_samples_fit_, self.n_neighbors
        if isinstance(X, KnownRows):
            order = self._followed.order[X].astype(np.intp)
            ends = self._followed.distances[X, K - 1 : K + 1]
            X = self._checked(take_rows(self._validation[0], np.asarray(X)))
        else:
            X = self._checked(X)
            distances = self._pairwise(X, self._rows)
            order = distance_order(distances)
            ends = np.take_along_axis(distances, order[:, K - 1 : K + 1], axis=1)
        if K < n:
            self._chosen_first(order, X, *ends.T)
        out = np.empty(order.shape)
        np.put_along_axis(out, order, self._values(order, y, loss), axis=1)
        return out

    def _chosen_first(self, order, X, near, far):
        """Among rows at equal distance, put those first that ``estimator_`` chooses.

        The K-th nearest row is at the distance ``near``, the next one at ``far``.
        """
        K = self.n_neighbors
        close = Closeness(self.estimator_, X, self._rows)
        tied = np.flatnonzero(close.equal(near[:, None], far[:, None]))
        if len(tied):
            own = self.estimator_.kneighbors(X[tied], K, return_distance=False)
            others = np.ones((len(tied), order.shape[1]), dtype=bool)
            np.put_along_axis(others, own, False, axis=1)
            later = np.take_along_axis(others, order[tied], axis=1)
            ranked = np.argsort(later, axis=1, kind="stable")
            order[tied] = np.take_along_axis(order[tied], ranked, axis=1)

    def _values(self, order, y, loss):
        """Return the values of the players, in order of distance."""
        if self.utility != "squared_error":
            agrees = (self._fit_y[order] == y[:, None]).astype(np.float64)
            return self._game.linear(agrees, np.zeros(len(y)))
        total = 0.0
        for targets, truth in zip(self._fit_y.T, y.T, strict=True):  # outputs
            predicted = targets[order]
            if isinstance(loss, MinusPrediction):
                empty = np.full(len(truth), targets.mean())
                total = total + self._game.linear(predicted, empty)
            else:
                empty = -((targets.mean() - truth) ** 2)
                total = total + self._game.squared(predicted - truth[:, None], empty)
        return total / self._fit_y.shape[1]
