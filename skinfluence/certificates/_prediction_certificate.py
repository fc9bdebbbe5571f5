"""How many training rows a prediction survives, with proof."""

import warnings
from numbers import Integral, Real
from time import perf_counter

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import column_or_1d, get_tags, indexable
from sklearn.utils.validation import check_is_fitted

from skinfluence._collections import refuse_collections
from skinfluence._display._shown_bunch import ShownBunch
from skinfluence._sklearn import (
    EstimatorWrapper,
    Interval,
    StrOptions,
    fresh_seed,
    n_rows,
)
from skinfluence._targets import check_targets
from skinfluence._threads import blas_threads
from skinfluence.certificates._certifier import Training
from skinfluence.certificates._changed import Changed
from skinfluence.certificates._families import certifier
from skinfluence.certificates._verification import Verification


class PredictionCertificate(EstimatorWrapper):
    r"""How many training rows can be removed, or relabelled, before a prediction turns.

    For every test row two numbers: ``lower``, so that no ``lower`` changes of the
    training table turn the prediction, with proof; and ``upper``, the size of a set of
    changes that does turn it, found and verified by a refit. Where the two are
    neighbours the answer is exact.

    - Label flips of ridge and least squares, ridge classifiers, kernel ridge and
      Gaussian processes: exact. A flip moves a prediction by ``w_i(x) (y'_i - y_i)``,
      and flips add up.
    - Flips and removals of K nearest neighbours: exact, the vote can be counted.
    - Removals from ridge, least squares and two-class ridge classifiers: a bound for
      sets of any size, by the leverages and residuals of all rows.
    - Removals and flips of two-class logistic regression: a bound, from the region
      that no model without (or with other labels of) k rows can leave.
    - Removals from every other model that loses rows exactly: exact for a single row,
      so that ``lower`` is 0 or 1. A warning says so, and ``reason`` why.
    - :class:`PartitionClassifier`: the votes, with the parts' own certificates.

    **What it does not cover.** Rows that are added, features that are changed, and
    hyper-parameters that would be chosen differently.

    **Cost.** Flips: O(n p) per test row and one refit for all of them. Bounds for
    more than one removal: O(n^2) memory, and some O(n^2) passes for every number of
    rows tried, for up to 3,000 rows (logistic regression: 2,000); of more rows O(n)
    for both, from their leverages alone, which certifies fewer.
    ``upper`` of removals and of logistic regression: about ``2 log2(max_rows)`` refits
    for each test row, which a warning announces where it takes long.

    **When it fails.** Bounds are far from the truth where single rows have much
    leverage: logistic regression needs many more rows than columns, or a strong
    penalty. They are about the optimum of the training objective; a solver that
    stops early makes errors of its own on predictions that are nearly undecided.

    Parameters
    ----------
    estimator : estimator
        Classifier, or regressor whose prediction is compared with ``threshold``; or a
        Pipeline that ends in one. For label flips its other steps must not look at y;
        for removals of more than one row they must learn nothing from the rows.
    change : {"removal", "label_flip"}, default="removal"
        Change of training rows: they are missing, or their label is any other
        class (of regressors: the other one of two values of y).
    max_rows : int, default=None
        Largest number of changes that is asked about; None: half of the rows.
    threshold : float, default=None
        For regressors: the prediction turns when it crosses this number. None: half
        way between the two values of y.
    n_jobs : int, default=None
        Test rows for which refits run at once; None obeys ``joblib.parallel_config``.
    random_state : int, RandomState or None, default=None
        Seeds estimators whose own ``random_state`` is None: the same in every refit.

    Attributes
    ----------
    estimator_ : estimator
        Trained on all rows.
    n_samples_fit_ : int
        Number of training rows.
    max_rows_ : int
        Largest number of changes that is asked about.
    threshold_ : float or None
        Number with which predictions of regressors are compared.

    See Also
    --------
    PartitionClassifier : A certificate for any classifier.
    find_flip_set : A smallest set for one prediction, coefficient or p-value.
    CertifiedAccuracyDisplay : Picture of `certified_accuracy`.

    References
    ----------
    .. [1] A. Meyer, A. Albarghouthi, L. D'Antoni, "The Dataset Multiplicity Problem",
       FAccT 2023, arXiv:2304.10655.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import RidgeClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skinfluence import PredictionCertificate
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), RidgeClassifier())
    >>> certificate = PredictionCertificate(model, change="label_flip")
    >>> certificate = certificate.fit(X[:426], y[:426])
    >>> found = certificate.robustness(X[426:])
    >>> found.lower[:3], found.upper[:3]
    (array([...]), array([...]))
    >>> bool((found.upper == found.lower + 1).all())  # exact
    True
    """

    _parameter_constraints: dict = {
        **EstimatorWrapper._parameter_constraints,
        "change": [StrOptions({"removal", "label_flip"})],
        "max_rows": [Interval(Integral, 1, None, closed="left"), None],
        "threshold": [Real, None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        *,
        change="removal",
        max_rows=None,
        threshold=None,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.change = change
        self.max_rows = max_rows
        self.threshold = threshold
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label = False
        tags.target_tags.multi_output = False
        return tags

    def fit(self, X, y, **fit_params):
        """Train a clone of the estimator, and prepare the certificate.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,)
            Their targets.
        **fit_params : dict
            Passed to the estimator's ``fit``, ``sample_weight``, say.

        Returns
        -------
        self : object
            The fitted certificate.

        Raises
        ------
        UnsupportedEstimator
            A TypeError, where nothing can be certified; it names what can.

        Warns
        -----
        UserWarning
            Where no more than one of ``max_rows_`` changes can be certified; with the
            reason.
        """
        self._validate_params()
        self._refuse_frozen()
        refuse_collections("PredictionCertificate.fit", X=X, y=y)
        check_targets(y)
        self._seed = fresh_seed(self.random_state)
        params = self._routed("fit", fit_params)
        start = perf_counter()
        self.estimator_ = self._fit_clone(X, y, params, self._seed)
        self._fit_seconds = perf_counter() - start
        X, y = indexable(X, y)
        n = self.n_samples_fit_ = n_rows(X)
        y = self._one_target(np.asarray(y))
        self.max_rows_ = min(self.max_rows or max(n // 2, 1), n - 1)
        self.threshold_ = self._threshold(y)
        training = Training(
            self.estimator,
            self.estimator_,
            X,
            y,
            params,
            self.change,
            self.threshold_,
            self._seed,
            self.n_jobs,
        )
        self._changed = Changed(training)
        with self._threads():
            self._certifier = certifier(training)
        if self._certifier.reason is not None and self.max_rows_ > 1:
            warnings.warn(self._certifier.reason, stacklevel=2)
        self._verification = Verification(
            self._changed, self._certifier, self.max_rows_, self._fit_seconds
        )
        return self

    def robustness(self, X):
        """Find how many changes each prediction survives.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.

        Returns
        -------
        robustness : :class:`~sklearn.utils.Bunch`
            Both sides of the smallest number of changes, for each test row.

            lower : ndarray of int of shape (n_samples,)
                No set of ``lower`` changes, or fewer, turns the prediction. At most
                ``max_rows_``.
            upper : ndarray of shape (n_samples,)
                Size of the smallest set found that turns it, verified by a refit;
                infinite where none of at most ``max_rows_`` was found.
            flip_sets : list of ndarray of int
                These sets, as positions of training rows; empty where none was found.
            flip_labels : list of ndarray
                For label flips, the new targets of these rows; else empty.
            reason : str or None
                Why ``lower`` is never more than 1; None where it may be.
        """
        check_is_fitted(self)
        (X,) = indexable(X)
        before = self._changed.side(self.estimator_, X)
        with self._threads():
            bounds = list(self._certifier.bounds(X, self.max_rows_))
            lower = np.array([low for low, _ in bounds], dtype=np.intp)
            plans = [plan for _, plan in bounds]
            lower = np.minimum(lower, self.max_rows_)
            if is_classifier(self.estimator_):
                # Without its last row a class cannot be predicted.
                sizes = np.bincount(self._changed.labels)
                lower = np.minimum(lower, np.maximum(sizes[before] - 1, 0))
            sizes = self._verification.sizes(X, before, lower, plans)
        upper = np.array([np.inf if size is None else size for size in sizes])
        heads = [plan.head(size or 0) for plan, size in zip(plans, sizes, strict=True)]
        return ShownBunch(
            lower=lower,
            upper=upper,
            flip_sets=[rows for rows, _ in heads],
            flip_labels=[self._changed.values(labels) for _, labels in heads],
            reason=self._certifier.reason,
        )

    def certified_accuracy(self, X, y):
        """Accuracy that no k changes of the training table can spoil, over k.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.
        y : array-like of shape (n_samples,)
            Their true targets; of regressors, those that exceed the threshold are to
            have predictions that do.

        Returns
        -------
        curve : :class:`~sklearn.utils.Bunch`
            The curve, from both sides.

            n_changes : ndarray of int of shape (n_points,)
                Numbers k of changes, from 0.
            certified : ndarray of shape (n_points,)
                Share of test rows that are predicted right, whatever k changes.
            attacked : ndarray of shape (n_points,)
                Share that is right after the changes that were found, at most k for
                each test row; never below ``certified``.
        """
        check_is_fitted(self)
        check_targets(y)
        X, y = indexable(X, y)
        found = self.robustness(X)
        right = self._changed.side(self.estimator_, X) == self._changed.side_of(y)
        finite = found.upper[np.isfinite(found.upper)]
        most = int(max(found.lower.max(initial=0) + 1, finite.max(initial=0)))
        k = np.arange(min(most, self.max_rows_) + 1)
        return ShownBunch(
            n_changes=k,
            certified=(right & (found.lower >= k[:, None])).mean(axis=1),
            attacked=(right & (found.upper > k[:, None])).mean(axis=1),
        )

    def _one_target(self, y):
        if y.ndim != 1 and y.size != len(y):
            raise ValueError(
                "A certificate is about one prediction per row: y must have shape "
                f"({len(y)},). Got {y.shape}: fit one certificate per output."
            )
        # The wrapped estimator warns itself, unless it takes several outputs.
        warns = get_tags(self.estimator).target_tags.multi_output
        y = column_or_1d(y, warn=warns)
        if is_classifier(self.estimator_) and len(np.unique(y)) < 2:
            raise ValueError(
                "y must hold at least two classes, or no prediction can turn. Got only "
                f"one class, {y[:1].tolist()}."
            )
        return y

    def _threshold(self, y):
        if is_classifier(self.estimator_):
            if self.threshold is not None:
                raise ValueError(
                    "The 'threshold' parameter is for regressors: the prediction of a "
                    f"classifier is a class. Got {self.threshold!r}; leave it out."
                )
            return None
        values = np.unique(y)
        if self.change == "label_flip" and len(values) != 2:
            raise ValueError(
                "Labels can be flipped where y holds two values. Got "
                f"{len(values)} different ones: use change='removal', or a y of two "
                "values."
            )
        if self.threshold is None and len(values) != 2:
            raise ValueError(
                "The 'threshold' parameter must be the number that the prediction of a "
                f"regressor is compared with, as y holds {len(values)} different "
                "values. Got None."
            )
        return float(values.mean() if self.threshold is None else self.threshold)

    def _threads(self):
        return blas_threads(self.n_samples_fit_, getattr(self, "n_features_in_", 1))
