"""scikit-learn's plumbing: one estimator that wraps another, rows, seeds, callbacks.

This is the only file that touches what scikit-learn keeps private. Two things
have no public equivalent: declarative parameter validation
(``sklearn.utils._param_validation`` and ``BaseEstimator._validate_params``,
unchanged since 1.2 and used by imbalanced-learn as well), and
``sklearn.utils._safe_indexing``, which ``sklearn.utils.__all__`` exports despite
its name. Callbacks exist from scikit-learn 1.9 on; its user guide declares their
underscored ``_init_callback_context`` part of the contract with estimators.
"""

from contextlib import contextmanager

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skinfluence._skorch import refuse_trained_module, seeded_training

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:
        """Stands for what there is not."""

    def with_callbacks(method):
        """Return the method as it is."""
        return method


__all__ = [
    "EstimatorWrapper",
    "HasMethods",
    "Interval",
    "StrOptions",
    "final_estimator",
    "final_sample_weight",
    "fit_callbacks",
    "fit_seeded",
    "fresh_seed",
    "is_sampler",
    "n_rows",
    "preprocess",
    "preprocessing_steps",
    "samplers",
    "seed_estimator",
    "take_columns",
    "take_params",
    "take_rows",
    "with_callbacks",
]


def n_rows(X):
    """Return the number of rows of anything scikit-learn can index."""
    return X.shape[0] if hasattr(X, "shape") else len(X)


def take_rows(X, indices):
    """Index the rows of anything scikit-learn can index."""
    if type(X) is np.ndarray:  # what else it might be takes longer than a small fit
        return X[indices]
    return _safe_indexing(X, indices)


def take_columns(X, columns):
    """Index the columns of anything scikit-learn can index."""
    return _safe_indexing(X, columns, axis=1)


def take_params(params, indices, n):
    """Index the entries of ``params`` that have one element per row."""
    return {
        name: take_rows(value, indices)
        if hasattr(value, "__len__")
        and not isinstance(value, str)
        and n_rows(value) == n
        else value
        for name, value in params.items()
    }


def fresh_seed(random_state):
    """Turn ``random_state`` into an integer without touching the global generator."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    return int(random_state)


def seed_estimator(estimator, seed, index=0):
    """Give every unset ``random_state`` of ``estimator`` a seed of its own.

    The seeds depend on ``(seed, index)`` alone, so a retraining gives the same
    model whatever the order, the backend or the number of workers. A
    ``random_state`` the user has set is left as it is.
    """
    unset = _unset_seeds(estimator)
    if unset:
        seeds = np.random.SeedSequence((seed, index)).generate_state(len(unset))
        seeds = {name: int(s) >> 1 for name, s in zip(unset, seeds, strict=True)}
        if _is_plain(estimator):
            for name, value in seeds.items():
                setattr(estimator, name, value)
        else:
            estimator.set_params(**seeds)
    return estimator


def _is_plain(estimator):
    """Tell whether the parameters of an unfitted estimator are its attributes.

    And hold no other estimators: ``get_params`` then has nothing to add, and takes
    longer than a small fit.
    """
    if type(estimator).get_params is not BaseEstimator.get_params:
        return False
    return not any(
        hasattr(value, "get_params") or isinstance(value, list | tuple | dict)
        for value in vars(estimator).values()
    )


def _unset_seeds(estimator):
    """Names of random states that are None."""
    plain = _is_plain(estimator)
    params = vars(estimator) if plain else estimator.get_params(deep=True)
    return [
        name
        for name, value in sorted(params.items(), key=lambda item: item[0])
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    ]


def fit_seeded(estimator, X, y, fit_params, seed, index=0):
    """Fit a clone of ``estimator`` whose unset seeds depend on ``(seed, index)``."""
    model = seed_estimator(clone(estimator), seed, index)
    with seeded_training(model, seed, index):
        return model.fit(X, y, **fit_params)


def final_estimator(estimator):
    """Return the last step of a Pipeline, or the estimator itself."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def preprocess(estimator, X):
    """Transform rows by the steps before the last of a Pipeline, nested ones too."""
    while isinstance(estimator, Pipeline):
        *steps, (_, estimator) = estimator.steps
        for _, step in steps:
            if step not in (None, "passthrough") and not is_sampler(step):
                X = step.transform(X)
    return X


def is_sampler(step):
    """Tell whether a step changes the rows in training, as imbalanced-learn's do."""
    return hasattr(step, "fit_resample")


def samplers(estimator):
    """Names of the steps of a Pipeline, and of nested ones, that change the rows."""
    names = []
    while isinstance(estimator, Pipeline):
        *steps, (_, estimator) = estimator.steps
        names += [name for name, step in steps if is_sampler(step)]
    return names


