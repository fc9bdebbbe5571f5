r"""Which labels are wrong: a link on held-out predictions and a matrix of label noise.

The true label of row i is j with probability :math:`q_{ij}`, a link on the predictions
of models without the row (`_noise_link`), and c is observed where j is true with
probability :math:`R_{jc}`, so that the row is wrong with probability
:math:`1 - q_{iy} R_{yy} / \sum_j q_{ij} R_{jy}`. Three matrices are fitted by maximum
likelihood, and the one with the largest likelihood after its cost is taken:

1. no noise, cost 0;
2. one rate of noise, spread evenly over the other classes, cost 1;
3. a sparse matrix, cost log(n) / 2 per cell off the diagonal: expectation
   maximisation, in which a cell with less than that many rows becomes zero (Figueiredo
   and Jain 2002).

A rate r of noise leaves 1 - r k / (k - 1) of what the true label says, and costs minus
three times the logarithm of that more: the prior Beta(1, 4), whose mean is a fifth of
the largest rate. Where the columns say little of the label the likelihood is flat, and
what it gains by chance is at rates that leave next to nothing.

The first two are fitted with links of three scales. In the tails, where wrong rows are,
they differ, and hardly any table tells which is right; so one rate of noise is an
average over the three, each weighted by its likelihood.

Where the regressions confuse neighbouring classes, no link of one slope for all classes
fits, and a sparse matrix of many cells repairs the link. So the matrix is taken only if
two richer links without noise, cost log(n) / 2 per further parameter, have no larger
likelihood after their cost: a free link, in which every class has slopes of its own on
all of s and log s, and an ordered link, in which the classes have places on one scale.

**What can be known.** Any rate of noise up to the smallest probability of the other
label explains the table as well, if the link may have any form. Only the form decides:
whether log odds that grow with the prediction go on growing, as for rows that are hard,
or stop at a floor, as for rows that are wrong. This is the smallest rate that the
form needs. Two ends come with it: the smallest and the largest rate that a likelihood
ratio test (95%) allows, with whichever of the links; the sparse matrix without its cost
belongs to the upper end.

**When it fails.** Where the columns say little of the label, the likelihood is flat and
the answer is that no row is wrong, whatever the truth. Where no link of either form
fits the table, what it lacks is taken for noise, most of all by the sparse matrix;
where only a richer link fits, mistakes that depend on the class are overlooked.

**Cost.** Some twenty fits of k + 3 parameters, to at most 40,000 rows.

References
----------
M. A. T. Figueiredo, A. K. Jain, "Unsupervised Learning of Finite Mixture Models",
IEEE Transactions on Pattern Analysis and Machine Intelligence 24, 2002.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from skinfluence.cleaning.surprise._noise_link import (
    LARGEST_SLOPE,
    SCALES,
    NoiseLink,
    link_is_wrong,
    minimised,
    penalty,
)

MAX_ROWS = 40_000
RATE_COST, PRIOR_POWER = 1.0, 3.0
SMALLEST_RATE = 1e-9
# Half the 95% point of chi squared with one degree of freedom.
ALLOWED_LOSS = 1.92
N_BISECTIONS = 3
N_ROUNDS, STEPS_PER_ROUND, SMALLEST_GAIN = 25, 6, 0.01


@dataclass(frozen=True)
class LabelNoise:
    """A fitted link and matrix of noise.

    Attributes
    ----------
    scale : float
        Scale of the link.
    theta : ndarray of shape (k + 2,)
        Parameters of the link.
    transition : ndarray of shape (k, k)
        ``transition[j, c]`` is the probability to observe c where j is true.
    likelihood : float
        Log likelihood, the ridge of the link taken off.
    score : float
        The same minus the cost of the noise.
    """

    scale: float
    theta: np.ndarray
    transition: np.ndarray
    likelihood: float
    score: float

    def probability_wrong(self, predictions, labels):
        """Probability that the row's label is not the true one.

        Parameters
        ----------
        predictions : ndarray of shape (n, k)
            Predictions of models without the row.
        labels : ndarray of int, shape (n,)
            Observed labels.

        Returns
        -------
        probability : ndarray of shape (n,)
        """
        log_q = NoiseLink(predictions, self.scale).log_q(self.theta)
        return posterior(log_q, self.transition, labels)


@dataclass(frozen=True)
class NoiseOfLabels:
    """The smallest noise that explains the labels, and others that the table allows.

    Attributes
    ----------
    best : list of LabelNoise
        Fits of the noise that is needed, which differ in their link.
    weights : ndarray
        Weights of these fits in the average; their sum is one.
    less, more : list of LabelNoise
        Others that are possible, with less noise and with more.
    """

    best: list
    weights: np.ndarray
    less: list
    more: list

    @property
    def transition(self):
        """Mean matrix of noise of ``best``."""
        matrices = [noise.transition for noise in self.best]
        return np.tensordot(self.weights, matrices, axes=1)

    def probability_wrong(self, predictions, labels):
        """Return least, estimate and most, as `LabelNoise.probability_wrong`.

        Returns
        -------
        least, estimate, most : ndarray of shape (n,)
        """
        said = [noise.probability_wrong(predictions, labels) for noise in self.best]
        estimate = self.weights @ said
        less, more = (
            [estimate, *(n.probability_wrong(predictions, labels) for n in others)]
            for others in (self.less, self.more)
        )
        return np.min(less, axis=0), estimate, np.max(more, axis=0)


def fit_label_noise(predictions, labels, share):
    """Fit the links with each kind of noise.

    Parameters
    ----------
    predictions : ndarray of shape (n, k)
        Predictions of models without the row.
    labels : ndarray of int, shape (n,)
        Observed, from 0 to k - 1.
    share : float
        Where the search for one rate starts.

    Returns
    -------
    noise : NoiseOfLabels
    """
    n, k = predictions.shape
    if n < 2 or k < 2 or np.ptp(predictions, axis=0).max() == 0:
        nothing = LabelNoise(SCALES[0], np.zeros(k + 2), np.eye(k), 0.0, 0.0)
        return NoiseOfLabels([nothing], np.ones(1), [], [])
    if n > MAX_ROWS:
        rows = np.random.default_rng(0).permutation(n)[:MAX_ROWS]
        predictions, labels = predictions[rows], labels[rows]
    links = [NoiseLink(predictions, scale) for scale in SCALES]
    clean = [_without_noise(link, labels) for link in links]
    rates = [
        _one_rate(link, labels, np.append(none.theta, share))
        for link, none in zip(links, clean, strict=True)
    ]
    one = max(rates, key=lambda noise: noise.score)
    link = links[rates.index(one)]
    sparse = _sparse(link, labels, clean[rates.index(one)].theta)
    best = max(*clean, one, key=lambda noise: noise.score)
    allowed = max(noise.likelihood for noise in (*clean, *rates)) - ALLOWED_LOSS
    if best.score < sparse.score and not link_is_wrong(link, labels, sparse.score):
        best, allowed = sparse, max(allowed, sparse.score - ALLOWED_LOSS)
    less, more = _ends(links, labels, rates, clean, allowed)
    if best is one:
        weights = softmax([noise.score for noise in rates])
        return NoiseOfLabels(rates, weights, less, [*more, sparse])
    return NoiseOfLabels([best], np.ones(1), less, [*more, sparse])


def _without_noise(link, labels):
    k = link.plain.shape[1]
    found = link.fit(np.asfortranarray(np.eye(k)[labels]))
    return LabelNoise(link.scale, found.x, np.eye(k), -found.fun, -found.fun)


def _one_rate(link, labels, start, low=SMALLEST_RATE, high=None):
    """Return the best rate of noise between two, ``start`` being (theta, rate)."""
    n, k = link.plain.shape
    rows = np.arange(n)
    high = _largest_rate(k) if high is None else high

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
        value = penalty(theta) - np.log(likelihood).sum()
        return value, np.append(link.gradient(theta, q - joint), slope)

    start = np.append(start[:-1], np.clip(start[-1], max(low, 0.01), high))
    found = minimised(loss, start, [*link.bounds, (low, high)])
    rate = found.x[-1]
    transition = np.full((k, k), rate / (k - 1))
    np.fill_diagonal(transition, 1 - rate)
    score = -found.fun - RATE_COST - _prior_cost(rate, k)
    return LabelNoise(link.scale, found.x[:-1], transition, -found.fun, score)


def _largest_rate(k):
    return (k - 1) / k - 0.01


def _rate(noise):
    return 1 - noise.transition[0, 0]


def _ends(links, labels, rates, clean, bound):
    """Return fits of the smallest and the largest rate whose likelihood is allowed."""
    allowed = [noise for noise in rates if noise.likelihood >= bound]
    less = [noise for noise in clean if noise.likelihood >= bound][:1]
    if allowed and not less:
        less = [_end(links, labels, rates, min(allowed, key=_rate), bound, -1)]
    if allowed:
        more = [_end(links, labels, rates, max(allowed, key=_rate), bound, 1)]
    else:
        more = []
    return less, more


def _end(links, labels, rates, start, bound, direction):
    """Walk from a rate in growing steps, and halve the last one three times."""
    link = links[rates.index(start)]
    n, k = link.plain.shape
    edge = _largest_rate(k) if direction > 0 else SMALLEST_RATE
    allowed, refused = start, None
    step = 2 * np.sqrt(max(_rate(start), 1 / n) / n)
    bisections = 0
    while bisections < N_BISECTIONS:
        at = _rate(allowed)
        if refused is None:
            rate = np.clip(at + direction * step, SMALLEST_RATE, _largest_rate(k))
            step *= 2
        else:
            rate, bisections = (at + refused) / 2, bisections + 1
        tried = _one_rate(link, labels, np.append(allowed.theta, rate), rate, rate)
        if tried.likelihood < bound:
            refused = rate
        else:
            allowed = tried
            if rate == edge:
                break
    return allowed


def _sparse(link, labels, clean):
    n, k = link.plain.shape
    cost = np.log(n) / 2
    transition = _confusion(link.plain.argmax(axis=1), labels, k)
    theta, best = clean.copy(), -np.inf
    theta[:2] = np.minimum(2 * theta[:2], LARGEST_SLOPE)
    for _ in range(N_ROUNDS):
        joint = _log_joint(link.log_q(theta), transition, labels)
        joint = np.exp(joint - _log_sum(joint)[:, None])
        transition = _sparse_transition(joint, labels, cost)
        theta = link.fit(joint, theta, STEPS_PER_ROUND).x
        log_q = link.log_q(theta)
        likelihood = _log_sum(_log_joint(log_q, transition, labels)).sum()
        likelihood -= penalty(theta)
        score = likelihood - cost * (np.count_nonzero(transition) - k)
        right = np.exp(log_q) @ np.diag(transition)
        score -= _prior_cost(1 - right.mean(), k)
        if score < best + SMALLEST_GAIN:
            break
        best = score
        found = LabelNoise(link.scale, theta, transition, likelihood, score)
    return found


def _prior_cost(rate, k):
    left = 1 - rate * k / (k - 1)
    return -PRIOR_POWER * np.log(max(left, np.finfo(float).tiny))


def _confusion(predicted, labels, k):
    """Start of the sparse matrix: frequencies of labels where j is predicted."""
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


def posterior(log_q, transition, labels):
    """Probability that a label is not the true one, by the theorem of Bayes."""
    joint = _log_joint(log_q, transition, labels)
    own = joint[np.arange(len(labels)), labels]
    # Not 1 - exp(own - all), which is not exactly zero without noise.
    others = joint.copy()
    others[np.arange(len(labels)), labels] = -np.inf
    return np.exp(_log_sum(others) - np.logaddexp(own, _log_sum(others)))


def _log_joint(log_q, transition, labels):
    """Log probability of each true label with the one that is observed, (n, k)."""
    with np.errstate(divide="ignore"):
        return log_q + np.asfortranarray(np.log(transition).T[labels])


def _log_sum(joint):
    return np.logaddexp.reduce(joint, axis=1)
