r"""Which mistakes are made more often in one direction: j labelled c, or c labelled j.

Where labels of one class are replaced by another and never the other way, a surprising
row of the first label is likely wrong and one of the second is not. Rows near the
border of two classes do not tell the direction, because right rows are surprising
there; rows far from it do. For classes j and c, take the rows that models without them
predict to be j, as far from c as half of those labelled j, in
:math:`\log q_j - \log q_c`. Of these, :math:`M_{jc}` are labelled c and :math:`m_{jc}`
are labelled j. If both directions are equally frequent, :math:`M_{jc}` is binomial
given :math:`M_{jc} + M_{cj}`, with the probability
:math:`p_{jc} = m_{jc} / (m_{jc} + m_{cj})`. Otherwise the probability is drawn, for
each pair of classes, from Beta(:math:`s p_{jc}, s p_{cj}`), with one of five s that are
taken to be equally likely. This is believed where the likelihood of all pairs is at
least e⁵ times as large. The result is the mean of the probability in units of
:math:`p_{jc}`.

**When it fails.** Mistakes equally frequent in both directions are left as they are,
even if they are confined to some pairs of classes. Right rows that are hard far into
one class, and not into the other, look the same as mistakes.

**Cost.** O(n k) time, and memory for the rows of one predicted class.

References
----------
R. E. Kass, A. E. Raftery, "Bayes Factors", Journal of the American Statistical
Association 90, 1995: logarithms above 5 are very strong evidence.
"""

import numpy as np
from scipy.special import betaln, logsumexp, softmax, xlog1py, xlogy

DEPTH = 0.5  # share of the rows of a class that are too near to another one
STRENGTHS = np.array([0.5, 1.0, 2.0, 5.0, 20.0])
VERY_STRONG = 5.0  # logarithm of a ratio of likelihoods


def frequency_of_mistakes(log_q, labels):
    """Estimate how frequent each mistake is, both directions being equal at one.

    Parameters
    ----------
    log_q : ndarray of shape (n, k)
        Log probabilities by models without the row; NaN where no fold judges it.
    labels : ndarray of int, shape (n,)
        Observed, from 0 to k - 1.

    Returns
    -------
    frequency : ndarray of shape (k, k) or None
        ``frequency[j, c]``, between 0 and the sum of both directions, belongs to rows
        of class j labelled c; one on the diagonal. None where no direction is shown to
        be more frequent.

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
    a, b = STRENGTHS[:, None] * p, STRENGTHS[:, None] * (1 - p)
    likelihoods = (betaln(one + a, both - one + b) - betaln(a, b)).sum(axis=1)
    equal = (xlogy(one, p) + xlog1py(both - one, -p)).sum()
    if logsumexp(likelihoods) - np.log(len(STRENGTHS)) < equal + VERY_STRONG:
        return None
    share = softmax(likelihoods) @ ((one + a) / (both + STRENGTHS[:, None]))
    frequency = np.ones_like(mistakes)
    frequency[pairs] = share / p
    frequency.T[pairs] = (1 - share) / (1 - p)
    return frequency


def _far_from_the_border(log_q, labels):
    """Count rows labelled c, and rows labelled j, far into the predicted class j."""
    k = log_q.shape[1]
    mistakes, right = np.zeros((2, k, k))
    predicted = log_q.argmax(axis=1)
    for j in range(k):
        rows = np.flatnonzero(predicted == j)
        own = labels[rows] == j
        if not own.any():
            continue
        distance = log_q[rows, j][:, None] - log_q[rows]
        far = distance >= np.quantile(distance[own], DEPTH, axis=0)
        right[j] = far[own].sum(axis=0)
        others = labels[rows][~own]
        far = far[~own, others]
        mistakes[j] = np.bincount(others[far], minlength=k)
    return mistakes, right
