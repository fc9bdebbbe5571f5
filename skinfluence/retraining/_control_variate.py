r"""The control variate of downsampling: first-order influence at partial row weights.

Models trained on a random share q of the rows scatter about the one whose objective
has every row at weight q,

.. math:: \theta_q = \arg\min_\theta\; q \sum_i s_i \ell_i(\theta) + R(\theta), \qquad
    \beta_{ti} = \nabla \ell_t(\theta_q)^\top H_q^{-1} s_i \nabla \ell_i(\theta_q),

and :math:`\beta_{ti}` approximates the contribution of row i to a subset. The estimate
is unbiased whatever the control variate; this one removes most of its variance.
"""

import numpy as np
import sklearn
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from skinfluence._sklearn import (
    copying,
    final_estimator,
    final_sample_weight,
    n_rows,
    seed_estimator,
)
from skinfluence.removal import UnsupportedEstimator, refuse_samplers, removal_model


class PartialWeightInfluence:
    """First-order influences at the model that has every row at weight ``fraction``.

    Parameters
    ----------
    estimator : estimator
        Unfitted.
    X, y, fit_params
        As for ``estimator.fit``.
    fraction : float
        The weight of every row.
    seed : int
        For an unset ``random_state``.

    Raises
    ------
    UnsupportedEstimator
        Where the estimator does not minimise a smooth sum over the rows.
    """

    def __init__(self, estimator, X, y, fit_params, fraction, seed):
        refuse_samplers(estimator)
        weight, others = final_sample_weight(estimator, fit_params)
        last = final_estimator(estimator)
        routed = sklearn.get_config()["enable_metadata_routing"]
        if others or not has_fit_parameter(last, "sample_weight"):
            raise UnsupportedEstimator(
                f"The control variate gives rows a part of their weight, which "
                f"{last!r:.60} does not support: set control_variate=False."
            )
        if routed and estimator is not last:
            raise UnsupportedEstimator(
                "The control variate passes sample weights to the last step of the "
                "Pipeline, which metadata routing leaves to the user: set "
                "control_variate=False."
            )
        self.fraction = fraction
        weight = np.ones(n_rows(X)) if weight is None else np.asarray(weight)
        weight = fraction * weight
        params = {**fit_params, _weight_parameter(estimator): weight}
        model = seed_estimator(copying(clone(estimator)), seed).fit(X, y, **params)
        self.removals = removal_model(model, X, y, weight).first_order()

    def __call__(self, X, y, loss):
        """Return the influences on the rows of X, shape (n_rows, n_train)."""
        return self.removals.influence(X, y, loss) / self.fraction

    def mean(self, X, y, loss, weight):
        """Return their weighted sum over the rows of X, shape (n_train,)."""
        return self.removals.mean_influence(X, y, loss, weight) / self.fraction


def _weight_parameter(estimator):
    prefix = ""
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return f"{prefix}sample_weight"
