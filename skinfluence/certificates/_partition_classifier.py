"""An ensemble over disjoint parts of a table: one row changes at most one vote."""

import hashlib
from numbers import Integral

import numpy as np
import scipy.sparse as sp
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    is_regressor,
)
from sklearn.utils import get_tags, indexable
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from skinfluence._collections import refuse_collections
from skinfluence._sklearn import HasMethods, Interval, fresh_seed
from skinfluence._skorch import jobs_of_training
from skinfluence._targets import check_targets
from skinfluence._threads import Parallel
from skinfluence.certificates._votes import votes_of
from skinfluence.retraining.engine import retrain, trainable


class PartitionClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    r"""Classifiers of disjoint parts of the training table, which vote.

    A keyed hash of the features of a row, and of nothing else, says which part it
    belongs to, so that a row that is removed, or whose label is another, changes one
    part and no other (deep partition aggregation). If class a has :math:`v_a` votes and
    a rival :math:`v_b`, at least :math:`\lceil (v_a - v_b + [a < b]) / 2 \rceil`
    parts have to change: that is a certificate for any classifier. Where the
    parts' own classifiers have one, :class:`PredictionCertificate` adds up theirs,
    which certifies more.

    The class with most votes is predicted, of several the smallest. A part of one
    class votes for it; a part without any row does not vote.

    **Cost.** ``n_partitions`` fits to a part of the rows each.

    **When it fails.** Each vote comes from few rows: many parts certify many changes of
    a model that is less accurate. Rows that are added, or whose features are changed,
    count as changes too, but the certificate is about removals and labels only.

    Parameters
    ----------
    estimator : classifier
        Cloned for every part. Its randomness is seeded from the number of the part.
    n_partitions : int, default=10
        Parts, of about equal size.
    key : int, default=0
        Key of the hash: another one makes other parts.
    n_jobs : int, default=None
        Parts that are trained at once; None obeys ``joblib.parallel_config``.
    random_state : int, RandomState or None, default=None
        Seeds estimators whose own ``random_state`` is None.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    estimators_ : list
        The fitted classifier of each part; None for a part without rows.
    partition_ : ndarray of int of shape (n_samples,)
        The part of each training row.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X had names.

    See Also
    --------
    PredictionCertificate : How many changes its predictions survive.

    References
    ----------
    .. [1] A. Levine, S. Feizi, "Deep Partition Aggregation: Provable Defenses against
       General Poisoning Attacks", ICLR 2021, arXiv:2006.14768.
    .. [2] "EnsembleCert", arXiv:2604.11416, 2026.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from skinfluence import PartitionClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = PartitionClassifier(KNeighborsClassifier(1), n_partitions=20)
    >>> model.fit(X[:1500], y[:1500]).score(X[1500:], y[1500:]) > 0.8
    True
    >>> float(model.predict_proba(X[1500:1501]).max())  # share of the parts that agree
    0.7
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"])],
        "n_partitions": [Interval(Integral, 1, None, closed="left")],
        "key": [Integral],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self, estimator, *, n_partitions=10, key=0, n_jobs=None, random_state=None
    ):
        self.estimator = estimator
        self.n_partitions = n_partitions
        self.key = key
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = inner.input_tags
        tags.classifier_tags.multi_class = inner.classifier_tags.multi_class
        return tags

    def fit(self, X, y, **fit_params):
        """Train a classifier on every part.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, whatever the classifier takes.
        y : array-like of shape (n_samples,)
            Their labels.
        **fit_params : dict
            Passed to every ``fit``; what has one entry per row is divided as well.

        Returns
        -------
        self : object
            The fitted ensemble.
        """
        self._validate_params()
        refuse_collections("PartitionClassifier.fit", X=X, y=y)
        if is_regressor(self.estimator):
            raise TypeError(
                "The 'estimator' parameter must be a classifier, whose votes are "
                f"counted. Got the regressor {self.estimator!r:.60}."
            )
        check_targets(y)
        X = self._checked(X, reset=True)
        y = column_or_1d(y, warn=True)
        X, y = indexable(X, y)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(
                "y must hold at least two classes, or there is nothing to vote on. Got "
                f"only one class, {self.classes_.tolist()}."
            )
        self.partition_ = partition(X, self.n_partitions, self.key)
        self._seed = fresh_seed(self.random_state)
        inner = trainable(self.estimator, y)
        parts = [self.rows_of(p) for p in range(self.n_partitions)]
        n_jobs = jobs_of_training(inner, self.n_jobs)
        self.estimators_ = Parallel(n_jobs=n_jobs)(
            delayed(_part_model)(inner, X, y, fit_params, rows, self._seed, p)
            for p, rows in enumerate(parts)
        )
        return self

    def rows_of(self, part):
        """Return the training rows of a part.

        Parameters
        ----------
        part : int
            Its number.

        Returns
        -------
        rows : ndarray of int
            Their positions in the training table.
        """
        return np.flatnonzero(self.partition_ == part)

    def predict_proba(self, X):
        """Share of the votes of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.

        Returns
        -------
        shares : ndarray of shape (n_samples, n_classes)
            They sum to one.
        """
        votes = votes_of(self.votes(X), len(self.classes_))
        return votes / votes.sum(axis=1, keepdims=True)

    def predict(self, X):
        """Return the class with most votes, of several the smallest.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels.
        """
        votes = votes_of(self.votes(X), len(self.classes_))
        return self.classes_[votes.argmax(axis=1)]

    def votes(self, X):
        """Return the votes of all parts that have rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.

        Returns
        -------
        votes : ndarray of int of shape (n_voters, n_samples)
            Positions of the predicted labels in ``classes_``.
        """
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        voters = [model for model in self.estimators_ if model is not None]
        parts = [model.predict(X) for model in voters]
        return np.stack([np.searchsorted(self.classes_, part) for part in parts])

    def _checked(self, X, reset):
        """Check what the classifiers of single parts would not all see."""
        if hasattr(X, "columns") or hasattr(X, "iloc"):
            return validate_data(self, X, reset=reset, skip_check_array=True)
        tags = get_tags(self.estimator).input_tags
        if not tags.two_d_array or tags.string:
            return validate_data(self, X, reset=reset, skip_check_array=True)
        return validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr" if tags.sparse else False,
            ensure_all_finite=not tags.allow_nan,
            dtype="numeric",
        )


def _part_model(estimator, X, y, fit_params, rows, seed, part):
    if not len(rows):
        return None
    return retrain(estimator, X, y, fit_params, rows, seed, part)


def partition(X, n_partitions, key):
    """Assign rows to parts by a keyed hash of what is in them.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    n_partitions : int
    key : int

    Returns
    -------
    part : ndarray of int of shape (n_samples,)
    """
    secret = str(key).encode()[:64]
    out = np.empty(X.shape[0] if hasattr(X, "shape") else len(X), dtype=np.intp)
    for i, content in enumerate(_contents(X)):
        digest = hashlib.blake2b(content, digest_size=8, key=secret).digest()
        out[i] = int.from_bytes(digest, "little") % n_partitions
    return out


def _contents(X):
    """Yield the bytes of each row: equal rows have equal ones in whatever type."""
    if sp.issparse(X):
        X = sp.csr_array(X).copy()
        X.sum_duplicates()
        X.eliminate_zeros()
        for start, stop in zip(X.indptr[:-1], X.indptr[1:], strict=True):
            data = X.data[start:stop].astype(np.float64)
            yield X.indices[start:stop].astype(np.int64).tobytes() + data.tobytes()
        return
    rows = X.to_numpy() if hasattr(X, "to_numpy") else np.asarray(X)
    rows = rows.reshape(len(rows), -1)
    if rows.dtype.kind in "biuf":
        rows = rows.astype(np.float64) + 0.0  # minus zero is zero
        yield from (row.tobytes() for row in np.ascontiguousarray(rows))
    else:
        yield from (repr(row.tolist()).encode() for row in rows)
