"""Treatment of suspects before training: dropped, relabelled, or given less weight.

A relabelled row gets the prediction of models without it. A row of less weight has its
weight multiplied by the estimated probability that it is right: nothing is lost where
the suspicion is weak.
"""

import numpy as np
import sklearn
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from skinfluence._sklearn import (
    final_estimator,
    n_rows,
    samplers,
    take_params,
    take_rows,
)

ACTIONS = ("drop", "relabel", "weight")


def act(action, X, y, params, kept, suggested, p_right, weight_name):
    """Return the rows, targets and parameters of fit that the model is trained with.

    Parameters
    ----------
    action : {"drop", "relabel", "weight"}
        Treatment of the suspects.
    X, y : array-like
        All rows.
    params : dict
        Fit parameters of the model.
    kept : ndarray of bool, shape (n_samples,)
        False for suspects.
    suggested : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The target that models without the row predict.
    p_right : ndarray of shape (n_samples,)
        Probability that the row is right.
    weight_name : str
        Name of the fit parameter that takes weights.

    Returns
    -------
    X, y, params : array-like, array-like, dict
    """
    if kept.all():
        return X, y, params
    if action == "drop":
        rows = np.flatnonzero(kept)
        return (
            take_rows(X, rows),
            take_rows(y, rows),
            take_params(params, rows, len(kept)),
        )
    if action == "relabel":
        y = np.array(y)
        shape = (-1,) + (1,) * (y.ndim - 1)
        return X, np.where(kept.reshape(shape), y, suggested.reshape(y.shape)), params
    weight = params.get(weight_name)
    weight = np.ones(n_rows(X)) if weight is None else np.asarray(weight, dtype=float)
    return X, y, {**params, weight_name: np.where(kept, weight, weight * p_right)}


def weight_parameter(estimator):
    """Return the name under which ``estimator.fit`` takes weights, or refuse it."""
    final, names = estimator, []
    while isinstance(final, Pipeline):
        name, final = final.steps[-1]
        names.append(name)
    if not has_fit_parameter(final_estimator(estimator), "sample_weight"):
        raise ValueError(
            "The 'action' parameter must be 'drop' or 'relabel' for an estimator whose "
            f"fit takes no sample_weight. Got 'weight' and {type(final).__name__}."
        )
    if samplers(estimator):
        raise ValueError(
            "The 'action' parameter must be 'drop' or 'relabel' for a Pipeline whose "
            f"steps {samplers(estimator)} change the rows: they have no weights "
            "afterwards. Got 'weight'."
        )
    if sklearn.get_config()["enable_metadata_routing"]:
        return "sample_weight"
    return "__".join([*names, "sample_weight"])
