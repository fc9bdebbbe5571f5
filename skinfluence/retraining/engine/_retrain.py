"""One retraining: a subset of the rows in, a fitted model out."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor

from skinfluence._counts import counted
from skinfluence._sklearn import (
    final_estimator,
    fit_rows,
    n_rows,
    take_rows,
)
from skinfluence._skorch import is_net, seeded_training

# Below this number of rows an error says that an estimator may need more of them.
FEW_ROWS = 10


def prior_model(estimator, y):
    """Return a dummy model that predicts the class shares, or the mean, of ``y``.

    Row weights are ignored.
    """
    dummy = DummyClassifier() if is_classifier(estimator) else DummyRegressor()
    return dummy.fit(np.zeros((n_rows(y), 1)), y)


def retrain(estimator, X, y, fit_params, subset, seed, index):
    """Fit a clone of ``estimator`` to some of the rows.

    The caller limits the number of BLAS threads: small fits with many threads can be
    40 times slower.

    Parameters
    ----------
    estimator : estimator
        Unfitted.
    X, y : array-like
        All training rows.
    fit_params : dict
        Passed to ``fit``; entries with one element per row are indexed, as are the
        estimator's own parameters of that kind.
    subset : ndarray of int
        The rows to train on, ascending. An empty subset gives the prior model of all
        rows. A subset of one class gives a model that predicts this class, whatever
        the estimator.
    seed, index : int
        Unset random states are seeded from ``(seed, index)`` alone.

    Returns
    -------
    model : fitted estimator
    """
    n = n_rows(X)
    if len(subset) == 0:
        return prior_model(estimator, y)
    y_kept = take_rows(y, subset)
    if is_classifier(estimator) and len(np.unique(np.asarray(y_kept))) == 1:
        return prior_model(estimator, y_kept)
    try:
        return fit_rows(estimator, X, y, fit_params, subset, seed, index)
    except Exception as error:
        error.add_note(describe_retraining(estimator, subset, n, seed, index))
        if len(subset) < min(FEW_ROWS, n - 1):
            error.add_note(
                "Shapley values need models of every number of rows, from one on. For "
                "an estimator that needs more, such as one with cross-validation "
                "inside, choose its parameters first and value the rows for the chosen "
                "model (best_estimator_ of a search), or use DownsamplingInfluence, "
                "whose subsets are all large."
            )
        raise


def trainable(estimator, y):
    """Return the estimator to retrain; nets are wrapped so that they know all labels.

    Parameters
    ----------
    estimator : estimator
        Unfitted. A skorch net, alone or at the end of a Pipeline, is wrapped by
        `skinfluence.nets.net._model.net_model`, which encodes labels and checks rows.
        Others are returned as they are.
    y : array-like
        Targets of all training rows: subsets may lack a class.
    """
    if not is_net(final_estimator(estimator)):
        return estimator
    from skinfluence.nets.net._model import net_model

    return net_model(estimator, y=y)


def check_trainable(estimator, X, y):
    """Raise for rows and targets that a net refuses, before training on any subset.

    Other estimators, and nets behind other steps of a Pipeline, raise when fitted.
    """
    if is_net(estimator):
        net = trainable(estimator, y)
        with seeded_training(net, 0, 0):
            net.check(X, y)


def describe_retraining(model, subset, n, seed, index):
    """Describe a retraining by its rows and seed, so that it can be reproduced."""
    removed = np.setdiff1d(np.arange(n), subset, assume_unique=True)
    if len(removed) <= 10:
        rows = f"without rows {removed.tolist()} ({counted(len(subset), 'row')} left"
    else:
        rows = f"on {len(subset)} of {n} rows (the first are {subset[:10].tolist()}"
    return f"while fitting {type(model).__name__} {rows}, seed {seed}, number {index})"
