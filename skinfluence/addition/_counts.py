"""Naive Bayes on counts along an order of the rows."""

import numpy as np
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB

from skinfluence.addition._moments import blocks_of_ends
from skinfluence.addition._prefix_models import (
    ClassifierPrefixes,
    dense_rows,
    only_seen,
    prefix_models,
)


class CountPrefixes(ClassifierPrefixes):
    """Naive Bayes on counts: a row adds to the counts of its own class.

    A class's score changes with its own rows only, so that all prefixes together
    take one matrix product over the n rows. **Cost.** O(n d) per order and test row;
    memory O(n d).
    """

    def __init__(self, estimator, X, y):
        super().__init__(estimator, y)
        self.rows = self.prepare(X)
        alpha = np.asarray(estimator.alpha, dtype=np.float64)
        self.alpha = alpha if estimator.force_alpha else np.maximum(alpha, 1e-10)

    def prepare(self, X):
        return dense_rows(self.estimator, X)

    def path(self, order, ends):
        """Order, and the classes' rows in each prefix."""
        return order, self.class_counts(order, ends)

    def raw(self, path, rows, response):
        order, counts = path
        out = self.log_priors(counts)
        out = np.repeat(out[None], len(rows), axis=0)
        for c in range(self.n_classes):
            members = order[self.labels[order] == c]
            if len(members):
                score = self.class_scores(self.rows[members], rows)
                out[:, :, c] += score[:, np.maximum(counts[:, c] - 1, 0)]
        return only_seen(out, counts)

    def log_priors(self, counts):
        """Log prior of each class, shape (n_ends, n_classes); any value if unseen."""
        if not self.estimator.fit_prior:
            return np.zeros(counts.shape)
        total = counts.sum(axis=1, keepdims=True)
        return np.log(np.maximum(counts, 1)) - np.log(total)

    def class_scores(self, members, rows):
        """Scores of one class after each of its rows, (n_samples, n_members)."""
        smoothed = np.cumsum(members, axis=0) + self.alpha
        log_total = np.log(smoothed.sum(axis=1))
        return rows @ np.log(smoothed).T - np.outer(rows.sum(axis=1), log_total)


class BernoulliPrefixes(CountPrefixes):
    """Bernoulli naive Bayes: counts of the rows that have each feature."""

    def prepare(self, X):
        rows = super().prepare(X)
        threshold = self.estimator.binarize
        return rows if threshold is None else (rows > threshold).astype(np.float64)

    def class_scores(self, members, rows):
        present = np.cumsum(members, axis=0)
        count = np.arange(1.0, len(members) + 1)[:, None]
        log_absent = np.log(count - present + self.alpha)
        log_odds = np.log(present + self.alpha) - log_absent
        log_absent -= np.log(count + 2.0 * self.alpha)
        log_odds_scores = rows @ log_odds.T
        return log_odds_scores + log_absent.sum(axis=1)


class ComplementPrefixes(CountPrefixes):
    """Complement naive Bayes: counts of all other classes, without priors.

    Every row changes the scores of every class: O(n n_classes d) per test row.
    """

    def raw(self, path, rows, response):
        order, counts = path
        n_ends, d = counts.shape[0], self.rows.shape[1]
        ends = counts.sum(axis=1) - 1
        indicator = self.labels[order, None] == np.arange(self.n_classes)
        train = self.rows[order]
        total = np.cumsum(train, axis=0)
        out = np.empty((len(rows), n_ends, self.n_classes))
        for part in blocks_of_ends(n_ends, 1, d):
            for c in range(self.n_classes):
                own = np.cumsum(train * indicator[:, [c]], axis=0)[ends[part]]
                log = np.log(total[ends[part]] - own + self.alpha)
                log -= np.log(np.exp(log).sum(axis=1, keepdims=True))
                weights = log / log.sum(axis=1, keepdims=True)
                out[:, part, c] = rows @ (weights if self.estimator.norm else -log).T
        return only_seen(out, counts)


def _register(kind, prefixes):
    @prefix_models.register(kind)
    def _(estimator, X, y):
        smoothed = np.min(estimator.alpha) >= 1e-10
        if type(estimator) is not kind or estimator.class_prior is not None:
            return None
        return prefixes(estimator, X, y) if smoothed else None


_register(MultinomialNB, CountPrefixes)
_register(BernoulliNB, BernoulliPrefixes)
_register(ComplementNB, ComplementPrefixes)
