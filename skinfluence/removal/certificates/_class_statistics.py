"""Statistics of naive Bayes models without sets of rows, as balls.

`class_statistics` returns an object with ``without(removed)``, the parameters of the
models without rows, ``test_rows(rows)``, whose ``scores(parameters)`` are the class
scores up to a part that all classes share, and ``n_numbers``, how many parameters a
model has. ``removed`` is a csr_array (m, n) of ones.
"""

from functools import singledispatch

import numpy as np
import scipy.sparse as sp

from skinfluence._memory import check_memory
from skinfluence.removal.certificates._balls import Ball, as_ball, stacked
from skinfluence.removal.certificates._rounding import WIDE_EPS
from skinfluence.removal.counting._bernoulli_nb import BernoulliNaiveBayes
from skinfluence.removal.counting._categorical_nb import CategoricalNaiveBayes
from skinfluence.removal.counting._gaussian_nb import GaussianNaiveBayes
from skinfluence.removal.counting._multinomial_nb import (
    ComplementNaiveBayes,
    MultinomialNaiveBayes,
)

_WIDE = np.longdouble
# Up to here sums of integers are exact in a double, so in a long double as well.
_LARGEST_INTEGER = 2.0**53


@singledispatch
def class_statistics(model):
    """Return the statistics of a model's classes."""
    raise NotImplementedError(type(model).__name__)


class RowSums:
    """Weighted sums over rows, with all rows and without some of them.

    Parameters
    ----------
    members : ndarray of int
        Rows that count.
    weight : ndarray of shape (n,)
        Sample weights.
    values : ndarray or csr_array of longdouble, shape (n_members, d)
        The terms, each known to 4 units of its last place.
    """

    def __init__(self, members, weight, values):
        self.members, self.values = members, values
        self.weight = weight[members].astype(_WIDE)
        self.total, size = self.weight @ values, self.weight @ abs(values)
        # of all terms twice, once to be summed and once to be taken away
        units = 4 * len(members) + 32
        self.rad = units * WIDE_EPS * size.astype(float)
        numbers = values.data if sp.issparse(values) else values
        whole = all(np.all(v == np.rint(v)) for v in (self.weight, numbers))
        if whole and size.max(initial=0.0) < _LARGEST_INTEGER:
            self.rad = np.zeros(self.rad.shape)

    def without(self, removed):
        """Sums without the rows of each removal (m, n), a ball of shape (m, d)."""
        taken = removed[:, self.members].multiply(self.weight).tocsr()
        taken = taken @ self.values
        taken = taken.toarray() if sp.issparse(taken) else taken
        return Ball(self.total - taken, self.rad)


class Statistics:
    """Weights of classes without rows, and log priors.

    Parameters
    ----------
    model : ClassScores
        Model of all rows.
    """

    def __init__(self, model):
        self.model = model
        held = model.rows.nnz if sp.issparse(model.rows) else model.rows.size
        check_memory(
            6 * 16 * held,
            f"Bounds of {len(model.labels)} rows in long double",
            "Ask for influence, or take fewer rows or columns.",
        )
        self.members = [
            np.flatnonzero(model.labels == c) for c in range(model.n_classes)
        ]
        self._totals = [
            RowSums(members, model.weight, _ones(members)) for members in self.members
        ]

    def totals(self, removed):
        """Weight of each class without rows, a list of balls of shape (m, 1)."""
        return [sums.without(removed) for sums in self._totals]

    def log_priors(self, totals):
        """Log priors, up to a common part, a list of balls (m, 1) or (1, 1)."""
        estimator = self.model.estimator
        prior = getattr(estimator, "priors", getattr(estimator, "class_prior", None))
        if prior is not None:
            return [Ball([[p]]).log() for p in prior]
        if not getattr(estimator, "fit_prior", True):
            # a class that is gone has no score, whatever its prior
            return [total / total - 1.0 for total in totals]
        return [total.log() for total in totals]


def _ones(members):
    return np.ones((len(members), 1), dtype=_WIDE)


