"""Logistic regression with L2 penalty or none, binary and multinomial.

What scikit-learn minimises, whatever the solver: ``sum_j s_j logloss_j +
|w|^2 / (2 C)``; C multiplies a sum and stays when a row goes. The intercept is free,
but for ``liblinear``, which penalises it as the coefficient of a constant feature
``intercept_scaling``.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

from skinfluence.removal._class_weight import with_class_weight
from skinfluence.removal._design import make_design
from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal._pointwise import Logistic
from skinfluence.removal._smooth import Smooth
from skinfluence.removal._softmax import Softmax
from skinfluence.removal._weights import row_weights


def _logistic(estimator, X, y, sample_weight, C):
    y_index = np.searchsorted(estimator.classes_, np.asarray(y).ravel())
    n_classes = len(estimator.classes_)
    liblinear = estimator.solver == "liblinear"
    if liblinear and n_classes > 2:
        refuse(estimator, "solver", "it fits one-vs-rest problems that share nothing")
    intercept = estimator.fit_intercept
    weight = row_weights(sample_weight, len(y_index))
    design = make_design(estimator, X, intercept, not liblinear, weight, 1.0 / C)
    penalty = np.full(design.rows.shape[1], 1.0 / C)
    if intercept:
        penalty[-1] = 1 / (C * estimator.intercept_scaling**2) if liblinear else 0.0
    fitted = design.coefficients(estimator.coef_, estimator.intercept_)

    def build(weight):
        if n_classes > 2:
            return Softmax(design, y_index, weight, penalty, fitted)
        target = y_index.astype(np.float64)
        return Smooth(design, target, weight, Logistic(), penalty, fitted, "logit")

    return with_class_weight(estimator, y, y_index, sample_weight, build)


def _refuse_l1(estimator, l1_ratio):
    penalty = getattr(estimator, "penalty", "deprecated")
    if penalty in ("l1", "elasticnet"):
        refuse(estimator, "penalty", "its minimiser has kinks")
    if penalty == "deprecated" and l1_ratio:
        refuse(estimator, "l1_ratio", "its minimiser has kinks")


@removal_model.register
def _(estimator: LogisticRegression, X, y, sample_weight=None):
    _refuse_l1(estimator, estimator.l1_ratio)
    C = np.inf if estimator.penalty is None else estimator.C
    return _logistic(estimator, X, y, sample_weight, C)


@removal_model.register
def _(estimator: LogisticRegressionCV, X, y, sample_weight=None):
    ratio = np.max([0.0 if r is None else r for r in np.ravel(estimator.l1_ratio_)])
    _refuse_l1(estimator, ratio)
    C = np.ravel(estimator.C_)
    if not np.all(C == C[0]):
        refuse(estimator, "Cs", "each class has chosen another one")
    model = _logistic(estimator, X, y, sample_weight, C[0])
    model.held_fixed = ("C_ of LogisticRegressionCV",)
    return model
