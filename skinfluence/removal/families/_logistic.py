"""Logistic regression, binary with any penalty and multinomial with L2 or none.

What scikit-learn minimises, whatever the solver: ``sum_j s_j logloss_j + (l1_ratio
|w|_1 + (1 - l1_ratio) |w|^2 / 2) / C``; C multiplies a sum and stays when a row goes.
The intercept is free, but for ``liblinear``, which penalises it as the coefficient
of a constant feature ``intercept_scaling``.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

from skinfluence._losses import log_loss_slope
from skinfluence.removal._dispatch import (
    UnsupportedEstimator,
    refuse,
    removal_model,
)
from skinfluence.removal._objective import Objective, chosen, objective
from skinfluence.removal._weights import row_weights
from skinfluence.removal.kinked._l1_smooth import L1Smooth
from skinfluence.removal.linear._class_weight import with_class_weight
from skinfluence.removal.linear._design import Design, make_design
from skinfluence.removal.smooth._pointwise import Logistic
from skinfluence.removal.smooth._softmax import Softmax
from skinfluence.removal.sparse._sparse import smooth_model


def _l1_ratio(estimator, chosen_ratio):
    """Share of the L1 penalty, from this and older versions' parameters."""
    penalty = getattr(estimator, "penalty", "deprecated")
    known = {"l1": 1.0, "l2": 0.0, None: 0.0}
    return known.get(penalty, chosen_ratio or 0.0)


def _objective(estimator, C, ratio, held_fixed=()):
    liblinear = estimator.solver == "liblinear" and estimator.fit_intercept
    return Objective(
        (1 - ratio) / C,
        l1=ratio / C,
        constant=estimator.intercept_scaling if liblinear else 0.0,
        slope=log_loss_slope,
        held_fixed=held_fixed,
    )


@objective.register
def _(estimator: LogisticRegression):
    C = np.inf if estimator.penalty is None else estimator.C
    return _objective(estimator, C, _l1_ratio(estimator, estimator.l1_ratio))


@objective.register
def _(estimator: LogisticRegressionCV):
    names = ("C_",)
    if len(np.atleast_1d(getattr(estimator, "l1_ratios", None))) > 1:
        names = ("C_", "l1_ratio_")
    ratio = _l1_ratio(estimator, np.ravel(estimator.l1_ratio_)[0])
    held = chosen(estimator, *names)
    return _objective(estimator, np.ravel(estimator.C_)[0], ratio, held)


@removal_model.register
def _(estimator: LogisticRegressionCV, X, y, sample_weight=None):
    C = np.ravel(estimator.C_)
    if not np.all(C == C[0]):
        refuse(estimator, "Cs", "each class has chosen another one")
    ratios = [0.0 if r is None else r for r in np.ravel(estimator.l1_ratio_)]
    if np.ptp(ratios) > 0:
        refuse(estimator, "l1_ratios", "each class has chosen another one")
    return _logistic(estimator, X, y, sample_weight)


@removal_model.register(LogisticRegression)
def _logistic(estimator, X, y, sample_weight=None):
    goal = objective(estimator)
    y_index = np.searchsorted(estimator.classes_, np.asarray(y).ravel())
    n_classes = len(estimator.classes_)
    liblinear = estimator.solver == "liblinear"
    if liblinear and n_classes > 2:
        refuse(estimator, "solver", "it fits one-vs-rest problems that share nothing")
    if goal.l1 and n_classes > 2:
        refuse(estimator, "l1_ratio", "its minimiser has kinks (known for two classes)")
    intercept = estimator.fit_intercept
    weight = row_weights(sample_weight, len(y_index))
    args = estimator, X, intercept, not liblinear, weight
    if goal.l1:  # not the same in rotated columns
        try:
            design = Design(*args)
        except MemoryError as error:  # refits need less
            raise UnsupportedEstimator(str(error)) from error
    else:
        design = make_design(*args, goal.l2, matrix_free=n_classes == 2)
    penalty = goal.penalty(design, weight)
    l1 = np.full(len(penalty), goal.l1)
    if intercept:
        l1[-1] = goal.l1 / goal.constant if goal.constant else 0.0
    fitted = design.coefficients(estimator.coef_, estimator.intercept_)

    def build(weight):
        if n_classes > 2:
            return Softmax(design, y_index, weight, penalty, fitted)
        target = y_index.astype(np.float64)
        if l1.any():
            args = design, target, weight, Logistic(), l1, penalty, fitted, "logit"
            return L1Smooth(*args)
        args = design, target, weight, Logistic(), penalty, fitted, "logit"
        return smooth_model(*args)

    return with_class_weight(estimator, y, y_index, sample_weight, build)
