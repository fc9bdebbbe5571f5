r"""Which labels are wrong: a link on held-out predictions and a matrix of label noise.

Let s be the predictions of a row by models without it, one for each of k classes. The
true label is drawn from

.. math:: q_i = softmax(a_1 s_i + a_2 \log clip(s_i, .01, 1) + b), \quad a \ge 0

and c is observed where j is true with probability :math:`R_{jc}`, so that the row is
wrong with probability :math:`1 - q_{iy} R_{yy} / \sum_j q_{ij} R_{jy}`. Three matrices
are fitted by maximum likelihood (a small ridge on b), and the one with the largest
likelihood after its cost is taken:

1. no noise, cost 0;
2. one rate of noise, spread evenly over the other classes, cost 1;
3. a sparse matrix, cost log(n) / 2 per cell off the diagonal: expectation
   maximisation, in which a cell with less than that many rows becomes zero (Figueiredo
   and Jain 2002).

A rate r of noise leaves 1 - r k / (k - 1) of what the true label says, and costs minus
three times the logarithm of that more: the prior Beta(1, 4), whose mean is a fifth of
the largest rate. Where the columns say little of the label the likelihood is flat, and
what it gains by chance is at rates that leave next to nothing.

Where the regressions confuse neighbouring classes, no link of one slope for all classes
fits, and a sparse matrix of many cells repairs the link. So the matrix is taken only if
a link without noise in which every class has slopes of its own on all of s and log s,
cost log(n) / 2 per further parameter, has no larger likelihood after its cost.

**What can be known.** Any rate of noise up to the smallest probability of the other
label explains the table as well, if the link may have any form. Only the form decides:
whether log odds that grow with the prediction go on growing, as for rows that are hard,
or stop at a floor, as for rows that are wrong. This is the smallest rate that the
form needs. Fits with more noise that the table does not rule out come with it: one rate
as large as a likelihood ratio test allows, and the sparse matrix without its cost.

**When it fails.** Where the columns say little of the label, the likelihood is flat and
the answer is that no row is wrong, whatever the truth. Where no link of either form
fits the table, what it lacks is taken for noise, most of all by the sparse matrix;
where only the free link fits, mistakes that depend on the class are overlooked.

References
----------
M. A. T. Figueiredo, A. K. Jain, "Unsupervised Learning of Finite Mixture Models",
IEEE Transactions on Pattern Analysis and Machine Intelligence 24, 2002.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

RIDGE = 0.05
SMALLEST_PREDICTION, LARGEST_SLOPE = 0.01, 1000.0
RATE_COST, PRIOR_POWER = 1.0, 3.0
# Half the 95% point of chi squared with one degree of freedom.
ALLOWED_LOSS = 1.92
N_BISECTIONS = 5
FREE_RIDGE, FREE_STEPS = 0.01, 300
N_ROUNDS, STEPS_PER_ROUND, SMALLEST_GAIN = 25, 6, 0.01


@dataclass(frozen=True)
class LabelNoise:
    """A fitted link and matrix of noise.

    Attributes
    ----------
    log_q : ndarray of shape (n, k)
        Log probabilities of the true label.
    transition : ndarray of shape (k, k)
        ``transition[j, c]`` is the probability to observe c where j is true.
    score : float
        Log likelihood minus cost.
    """

    log_q: np.ndarray
    transition: np.ndarray
    score: float

    def probability_wrong(self, labels):
        """Probability that the row's label is not the true one.

        Parameters
        ----------
        labels : ndarray of int, shape (n,)
            Those that are observed.

        Returns
        -------
        probability : ndarray of shape (n,)
        """
        joint = _log_joint(self.log_q, self.transition, labels)
        own = joint[np.arange(len(labels)), labels]
        # Not 1 - exp(own - all), which is not exactly zero without noise.
        others = joint.copy()
        others[np.arange(len(labels)), labels] = -np.inf
        return np.exp(_log_sum(others) - np.logaddexp(own, _log_sum(others)))


def fit_label_noise(predictions, labels, share):
    """Fit the link with each kind of noise.

    Parameters
    ----------
    predictions : ndarray of shape (n, k)
        Of models without the row.
    labels : ndarray of int, shape (n,)
        Observed, from 0 to k - 1.
    share : float
        Where the search for one rate starts.

    Returns
    -------
    best : LabelNoise
        The smallest noise that is needed.
    possible : list of LabelNoise
        Others, with more noise, that the table does not rule out.
    """
    link = _Link(predictions)
    n, k = predictions.shape
    if n < 2 or k < 2 or np.ptp(predictions, axis=0).max() == 0:
        none = LabelNoise(link.log_q(np.zeros(k + 2)), np.eye(k), 0.0)
        return none, []
    none, clean = _without_noise(link, labels)
    one, most = _one_rate(link, labels, clean, share, none.score)
    sparse = _sparse(link, predictions, labels, clean)
    best = max((none, one), key=lambda noise: noise.score)
    if best.score < sparse.score and not _link_is_wrong(link, labels, sparse.score):
        best = sparse
    return best, [most, sparse]


class _Link:
    """Log probabilities of true labels, their parameters being (a1, a2, b)."""

    def __init__(self, predictions):
        # Column by column: sums over few classes are then several times as fast.
        self.plain = np.asfortranarray(predictions)
        self.log = np.log(np.clip(self.plain, SMALLEST_PREDICTION, 1.0))
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


def _penalty(theta):
    return RIDGE * (theta[2:] ** 2).sum()


def _minimise(loss, start, bounds, n_steps=500):
    options = {"maxiter": n_steps, "ftol": 1e-8, "gtol": 1e-4}
    return minimize(loss, start, jac=True, bounds=bounds, options=options)


def _fit_link(link, target, start, n_steps=500):
    """Fit the link to probabilities ``target`` of true labels, (n, k)."""

    def loss(theta):
        log_q = link.log_q(theta)
        value = _penalty(theta) - (target * log_q).sum()
        return value, link.gradient(theta, np.exp(log_q) - target)

    return _minimise(loss, start, link.bounds, n_steps)


def _without_noise(link, labels):
    k = link.plain.shape[1]
    start = np.concatenate([[1.0, 1.0], np.zeros(k)])
    fit = _fit_link(link, np.asfortranarray(np.eye(k)[labels]), start)
    return LabelNoise(link.log_q(fit.x), np.eye(k), -fit.fun), fit.x


def _link_is_wrong(link, labels, score):
    """Tell whether a free link without noise has a larger score than this one."""
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
    return -_minimise(loss, start.ravel(), bounds, FREE_STEPS).fun - cost > score


def _one_rate(link, labels, clean, share, score_clean):
    """Return the best rate of noise, and the largest that a test does not reject."""
    n, k = link.plain.shape
    rows = np.arange(n)
    largest = (k - 1) / k - 0.01

    def loss(parameters):
        theta, rate = parameters[:-1], parameters[-1]
        log_q = link.log_q(theta)
        q = np.exp(log_q)
        own = q[rows, labels]
        likelihood = (1 - rate) * own + rate / (k - 1) * (1 - own)
        likelihood = np.maximum(likelihood, np.finfo(float).tiny)
        joint = q * (rate / (k - 1) / likelihood)[:, None]
        joint[rows, labels] = own * (1 - rate) / likelihood
        slope = -(((1 - own) / (k - 1) - own) / likelihood).sum()
        value = _penalty(theta) - np.log(likelihood).sum()
        return value, np.append(link.gradient(theta, q - joint), slope)

    def fit(start, low, high):
        return _minimise(loss, start, [*link.bounds, (low, high)])

    def noise(found):
        rate = found.x[-1]
        transition = np.full((k, k), rate / (k - 1))
        np.fill_diagonal(transition, 1 - rate)
        score = -found.fun - RATE_COST - _prior_cost(rate, k)
        return LabelNoise(link.log_q(found.x[:-1]), transition, score)

    best = fit(np.append(clean, np.clip(share, 0.01, largest)), 1e-9, largest)
    bound = min(best.fun, -score_clean) + ALLOWED_LOSS
    allowed, low, high = best, best.x[-1], largest
    for _ in range(N_BISECTIONS):
        rate = (low + high) / 2
        tried = fit(np.append(allowed.x[:-1], rate), rate, rate)
        if tried.fun <= bound:
            allowed, low = tried, rate
        else:
            high = rate
    return noise(best), noise(allowed)


def _sparse(link, predictions, labels, clean):
    n, k = predictions.shape
    cost = np.log(n) / 2
    transition = _confusion(predictions.argmax(axis=1), labels, k)
    theta, best = clean.copy(), -np.inf
    theta[:2] = np.minimum(2 * theta[:2], LARGEST_SLOPE)
    for _ in range(N_ROUNDS):
        joint = _log_joint(link.log_q(theta), transition, labels)
        joint = np.exp(joint - _log_sum(joint)[:, None])
        transition = _sparse_transition(joint, labels, cost)
        theta = _fit_link(link, joint, theta, STEPS_PER_ROUND).x
        log_q = link.log_q(theta)
        score = _log_sum(_log_joint(log_q, transition, labels)).sum() - _penalty(theta)
        score -= cost * (np.count_nonzero(transition) - k)
        right = np.exp(log_q) @ np.diag(transition)
        score -= _prior_cost(1 - right.mean(), k)
        if score < best + SMALLEST_GAIN:
            break
        best, found = score, LabelNoise(log_q, transition, score)
    return found


def _prior_cost(rate, k):
    left = 1 - rate * k / (k - 1)
    return -PRIOR_POWER * np.log(max(left, np.finfo(float).tiny))


def _confusion(predicted, labels, k):
    """Start of the sparse matrix: what is observed where j is predicted."""
    count = np.zeros((k, k))
    np.add.at(count, (predicted, labels), 1.0)
    off = count * (1 - np.eye(k))
    total = count.sum(axis=1)
    others = off.sum(axis=1)
    # Never more than half of a class wrong.
    wrong = np.minimum(others / np.maximum(total, 1), 0.5)
    transition = off * (wrong / np.maximum(others, 1))[:, None]
    np.fill_diagonal(transition, 1 - wrong)
    return transition


def _sparse_transition(joint, labels, fewest):
    k = joint.shape[1]
    count = np.zeros((k, k))
    np.add.at(count.T, labels, joint)
    own = np.diag(count).copy()
    count[count < fewest] = 0.0
    np.fill_diagonal(count, np.maximum(own, np.finfo(float).tiny))
    return count / count.sum(axis=1, keepdims=True)


def _log_joint(log_q, transition, labels):
    """Log probability of each true label with the one that is observed, (n, k)."""
    with np.errstate(divide="ignore"):
        return log_q + np.asfortranarray(np.log(transition).T[labels])


def _log_sum(joint):
    return np.logaddexp.reduce(joint, axis=1)
