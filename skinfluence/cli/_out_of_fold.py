"""The baseline of the fixed scorer: the out-of-fold loss of the model.

Both are evaluated by how well they separate the targets of the table from targets that
are exchanged between rows. The models were not trained on the row that they predict, so
that exchanging its target needs no retraining.
"""

import numpy as np
from sklearn.metrics import roc_auc_score

from skinfluence._losses import log_loss_of_probability


def out_of_fold_losses(model, X, y, mistakes=None):
    """Loss of every row under a model that was not trained on it.

    Parameters
    ----------
    model : estimator
        Fitted on other rows.
    X, y : array-like
        Rows and their targets: classes of the model, or numbers.
    mistakes : ndarray of shape (n_classes, n_classes), default=None
        The probability of each given label (column) by the label that the model
        predicts. None: the model predicts the labels as they are given.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
        Log loss if the model has ``predict_proba``; else zero-one loss or squared
        error.
    """
    y = np.asarray(y)
    if hasattr(model, "predict_proba"):
        own = np.arange(len(y)), np.searchsorted(model.classes_, y)
        probability = model.predict_proba(X)
        if mistakes is not None:
            probability = probability @ mistakes
        return log_loss_of_probability(probability[own])
    predicted = model.predict(X)
    if hasattr(model, "classes_"):
        return (y != predicted).astype(np.float64)
    return (y - predicted) ** 2


def exchanged_targets(y, classification, seed):
    """Give every row the target of another row; for labels, a different label.

    Examples
    --------
    >>> from skinfluence.cli._out_of_fold import exchanged_targets
    >>> exchanged_targets(["a", "b", "a"], True, seed=0).tolist()
    ['b', 'a', 'b']
    """
    y, rng = np.asarray(y), np.random.default_rng(seed)
    if not classification:
        return y[rng.permutation(len(y))]
    exchanged = y.copy()
    for label in np.unique(y):
        same = y == label
        if not same.all():
            exchanged[same] = rng.choice(y[~same], same.sum())
    return exchanged


def separation(losses, exchanged_losses):
    """Probability that an exchanged target has a larger loss than a given one.

    The area under the ROC curve; rows without a loss (NaN) are left out.

    Examples
    --------
    >>> from skinfluence.cli._out_of_fold import separation
    >>> separation([0.0, 1.0], [0.5, 2.0])
    0.75
    """
    both = np.concatenate([losses, exchanged_losses])
    exchanged = np.repeat([False, True], [len(losses), len(exchanged_losses)])
    judged = ~np.isnan(both)
    return float(roc_auc_score(exchanged[judged], both[judged]))
