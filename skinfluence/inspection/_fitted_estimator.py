"""Fitted estimators of scikit-learn, and Pipelines, as case diagnostics see them."""

import re
import warnings

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid
from sklearn.utils import indexable
from sklearn.utils.validation import check_is_fitted

from skinfluence._fit_weights import check_fit_weights
from skinfluence._sklearn import final_estimator, keeping_rows, preprocess, take_rows
from skinfluence._targets import check_targets
from skinfluence.inspection._fitted_model import FittedModel
from skinfluence.removal import UnsupportedEstimator, refuse_samplers, removal_model
from skinfluence.removal._objective import has_objective, objective
from skinfluence.removal.discriminants._linear_discriminant import LinearDiscriminant
from skinfluence.removal.linear._class_weight import Balanced
from skinfluence.removal.linear._linear import LinearModel
from skinfluence.removal.sparse._sparse import SparseModel

# Largest distance of the fitted model's linear predictors from those at the optimum for
# the rows given, in standard deviations: solvers of least squares stop at less than a
# thousandth, others at a few hundredths; one row of 400 less makes a hundredth.
NEAR_SQUARED, NEAR = 0.005, 0.05
# Models of the rows of each class, which share no parameter.
OF_CLASSES = (
    QuadraticDiscriminantAnalysis,
    NearestCentroid,
    GaussianNB,
    BernoulliNB,
    CategoricalNB,
    MultinomialNB,
)


def read_estimator(estimator, X, y, sample_weight):
    """Return the `FittedModel` of an estimator and the rows it was fitted on."""
    check_is_fitted(estimator)
    estimator = keeping_rows(estimator)
    check_fit_weights({"sample_weight": sample_weight})
    X, y, sample_weight = indexable(X, y, sample_weight)
    refuse_samplers(estimator)
    index = getattr(X, "index", None)
    index = index if hasattr(X, "iloc") else None
    X, final = preprocess(estimator, X), final_estimator(estimator)
    check_target(final, y)
    with warnings.catch_warnings():
        # Of what else the reason may be, only case diagnostics know.
        warnings.filterwarnings("ignore", ".*stopped early", ConvergenceWarning)
        model, full = _removal_model(final, X, y, sample_weight)
    names = column_names(estimator, final)
    if full.design.intercept:
        names.append("intercept")
    outputs = None
    if len(full.theta) > 1:
        labels = getattr(final, "classes_", range(len(full.theta)))
        outputs = [str(label) for label in labels]

    def refit(kept):
        return _refitted(final, full.design, X, y, sample_weight, kept)

    goal = objective(final) if has_objective(final) else None
    return FittedModel(model, full, goal, refit, names, index, outputs)


def _removal_model(estimator, X, y, sample_weight):
    """Return the model that loses rows, and the one with all of them."""
    try:
        # Standard errors are those of features, not of directions.
        columns = {"keep_columns": True} if has_objective(estimator) else {}
        model = removal_model(estimator, X, y, sample_weight, **columns)
        reason = "it has no linear predictor"
        if isinstance(estimator, OF_CLASSES):
            reason = (
                "its parameters are those of single classes, and a row changes those "
                "of its own class alone: a mean m of n rows by (m - x) / (n - 1)"
            )
    except UnsupportedEstimator as error:
        # without the advice, which is about removal
        model = None
        reason = re.split(" Supported: | Use ", error.args[0])[0].rstrip(".")
    full = model.full if isinstance(model, Balanced) else model
    if isinstance(full, SparseModel):
        reason = "its rows are sparse and too many to be made dense"
    elif isinstance(full, LinearModel | LinearDiscriminant):
        return model, full
    raise UnsupportedEstimator(
        "Case diagnostics are defined for linear models that lose rows exactly "
        "(LinearRegression, Ridge, Lasso, ElasticNet, HuberRegressor, "
        "LogisticRegression, PoissonRegressor, GammaRegressor, TweedieRegressor, "
        "LinearSVC, LinearSVR, LinearDiscriminantAnalysis and their relatives), "
        "Pipelines that end in one, and "
        f"OLS, WLS and GLM results of statsmodels. Got {estimator!r:.200}: {reason}. "
        "For any model, LeaveOneOutInfluence(estimator).fit(X, y).self_influence() "
        "tells what a row does to its own loss."
    )


def check_target(estimator, y):
    """Refuse targets that a fitted estimator cannot have been fitted to."""
    check_targets(y)
    if not is_classifier(estimator):
        return
    unknown = np.setdiff1d(np.asarray(y), estimator.classes_)
    if unknown.size:
        raise ValueError(
            f"y must hold the classes of the fitted estimator, "
            f"{estimator.classes_[:10].tolist()}. Got {unknown[:10].tolist()} as well: "
            "X and y must be the rows that it was fitted on."
        )


def column_names(estimator, final):
    """Names of the columns that the final estimator sees."""
    n_columns = final.n_features_in_
    names = getattr(final, "feature_names_in_", None)
    if names is None and final is not estimator:
        try:
            names = estimator[:-1].get_feature_names_out()
        except (AttributeError, ValueError, TypeError):  # steps that do not name any
            names = None
    if names is None or len(names) != n_columns:
        names = [f"x{j}" for j in range(n_columns)]
    return [str(name) for name in names]


def _refitted(estimator, design, X, y, sample_weight, kept):
    """Coefficients of a fit to the rows ``kept``, None where a class is missing."""
    left = take_rows(y, kept)
    if is_classifier(estimator):
        present = len(np.unique(np.asarray(left)))
        if present < len(estimator.classes_):
            return None
    params = {}
    if sample_weight is not None:
        params["sample_weight"] = take_rows(sample_weight, kept)
    with warnings.catch_warnings():
        # Of a separable set: there is nothing to converge to.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = clone(estimator).fit(take_rows(X, kept), left, **params)
    return design.coefficients(model.coef_, model.intercept_)


def warn_if_other_rows(estimator, distance, spread, squared, stacklevel=3):
    """Warn if a model is far from the optimum for the rows given.

    Parameters
    ----------
    estimator : estimator
        The model.
    distance : float
        Of its linear predictors from those at the optimum.
    spread : float
        Their standard deviation.
    squared : bool
        Whether it is of squared errors.
    stacklevel : int, default=3
        Of the caller of `case_diagnostics`.
    """
    if distance <= (NEAR_SQUARED if squared else NEAR) * spread + 1e-6:
        return
    warnings.warn(
        f"{type(estimator).__name__} is not at the optimum of its "
        "objective for the X, y and sample_weight given: its linear predictors are up "
        f"to {distance:.2g} away (their standard deviation is "
        f"{spread:.2g}). If it was fitted on other rows or with other weights, pass "
        "those; if its solver stopped early, lower tol or raise max_iter. The "
        "diagnostics are about the optimum.",
        ConvergenceWarning,
        stacklevel=stacklevel,
    )
