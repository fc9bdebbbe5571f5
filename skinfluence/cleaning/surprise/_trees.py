r"""Predictions of held-out rows by trees: two more members of the stack.

Ridge regressions on kernels cannot learn thresholds and interactions of categories. Two
ensembles of trees can:

- gradient boosting, 60 trees of 8 leaves at a learning rate of 0.05, trained without
  one of five parts of the rows after another; up to three such partitions are averaged.
  Wrong targets are fitted in late steps, so few small steps are better than
  scikit-learn's defaults.
- 150 extremely randomised trees, each of which predicts the rows outside its bootstrap
  sample.

Trees take more time than the regressions. `Trees.probe` trains one ensemble on half of
at most 4,000 rows, or of a fifth of more than 20,000, to estimate the gain.

**Cost.** One boosting of 2,000 rows, or of a tenth of many; if it promises a gain, 15
boostings of the table (5 for 20,000 rows or more), and the randomised trees on at most
5,000 rows each. For more than two classes the time is multiplied by their number.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from skinfluence._threads import in_threads

N_FOLDS, MAX_REPEATS, MANY_ROWS = 5, 3, 20_000
N_RANDOMISED, MAX_SAMPLES = 150, 5_000
N_PROBED = 2_000
# Forests read numbers in single precision, which ends at 3.4e38 and 1.2e-38.
LARGE, LARGEST = 1e30, 1e38


class Trees:
    """Ensembles of trees for one table and one column of labels, or numbers.

    Parameters
    ----------
    columns : ndarray of shape (n, d)
        Numbers and codes of categories; NaN where missing.
    categorical : ndarray of bool, shape (d,)
        Which columns hold codes.
    T : ndarray of shape (n, k)
        Indicators of labels, or numbers.
    labels : bool
        Whether T holds indicators.
    folds : list of (ndarray, ndarray), default=None
        Training and test rows. None leaves out parts at random.
    """

    def __init__(self, columns, categorical, T, labels, folds=None):
        self.scale = scales(columns)
        self.columns, self.categorical = self._in_range(columns), categorical
        self.T, self.labels, self.folds = T, labels, folds

    @property
    def n_boostings(self):
        """How many trees one step of boosting takes."""
        k = self.T.shape[1]
        return 1 if self.labels and k == 2 else k

    def probe(self):
        """Train one boosting on some rows; return other rows and their predictions.

        Returns
        -------
        rows : ndarray of int, shape (m,)
        predictions : ndarray of shape (m, k)
        """
        rng = np.random.default_rng(0)
        if self.folds is None:
            train, test = np.array_split(rng.permutation(len(self.T)), 2)
        else:
            train, test = max(self.folds, key=lambda fold: len(fold[0]))
        # More rows of large tables: 2,000 may hide the gain by chance.
        most = max(N_PROBED, len(self.T) // 10)
        train, test = (rng.permutation(part)[:most] for part in (train, test))
        # Fewer and larger steps where each takes a tree per class.
        n_steps = max(8, 60 // self.T.shape[1])
        return test, self._boosting(train, test, n_steps, 3 / n_steps)[1]

    def held_out(self):
        """Predict every row by models without it, or without its fold.

        Returns
        -------
        predictions : list of ndarray of shape (n, k)
            Predictions of each member; NaN if no fold holds the row out.
        """
        cuts = [self.folds]
        randomised = [partial(self._forest, *fold) for fold in self.folds or []]
        if self.folds is None:
            n_repeats = int(np.clip(MANY_ROWS // len(self.T), 1, MAX_REPEATS))
            cuts = [self._cut(seed) for seed in range(n_repeats)]
            randomised = [self._out_of_bag]
        boosted = [partial(self._boosting, *fold) for cut in cuts for fold in cut]
        # Forests are first because they take longest.
        found = list(in_threads(lambda train: train(), [*randomised, *boosted]))
        n = len(randomised)
        self.models = [[model for model, _ in part] for part in (found[n:], found[:n])]
        said = iter(predictions for _, predictions in found)
        if self.folds is None:
            of_forest = next(said)
        else:
            of_forest = self._fold_by_fold(said, self.folds)
        return [
            np.mean([self._fold_by_fold(said, cut) for cut in cuts], axis=0),
            of_forest,
        ]

    def predict(self, columns):
        """Predict other rows by the mean of the models of `held_out`.

        Parameters
        ----------
        columns : ndarray of shape (m, d)
            The same columns as in the fit.

        Returns
        -------
        predictions : list of ndarray of shape (m, k)
            Predictions of each member.
        """
        columns = self._in_range(columns)
        return [
            np.mean([model(columns) for model in of_member], axis=0)
            for of_member in self.models
        ]

    def _in_range(self, columns):
        with np.errstate(over="ignore"):
            return np.clip(columns * self.scale, -LARGEST, LARGEST)

    def _cut(self, seed):
        """Cut the rows into parts with the same share of every class."""
        order = np.random.default_rng(seed).permutation(len(self.T))
        if self.labels:
            order = order[self.T[order].argmax(axis=1).argsort(kind="stable")]
        part = np.empty(len(order), dtype=int)
        part[order] = np.arange(len(order)) % N_FOLDS
        return [
            (np.flatnonzero(part != k), np.flatnonzero(part == k))
            for k in range(N_FOLDS)
        ]

    def _out_of_bag(self):
        kind = ExtraTreesClassifier if self.labels else ExtraTreesRegressor
        forest = kind(**self._forest_params(len(self.T)), oob_score=True)
        forest.fit(self.columns, self._target(slice(None)))
        if self.labels:
            model = _Shares(forest, self.T.shape[1])
            return model, forest.oob_decision_function_
        return _Numbers([forest]), forest.oob_prediction_.reshape(self.T.shape)

    def _fold_by_fold(self, predictions, folds):
        """Join the predictions of the test rows of each fold, from an iterator."""
        said = np.full(self.T.shape, np.nan)
        for _, test in folds:
            said[test] = next(predictions)
        return said

    def _boosting(self, train, test, max_iter=60, learning_rate=0.05):
        params = {
            "max_iter": max_iter,
            "max_leaf_nodes": 8,
            "learning_rate": learning_rate,
            "early_stopping": False,
            "categorical_features": self.categorical,
            "random_state": 0,
        }
        if self.labels:
            return self._shares(HistGradientBoostingClassifier(**params), train, test)
        model = _Numbers(
            [
                HistGradientBoostingRegressor(**params).fit(self.columns[train], column)
                for column in self.T[train].T
            ]
        )
        return model, model(self.columns[test])

    def _forest(self, train, test):
        params = self._forest_params(len(train))
        if self.labels:
            return self._shares(ExtraTreesClassifier(**params), train, test)
        forest = ExtraTreesRegressor(**params)
        model = _Numbers([forest.fit(self.columns[train], self._target(train))])
        return model, model(self.columns[test])

    def _forest_params(self, n):
        return {
            "n_estimators": N_RANDOMISED,
            "min_samples_leaf": 5,
            "max_features": 1.0,
            "bootstrap": True,
            "max_samples": min(n, MAX_SAMPLES),
            "random_state": 0,
            "n_jobs": 1,  # see `held_out`
        }

    def _target(self, rows):
        T = self.T[rows]
        if self.labels:
            return T.argmax(axis=1)
        return T[:, 0] if T.shape[1] == 1 else T

    def _shares(self, classifier, train, test):
        """Train a classifier; return it and its probabilities for the test rows."""
        y = self._target(train)
        model = _Shares(int(y[0]), self.T.shape[1])
        if (y != y[0]).any():
            fitted = classifier.fit(self.columns[train], y)
            model = _Shares(fitted, self.T.shape[1])
        return model, model(self.columns[test])


def scales(columns):
    """Return factors, shape (d,), that bring columns into the range of forests.

    They are powers of two, so that splits stay as they are, and one for columns of
    usual numbers.
    """
    factors = np.ones(columns.shape[1])
    for j, column in enumerate(columns.T):
        size = np.abs(column[(column != 0) & ~np.isnan(column)])
        typical = np.median(size) if len(size) else 1.0
        if not 1 / LARGE < typical < LARGE:
            factors[j] = 2.0 ** -np.clip(np.round(np.log2(typical)), -1000, 1000)
    return factors


@dataclass(frozen=True)
class _Shares:
    """Probabilities of k classes; classes without training rows get zero.

    ``model`` is a classifier of labels from 0 to k - 1, or the only label.
    """

    model: object
    k: int

    def __call__(self, columns):
        said = np.zeros((len(columns), self.k))
        if isinstance(self.model, int):
            said[:, self.model] = 1.0
        else:
            said[:, self.model.classes_] = self.model.predict_proba(columns)
        return said


@dataclass(frozen=True)
class _Numbers:
    """Regressions of numbers, one per output or one for all outputs."""

    models: list

    def __call__(self, columns):
        return np.column_stack([model.predict(columns) for model in self.models])
