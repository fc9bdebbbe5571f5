"""Base class of estimators that delegate predictions, tags and metadata to another."""

import sklearn
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skinfluence._collections import in_memory, is_collection, of_partitions
from skinfluence._display._fit_summary import FitSummary
from skinfluence._sklearn._callbacks import CallbackSupportMixin
from skinfluence._sklearn._pipelines import final_estimator
from skinfluence._sklearn._private import HasMethods
from skinfluence._sklearn._seeds import fit_seeded
from skinfluence._skorch import refuse_trained_module


def _wrapped_has(name):
    """Tell ``available_if`` whether the wrapped estimator has a method."""

    def check(self):
        # getattr, so that the wrapped estimator's own AttributeError is chained
        getattr(getattr(self, "estimator_", self.estimator), name)
        return True

    return check


def _delegated(name, doc):
    def method(self, X):
        check_is_fitted(self)
        if is_collection(X):
            return of_partitions(self.estimator_, name, X)
        return getattr(self.estimator_, name)(X)

    method.__name__ = name
    method.__doc__ = f"""{doc}

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in whatever form the wrapped estimator takes them. Collections of dask
            are predicted partition by partition.

        Returns
        -------
        y : ndarray
            Result of the method of ``estimator_`` of the same name.
        """
    return available_if(_wrapped_has(name))(method)


class FeaturesOfInner:
    """The features of an estimator are those of a fitted one inside of it.

    Attributes
    ----------
    _inner : str
        Name of the attribute that holds the fitted one.
    """

    _inner = "estimator_"

    @property
    def n_features_in_(self):
        """Number of features seen during fit."""
        return self._of_fitted("n_features_in_")

    @property
    def feature_names_in_(self):
        """Names of features seen during fit, where X had names."""
        return self._of_fitted("feature_names_in_")

    def _of_fitted(self, name):
        if self._inner not in vars(self):
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r} before fit is called."
            )
        return getattr(getattr(self, self._inner), name)


class EstimatorWrapper(
    FitSummary,
    FeaturesOfInner,
    CallbackSupportMixin,
    MetaEstimatorMixin,
    BaseEstimator,
):
    """An estimator around another: predictions, tags and metadata are delegated.

    Subclasses set ``estimator_`` in ``fit``. The methods and attributes ``predict``,
    ``predict_proba``, ``decision_function``, ``score``, ``classes_``,
    ``n_features_in_`` and ``feature_names_in_`` are then those of the fitted model, so
    that the object is a drop-in replacement for it.
    """

    _parameter_constraints: dict = {"estimator": [HasMethods(["fit", "predict"])]}
    _callbacks = None  # only while fit runs

    predict = _delegated("predict", "Predict with the fitted model.")
    predict_proba = _delegated(
        "predict_proba", "Predict class probabilities with the fitted model."
    )
    predict_log_proba = _delegated(
        "predict_log_proba", "Compute log-probabilities with the fitted model."
    )
    decision_function = _delegated(
        "decision_function", "Evaluate the decision function of the fitted model."
    )

    @available_if(_wrapped_has("score"))
    def score(self, X, y, **params):
        """Score of the fitted model, as scikit-learn defines it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows. Collections of dask are computed: they must fit into memory.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their true values.
        **params : dict
            Passed to ``estimator_.score``; routed when metadata routing is on.

        Returns
        -------
        score : float
            Result of ``estimator_.score``, accuracy or R² as a rule.
        """
        check_is_fitted(self)
        X, y = in_memory(X, y)
        return self.estimator_.score(X, y, **self._routed("score", params))

    @property
    def classes_(self):
        """Class labels, if the wrapped estimator is a classifier."""
        return self._of_fitted("classes_")

    def get_metadata_routing(self):
        """Route the metadata of ``fit`` and ``score`` to the wrapped estimator.

        Returns
        -------
        routing : MetadataRouter
            As described in scikit-learn's user guide on metadata routing.
        """
        mapping = MethodMapping()
        for name in ("fit", "score"):
            mapping.add(caller=name, callee=name)
        return MetadataRouter(owner=self).add(
            estimator=self.estimator, method_mapping=mapping
        )

    def _routed(self, caller, params):
        """Return the ``params`` for the method ``caller`` of the wrapped estimator."""
        if sklearn.get_config()["enable_metadata_routing"]:
            return process_routing(self, caller, **params).estimator[caller]
        return params

    def _fit_clone(self, X, y, fit_params, seed):
        """Fit a seeded clone of the estimator."""
        return fit_seeded(self.estimator, X, y, fit_params, seed)

    def _refuse_frozen(self):
        """Raise for an estimator whose clone is not unfitted."""
        refuse_trained_module(self.estimator)
        if isinstance(final_estimator(self.estimator), FrozenEstimator):
            raise ValueError(
                "The 'estimator' parameter must be an estimator that can be trained "
                "again without some rows. Got a FrozenEstimator, whose clone is "
                "itself: every influence would be zero. Pass "
                "estimator.estimator, the model inside it, instead."
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = inner.classifier_tags
        tags.regressor_tags = inner.regressor_tags
        tags.target_tags = inner.target_tags
        tags.input_tags = inner.input_tags
        return tags
