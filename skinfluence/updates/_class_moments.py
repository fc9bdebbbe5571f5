"""Means and sums of squares of classes: GaussianNB."""

import numpy as np
from sklearn.naive_bayes import GaussianNB
from sklearn.utils.validation import validate_data

from skinfluence.updates._dispatch import refuse_changes, row_sums
from skinfluence.updates._row_sums import REMAINS, RowSums


class Moments:
    """Weight, mean and sum of squared deviations of a set of rows.

    Sets are united, and taken apart, by the pairwise formula of Chan, Golub and LeVeque
    (1979).
    """

    def __init__(self, size, mean, square):
        self.size, self.mean, self.square = size, mean, square

    @classmethod
    def of(cls, rows, weight):
        """Return those of rows; all of them are zero without weight."""
        size = weight.sum()
        mean = weight @ rows / size if size else np.zeros(rows.shape[1])
        return cls(size, mean, weight @ (rows - mean) ** 2)

    def changed(self, other, sign):
        """Return those with another set added, or removed (sign -1)."""
        size = self.size + sign * other.size
        if not size > 0 or not other.size:
            return Moments(size, self.mean, self.square)
        apart = other.mean - self.mean
        share = sign * other.size / size
        square = self.square + sign * other.square + share * self.size * apart**2
        return Moments(size, self.mean + share * apart, square)

    @property
    def variance(self):
        return self.square / self.size


class ClassMoments(RowSums):
    """Gaussian naive Bayes: `Moments` of each class, and of all rows.

    The latter, in which all rows count the same, have the largest variance, of which
    ``var_smoothing`` is a share. scikit-learn's ``partial_fit`` takes that of the new
    rows alone.

    **Cost.** O(m d + n_classes d) for m rows; O(n d) for the first sums.
    """

    def __init__(self, estimator, X, y, weight):
        super().__init__(estimator, y)
        if getattr(X, "dtype", None) == np.float32:
            refuse_changes(
                "The variances of GaussianNB are sums of squares for 64-bit numbers "
                "only, whose digits allow to subtract"
            )
        rows = self._checked(X)
        self.all = Moments.of(rows, np.ones(len(rows)))
        self.classes = [
            Moments(size, mean, size * (variance - estimator.epsilon_))
            for size, mean, variance in zip(
                estimator.class_count_, estimator.theta_, estimator.var_, strict=True
            )
        ]
        self.largest = self._scales()

    def _checked(self, X):
        return validate_data(self.estimator, X, reset=False, dtype=np.float64)

    @property
    def _smoothing(self):
        return self.estimator.var_smoothing * self.all.variance.max()

    def _scales(self):
        """Return sums of squares of all rows, and smoothed ones of the classes."""
        smoothing = self._smoothing
        smoothed = [part.square + part.size * smoothing for part in self.classes]
        sizes = [part.size for part in self.classes]
        return np.concatenate([sizes, self.all.square, *smoothed])

    def _change(self, X, y, weight, sign):
        rows, model = self._checked(X), self.estimator
        self.all = self.all.changed(Moments.of(rows, np.ones(len(rows))), sign)
        self.classes = [
            part.changed(Moments.of(rows[y == label], weight[y == label]), sign)
            for label, part in zip(model.classes_, self.classes, strict=True)
        ]
        left = self._scales()
        self.largest = np.maximum(self.largest, left)
        sizes = np.array([part.size for part in self.classes])
        if not np.all(left >= REMAINS * self.largest) or not np.all(sizes > 0):
            return False
        model.epsilon_ = self._smoothing
        model.theta_ = np.array([part.mean for part in self.classes])
        model.var_ = np.array([part.variance for part in self.classes])
        model.var_ = np.maximum(model.var_, 0.0) + model.epsilon_
        model.class_count_ = sizes
        if model.priors is None:
            model.class_prior_ = sizes / sizes.sum()
        return bool(np.all(model.var_ > 0))


@row_sums.register
def _(estimator: GaussianNB, X, y, weight):
    return ClassMoments(estimator, X, y, weight)
