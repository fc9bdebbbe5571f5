"""Detection of the targets of a training-set attack, and of the planted rows."""

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import gen_batches, get_tags, indexable
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import check_is_fitted

from skinfluence._collections import refuse_collections
from skinfluence._display._shown_bunch import ShownBunch
from skinfluence._sklearn import FeaturesOfInner, fresh_seed, n_rows, take_rows
from skinfluence._threads import Parallel
from skinfluence.attacks._parameters import check_parameters
from skinfluence.attacks._signs import Signs
from skinfluence.attacks._supporters import renormalised
from skinfluence.attacks._turning_rows import TurningRows
from skinfluence.attacks._upper_group import upper_group
from skinfluence.certificates import PredictionCertificate


class TargetDetector(FeaturesOfInner, MetaEstimatorMixin, BaseEstimator):
    r"""Find test rows whose prediction depends on a few training rows.

    An attacker who plants training rows to change the prediction of a target leaves
    two traces. For the target these few rows have far more influence than the other
    rows of the predicted class; and their own labels are not what the rest of their
    class stands for. With influence :math:`I(t, i)` of training row i on the model's
    own prediction of test row t, self-influence :math:`I(i, i)` and :math:`\rho` =
    ``renormalize``, let

    .. math:: v_{ti} = \frac{I(t, i)}{|I(i, i)|^{\rho / 2}}, \qquad
        s_t = \frac{\mathrm{mean}_{i:\, y_i = \hat y_t} v_{ti}}
        {\sqrt{\mathrm{mean}_i\, v_{ti}^2}}

    and :math:`z_{ti}` be :math:`v_{ti}` in standard deviations from its mean over the
    training rows labelled as the prediction. The support :math:`s_t` says how far these
    rows as a class stand behind a prediction; that of a training row leaves out the row
    itself, and is 0 if the model predicts another label. The *supporters* of t have
    :math:`z_{ti} > 1`. Those that resemble each other support each other, so let
    :math:`s_{it}` be the support of row i by the rows of its class that are no
    supporters of t. The two signs are the mean support of the supporters, and the
    largest gap among influences,

    .. math:: c_t = \frac{\sum_i \max(z_{ti} - 1, 0) \, (s_i + s_{it}) / 2}
        {\sum_i \max(z_{ti} - 1, 0)}, \qquad g_t = -\log\left(1 - 0.99
        \max_k \frac{v_{t(k)} - v_{t(k+1)}}{v_{t(1)}}\right),

    with :math:`v_{t(1)} \ge v_{t(2)} \ge \dots` of the predicted class, and k at most
    the share ``max_removed`` of the training rows. Both are measured in robust standard
    deviations from the median of the training rows; the score is c minus a fifth of g.
    **Sign.** As in scikit-learn's outlier detectors: low = target; `predict` is -1 for
    targets. **Unit.** Robust standard deviations.

    The division (renormalisation) removes the effect of the norm of a training row's
    gradient on all its influences: without it the same rows of large loss have the
    largest influence on every test row. With :math:`\rho = 1` influences become
    cosines.

    **Cost.** Influences of the training rows on each other in ``fit``, three times if
    their matrix exceeds a quarter of ``working_memory``; those on supporters once more
    in each call of `score_samples`; O(n_train) memory per test row. ``fit`` multiplies
    matrices of the rows of each class, cubic in their number. `suspects`: one refit for
    each row, and about ``2 log2`` of the number of suspects beyond the upper group, if
    that does not turn the prediction.

    **When it fails.** Rare but honest rows (the long tail) look like targets: without
    an attack the share ``contamination`` of rows is still reported. A target that
    resembles the class it is predicted as cannot be told from an honest row of it. The
    suspects of one target of a backdoor are planted rows that resemble it; those of
    several targets hold most planted rows, and honest rows. The user guide has rates.

    Parameters
    ----------
    influence : influence estimator
        Around a classifier; cloned. Any method of this library. For nets
        ``TracIn(net, normalize=True)`` is the paper's: cosines of gradients, summed
        over checkpoints.
    renormalize : float, default=1.0
        Power of the root of self-influence that influences are divided by, in
        [0, 1]: 0 leaves them as they are, 1 makes them cosines.
    contamination : float, default=0.05
        Share of rows to be reported as targets, in (0, 0.5]: the threshold is this
        quantile of the training rows' scores, each without its own influence.
    max_removed : float, default=0.1
        Largest share of training rows that `suspects` removes, or above a gap.
    n_jobs : int, default=None
        Number of test rows that `suspects` treats in parallel; None obeys
        ``joblib.parallel_config``.
    random_state : int, RandomState or None, default=None
        Seeds the refits of `suspects`.

    Attributes
    ----------
    influence_ : influence estimator
        Fitted on the training table.
    offset_ : float
        Threshold: ``decision_function`` is ``score_samples`` minus it.
    classes_ : ndarray of shape (n_classes,)
        Labels of the classifier.

    See Also
    --------
    skinfluence.datasets.plant_backdoor : Plant an attack to measure this on.
    InfluenceCleaner : For wrong labels without a target.
    PredictionCertificate : What no change of a few rows can turn.

    References
    ----------
    .. [1] Z. Hammoudeh, D. Lowd, "Identifying a Training-Set Attack's Target Using
       Renormalized Influence Estimation", CCS 2022, arXiv:2201.10055.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skinfluence import LeaveOneOutInfluence, TargetDetector
    >>> from skinfluence.datasets import plant_feature_collision
    >>> X, y = load_digits(return_X_y=True)
    >>> X /= 16
    >>> target = X[1000:1001]  # a 1 that is to be classified as a 4
    >>> X_train, y_train, planted = plant_feature_collision(
    ...     X[:400], y[:400], target[0], label=4, strength=0.9, random_state=0
    ... )
    >>> loo = LeaveOneOutInfluence(LogisticRegression(max_iter=1000))
    >>> detector = TargetDetector(loo).fit(X_train, y_train)
    >>> detector.influence_.predict(target), detector.predict(target)
    (array([4]), array([-1]))
    >>> (suspects,) = detector.suspects(target)
    >>> bool(planted[suspects].all())
    True
    """

    _inner = "influence_"

    def __init__(
        self,
        influence,
        *,
        renormalize=1.0,
        contamination=0.05,
        max_removed=0.1,
        n_jobs=None,
        random_state=None,
    ):
        self.influence = influence
        self.renormalize = renormalize
        self.contamination = contamination
        self.max_removed = max_removed
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.influence)
        tags.target_tags.required = True
        tags.classifier_tags = inner.classifier_tags
        tags.input_tags = inner.input_tags
        return tags

    def fit(self, X, y, **fit_params):
        """Fit the influence estimator, and the threshold on the training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,)
            Their labels, poisoned or not.
        **fit_params : dict
            Passed to the ``fit`` of the influence estimator.

        Returns
        -------
        self : object
            The fitted detector.
        """
        refuse_collections("TargetDetector.fit", X=X, y=y)
        check_parameters(self)
        self._seed = fresh_seed(self.random_state)
        self.influence_ = clone(self.influence).fit(X, y, **fit_params)
        X, y = indexable(X, y)
        self.classes_ = self.influence_.classes_
        self._turning = TurningRows(self.influence_, X, y, fit_params, self._seed)
        self._self_influence = (
            self.influence_.self_influence() if self.renormalize else None
        )
        self._most = int(self.max_removed * n_rows(X))
        self._signs = self._fit_signs(X)
        scores = self._signs.training_scores
        self.offset_ = float(np.quantile(scores, self.contamination))
        return self

    def fit_predict(self, X, y, **fit_params):
        """Fit, and label the training rows as targets or inliers.

        Unlike in ``fit(X, y).predict(X)``, the influence of a row on itself, which is
        often the largest, is left out.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,)
            Their labels, poisoned or not.
        **fit_params : dict
            Passed to the ``fit`` of the influence estimator.

        Returns
        -------
        is_inlier : ndarray of shape (n_samples,)
            -1 for targets (about the share ``contamination``), 1 for other rows.
        """
        self.fit(X, y, **fit_params)
        return self._inliers(self._signs.training_scores)

    def score_samples(self, X):
        """Return the score: the sum of the two signs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            The lower, the more conspicuous are the supporters of the prediction.
        """
        check_is_fitted(self)
        (X,) = indexable(X)
        blocks = (self._values(take_rows(X, rows)) for rows in self._blocks(n_rows(X)))
        return self._signs.scores(blocks, self._training_blocks)

    def decision_function(self, X):
        """Score minus the threshold: negative = target.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Label rows as targets or inliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.

        Returns
        -------
        is_inlier : ndarray of shape (n_samples,)
            -1 for targets, 1 for others.
        """
        return self._inliers(self.score_samples(X))

    def suspects(self, X):
        """Return the training rows that are suspected of deciding predictions.

        Rows labelled as the prediction are ranked by :math:`z_{ti}` plus half of the
        lack of their own support (robust standard deviations below the median, from -3
        to 3). The upper of two groups, the normal distributions of greatest likelihood,
        is removed, and the model refitted; further rows are, in this order, until the
        prediction changes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows, for instance those reported as targets.

        Returns
        -------
        suspects : list of ndarray of int
            For each test row the positions of training rows, by descending score,
            whose removal changes the prediction. Empty if removing the share
            ``max_removed`` does not change it.
        """
        check_is_fitted(self)
        (X,) = indexable(X)
        tasks = (
            delayed(self._suspects_of)(take_rows(X, np.array([t])), *reasons)
            for rows in self._blocks(n_rows(X))
            for t, *reasons in zip(
                rows, *self._reasons(take_rows(X, rows)), strict=True
            )
        )
        return Parallel(n_jobs=self.n_jobs)(tasks)

    def robustness(self, X, *, change="removal", max_rows=None):
        """Find how many changes of the training rows each prediction survives, proven.

        A score says that a prediction looks like that of a target. This says what is
        certain: an attacker who planted, or relabelled, at most ``lower`` training rows
        has not decided the prediction. `PredictionCertificate` computes it and says for
        which estimators it exceeds one, what it costs and what it does not cover.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.
        change : {"removal", "label_flip"}, default="removal"
            What happens to training rows: they are missing, or have any other label.
        max_rows : int, default=None
            Largest number of changes that is asked about; None: half of the rows.

        Returns
        -------
        robustness : :class:`~sklearn.utils.Bunch`
            Of each test row:

            score : ndarray of shape (n_samples,)
                See `score_samples`.
            lower : ndarray of int of shape (n_samples,)
                No set of ``lower`` changes, or fewer, turns the prediction. 0 where
                training again, with the seed of this detector, turns it already.
            upper, flip_sets, flip_labels, reason
                As `PredictionCertificate` has them, the smallest set found first.

        Raises
        ------
        UnsupportedEstimator
            A TypeError, where nothing can be certified; it names what can.
        """
        check_is_fitted(self)
        (X,) = indexable(X)
        fitted = self._turning
        certificate = PredictionCertificate(
            self.influence_.estimator,
            change=change,
            max_rows=max_rows,
            n_jobs=self.n_jobs,
            random_state=self._seed,
        ).fit(fitted.X, fitted.y, **fitted.fit_params)
        found = certificate.robustness(X)
        # Estimators that are trained by chance.
        found.lower[certificate.predict(X) != self.influence_.predict(X)] = 0
        return ShownBunch(score=self.score_samples(X), **found)

    def _inliers(self, scores):
        return np.where(scores < self.offset_, -1, 1)

    def _blocks(self, n):
        """Yield blocks of test rows of which several copies of influences fit."""
        budget = sklearn.get_config()["working_memory"] * 2**20
        size = max(1, int(budget // (8 * 4 * len(self._turning.labels))))
        for batch in gen_batches(n, size):
            yield np.arange(batch.start, batch.stop)

    def _fit_signs(self, X):
        predicted = np.searchsorted(self.classes_, self.influence_.predict(X))
        labels = self._turning.labels
        wrong = predicted != labels
        if len(list(self._blocks(len(wrong)))) > 1:
            return Signs(self._training_blocks, labels, wrong, self._most)
        kept = list(self._training_blocks(np.arange(len(wrong))))
        return Signs(lambda rows: kept, labels, wrong, self._most)

    def _training_blocks(self, rows):
        """Yield positions of training rows, and influences and masks, in blocks."""
        for batch in self._blocks(len(rows)):
            own = rows[batch]
            yield own, self._values(take_rows(self._turning.X, own), own)

    def _values(self, X, own=None):
        """Return influences, and masks of comparable and of counted training rows.

        ``own`` are the positions of the test rows in the training set; their influences
        on themselves are left out. Those of each test row are divided by the largest,
        so that no square of a tiny one underflows.
        """
        values = self.influence_.influence(X)
        if self._self_influence is not None:
            values = renormalised(values, self._self_influence, self.renormalize)
        largest = np.abs(values).max(axis=1, keepdims=True)
        values = values / np.where(largest > 0, largest, 1.0)
        predicted = np.searchsorted(self.classes_, self.influence_.predict(X))
        counted = np.ones(values.shape, dtype=bool)
        if own is not None:
            counted[np.arange(len(own)), own] = False
        comparable = (predicted[:, None] == self._turning.labels) & counted
        return values, comparable, counted

    def _reasons(self, X):
        """Return the reasons to suspect training rows, and which are comparable."""
        values, comparable, _ = self._values(X)
        return self._signs.reasons(values, comparable), comparable

    def _suspects_of(self, x, reasons, comparable):
        """Return the first rows of the ranking, as described in `suspects`."""
        rows = np.flatnonzero(comparable)
        order = rows[np.argsort(-reasons[rows], kind="stable")]
        most = min(len(order), self._most)
        group = upper_group(reasons[order], most)
        size = self._turning.head_that_turns(x, order, group, most)
        return order[: size or 0]
