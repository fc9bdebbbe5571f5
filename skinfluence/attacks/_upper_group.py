"""The upper of two groups in sorted numbers."""

import numpy as np

# Smallest variance of a group, as a share of the variance of all numbers: without it
# two equal numbers would be a group of infinite likelihood.
LEAST_VARIANCE = 0.1


def upper_group(ordered, most):
    """Return the size of the upper one of two normal groups of greatest likelihood.

    Parameters
    ----------
    ordered : ndarray of shape (n,)
        Numbers, the largest first.
    most : int
        Largest size of the upper group.
    """
    n = len(ordered)
    variance = ordered.var() if n else 0.0
    if n < 3 or variance == 0 or most < 1:
        return 0
    centred = ordered - ordered.mean()
    sums, squares = np.cumsum(centred), np.cumsum(centred**2)
    size = np.arange(1, min(most, n - 1) + 1)

    def half_deviance(count, total, square):
        spread = np.maximum(
            square / count - (total / count) ** 2, LEAST_VARIANCE * variance
        )
        return count * (np.log(spread) / 2 - np.log(count / n))

    upper, square = sums[size - 1], squares[size - 1]
    deviance = half_deviance(size, upper, square) + half_deviance(
        n - size, sums[-1] - upper, squares[-1] - square
    )
    return int(size[np.argmin(deviance)])
