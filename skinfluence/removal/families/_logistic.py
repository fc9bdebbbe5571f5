"""Logistic regression, binary with any penalty and multinomial with L2 or none.

scikit-learn minimises, with every solver, ``sum_j s_j logloss_j + (l1_ratio
|w|_1 + (1 - l1_ratio) |w|^2 / 2) / C``; C multiplies a sum and stays when a row goes.
The intercept is free, but for ``liblinear``, which penalises it as the coefficient
of a constant feature ``intercept_scaling``.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

from skinfluence._losses import log_loss_slope
from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal._objective import Objective, chosen, objective
from skinfluence.removal._weights import ClassWeights
from skinfluence.removal.families._problem import linear_problem
from skinfluence.removal.kinked._l1_smooth import L1Smooth
from skinfluence.removal.linear._class_weight import with_class_weight
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
        weighs_classes=True,
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
def _(estimator: LogisticRegressionCV, X, y, sample_weight=None, **columns):
    C = np.ravel(estimator.C_)
    if not np.all(C == C[0]):
        refuse(estimator, "Cs", "each class has chosen another one")
    ratios = [0.0 if r is None else r for r in np.ravel(estimator.l1_ratio_)]
    if np.ptp(ratios) > 0:
        refuse(estimator, "l1_ratios", "each class has chosen another one")
    return _logistic(estimator, X, y, sample_weight, **columns)


@removal_model.register(LogisticRegression)
def _logistic(estimator, X, y, sample_weight=None, **columns):
    goal, n_classes = objective(estimator), len(estimator.classes_)
    if estimator.solver == "liblinear" and n_classes > 2:
        refuse(estimator, "solver", "it fits one-vs-rest problems that share nothing")
    if goal.l1 and n_classes > 2:
        refuse(estimator, "l1_ratio", "its minimiser has kinks (known for two classes)")
    classes = ClassWeights(estimator, y, sample_weight)
    columns["matrix_free"] = n_classes == 2
    problem = linear_problem(estimator, X, sample_weight, turns=not goal.l1, **columns)
    labels, rest = classes.labels, (problem.l2, problem.fitted)

    def build(weight):
        if n_classes > 2:
            return Softmax(problem.design, labels, weight, *rest)
        args = problem.design, labels.astype(np.float64), weight, Logistic()
        if goal.l1:
            return L1Smooth(*args, problem.l1, *rest, "logit", labels)
        return smooth_model(*args, *rest, "logit", labels)

    return with_class_weight(classes, build)
