"""Which certificate an estimator has."""

from dataclasses import replace

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import TargetEncoder

from skinfluence._sklearn import final_estimator, final_sample_weight
from skinfluence.certificates._linear_flips import LinearFlips
from skinfluence.certificates._logistic_flips import LogisticFlips
from skinfluence.certificates._neighbor_changes import NeighborChanges
from skinfluence.certificates._partition_changes import PartitionChanges
from skinfluence.certificates._partition_classifier import PartitionClassifier
from skinfluence.certificates._removal_bounds import RemovalBounds
from skinfluence.certificates._smoothers import is_smoother
from skinfluence.removal import UnsupportedEstimator

# Modules of scikit-learn whose transformers do not look at the targets.
BLIND = (
    "sklearn.preprocessing",
    "sklearn.impute",
    "sklearn.decomposition",
    "sklearn.random_projection",
    "sklearn.kernel_approximation",
    "sklearn.feature_extraction",
)


def certifier(training):
    """Return the `Certifier` of a `Training`.

    Raises
    ------
    UnsupportedEstimator
        Where nothing can be certified.
    """
    last = final_estimator(training.fitted)
    _, others = final_sample_weight(training.fitted, training.fit_params)
    if others and not isinstance(last, PartitionClassifier):
        raise UnsupportedEstimator(
            f"The fit parameters {others} are not known to any certificate. Leave them "
            "out, or use PartitionClassifier."
        )
    if isinstance(training.fitted, PartitionClassifier):
        return PartitionChanges(training, _of_part)
    if training.change == "removal":
        if isinstance(training.fitted, KNeighborsClassifier):
            return NeighborChanges(training)
        return RemovalBounds(training)
    _refuse_looking_steps(training.fitted)
    if isinstance(last, KNeighborsClassifier):
        return NeighborChanges(training)
    if is_smoother(last):
        return LinearFlips(training)
    if isinstance(last, LogisticRegression):
        return LogisticFlips(training)
    votes = "."
    if is_classifier(last):
        votes = (
            f", and PartitionClassifier({type(last).__name__}()), which takes any "
            "classifier."
        )
    raise UnsupportedEstimator(
        f"No certificate for label flips is known for {type(last).__name__}. Known: "
        "RidgeClassifier, Ridge, LinearRegression, KernelRidge and "
        "GaussianProcessRegressor (y of two values), KNeighborsClassifier, "
        "LogisticRegression of two classes, Pipelines that end in one of them"
        f"{votes}"
    )


def _of_part(training):
    """Return the certifier of a part of a partition ensemble, None where it has none.

    The vote of such a part is taken to change with any of its rows.
    """
    if len(np.unique(training.y)) < 2:
        # It is no estimator that was fitted, but a constant; neighbours can be.
        own = final_estimator(training.estimator)
        if training.change == "removal" or not isinstance(own, KNeighborsClassifier):
            return None
        fitted = clone(training.estimator)
        fitted.fit(training.X, training.y, **training.fit_params)
        training = replace(training, fitted=fitted)
    if not is_classifier(training.fitted):
        return None
    try:
        found = certifier(training)
    except (UnsupportedEstimator, ValueError):
        return None
    new = len(training.classes) > len(np.unique(training.y))
    return None if new and not found.new_classes else found


def _refuse_looking_steps(estimator):
    while isinstance(estimator, Pipeline):
        *steps, (_, estimator) = estimator.steps
        for name, step in steps:
            if not _blind(step):
                raise UnsupportedEstimator(
                    f"The step {name!r} of the Pipeline may look at the labels, which "
                    "flips change: no certificate holds for what it learns then. Leave "
                    "it out, or put the Pipeline into a PartitionClassifier."
                )


def _blind(step):
    if step is None or isinstance(step, str):
        return True
    if isinstance(step, Pipeline):
        return all(_blind(inner) for _, inner in step.steps)
    if isinstance(step, FeatureUnion):
        return all(_blind(inner) for _, inner in step.transformer_list)
    if isinstance(step, ColumnTransformer):
        return all(_blind(inner) for _, inner, _ in step.transformers)
    module = type(step).__module__
    return module.startswith(BLIND) and not isinstance(step, TargetEncoder)