class Linear:
    """Test rows of models whose scores are linear in what they make of a row.

    Parameters
    ----------
    rows : ndarray or csr_array of longdouble, shape (t, d)
    """

    def __init__(self, rows):
        self.rows = rows

    def scores(self, parameters):
        """Return the balls (t, m, k) of ``(coefficients, constants)`` of classes."""
        out = []
        for coefficients, constant in parameters:
            product = coefficients.times_rows(self.rows)
            out.append(product + Ball(constant.mid.T, constant.rad.T))
        return stacked(out)


class CountStatistics(Statistics):
    """Counts of features, smoothed."""

    def __init__(self, model):
        super().__init__(model)
        rows = self.counted()
        self.alpha = Ball(np.atleast_1d(model.alpha)[None])
        self.n_numbers = rows.shape[1]
        self._counts = [
            RowSums(members, model.weight, rows[members])
            for members in self.counting_members()
        ]

    def counted(self):
        """Rows whose columns are summed, in long double."""
        rows = self.model.rows
        return (sp.csr_array(rows) if sp.issparse(rows) else rows).astype(_WIDE)

    def counting_members(self):
        """Rows that count for each class."""
        return self.members

    def counts(self, removed):
        """Counts of features in each class, a list of balls of shape (m, d)."""
        return [sums.without(removed) for sums in self._counts]

    def test_rows(self, rows):
        rows = sp.csr_array(rows) if sp.issparse(rows) else rows
        return Linear(rows.astype(_WIDE))


def _smoothed_logs(count, alpha):
    """Log probabilities of features of counts (m, d)."""
    smoothed = count + alpha
    return smoothed.log() - smoothed.sum(axis=1)[:, None].log()


class MultinomialStatistics(CountStatistics):
    """Log probabilities of features of each class."""

    def without(self, removed):
        """Return coefficients and constants of each class."""
        priors = self.log_priors(self.totals(removed))
        logs = [_smoothed_logs(count, self.alpha) for count in self.counts(removed)]
        return list(zip(logs, priors, strict=True))


class ComplementStatistics(CountStatistics):
    """Log probabilities of features of the rows of all other classes."""

    def counting_members(self):
        labels = self.model.labels
        return [np.flatnonzero(labels != c) for c in range(self.model.n_classes)]

    def without(self, removed):
        """Return coefficients and constants of each class."""
        # unknown where a class is gone
        gone = [total / total - 1.0 for total in self.totals(removed)]
        out = []
        for count, constant in zip(self.counts(removed), gone, strict=True):
            logs = _smoothed_logs(count, self.alpha)
            if self.model.estimator.norm:
                logs = logs / logs.sum(axis=1)[:, None]
            else:
                logs = -logs
            out.append((logs, constant))
        return out


class BernoulliStatistics(CountStatistics):
    """Log probabilities of presence and absence of features."""

    def without(self, removed):
        """Return coefficients and constants of each class."""
        totals, out = self.totals(removed), []
        terms = zip(self.counts(removed), totals, self.log_priors(totals), strict=True)
        for count, total, prior in terms:
            present = (count + self.alpha).log()
            absent = (total - count + self.alpha).log()
            every = (total + self.alpha * 2.0).log() * float(self.n_numbers)
            constant = absent.sum(axis=1)[:, None] - every + prior
            out.append((present - absent, constant))
        return out


