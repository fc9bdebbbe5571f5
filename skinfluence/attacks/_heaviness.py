"""Statistics of influences on a test row: their upper tail, the support of a class."""

import numpy as np

# Factor from the median absolute deviation of a normal variable to its standard
# deviation.
NORMAL = 1.4826


def renormalised(influence, self_influence, share):
    """Divide influences by a power of the norm of the training row's gradient.

    To first order, influence is an inner product of gradients in the metric of the
    inverse Hessian, and the root of self-influence is the norm of the training row's
    gradient. The quotient is the cosine of the two gradients times the norm of the test
    row's gradient.

    Parameters
    ----------
    influence : ndarray of shape (n_test, n_train)
    self_influence : ndarray of shape (n_train,)
    share : float
        Power of the norm, from 0 (influences are unchanged) to 1 (a cosine).
    """
    size = np.sqrt(np.abs(self_influence))
    return np.divide(
        influence,
        size**share,
        out=np.zeros_like(influence),
        where=size > 1e-12 * size.max(),
    )


def robust_scores(values, comparable):
    """Distance from the median in robust standard deviations, row by row.

    Parameters
    ----------
    values : ndarray of shape (n_test, n_train)
    comparable : ndarray of bool of shape (n_test, n_train)
        The training rows that are compared; others get minus infinity.
    """
    scores = np.full(values.shape, -np.inf)
    for t, mask in enumerate(comparable):
        row = values[t, mask]
        if not row.size:
            continue
        centred = row - np.median(row)
        spread = NORMAL * np.median(np.abs(centred))
        # If most influences are equal the deviation is zero, and scores are undefined.
        tiny = np.finfo(np.float64).eps * np.abs(row).max()
        scores[t, mask] = centred / spread if spread > tiny else 0.0
    return scores


def upper_tail(scores, size):
    """Return the geometric mean of the ``size`` largest scores of every row.

    The mean is small if only one of the scores is large, unless that one is very large;
    the second largest score alone would miss attacks by a single row. Scores that are
    not positive are replaced by a small positive number.
    """
    size = min(size, scores.shape[1])
    largest = -np.partition(-scores, size - 1, axis=1)[:, :size]
    return np.exp(np.log(np.maximum(largest, 0.1)).mean(axis=1))


def support(values, comparable, counted):
    """Return the mean over comparable rows, over the root mean square of all rows.

    Parameters
    ----------
    values : ndarray of shape (n_test, n_train)
    comparable, counted : ndarray of bool of shape (n_test, n_train)
        Training rows labelled as the prediction, and all but the row itself.
    """

    def mean(numbers, mask):
        return (numbers * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)

    # Scaled first: squares of tiny influences would underflow.
    largest = np.abs(values).max(axis=1, keepdims=True, where=counted, initial=0.0)
    scaled = values / np.where(largest > 0, largest, 1.0)
    size = np.sqrt(mean(scaled**2, counted))
    return mean(scaled, comparable) / np.where(size > 0, size, 1.0)
