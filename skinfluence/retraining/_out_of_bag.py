"""Influence from a bagged ensemble: its members with the row against those without."""

import warnings

import numpy as np
from sklearn.base import is_classifier
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import validate_data

from skinfluence._base import BaseInfluence
from skinfluence._counts import counted
from skinfluence._losses import Brier
from skinfluence._other_methods import OTHER_METHODS
from skinfluence._predictions import model_prediction
from skinfluence._sklearn import final_estimator, n_rows, take_rows
from skinfluence._threads import Parallel, one_blas_thread
from skinfluence.removal import refuse_samplers
from skinfluence.retraining._mean_difference import Pool, mean_difference
from skinfluence.retraining._sampled_influence import SampledInfluence

FORESTS = (
    RandomForestClassifier,
    RandomForestRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
)
BAGGING = (BaggingClassifier, BaggingRegressor)


def draws_rows(ensemble):
    """Tell whether `OutOfBagInfluence` takes an ensemble (not a Pipeline)."""
    if not isinstance(ensemble, FORESTS + BAGGING):
        return False
    return not hasattr(ensemble, "sampling_strategy") and not _all_see_all(ensemble)


def _all_see_all(ensemble):
    """Tell whether every member of an ensemble is trained on every row."""
    whole = getattr(ensemble, "max_samples", None) in (None, 1.0)
    return not ensemble.bootstrap and (whole or isinstance(ensemble, FORESTS))