class CategoricalStatistics(CountStatistics):
    """Log probabilities of the categories of each feature."""

    def counted(self):
        return self.model._one_hot(self.model.rows).tocsr().astype(_WIDE)

    def _sizes(self, removed):
        """Number of categories of each feature without rows, shape (m, d)."""
        columns, least = self.model.rows, self.model.estimator.min_categories
        out = np.tile(self.model.sizes, (removed.shape[0], 1))
        top = columns == columns.max(axis=0)
        all_gone = removed @ top.astype(float) == top.sum(axis=0)
        for m in np.flatnonzero(all_gone.any(axis=1)):
            kept = np.ones(len(columns), dtype=bool)
            kept[removed[[m]].indices] = False
            if kept.any():
                size = columns[kept].max(axis=0) + 1
                out[m] = size if least is None else np.maximum(size, least)
        return out

    def without(self, removed):
        """Return coefficients, constants of each class and numbers of categories."""
        sizes, totals = self._sizes(removed), self.totals(removed)
        priors, out = self.log_priors(totals), []
        # a test row of a category that is gone has no score
        category = np.arange(self.n_numbers) - np.repeat(
            self.model.first[:-1], self.model.sizes
        )
        gone = category >= np.repeat(sizes, self.model.sizes, axis=1)
        for count, total, prior in zip(
            self.counts(removed), totals, priors, strict=True
        ):
            logs = (count + self.alpha).log()
            logs = Ball(logs.mid, np.where(gone, np.inf, logs.rad))
            all_categories = (total + as_ball(sizes) * self.alpha).log()
            out.append((logs, prior - all_categories.sum(axis=1)[:, None]))
        return out

    def test_rows(self, rows):
        return Linear(self.model._one_hot(rows).tocsr().astype(_WIDE))


class Moments:
    """Means and variances of values without rows.

    Parameters
    ----------
    members, weight, values
        As of `RowSums`; values are differences from some centre.
    total : RowSums
        Of the weights.
    """

    def __init__(self, members, weight, values, total):
        self.total, self.first = total, RowSums(members, weight, values)
        self.second = RowSums(members, weight, values**2)

    def without(self, removed):
        """Mean and variance, balls of shape (m, d)."""
        total = self.total.without(removed)
        mean = self.first.without(removed) / total
        return mean, self.second.without(removed) / total - mean * mean


class GaussianStatistics(Statistics):
    """Means and variances of features, from sums about the centres of all rows."""

    def __init__(self, model):
        super().__init__(model)
        n, d = model.rows.shape
        self.n_numbers = d * model.n_classes
        rows = model.rows.astype(_WIDE)
        self.centers = model.centers.astype(_WIDE)
        self._moments = [
            Moments(members, model.weight, rows[members] - center, total)
            for members, center, total in zip(
                self.members, self.centers, self._totals, strict=True
            )
        ]
        everyone, ones = np.arange(n), np.ones(n)
        away = rows - rows.mean(axis=0).astype(float)
        total = RowSums(everyone, ones, _ones(everyone))
        self._all = Moments(everyone, ones, away, total)

    def without(self, removed):
        """Return precisions, means times them, and constants of each class."""
        _, every = self._all.without(removed)
        share = float(self.model.estimator.var_smoothing)
        smoothing = (every.max(axis=1) * share)[:, None]
        priors, out = self.log_priors(self.totals(removed)), []
        for moments, prior in zip(self._moments, priors, strict=True):
            mean, variance = moments.without(removed)
            scale = variance + smoothing
            precision = Ball(1.0) / scale
            pull = mean * precision
            every_feature = scale.log() + mean * pull
            constant = prior - every_feature.sum(axis=1)[:, None] * 0.5
            out.append((precision, pull, constant))
        return out

    def test_rows(self, rows):
        return GaussianTestRows(rows, self.centers)


class GaussianTestRows:
    """Test rows about the centres of classes."""

    def __init__(self, rows, centers):
        rows = rows.astype(_WIDE)
        self.away = [as_ball(rows) - center for center in centers]
        self.squares = [away * away for away in self.away]

    def scores(self, parameters):
        """Return the balls (t, m, k) of scores."""
        out = []
        for away, square, (precision, pull, constant) in zip(
            self.away, self.squares, parameters, strict=True
        ):
            score = precision.times_rows(square.mid, square.rad) * -0.5
            score = score + pull.times_rows(away.mid, away.rad)
            out.append(score + Ball(constant.mid.T, constant.rad.T))
        return stacked(out)


for _model, _statistics in (
    (BernoulliNaiveBayes, BernoulliStatistics),
    (CategoricalNaiveBayes, CategoricalStatistics),
    (ComplementNaiveBayes, ComplementStatistics),
    (GaussianNaiveBayes, GaussianStatistics),
    (MultinomialNaiveBayes, MultinomialStatistics),
):
    class_statistics.register(_model, _statistics)
