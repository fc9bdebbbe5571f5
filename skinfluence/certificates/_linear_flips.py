r"""Fewest label flips that turn a prediction which is linear in the targets: exactly.

With ``f(x) = sum_i w_i(x) y_i`` and two values of y, the flip of row i moves f by
``w_i (y'_i - y_i)``, and flips add up: the fewest that turn f are the largest ones that
go the right way. Of several classes, one against the rest, ``f_a - f_b`` is such a sum
for the predicted class a and a rival b, and the best new label of a row is b where
``w_i > 0`` and a where not; the fewest over all rivals is exact as well (Meyer et al.,
"The dataset multiplicity problem", FAccT 2023).
"""

from dataclasses import replace

import numpy as np
import sklearn
from sklearn.base import is_classifier
from sklearn.linear_model import Ridge, RidgeClassifier

from skinfluence._sklearn import (
    clone_for_rows,
    final_estimator,
    n_rows,
    preprocess,
    take_rows,
)
from skinfluence.certificates._certifier import ExactCertifier
from skinfluence.certificates._plans import Plan
from skinfluence.certificates._smoothers import target_weights

# Rounding of sums, relative to the sum of their sizes.
ROUNDING = 1e-11


class LinearFlips(ExactCertifier):
    """Flips of the labels of a smoother.

    Parameters
    ----------
    training : Training
        Of a smoother, or a Pipeline that ends in one.
    """

    new_classes = True

    def __init__(self, training):
        super().__init__(training)
        self.X, self.sample_weight = training.transformed, training.sample_weight
        estimator = self.estimator = final_estimator(training.fitted)
        self.values, self.labels = np.unique(training.y, return_inverse=True)
        self.present = np.arange(len(self.values))
        if training.classes is not None:
            self.present = np.searchsorted(training.classes, self.values)
            self.values, self.labels = training.classes, self.present[self.labels]
        self.several = len(self.values) > 2
        numbers, self.threshold = self.values, training.threshold
        if is_classifier(estimator):
            numbers, self.threshold = np.array([-1.0, 1.0]), 0.0
        self.numbers = None if self.several else np.asarray(numbers, dtype=np.float64)
        args = self.X, training.y, self.sample_weight
        self._weights = target_weights(estimator, *args)

    def _plans(self, X, most):
        n = len(self.labels)
        budget = sklearn.get_config()["working_memory"] * 2**20
        size = max(1, int(budget // (8 * 6 * n)))
        for start in range(0, n_rows(X), size):
            rows = np.arange(start, min(start + size, n_rows(X)))
            weights = self._weights(take_rows(X, rows))
            yield from (self._several if self.several else self._two)(weights, most)

    def _two(self, weights, most):
        values = self.numbers[self.labels]
        margin = weights @ values - self.threshold
        move = weights * (self.numbers[1 - self.labels] - values)
        # As scikit-learn decides: the second class needs more than the threshold.
        direction = np.where(margin > 0, 1.0, -1.0)
        gain = np.maximum(-direction[:, None] * move, 0.0)
        slack = ROUNDING * (np.abs(weights) @ np.abs(values) + abs(self.threshold))
        needed = np.abs(margin) - slack
        for t, k in enumerate(_fewest(gain, needed)):
            order = _largest(gain[t], k, most)
            yield Plan(order, 1 - self.labels[order], k)

    def _several(self, weights, most):
        labels, n_classes = self.labels, len(self.values)
        sums = np.stack([weights @ (labels == c) for c in range(n_classes)], axis=1)
        scale = np.abs(weights).sum(axis=1)
        for t, w in enumerate(weights):
            a = self.present[sums[t, self.present].argmax()]
            rivals = np.delete(np.arange(n_classes), a)
            needed = sums[t, a] - sums[t] - ROUNDING * scale[t]
            costs = np.zeros(n_classes, dtype=np.intp)
            for b in rivals:
                gain = self._passing(w, a, b)
                costs[b] = _fewest(gain[None], needed[[b]])[0]

            def towards(b, w=w, a=a, costs=costs):
                order = _largest(self._passing(w, a, b), costs[b], most)
                new = np.where(w[order] > 0, b, a)
                return Plan(order, new, int(costs[b]))

            plan = towards(rivals[costs[rivals].argmin()])
            yield replace(plan, costs=costs, towards=towards)

    def _passing(self, w, a, b):
        """Effect of the best new label of each row for class b against a."""
        mark = (self.labels == a).astype(np.float64) - (self.labels == b)
        return w * mark + np.abs(w)

    def refitted(self, X, changes):
        """Predictions for test row t of the model refitted after its own changes.

        One fit of scikit-learn with as many targets as there are tables: what the rows
        are, and so the system that is solved, is the same for all.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows, as the estimator takes them.
        changes : list of (rows, labels)
            For each test row.

        Returns
        -------
        side : ndarray of shape (n_samples,)
            Class indices; for regressors whether the threshold is exceeded.
        """
        X = preprocess(self.training.fitted, X)
        estimator, n = self.estimator, len(self.labels)
        out = np.empty(len(changes), dtype=np.intp)
        width = len(self.values) if self.several else 1
        size = max(1, 2**25 // (n * width))
        for start in range(0, len(changes), size):
            part = np.arange(start, min(start + size, len(changes)))
            codes = np.empty((n, len(part), width))
            for j, t in enumerate(part):
                labels = self.labels.copy()
                rows, new = changes[t]
                labels[rows] = new
                if self.several:
                    codes[:, j] = 2.0 * (labels[:, None] == np.arange(width)) - 1.0
                else:
                    codes[:, j, 0] = self.numbers[labels]
            model = _regressor(estimator, n)
            params = {}
            if self.sample_weight is not None:
                params["sample_weight"] = self.sample_weight
            model.fit(self.X, codes.reshape(n, -1), **params)
            raw = model.predict(take_rows(X, part)).reshape(len(part), len(part), width)
            raw = raw[np.arange(len(part)), np.arange(len(part))]
            if self.several:
                out[part] = raw.argmax(axis=1)
            else:
                out[part] = raw[:, 0] > self.threshold
        return out


def _regressor(estimator, n):
    """Clone a smoother; of a ridge classifier, the regressor that it is of codes."""
    if not isinstance(estimator, RidgeClassifier):
        return clone_for_rows(estimator, np.arange(n), n)
    shared = ("alpha", "fit_intercept", "copy_X", "max_iter", "tol", "solver")
    params = {name: getattr(estimator, name) for name in (*shared, "random_state")}
    return Ridge(**params)


def _fewest(gain, needed):
    """Fewest entries of each row that add up to what is needed; n + 1 if none do."""
    n = gain.shape[1]
    total = np.cumsum(np.sort(gain, axis=1)[:, ::-1], axis=1)
    short = (total < needed[:, None]).sum(axis=1)
    return np.where(needed <= 0, 0, np.minimum(short, n)) + 1


def _largest(gain, k, most):
    """Rows by descending gain, somewhat more than k, which must have some."""
    m = min(len(gain), most, k + 2)
    part = np.argpartition(-gain, m - 1)[:m] if m < len(gain) else np.arange(len(gain))
    part = part[np.argsort(-gain[part], kind="stable")]
    return part[gain[part] > 0]
