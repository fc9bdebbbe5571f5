"""How far a few training rows stand out of all that support a prediction."""

import numpy as np

# Medians of absolute deviations from the median, of normal deviates, times this are
# standard deviations.
NORMAL = 1.4826


def renormalised(influence, self_influence, share):
    """Take away a share of what the size of a training row adds to its influences.

    To first order influence is an inner product of gradients in the metric of the
    inverse Hessian and the root of self-influence the length of the training row's:
    divided by it, what is left is their cosine, times the length of the test row's.

    Parameters
    ----------
    influence : ndarray of shape (n_test, n_train)
    self_influence : ndarray of shape (n_train,)
    share : float
        Power of the root, from 0 (nothing is taken away) to 1 (a cosine).
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
        The training rows that count for the test row; others get minus infinity.
    """
    scores = np.full(values.shape, -np.inf)
    for t, mask in enumerate(comparable):
        row = values[t, mask]
        if not row.size:
            continue
        centred = row - np.median(row)
        spread = NORMAL * np.median(np.abs(centred))
        # Where most influences are equal any other stands out without bound.
        tiny = np.finfo(np.float64).eps * np.abs(row).max()
        scores[t, mask] = centred / spread if spread > tiny else 0.0
    return scores


def upper_tail(scores, size):
    """Return the geometric mean of the ``size`` largest scores of every row.

    One exceptional row does not make a heavy tail unless it is very exceptional; the
    second largest score alone misses attacks by one row. Scores of no interest count
    as a small positive one.
    """
    size = min(size, scores.shape[1])
    largest = -np.partition(-scores, size - 1, axis=1)[:, :size]
    return np.exp(np.log(np.maximum(largest, 0.1)).mean(axis=1))
