r"""From predictions without the row to probabilities of its true label.

Let s be the predictions of a row by models without it, one for each of k classes. The
true label is drawn from

.. math:: q_i = softmax(a_1 s_i + a_2 \sinh^{-1}(s_i / 2c) + b), \quad a \ge 0

fitted by maximum likelihood with a small ridge on b. The second term is the logarithm
of s where s is well above c, and a multiple of s below: where s is linear in the log
odds the first term is right, where s is a probability the second.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

SCALES = 0.03, 0.1, 0.3
RIDGE, LARGEST_SLOPE = 0.05, 1000.0
FREE_RIDGE, FREE_STEPS = 0.01, 300


class NoiseLink:
    """Log probabilities of true labels, their parameters being (a1, a2, b).

    Parameters
    ----------
    predictions : ndarray of shape (n, k)
        Predictions of models without the row.
    scale : float
        c, about the smallest prediction that enters by its logarithm.
    """

    def __init__(self, predictions, scale):
        self.scale = scale
        # Column by column: sums over few classes are then several times as fast.
        self.plain = np.asfortranarray(predictions)
        self.log = np.arcsinh(self.plain / (2 * scale))
        # Of separable classes the largest likelihood is at infinity.
        self.bounds = [(0, LARGEST_SLOPE)] * 2 + [(None, None)] * predictions.shape[1]

    def log_q(self, theta):
        scores = theta[0] * self.plain + theta[1] * self.log + theta[2:]
        return log_softmax(scores, axis=1)

    def gradient(self, theta, excess):
        """Gradient of the penalised loss; ``excess`` is q minus its target, (n, k)."""
        return np.concatenate(
            [
                [(excess * self.plain).sum(), (excess * self.log).sum()],
                excess.sum(axis=0) + 2 * RIDGE * theta[2:],
            ]
        )

    def fit(self, target, start=None, n_steps=500):
        """Fit the link to probabilities of true labels.

        Parameters
        ----------
        target : ndarray of shape (n, k)
            Probabilities of true labels; for certain labels their indicators.
        start : ndarray of shape (k + 2,), default=None
            Where the search begins.
        n_steps : int, default=500
            At most.

        Returns
        -------
        found : OptimizeResult
        """
        if start is None:
            start = np.concatenate([[1.0, 1.0], np.zeros(target.shape[1])])

        def loss(theta):
            log_q = self.log_q(theta)
            value = penalty(theta) - (target * log_q).sum()
            return value, self.gradient(theta, np.exp(log_q) - target)

        return minimised(loss, start, self.bounds, n_steps)


def penalty(theta):
    """Ridge on the class effects."""
    return RIDGE * (theta[2:] ** 2).sum()


def minimised(loss, start, bounds, n_steps=500):
    """Minimise a loss that returns its slope as well."""
    options = {"maxiter": n_steps, "ftol": 1e-8, "gtol": 1e-4}
    return minimize(loss, start, jac=True, bounds=bounds, options=options)


def link_is_wrong(link, labels, score):
    """Tell whether a richer link without noise has a larger score than this one.

    In the free link every class has slopes of its own on all of s and log s. In the
    ordered link the classes have, beside the slopes of `NoiseLink`, places on one
    scale, which is linear in s and log s (a stereotype model, Anderson 1984): fifths
    of a number need no more, and in a few hundred rows the free link costs too much
    for them. Each further parameter costs log(n) / 2.

    References
    ----------
    J. A. Anderson, "Regression and Ordered Categorical Variables", Journal of the
    Royal Statistical Society B 46, 1984.
    """
    return any(
        # Where the cost alone is too large, even if every label were certain, no fit.
        -cost >= score and -fitted(link, labels) - cost > score
        for cost, fitted in _richer_links(link)
    )


def _richer_links(link):
    n, k = link.plain.shape
    each = np.log(n) / 2
    yield (3 * k - 2) * each, _ordered_loss
    yield ((k - 1) * (2 * k + 1) - (k + 1)) * each, _free_loss


def _ordered_loss(link, labels):
    n, k = link.plain.shape
    columns = np.column_stack([link.plain, link.log])
    columns -= columns.mean(axis=0)
    target = np.eye(k)[labels]

    def loss(parameters):
        theta, scale, place = np.split(parameters, [k + 2, 3 * k + 2])
        at = columns @ scale
        scores = theta[0] * link.plain + theta[1] * link.log + theta[2:]
        log_q = log_softmax(scores + np.outer(at, place), axis=1)
        excess = np.exp(log_q) - target
        ridge = FREE_RIDGE * ((scale**2).sum() + (place**2).sum())
        value = penalty(theta) + ridge - (target * log_q).sum()
        slopes = [
            link.gradient(theta, excess),
            columns.T @ (excess @ place) + 2 * FREE_RIDGE * scale,
            excess.T @ at + 2 * FREE_RIDGE * place,
        ]
        return value, np.concatenate(slopes)

    # The direction in which the predictions of the classes differ most.
    means = target.T @ columns / np.maximum(target.sum(axis=0), 1)[:, None]
    place, spread, scale = np.linalg.svd(means, full_matrices=False)
    size = np.sqrt(spread[0])
    start = np.concatenate(
        [[1.0, 1.0], np.zeros(k), size * scale[0], size * place[:, 0]]
    )
    bounds = link.bounds + [(None, None)] * (3 * k)
    return minimised(loss, start, bounds, FREE_STEPS).fun


def _free_loss(link, labels):
    n, k = link.plain.shape
    columns = np.column_stack([link.plain, link.log, np.ones(n)])
    target = np.eye(k)[labels]

    def loss(weights):
        weights = weights.reshape(2 * k + 1, k)
        log_q = log_softmax(columns @ weights, axis=1)
        value = FREE_RIDGE * (weights**2).sum() - (target * log_q).sum()
        slope = columns.T @ (np.exp(log_q) - target) + 2 * FREE_RIDGE * weights
        return value, slope.ravel()

    start = np.vstack([np.eye(k), np.eye(k), np.zeros((1, k))])
    bounds = [(None, None)] * start.size
    return minimised(loss, start.ravel(), bounds, FREE_STEPS).fun
