"""Fitted results of statsmodels as case diagnostics see them: OLS, WLS and GLM.

Nothing here imports statsmodels: who has results has imported it. Weights of WLS and
``var_weights`` of GLM are precisions, ``freq_weights`` say how many observations a row
stands for, exposure is an offset on the log scale.
"""

import copy
import sys
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skinfluence.inspection._fitted_model import FittedModel
from skinfluence.inspection._glm_deletion import FamilyLoss, GlmModel
from skinfluence.removal import UnsupportedEstimator
from skinfluence.removal._objective import Objective
from skinfluence.removal.linear._quadratic import Quadratic
from skinfluence.removal.smooth._pointwise import Logistic, Tweedie
from skinfluence.removal.smooth._smooth import Smooth

# What each fit of statsmodels minimises: a likelihood without penalty.
GOAL = Objective(0.0)
KNOWN_SCALE = ("Binomial", "Poisson", "NegativeBinomial")


def is_statsmodels(estimator):
    """Tell whether this is a result of statsmodels."""
    return type(_unwrapped(estimator)).__module__.startswith("statsmodels.")


def _unwrapped(results):
    return getattr(results, "_results", results)


class ExogDesign:
    """The rows of a model of statsmodels: its ``exog`` as it is.

    Attributes as those of `removal.linear.Design`.
    """

    keeps_columns, intercept, free_intercept = True, False, False
    mean, scales = None, None

    def __init__(self, model):
        self.estimator, self.rows = model, np.asarray(model.exog, dtype=np.float64)

    def to_coef(self, theta):
        """Coefficients of the columns of ``exog``."""
        return theta

    def coefficients(self, coef, intercept):
        """Pack coefficients into shape (1, p)."""
        return np.atleast_2d(np.asarray(coef, dtype=np.float64))


def read_results(results):
    """Return the `FittedModel` of fitted results."""
    results = _unwrapped(results)
    model = getattr(results, "model", None)
    linear = sys.modules.get("statsmodels.regression.linear_model")
    general = sys.modules.get("statsmodels.genmod.generalized_linear_model")
    if linear and type(results) in (linear.RegressionResults, linear.OLSResults):
        if type(model) in (linear.OLS, linear.WLS):
            return _least_squares(model, results)
    elif general and type(results) is general.GLMResults:
        if type(model) is general.GLM:
            return _glm(model, results)
    raise UnsupportedEstimator(
        "Case diagnostics take results of statsmodels' OLS, WLS and GLM, fitted "
        f"without penalty. Got {type(results).__name__} of {type(model).__name__}: fit "
        "the same model as a GLM, if it is one (Logit as Binomial, say)."
    )


def _least_squares(model, results):
    _check_fitted_alone(results)
    n = len(model.endog)
    weight = np.ones(n)
    if type(model).__name__ == "WLS":
        weight = np.broadcast_to(np.asarray(model.weights, dtype=np.float64), (n,))
    y = np.asarray(model.endog, dtype=np.float64)
    design = ExogDesign(model)
    full = _quadratic(design, y, weight, results.params)

    def refit(kept):
        root = np.sqrt(weight[kept])
        rows = root[:, None] * design.rows[kept]
        return np.linalg.lstsq(rows, root * y[kept], rcond=None)[0][None]

    # statsmodels counts rows of weight zero.
    return _fitted(model, full, refit, np.ones(n), None)


def _quadratic(design, y, weight, params):
    none = np.zeros((1, design.rows.shape[1]))
    params = np.asarray(params, dtype=np.float64)[None]
    return Quadratic(design, y[:, None], weight, none, params)


def _glm(model, results):
    _check_fitted_alone(results)
    n = len(model.endog)
    y, params = np.asarray(model.endog, np.float64), np.asarray(results.params)
    offset = np.zeros(n)
    # statsmodels before 0.15 has no attribute where none was given; the exposure is a
    # logarithm by now.
    for part in (getattr(model, "offset", None), getattr(model, "exposure", None)):
        offset = offset if part is None else offset + np.asarray(part, np.float64)
    weight = np.asarray(model.iweights * model.n_trials, np.float64)
    design = ExogDesign(model)
    counts = np.asarray(model.freq_weights, np.float64)

    def refit(kept):
        with warnings.catch_warnings():
            # Of separable rows, of dependent columns: there is no other answer.
            warnings.simplefilter("ignore")
            left = type(model)(
                model.endog[kept],
                model.exog[kept],
                family=copy.copy(model.family),
                offset=offset[kept],
                var_weights=weight[kept],
            )
            try:
                fit = left.fit(start_params=params, tol=1e-14)
            except (ValueError, np.linalg.LinAlgError):
                return np.full((1, len(params)), np.nan)
        return np.asarray(fit.params)[None]

    with warnings.catch_warnings():
        # Case diagnostics say how far the optimum is.
        warnings.filterwarnings("ignore", ".*stopped early", ConvergenceWarning)
        full = _glm_model(model, design, y, weight, offset, params)
    return _fitted(model, full, refit, counts, _dispersion(model))


def _glm_model(model, design, y, weight, offset, params):
    """The model whose removals are certified, where there is one.

    An offset o of a Tweedie loss of power p with log link is a weight of exp((2 - p) o)
    and a target of y exp(-o).
    """
    family, link = type(model.family).__name__, type(model.family.link).__name__
    power = {"Poisson": 1, "Gamma": 2}.get(family)
    if family == "Tweedie":
        power = model.family.var_power
    if family == "Gaussian" and link == "Identity":
        return _quadratic(design, y - offset, weight, params)
    none = np.zeros(len(params))
    if np.linalg.matrix_rank(design.rows) < len(params):
        power, link = None, None
    if link == "Log" and power is not None and 1 <= power <= 2:
        weight = weight * np.exp((2 - power) * offset)
        args = y * np.exp(-offset), weight, Tweedie(power), none, params[None], "log"
        return Smooth(design, *args)
    if family == "Binomial" and link == "Logit" and np.isin(y, (0, 1)).all():
        if not offset.any():
            return Smooth(design, y, weight, Logistic(), none, params[None], "logit")
    full = GlmModel(design, y, weight, FamilyLoss(model.family, offset), params)
    if not np.isfinite(full.optimum_distance):
        raise UnsupportedEstimator(
            "No optimum is near the coefficients of these GLM results: classes are "
            "separable, or the fit has not converged (raise maxiter)."
        )
    return full


def _dispersion(model):
    """Variance of Pearson residuals where the results fix it, None where not."""
    kind = model.scaletype
    if kind is None:
        return 1.0 if type(model.family).__name__ in KNOWN_SCALE else None
    if isinstance(kind, str):
        if kind.lower() == "x2":
            return None
        raise UnsupportedEstimator(
            f"Got GLM results with scale={kind!r}: diagnostics are in units of "
            "Pearson's estimate of the scale. Fit with scale='X2' or a number."
        )
    return float(kind)


def _check_fitted_alone(results):
    if results.model.exog is None:
        raise ValueError(
            "These results hold no rows any more: case diagnostics need results "
            "without remove_data."
        )
    constrained = getattr(results, "k_constr", 0)
    if constrained or getattr(results, "constraints", None) is not None:
        raise UnsupportedEstimator(
            "Got results of fit_constrained: their optimum is not that of the rows "
            "alone. Put the constraint into exog (drop or combine columns) and fit."
        )


def _fitted(model, full, refit, counts, dispersion):
    names = [str(name) for name in model.exog_names]
    index = model.data.row_labels
    return FittedModel(full, full, GOAL, refit, names, index, None, counts, dispersion)
