r"""Mistakes in one direction only: class j is labelled c, and class c hardly ever j.

If rows of class j are labelled c and rows of class c are never labelled j, then a
surprising row labelled c is likely wrong and one labelled j is not. Rows near the
border of two classes do not show the direction, because right rows are surprising
there as well; rows far from it do. For classes j and c, take the rows that models
without them predict to be j, as far from c, in :math:`\log q_j - \log q_c`, as the
farthest six of ten rows that are labelled j. Of these, :math:`M_{jc}` are labelled c
and :math:`m_{jc}` are labelled j. Given :math:`M_{jc} + M_{cj}`, there are three
explanations:

1. both directions are equally frequent: :math:`M_{jc}` is binomial with the probability
   :math:`p_{jc} = m_{jc} / (m_{jc} + m_{cj})`;
2. some classes are harder to label than others: for each pair of classes the
   probability is drawn from Beta(:math:`s p_{jc}, s p_{cj}`), s = 10;
3. mistakes have one direction: the same with s = 0.5 or 1, densities that are highest
   at 0 and 1.

A class j is left out if fewer than half of its far rows are labelled j, because such
predictions do not show mistakes. (Models that cannot tell many classes apart predict
some of them often and others hardly ever, which would be taken for one direction.)

The third is believed where the likelihood of all pairs is e² times as large with it as
with each of the others. The result is the mean of the probability in units of
:math:`p_{jc}`.

**When it fails.** Mistakes equally frequent in both directions have no effect, even if
they are confined to some pairs of classes. Neither have few mistakes: of two equally
frequent classes, seven mistakes far from the border are needed, all in one direction.

**Cost.** O(n k) time, and memory for the rows of one predicted class.
"""

import numpy as np
from scipy.special import betaln, logsumexp, softmax, xlog1py, xlogy

NEAR = 0.4  # share of the rows of a class that are too near to another one
ONE_WAY, UNEQUAL = np.array([0.5, 1.0]), 10.0
CLEAR = 2.0  # logarithm of a ratio of likelihoods


def frequency_of_mistakes(log_q, labels):
    """Estimate how frequent each mistake is: one if both directions are equal.

    Parameters
    ----------
    log_q : ndarray of shape (n, k)
        Log probabilities by models without the row; NaN where no fold judges it.
    labels : ndarray of int, shape (n,)
        Observed, from 0 to k - 1.

    Returns
    -------
    frequency : ndarray of shape (k, k) or None
        ``frequency[j, c]``, above 0, belongs to rows of class j labelled c; one on the
        diagonal. None if mistakes are not shown to have one direction.

    Examples
    --------
    Of 100 rows of each class ten of class 1 are labelled 0:

    >>> import numpy as np
    >>> from skinfluence.cleaning.surprise._one_way_mistakes import (
    ...     frequency_of_mistakes)
    >>> true = np.repeat([0, 1], 100)
    >>> log_q = np.log(np.where(true[:, None] == [0, 1], 0.9, 0.1))
    >>> labels = true.copy()
    >>> labels[100:110] = 0
    >>> frequency_of_mistakes(log_q, labels).round(1)
    array([[1. , 0.1],
           [2. , 1. ]])
    >>> labels[:10] = 1  # ten of class 0 as well
    >>> frequency_of_mistakes(log_q, labels) is None
    True
    """
    judged = ~np.isnan(log_q[:, 0])
    mistakes, right = _far_from_the_border(log_q[judged], labels[judged])
    pairs = np.triu_indices(len(mistakes), 1)
    one, both = mistakes[pairs], (mistakes + mistakes.T)[pairs]
    p = ((right + 1) / (right + right.T + 2))[pairs]
    equal = (xlogy(one, p) + xlog1py(both - one, -p)).sum()
    unequal = _log_likelihood(one, both, p, UNEQUAL)
    one_way = np.array([_log_likelihood(one, both, p, s) for s in ONE_WAY])
    gain = logsumexp(one_way) - np.log(len(ONE_WAY)) - max(equal, unequal)
    if gain < CLEAR:
        return None
    s = ONE_WAY[:, None]
    share = softmax(one_way) @ ((one + s * p) / (both + s))
    frequency = np.ones_like(mistakes)
    frequency[pairs] = share / p
    frequency.T[pairs] = (1 - share) / (1 - p)
    return frequency


def _log_likelihood(one, both, p, s):
    """Of the counts of one direction among both, without binomial coefficients."""
    a, b = s * p, s * (1 - p)
    return (betaln(one + a, both - one + b) - betaln(a, b)).sum()


def _far_from_the_border(log_q, labels):
    """Count rows labelled c, and rows labelled j, far into the predicted class j."""
    k = log_q.shape[1]
    mistakes, right = np.zeros((2, k, k))
    told = np.zeros(k, dtype=bool)
    predicted = log_q.argmax(axis=1)
    for j in range(k):
        rows = np.flatnonzero(predicted == j)
        own = labels[rows] == j
        if not own.any():
            continue
        distance = log_q[rows, j][:, None] - log_q[rows]
        far = distance >= np.quantile(distance[own], NEAR, axis=0)
        right[j] = far[own].sum(axis=0)
        others = labels[rows][~own]
        far = far[~own, others]
        mistakes[j] = np.bincount(others[far], minlength=k)
        told[j] = far.sum() <= (1 - NEAR) * own.sum()
    pairs = np.logical_and.outer(told, told)
    return mistakes * pairs, right * pairs