class OutOfBagInfluence(SampledInfluence):
    r"""Mean loss of an ensemble's members without a row minus that of those with it.

    .. math:: I(i, t) = \mathrm{mean}_{b: i \notin B_b} \ell_t(f_b)
        - \mathrm{mean}_{b: i \in B_b} \ell_t(f_b)

    for the members :math:`f_b` of a random forest or of bagging, each trained on a
    bootstrap sample :math:`B_b` of the rows. Positive: the row made the prediction
    better. Unit: the loss of one test row, of a single member. This is the influence of
    `DownsamplingInfluence` on one tree, computed from a fitted ensemble without
    retraining. ``oob_values_`` are the Data-OOB values: the share of the members not
    trained on a row that predict it correctly, a strong detector of wrong labels.

    With ``loss="auto"`` a classifier's loss is the Brier score, not the log loss: pure
    leaves predict probabilities of zero and one, so that a single wrong leaf would
    dominate the mean log loss.

    **Cost.** One fit of the ensemble, and each member's predictions; O(n_estimators)
    per entry of the matrix.

    **When it fails.** The loss is that of a single member, which is larger than the
    ensemble's. The error of an entry falls with the square root of the number of
    members: ``return_std=True`` returns it, and 10 or 100 members are few. The
    influence of a row that all members (or none) were trained on cannot be estimated
    and is set to 0.

    Parameters
    ----------
    estimator : estimator
        RandomForest*, ExtraTrees* (with ``bootstrap=True``) or Bagging*, or a Pipeline
        ending in one.
    loss : str or callable, default="auto"
        Evaluation loss, as for `LeaveOneOutInfluence`, but for "auto" of classifiers.
    n_jobs : int, default=None
        Threads that predict; None obeys ``joblib.parallel_config``.
    random_state : int, RandomState or None, default=None
        Seeds the ensemble where its own ``random_state`` is None.

    Attributes
    ----------
    estimator_ : estimator
        Trained on all rows.
    n_samples_fit_ : int
        Number of training rows.
    oob_values_ : ndarray of shape (n_samples_fit_,)
        Share of the members not trained on the row that predict it correctly
        (classifiers), or minus their mean squared error (regressors). Low = suspect.
        Rows that every member was trained on get the mean of the others.

    See Also
    --------
    DownsamplingInfluence : The same for any estimator, by retraining.

    References
    ----------
    .. [1] Y. Kwon, J. Zou, "Data-OOB: Out-of-bag Estimate as a Simple and Efficient
       Data Value", ICML 2023.
    .. [2] V. Feldman, C. Zhang, "What Neural Networks Memorize and Why: Discovering
       the Long Tail via Influence Estimation", NeurIPS 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skinfluence import OutOfBagInfluence
    >>> X, y = load_iris(return_X_y=True)
    >>> y[60] = 0  # it was 1
    >>> oob = OutOfBagInfluence(RandomForestClassifier(200, random_state=0)).fit(X, y)
    >>> int(oob.oob_values_.argmin())
    60
    """

    _parameter_constraints: dict = {
        **BaseInfluence._parameter_constraints,
        "n_jobs": [int, None],
        "random_state": ["random_state"],
    }

    def __init__(self, estimator, *, loss="auto", n_jobs=None, random_state=None):
        self.estimator = estimator
        self.loss = loss
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X, y, X_val=None, y_val=None, **fit_params):
        """Train a clone of the ensemble, and record which rows each member drew.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, whatever the ensemble takes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        X_val, y_val : array-like, default=None
            Test rows of queries without ``X`` and ``y``.
        **fit_params : dict
            Passed to the ensemble's ``fit``, for instance ``sample_weight``; routed
            when metadata routing is enabled.

        Returns
        -------
        self : object
            The fitted influence estimator.
        """
        self._validate_params()
        self._refuse_frozen()
        ensemble = final_estimator(self.estimator)
        if not isinstance(ensemble, FORESTS + BAGGING):
            names = ", ".join(kind.__name__ for kind in FORESTS + BAGGING)
            raise TypeError(
                "The 'estimator' parameter must be a bagged ensemble, whose members "
                f"draw their rows: one of {names}, or a Pipeline ending in one. "
                f"Got {ensemble!r:.60}: use DownsamplingInfluence, which retrains. "
                f"{OTHER_METHODS}"
            )
        refuse_samplers(self.estimator)
        if hasattr(ensemble, "sampling_strategy"):
            raise TypeError(
                "The 'estimator' parameter must be an ensemble whose members are "
                f"trained on the rows they drew. Got {ensemble!r:.60}, which resamples "
                "them once more: use DownsamplingInfluence, which retrains. "
                f"{OTHER_METHODS}"
            )
        if _all_see_all(ensemble):
            raise ValueError(
                "The 'estimator' parameter must draw the rows of each member. Got "
                f"{ensemble!r:.60} with bootstrap=False, which trains every member on "
                "all rows: set bootstrap=True."
            )
        return super().fit(X, y, X_val, y_val, **fit_params)

    _estimand = "mean loss of members without the row minus that of members with it"

    def _path(self):
        return f"{len(self._masks)} members of the ensemble, without retraining"

    def _fit_influence(self, X, y, fit_params):
        if self.loss == "auto" and is_classifier(self.estimator_):
            self._loss = Brier()
        ensemble = final_estimator(self.estimator_)
        n = self.n_samples_fit_
        self._masks = np.zeros((len(ensemble.estimators_), n), dtype=bool)
        for mask, sample in zip(self._masks, ensemble.estimators_samples_, strict=True):
            mask[sample] = True
        self._judged = self._masks.any(axis=0) & ~self._masks.all(axis=0)
        if not self._judged.all():
            warnings.warn(
                f"All {len(self._masks)} members of the ensemble, or none, have drawn "
                f"{counted(n - self._judged.sum(), 'row')} of {n}, whose influence is "
                "set to 0. Use a larger n_estimators to estimate it.",
                UserWarning,
                stacklevel=6,  # the caller of fit
            )
        self.oob_values_ = self._out_of_bag(X)

    def _out_of_bag(self, X):
        """Data-OOB of every training row."""
        total = np.empty(self.n_samples_fit_)
        for rows in self._blocks(self.n_samples_fit_):
            said = self._predictions(take_rows(X, rows), "predict")
            truth = self._fit_y[rows]
            if is_classifier(self.estimator_):
                worth = (said[..., 0] == truth).astype(np.float64)
            else:
                worth = -((said - truth) ** 2).mean(axis=-1)
            total[rows] = np.where(self._masks[:, rows], 0.0, worth).sum(axis=0)
        unseen = (~self._masks).sum(axis=0)
        values = total / np.maximum(unseen, 1)
        seen = unseen == 0
        if seen.any():
            values[seen] = values[~seen].mean() if not seen.all() else 0.0
        return values

    def _predictions(self, X, response):
        """Predictions of all members, (n_members, n_test, n_classes or n_outputs)."""
        model = self.estimator_
        while isinstance(model, Pipeline):
            X = model[:-1].transform(X) if len(model) > 1 else X
            model = model.steps[-1][1]
        X = validate_data(
            model,
            X,
            reset=False,
            accept_sparse="csr",
            dtype=np.float32 if isinstance(model, FORESTS) else None,
            ensure_all_finite=False,
        )
        classes = None
        if is_classifier(model):
            classes = np.arange(len(model.classes_))  # members predict class indices
        features = getattr(model, "estimators_features_", None)
        if features is None:
            features = [slice(None)] * len(model.estimators_)
        members = zip(model.estimators_, features, strict=True)
        with one_blas_thread():
            predictions = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
                delayed(_member_prediction)(member, X[:, columns], response, classes)
                for member, columns in members
            )
        return np.stack(predictions)

    def _numbers_per_row(self):
        # Arrays of a block: predictions, their losses, and rows of the matrix.
        classes = len(getattr(self.estimator_, "classes_", [0]))
        return 3 * self.n_samples_fit_ + 4 * len(self._masks) * classes

    def _losses(self, X, y, loss):
        """Losses of all members, (n_members, n_test)."""
        predictions = np.moveaxis(self._predictions(X, loss.response), 0, 1)
        return loss.value(y, predictions).T

    def _differences(self, losses):
        """Mean loss without each row minus mean loss with it, (n_test, n_train)."""
        out = np.zeros((losses.shape[1], self.n_samples_fit_))
        masks = self._masks[:, self._judged]
        members, strata = np.arange(len(masks)), np.zeros(masks.shape[1])
        pool = Pool(masks, losses, members, strata)
        out[:, self._judged] = mean_difference(pool)
        return out

    def _influence(self, X, y, loss):
        return self._differences(self._losses(X, y, loss))

    def _influence_and_error(self, X, y, loss):
        return self._with_errors(self._losses(X, y, loss))

    def _with_errors(self, losses):
        values = self._differences(losses)
        std = np.full(values.shape, np.inf)
        std[:, self._judged] = _standard_errors(losses, self._masks[:, self._judged])
        return values, std

    def _mean_losses(self, X, y, loss, weight):
        """Weighted mean loss of every member, (n_members, 1)."""
        total = 0.0
        for rows in self._blocks(n_rows(X)):
            losses = self._losses(take_rows(X, rows), y[rows], loss)
            total = total + losses @ weight[rows]
        return total[:, None]

    def _sample_values(self, X, y, loss, weight):
        return self._differences(self._mean_losses(X, y, loss, weight))[0]

    def _sample_values_and_error(self, X, y, loss, weight):
        values, std = self._with_errors(self._mean_losses(X, y, loss, weight))
        return values[0], std[0]


def _standard_errors(losses, masks):
    """Return Monte-Carlo errors of the difference of two means over members.

    The number of members that hold a row is random as well, which adds nothing to
    first order.
    """
    inside = masks.astype(np.float64)
    centred = losses - losses.mean(axis=0)  # avoids cancellation of squares
    total = 0.0
    for member in (inside, 1.0 - inside):
        count = member.sum(axis=0)
        mean = centred.T @ member / count
        variance = (centred**2).T @ member / count - mean**2
        total = total + np.maximum(variance, 0.0) / count
    return np.sqrt(total * len(masks) / max(len(masks) - 1, 1))


def _member_prediction(member, X, response, classes):
    if response == "predict_proba" and not hasattr(member, "predict_proba"):
        said = model_prediction(member, X, "predict", classes)
        return (said == classes).astype(np.float64)
    return model_prediction(member, X, response, classes)
