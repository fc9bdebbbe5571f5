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
    """Tell whether a free link without noise has a larger score than this one.

    In the free link every class has slopes of its own on all of s and log s; each
    further parameter costs log(n) / 2.
    """
    n, k = link.plain.shape
    cost = ((k - 1) * (2 * k + 1) - (k + 1)) * np.log(n) / 2
    if -cost < score:  # not even if every label were certain
        return False
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
    return -minimised(loss, start.ravel(), bounds, FREE_STEPS).fun - cost > score
