"""Multinomial logistic regression at one point, and how far its minimiser is."""

import numpy as np
from scipy.special import softmax

from skinfluence.removal.certificates._points import distances, metric_of
from skinfluence.removal.certificates._rounding import (
    EPS,
    UNITS,
    row_errors,
    wide_gradient,
)


class Ranges:
    """Lengths of rows: the longest difference of two classes, in a `Metric`."""

    def __init__(self, metric, n_classes):
        self.metric, self.C = metric, n_classes
        scaled = metric.inverse / metric.size
        self.whole = scaled.T @ scaled

    def kernels(self, rows, errors):
        """``(I x x)' H^{-1} (I x x)`` of rows, (m, C, C), and its largest error."""
        C, p = self.C, rows.shape[1]
        out = np.empty((len(rows), C, C))
        for c in range(C):
            for e in range(c, C):
                block = self.whole[c * p : c * p + p, e * p : e * p + p]
                out[:, c, e] = out[:, e, c] = np.einsum("ij,ij->i", rows @ block, rows)
        size = self.metric.size.reshape(C, p)
        length = np.sqrt(((rows[:, None] / size) ** 2).sum(axis=2)).max(axis=1)
        relative, absolute = errors
        error = 16 * (C * p + 8) * EPS + 4 * self.metric.turn + 4 * relative
        error = error * length**2 + 4 * length * absolute * np.linalg.norm(1 / size)
        return out, error * self.metric.spread**2

    def row_norms(self, rows, errors):
        """Upper bounds of lengths, of rows with the errors of `row_errors`."""
        K, error = self.kernels(rows, errors)
        diagonal = np.einsum("mcc->mc", K)
        squared = diagonal[:, :, None] + diagonal[:, None, :] - 2 * K
        out = np.sqrt(np.maximum(squared.max(axis=(1, 2)), 0.0) + 4 * error)
        relative, absolute = errors
        size = self.metric.size.reshape(self.C, -1).min(axis=0)
        off = relative * np.linalg.norm(rows / size, axis=1)
        return out + 2 * self.metric.spread * (
            off + absolute * np.linalg.norm(1 / size)
        )


class Point:
    """The objective of some rows at some coefficients, and how far its minimiser is.

    Parameters
    ----------
    model : Softmax
        Its rows and classes.
    theta : ndarray of longdouble, shape (C, p)
        Coefficients.
    weight : ndarray of shape (n,)
        Weights of the rows.
    penalty : ndarray of shape (p,)
        Diagonal of R.
    objective : SoftmaxObjective
        Of this penalty.
    penalty_error : float
        Its relative error.
    """

    def __init__(self, model, theta, weight, penalty, objective, penalty_error):
        C, p = theta.shape
        truth = objective.truth
        gauge = np.diag(objective.gauge)

        def derivatives(part, eta):
            P = softmax(eta, axis=1)
            others, own = P @ (1 - np.eye(C)), truth[part] > 0
            terms = weight[part, None] * np.where(own, others, P)
            # a row of the Hessian of the log loss sums to at most 2 p (1 - p)
            return (
                np.where(own, -terms, terms),
                terms,
                2 * weight[part, None] * P * others,
            )

        args = model.design, theta, derivatives
        gradient, slack, self.raw, off = wide_gradient(*args)
        pull = penalty * theta + gauge * theta.sum(axis=0)
        self.gradient = gradient + pull
        size = np.abs(theta).astype(float)
        self.slack = slack + penalty_error * penalty * size
        self.slack += UNITS * gauge * size.sum(axis=0)
        probability = softmax(self.raw, axis=1)
        hessian = objective.hessian(probability, weight)
        hessian += objective.penalty_hessian()
        spread = weight * (1 - (probability**2).sum(axis=1))
        self.metric = metric_of(model.design, hessian, spread, 2 * off)
        self.reach = self.distance = np.inf
        if not self.metric.trusted:
            return
        self.ranges = Ranges(self.metric, C)
        used = weight > 0
        errors = row_errors(model.design)
        self.reach = float(self.ranges.row_norms(model.design.rows[used], errors).max())
        nu = self.metric.norms(self.gradient.astype(float).reshape(1, -1))[0]
        nu += self.metric.box(self.slack.ravel())
        kappa = self.metric.kappa
        self.distance = float(distances(nu, 0.0, kappa, self.reach**2, 1.0))
