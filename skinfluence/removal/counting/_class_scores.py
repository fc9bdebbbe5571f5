"""Classifiers with one score per class, made of statistics of the class's rows.

Naive Bayes, discriminant analysis and nearest centroids are fitted by counting:
without a row its contribution is subtracted. The raw prediction is the vector of
scores, of which only differences between classes matter; a part of a move that is
common to all classes is left out.
"""

from abc import abstractmethod

import numpy as np
from scipy.special import logsumexp
from sklearn.base import clone

from skinfluence._losses import LogLoss
from skinfluence._sklearn import take_rows
from skinfluence.removal._classes import loses_class
from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal._model import ClosedFormModel
from skinfluence.removal._raw import TILE, RawRemovals
from skinfluence.removal._weights import row_weights

# Test rows whose statistics are held at a time.
TEST_ROWS = 256

# Numbers in an array over (removal, class, feature).
PARAMETERS = 2**20

# A sum of which less than this share remains has lost too many digits to the
# subtraction.
REMAINS = 1e-5


class ClassScores(ClosedFormModel):
    """A classifier whose score of a class is made of statistics of its rows.

    A removal that leaves a class without weight is unresolved: what remains is a
    model of fewer classes. Sets of rows are removed by computing the statistics of
    the remaining rows anew, which is what fitting costs.

    Attributes
    ----------
    labels : ndarray of shape (n,)
        Class index of each training row.
    weight : ndarray of shape (n,)
        Sample weights.
    totals : ndarray of shape (n_classes,)
        Weight of each class.
    """

    link = "softmax"

    def __init__(self, estimator, X, y, sample_weight=None):
        self.estimator, self.training = estimator, (X, y, sample_weight)
        self.labels = class_labels(estimator, y)
        self.n_classes = len(estimator.classes_)
        self.weight = row_weights(sample_weight, len(self.labels))
        self.totals = np.bincount(self.labels, self.weight, self.n_classes)
        if not self.totals.all():
            empty = estimator.classes_[self.totals == 0]
            raise UnsupportedEstimator(
                f"All rows of the classes {list(empty[:10])} have weight zero: "
                f"{type(estimator).__name__} gives them the probability zero, which "
                "no removal changes. Use LeaveOneOutInfluence(..., solver='refit') "
                "instead, or leave these rows out."
            )

    @abstractmethod
    def check(self, X):
        """Validate rows as the estimator does; returns what `scores` takes."""

    @abstractmethod
    def scores(self, rows):
        """Scores with all rows, shape (n_samples, n_classes)."""

    @abstractmethod
    def moves(self, state, removed):
        """Scores without minus with, shape (n_samples, n_removals, n_classes)."""

    @abstractmethod
    def unresolved(self):
        """Tell which single rows the algebra has no answer for, shape (n,)."""

    def state(self, rows):
        """Compute what `moves` needs of test rows."""
        return rows

    def rest(self):
        """Weight of each row's class without the row, and where hardly any is left."""
        total = self.totals[self.labels]
        rest = total - self.weight
        return rest, rest <= REMAINS * total

    def refitted(self, kept, **options):
        """Return this model of some of the rows."""
        X, y, weight = (v if v is None else take_rows(v, kept) for v in self.training)
        params = {} if weight is None else {"sample_weight": weight}
        estimator = clone(self.estimator).fit(X, y, **params)
        return type(self)(estimator, X, y, weight, **options)

    def _without(self, masks):
        return ClassRemovals(self) if masks is None else GroupRemovals(self, masks)


class ClassRemovals(RawRemovals):
    """Single rows removed: scores of every class move."""

    def __init__(self, model):
        self.model, self.link = model, model.link
        self.n_removals = len(model.labels)
        self.unresolved = np.flatnonzero(model.unresolved())

    def influence(self, X, y, loss):
        rows = self.model.check(X)
        out = np.empty((rows.shape[0], self.n_removals))
        for t in range(0, rows.shape[0], TEST_ROWS):
            part = slice(t, t + TEST_ROWS)
            out[part] = self._influence(rows[part], y[part], loss)
        return out

    def mean_influence(self, X, y, loss, weight):
        rows = self.model.check(X)
        out = np.zeros(self.n_removals)
        for t in range(0, rows.shape[0], TEST_ROWS):
            part = slice(t, t + TEST_ROWS)
            out += weight[part] @ self._influence(rows[part], y[part], loss)
        return out

    def _influence(self, rows, y, loss):
        return super().influence(rows, y, loss)

    def prepare(self, X):
        """Take rows that `check` has returned."""
        return self.model.scores(X), self.model.state(X)

    def moves(self, state, removals):
        return self.model.moves(state, np.arange(removals.start, removals.stop))

    def own_moves(self):
        rows = self.model.check(self.model.training[0])
        raw = np.empty((self.n_removals, self.model.n_classes))
        own = np.empty_like(raw)
        size = 32  # moves of a square tile, of which the diagonal is wanted
        for i in range(0, self.n_removals, size):
            part = slice(i, min(i + size, self.n_removals))
            raw[part], state = self.prepare(rows[part])
            diagonal = np.arange(part.stop - i)
            own[part] = self.moves(state, part)[diagonal, diagonal]
        return raw, own


