"""Signs of an attack in the training rows that support a prediction.

Every function takes influences of shape (n_test, n_train) and is unchanged if those of
a test row are multiplied by a positive number.
"""

import numpy as np
from scipy.sparse import csr_array

# Standard deviations above the mean of the predicted class from which on a row counts
# as a supporter. Results hardly depend on it between 0.5 and 1.
SUPPORTER = 1.0


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


def support(values, comparable, counted):
    """Return the mean over comparable rows, over the root mean square of all rows.

    Parameters
    ----------
    values : ndarray of shape (n_test, n_train)
    comparable, counted : ndarray of bool of shape (n_test, n_train)
        Training rows labelled as the prediction, and all but the row itself.
    """
    return _mean(values, comparable) / _size(values, counted)


def standardised(values, comparable):
    """Return distances from the mean of comparable rows in standard deviations.

    Rows that are not comparable get zero, as do all rows if the influences are equal.
    """
    centred = (values - _mean(values, comparable)[:, None]) * comparable
    spread = np.sqrt(_mean(centred**2, comparable))[:, None]
    tiny = np.finfo(np.float64).eps * np.abs(values).max(axis=1, keepdims=True)
    return np.divide(
        centred, spread, out=np.zeros_like(centred), where=spread > 4 * tiny
    )


def supporters(scores):
    """Return how far rows are beyond `SUPPORTER`, in a sparse array; 0 for others.

    Parameters
    ----------
    scores : ndarray of shape (n_test, n_train)
        From `standardised`.
    """
    beyond = np.maximum(scores - SUPPORTER, 0.0)
    beyond[beyond < 1e-9] = 0.0  # two rows are one deviation from their mean, rounded
    return csr_array(beyond)


def support_without(values, comparable, counted, left_out):
    """Return the support of rows by comparable rows outside of each set.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_train)
    comparable, counted : ndarray of bool of shape (n_rows, n_train)
        As for `support`.
    left_out : sparse array of shape (n_sets, n_train)
        1 for the members of a set, which are left out of the mean, else 0.

    Returns
    -------
    support : ndarray of shape (n_sets, n_rows)
    """
    # Products of dense matrices: one row of six is a supporter, which is too many for
    # sparse products to be fast.
    used = np.unique(left_out.indices)
    members, of_class = left_out[:, used].toarray(), comparable[:, used].astype(float)
    total = (values * comparable).sum(axis=1)
    total = total - members @ (values[:, used] * of_class).T
    count = comparable.sum(axis=1) - members @ of_class.T
    return total / np.maximum(count, 1.0) / _size(values, counted)


def largest_gap(values, comparable, most):
    """Return the largest step down between consecutive influences.

    A step of the share g of the largest influence is measured by -log(1 - 0.99 g), so
    that a step to almost nothing stands out even if those of half are usual.

    Parameters
    ----------
    values : ndarray of shape (n_test, n_train)
    comparable : ndarray of bool of shape (n_test, n_train)
        The training rows that are compared.
    most : int
        Steps behind the first ``most`` influences are considered.
    """
    ordered = np.sort(np.where(comparable, values, -np.inf), axis=1)[:, ::-1]
    ordered = ordered[:, : most + 1]
    first = ordered[:, 0]
    ordered = np.where(np.isfinite(ordered), ordered, np.nan)
    steps = np.nan_to_num(-np.diff(ordered, axis=1)).max(axis=1, initial=0.0)
    share = np.divide(steps, first, out=np.zeros(len(first)), where=first > 0)
    return -np.log1p(-0.99 * np.minimum(share, 1.0))


def _size(values, counted):
    size = np.sqrt(_mean(values**2, counted))
    return np.where(size > 0, size, 1.0)


def _mean(values, mask):
    return (values * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)
