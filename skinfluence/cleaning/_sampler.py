"""The rows that do not look wrong, for pipelines that resample."""

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils import assert_all_finite, indexable
from sklearn.utils.validation import check_is_fitted, validate_data

from skinfluence._collections import is_collection
from skinfluence._fit_weights import check_fit_weights
from skinfluence._group_masks import group_codes
from skinfluence._sklearn import n_rows, take_rows
from skinfluence._targets import check_targets
from skinfluence.cleaning._blockwise import (
    check_for_collections,
    judge_blocks,
    without_suspects,
)
from skinfluence.cleaning._cleaner import CLEANING_CONSTRAINTS
from skinfluence.cleaning._flagged import check_flagging
from skinfluence.cleaning._labels_or_amounts import are_labels
from skinfluence.cleaning._run import CleaningSettings, judge


class InfluenceSampler(BaseEstimator):
    """Drop the rows that look wrong, as a step that resamples.

    What `InfluenceCleaner` does before it trains, for the ``Pipeline`` of
    imbalanced-learn, whose steps may return fewer rows than they got: rows are
    dropped while the pipeline is fitted, never while it predicts.

    Parameters
    ----------
    estimator : estimator, default=None
        What the rows are for. Only whether it is a classifier or a regressor is
        looked at; it is not trained. None: what ``influence`` wraps says so, else y:
        text and booleans are labels, numbers with fractions are amounts, whole numbers
        are labels where they are few. Many whole numbers are refused: pass any
        classifier or any regressor.
    influence : influence estimator, default=None
        What values the rows. None: the fixed scorer of `InfluenceCleaner`.
    drop_fraction : float or "auto", default="auto"
        Which rows to drop. "auto": those that are more likely wrong than right, be
        they none, many or few; with ``influence``, those of them whose value is
        negative by two standard errors. A number: this share of the rows, in [0, 1),
        lowest values first, rounded down to whole rows, whether they look wrong or not.
        Every class keeps at least one row, its best.
    per_class : bool, default=False
        Whether a number as ``drop_fraction`` is the share of every class instead of
        the table. For classifiers with one column of labels only.
    cv : int, cross-validation splitter or iterable, default=5
        Held-out folds for ``influence``; a number means shuffled folds, stratified
        for classifiers.
    subsample : int or None, default=50_000
        The fixed scorer's models are fitted to a random sample of so many rows if X has
        more; all rows are valued, see `InfluenceCleaner`. None: to all rows, as always
        if ``cv`` is a splitter or ``groups`` are given.
    memory : str, path or joblib.Memory, default=None
        Keeps the values on disk. The entries are pickles: name no folder that others
        can write to.
    n_jobs : int, default=None
        Folds valued at once, and threads of the fixed scorer; None obeys
        ``joblib.parallel_config``.
    random_state : int, RandomState or None, default=None
        Shuffles the folds and seeds ``influence`` where it has no seed of its own.

    Attributes
    ----------
    sample_values_ : ndarray of shape (n_samples,)
        Value of each row. Low = suspect.
    sample_mask_ : ndarray of bool, shape (n_samples,)
        True for the rows that were kept.
    sample_indices_ : ndarray of int
        The rows that were kept.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of str
        Names of features seen during fit, where X had names.

    See Also
    --------
    InfluenceCleaner : The same around a model, for pipelines of scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skinfluence import InfluenceSampler
    >>> X, y = load_wine(return_X_y=True)
    >>> y[::10] = (y[::10] + 1) % 3  # 18 of the 178 labels are wrong
    >>> sampler = InfluenceSampler()
    >>> X_kept, y_kept = sampler.fit_resample(X, y)
    >>> X_kept.shape
    (163, 13)

    In a Pipeline of imbalanced-learn it drops rows in training only:

    >>> from imblearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.svm import SVC
    >>> model = make_pipeline(sampler, StandardScaler(), SVC()).fit(X, y)
    >>> model[-1].shape_fit_, model.predict(X).shape
    ((163, 13), (178,))
    """

    _parameter_constraints: dict = {
        **CLEANING_CONSTRAINTS,
        "estimator": [*CLEANING_CONSTRAINTS["estimator"], None],
    }

    def __init__(
        self,
        estimator=None,
        *,
        influence=None,
        drop_fraction="auto",
        per_class=False,
        cv=5,
        subsample=50_000,
        memory=None,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.influence = influence
        self.drop_fraction = drop_fraction
        self.per_class = per_class
        self.cv = cv
        self.subsample = subsample
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X, y, **fit_params):
        """Value the rows and choose which to keep.

        Parameters
        ----------
        X : array-like or dask collection of shape (n_samples, n_features)
            Rows; the fixed scorer takes tables with text and missing values.
            Collections are valued partition by partition, see `InfluenceCleaner`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        **fit_params : dict
            ``groups``: as for `InfluenceCleaner`. Others are passed to the ``fit`` of
            ``influence``; entries with one element per row are indexed.

        Returns
        -------
        self : object
            The fitted sampler.
        """
        self._validate_params()
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None."
            )
        if is_collection(X, y):
            return self._fit_collections(X, y, fit_params)
        check_targets(y)
        check_fit_weights(fit_params, negative=True)
        targets = np.asarray(y)
        if targets.dtype.kind == "f":  # no estimator is there to refuse infinity
            assert_all_finite(targets, input_name="y")
        classification = self._is_classification(y)
        check_flagging(
            self.drop_fraction, self.per_class, self.influence, y, classification
        )
        X, y = indexable(X, y)
        validate_data(self, X, skip_check_array=True)
        params = dict(fit_params)
        groups = params.pop("groups", None)
        if groups is not None:
            group_codes(groups, n_rows(X))
        judged = judge(
            X,
            y,
            self._settings(),
            classification=classification,
            influence_params=params,
            groups=groups,
        )
        self.sample_values_ = judged.rows.values
        self.sample_mask_ = judged.kept
        return self

    def _settings(self):
        return CleaningSettings(
            influence=self.influence,
            drop_fraction=self.drop_fraction,
            per_class=self.per_class,
            cv=self.cv,
            subsample=self.subsample,
            memory=self.memory,
            n_jobs=self.n_jobs,
            random_state=self.random_state,
        )

    def _fit_collections(self, X, y, fit_params):
        settings, said = self._settings(), self.estimator
        check_for_collections(settings, fit_params)
        if said is not None or self.drop_fraction == "auto":
            labels = said is None or is_classifier(said)
            check_flagging(self.drop_fraction, self.per_class, None, y, labels)
        classification = self._is_classification if said is None else labels
        blocks, _, judged = judge_blocks(X, y, settings, classification)
        self.n_features_in_ = blocks.n_features
        if blocks.names is not None:
            self.feature_names_in_ = np.array(blocks.names, dtype=object)
        self.sample_values_ = judged.rows.values
        self.sample_mask_ = judged.kept
        return self

    def fit_resample(self, X, y, **fit_params):
        """Value the rows and return those to keep.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        **fit_params : dict
            As for `fit`.

        Returns
        -------
        X_resampled : array-like of shape (n_samples_new, n_features)
            The rows that were kept, in the order and the type of ``X``; suspects
            are removed from collections of dask when these are computed.
        y_resampled : array-like of shape (n_samples_new,)
            Their targets.
        """
        kept = self.fit(X, y, **fit_params).sample_indices_
        if is_collection(X, y):
            mask = self.sample_mask_
            return without_suspects(X, mask), without_suspects(y, mask)
        X, y = indexable(X, y)
        return take_rows(X, kept), take_rows(y, kept)

    def _is_classification(self, y):
        for said in (self.estimator, self.influence):
            if said is not None:
                return is_classifier(said)
        return are_labels(y)

    @property
    def sample_indices_(self):
        """The rows that were kept."""
        check_is_fitted(self)
        return np.flatnonzero(self.sample_mask_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = True
        return tags