class OneClassScores(ClassScores):
    """A classifier in which a row has a part in the score of its own class only."""

    @abstractmethod
    def class_moves(self, state, removed, label):
        """Moves of a class's score without its rows, (n_samples, n_removals).

        ``removed`` are indices of rows of the class ``label``.
        """

    def moves(self, state, removed):
        n = (state[0] if isinstance(state, tuple) else state).shape[0]
        out = np.zeros((n, len(removed), self.n_classes))
        for label in np.unique(self.labels[removed]):
            chosen = np.flatnonzero(self.labels[removed] == label)
            out[:, chosen, label] = self.class_moves(state, removed[chosen], label)
        return out

    def _without(self, masks):
        return OneClassRemovals(self) if masks is None else GroupRemovals(self, masks)


class OneClassRemovals(ClassRemovals):
    """Single rows removed: the score of one class moves.

    The log loss then is that of two classes, this one and the rest: for it the
    cost does not grow with the number of classes.
    """

    def _influence(self, rows, y, loss):
        if not isinstance(loss, LogLoss):
            return super()._influence(rows, y, loss)
        raw, state = self.prepare(rows)
        before = logsumexp(raw, axis=1) - raw[np.arange(len(y)), y]
        out = np.empty((len(raw), self.n_removals))
        size = max(1, TILE // max(1, len(raw)))
        for label in range(self.model.n_classes):
            members = np.flatnonzero(self.model.labels == label)
            others = logsumexp(np.delete(raw, label, axis=1), axis=1)
            logit = (raw[:, label] - others)[:, None]
            truth = (y == label).astype(np.intp)
            for start in range(0, len(members), size):
                removed = members[start : start + size]
                moves = self.model.class_moves(state, removed, label)
                growth = loss.growth(truth, logit, moves[..., None], "logit")
                # The clip is that of the true class, which may be one of the rest.
                out[:, removed] = loss.clip_growth(growth, before)
        return out


class GroupRemovals(RawRemovals):
    """Sets of rows removed: one model of the remaining rows for each."""

    def __init__(self, model, masks):
        self.model, self.link, self.n_removals = model, model.link, len(masks)
        self.models, unresolved = [], []
        emptied = loses_class(model.labels, masks, model.weight > 0)
        for g, mask in enumerate(masks):
            # A group of all rows, or an emptied class, is left to the caller.
            self.models.append(model)
            if emptied[g]:
                unresolved.append(g)
            elif mask.any():
                try:
                    self.models[g] = model.refitted(np.flatnonzero(~mask))
                except (ValueError, UnsupportedEstimator):  # LinAlgError is one
                    unresolved.append(g)
        self.unresolved = np.asarray(unresolved, dtype=np.intp)

    def prepare(self, X):
        rows = self.model.check(X)
        raw = self.model.scores(rows)
        return raw, (rows, raw)

    def moves(self, state, removals):
        rows, raw = state
        after = [
            raw if model is self.model else model.scores(rows)
            for model in self.models[removals]
        ]
        return np.stack(after, axis=1) - raw[:, None]

    def own_moves(self):
        """Raise an error: sets of rows have no own row."""
        raise NotImplementedError("Only for removals of single rows.")


def class_labels(estimator, y):
    """Class index of each training row."""
    if len(estimator.classes_) < 2:
        raise UnsupportedEstimator(
            f"{type(estimator).__name__} was fitted to a single class, "
            f"{estimator.classes_[0]!r}, which it predicts whatever is removed. Give "
            "it rows of another class."
        )
    return np.searchsorted(estimator.classes_, np.asarray(y).ravel())


def constant_columns(estimator, rows, scatter):
    """Tell which columns do not vary within classes.

    scikit-learn divides by the standard deviation within classes unless it is
    exactly zero. Means of integers are exact; those of other constants leave
    rounding errors, and dividing by these gives numbers that no algebra repeats.
    """
    size = np.abs(rows).max(axis=0)
    constant = scatter <= len(rows) * (1e-10 * size) ** 2
    noisy = constant & (rows != np.round(rows)).any(axis=0)
    if noisy.any():
        raise UnsupportedEstimator(
            f"Columns {list(np.flatnonzero(noisy)[:10])} of X are constant within "
            f"classes: {type(estimator).__name__} divides them by rounding errors. "
            "Remove these columns, or use LeaveOneOutInfluence(..., solver='refit')."
        )
    return constant
