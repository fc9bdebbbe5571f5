"""Influence by retraining: models are kept, or discarded after their evaluation."""

from functools import wraps
from inspect import signature

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import indexable
from sklearn.utils.validation import check_is_fitted

from skinfluence._base import BaseInfluence
from skinfluence._sklearn import fit_seeded, n_rows
from skinfluence._targets import check_targets
from skinfluence.retraining.engine import (
    RETRAINING_CONSTRAINTS,
    Coalitions,
    Evaluation,
    trainable,
)


def _of_validation_rows(method):
    """Return a query of `BaseInfluence` whose X may be left out, and its docstring."""

    @wraps(method)
    def query(self, X=None, y=None, *args, **kwargs):
        return method(self, X, y, *args, **kwargs)

    asked = signature(method)
    optional = [
        parameter.replace(default=None) if name in ("X", "y") else parameter
        for name, parameter in asked.parameters.items()
    ]
    query.__signature__ = asked.replace(parameters=optional)
    default = ", default=None\n"
    doc = method.__doc__.replace(
        "(n_samples, n_features)\n", f"(n_samples, n_features){default}"
    )
    doc = doc.replace("(n_samples, n_outputs)\n", f"(n_samples, n_outputs){default}")
    query.__doc__ = doc.replace(
        "Test rows.", "Test rows. None: those given to `fit` as ``X_val``."
    )
    return query


class RetrainingInfluence(BaseInfluence):
    """Base class of methods that train on many subsets of the rows.

    If ``X_val`` and ``y_val`` were passed to `fit`, they are the test rows of queries
    without ``X`` and ``y``. A method that trains many models and sets
    ``_discards_models`` then evaluates each model on these rows at once, keeps none
    of them, and raises for other test rows.
    """

    _discards_models = False
    _negative_weights = True

    _parameter_constraints: dict = {
        **BaseInfluence._parameter_constraints,
        **RETRAINING_CONSTRAINTS,
    }

    def fit(self, X, y, X_val=None, y_val=None, **fit_params):
        """Train a clone of the estimator on all rows, and others on subsets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, whatever the wrapped estimator takes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        X_val : array-like of shape (n_val, n_features), default=None
            Test rows of queries without ``X`` and ``y``.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Their targets.
        **fit_params : dict
            Passed to the estimator's ``fit``, for instance ``sample_weight``; routed
            when metadata routing is enabled.

        Returns
        -------
        self : object
            The fitted influence estimator.
        """
        if (X_val is None) != (y_val is None):
            given, other = ("X_val", "y_val")[:: 1 if y_val is None else -1]
            raise ValueError(
                f"The 'X_val' and 'y_val' parameters go together. Got {given} without "
                f"{other}: pass both, or neither."
            )
        check_targets(y_val, "y_val")
        self._validation = None if X_val is None else tuple(indexable(X_val, y_val))
        self._targets, self._n_changed, self._followed = y, 0, None
        return super().fit(X, y, **fit_params)

    influence = _of_validation_rows(BaseInfluence.influence)
    sample_values = _of_validation_rows(BaseInfluence.sample_values)
    influential_rows = _of_validation_rows(BaseInfluence.influential_rows)
    group_influence = _of_validation_rows(BaseInfluence.group_influence)

    def get_metadata_routing(self):
        """Route metadata to the wrapped estimator; ``X_val`` and ``y_val`` stay here.

        Returns
        -------
        routing : MetadataRouter
            As described in scikit-learn's user guide on metadata routing.
        """
        return super().get_metadata_routing().add_self_request(self)

    def _fit_clone(self, X, y, fit_params, seed):
        self._trained = trainable(self.estimator, y)
        model = fit_seeded(self._trained, X, y, fit_params, seed)
        if self._validation is not None:  # raise here, not after all retrainings
            self._check_validation(model, self._validation[0])
        return model

    def _check_validation(self, model, X):
        """Raise where the fitted model does not take the rows."""
        model.predict(X)

    def _asked_rows(self, X):
        return self._validation[0] if X is None else X

    def _check_test(self, X, y):
        check_is_fitted(self)
        name = type(self).__name__
        if self._validation is None:
            if X is None:
                raise ValueError(
                    f"The 'X' parameter must hold test rows. Got None, which {name} "
                    "takes only if X_val and y_val were passed to fit."
                )
            if (
                y is not None and self._discards_models
            ):  # else they are predicted anyway
                self.estimator_.predict(X)  # bad rows are no failed fit of a subset
            return super()._check_test(X, y)
        if not self._discards_models:
            return super()._check_test(*(self._validation if X is None else (X, y)))
        if X is not None:
            raise ValueError(
                f"{name} was fitted with X_val and y_val: its models were evaluated on "
                "these rows and not kept. Got other test rows: leave X and y out to "
                "query X_val, or fit without X_val."
            )
        return np.arange(n_rows(self._validation[0])), self._val_y, self._loss

    def _coalitions(self, X, y, fit_params):
        """Return the engine that trains on subsets of the training rows."""
        return Coalitions(
            self._trained,
            X,
            y,
            fit_params,
            seed=self._seed,
            n_jobs=self.n_jobs,
            memory=self.memory,
            verbose=self.verbose,
            error_score=getattr(self, "error_score", "raise"),
            callbacks=self._callbacks,
        )

    def _evaluation(self, X, y, loss):
        classes = self.classes_ if is_classifier(self.estimator_) else None
        return Evaluation(X, y, loss, classes)