def preprocessing_steps(estimator):
    """Names of the steps before the last of a Pipeline, of nested ones too."""
    names = []
    while isinstance(estimator, Pipeline):
        *steps, (_, estimator) = estimator.steps
        names += [name for name, step in steps if step not in (None, "passthrough")]
    return names


def final_sample_weight(estimator, fit_params):
    """Find the sample weights that reach the last step of ``estimator``.

    Parameters
    ----------
    estimator : estimator
        Possibly a Pipeline.
    fit_params : dict
        What is passed to ``estimator.fit``.

    Returns
    -------
    sample_weight : array-like or None
    others : list of str
        Names of the other parameters that reach the last step.
    """
    while isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        if sklearn.get_config()["enable_metadata_routing"]:
            fit_params = process_routing(estimator, "fit", **fit_params)[name]["fit"]
        else:
            prefix = name + "__"
            fit_params = {
                key.removeprefix(prefix): value
                for key, value in fit_params.items()
                if key.startswith(prefix)
            }
        estimator = last
    others = [name for name in fit_params if name != "sample_weight"]
    return fit_params.get("sample_weight"), others


class FitCallbacks:
    """The callbacks of an estimator that is being fitted, told about many tasks."""

    def __init__(self, estimator):
        self.estimator = estimator
        self._contexts = [estimator._init_callback_context(max_subtasks=None)]
        self._contexts[0].call_on_fit_task_begin(estimator=estimator)

    def begin(self, what, n_tasks):
        """Announce tasks: a bar of their progress, say."""
        context = self._contexts[-1].subcontext(what, max_subtasks=n_tasks)
        self._contexts.append(context)
        context.call_on_fit_task_begin(estimator=self.estimator)

    def advance(self, n_tasks):
        """Tell that tasks are finished."""
        for _ in range(n_tasks):
            context = self._contexts[-1].subcontext()
            context.call_on_fit_task_begin(estimator=self.estimator)
            context.call_on_fit_task_end(estimator=self.estimator)

    def end(self):
        """Tell that no more of the announced tasks follow."""
        self._contexts.pop().call_on_fit_task_end(estimator=self.estimator)


@contextmanager
def fit_callbacks(estimator):
    """Set ``estimator._callbacks`` while it is fitted, where it has any."""
    if not hasattr(estimator, "_skl_callbacks"):
        yield
        return
    estimator._callbacks = FitCallbacks(estimator)
    try:
        yield
    finally:
        estimator._callbacks.end()
        del estimator._callbacks


def _wrapped_has(name):
    """Tell ``available_if`` whether the wrapped estimator has a method."""

    def check(self):
        # getattr, so that the wrapped estimator's own AttributeError is the cause
        getattr(getattr(self, "estimator_", self.estimator), name)
        return True

    return check


def _delegated(name, doc):
    def method(self, X):
        check_is_fitted(self)
        return getattr(self.estimator_, name)(X)

    method.__name__ = name
    method.__doc__ = f"""{doc}

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in whatever form the wrapped estimator takes them.

        Returns
        -------
        y : ndarray
            What the method of ``estimator_`` of the same name returns.
        """
    return available_if(_wrapped_has(name))(method)


class EstimatorWrapper(CallbackSupportMixin, MetaEstimatorMixin, BaseEstimator):
    """An estimator around another: predictions, tags and metadata are delegated.

    Subclasses set ``estimator_`` in ``fit``; everything a fitted model answers
    (``predict``, ``predict_proba``, ``decision_function``, ``score``,
    ``classes_``, ``n_features_in_``, ``feature_names_in_``) is then that model's
    answer, so the object is a drop-in replacement for it.
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
            Test rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their true values.
        **params : dict
            Passed to ``estimator_.score``; routed when metadata routing is on.

        Returns
        -------
        score : float
            Accuracy or R², whatever ``estimator_.score`` returns.
        """
        check_is_fitted(self)
        return self.estimator_.score(X, y, **self._routed("score", params))

    @property
    def n_features_in_(self):
        """Number of features seen during fit."""
        return self._of_fitted("n_features_in_")

    @property
    def feature_names_in_(self):
        """Names of features seen during fit, where X had names."""
        return self._of_fitted("feature_names_in_")

    @property
    def classes_(self):
        """Class labels, where the wrapped estimator is a classifier."""
        return self._of_fitted("classes_")

    def _of_fitted(self, name):
        if "estimator_" not in vars(self):
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r} before fit is called."
            )
        return getattr(self.estimator_, name)

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
        """Return what of ``params`` goes to the wrapped estimator's ``caller``."""
        if sklearn.get_config()["enable_metadata_routing"]:
            return process_routing(self, caller, **params).estimator[caller]
        return params

    def _fit_clone(self, X, y, fit_params, seed):
        """Fit a seeded clone of the estimator: its errors are the canonical ones."""
        return fit_seeded(self.estimator, X, y, fit_params, seed)

    def _refuse_frozen(self):
        """Refuse an estimator that ``clone`` cannot make fresh."""
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
