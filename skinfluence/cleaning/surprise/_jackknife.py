r"""Standard errors of the fixed scorer's values, by the jackknife over groups of rows.

The other rows are cut into G groups at random; without group g the row's prediction is
:math:`f_g`, and

.. math:: se^2 = \frac{G - 1}{G} \sum_g (v_g - \bar v)^2.

It says how much a value would change with another sample of rows; penalties, weights of
the stack, temperature and typical residuals stay as they are. Predictions without the
row and without a group are exact: each is one solve in the members' features.

**Cost.** O(G p (n p + m p)) per member for m rows.

References
----------
B. Efron, "The Jackknife, the Bootstrap and Other Resampling Plans", SIAM, 1982.
"""

import numpy as np

from skinfluence.cleaning.surprise._stacked_ridge import coefficients_of

N_GROUPS = 10


def replicated_predictions(stack, rows):
    """Predict rows, each left out, without one group of the others after another.

    Parameters
    ----------
    stack : StackedRidge
        Fitted.
    rows : ndarray of int, shape (m,)
        The rows to predict.

    Returns
    -------
    predictions : ndarray of shape (n_groups, m, k)
    """
    n = len(stack.T)
    n_groups = min(N_GROUPS, n)
    group = np.random.default_rng(0).permutation(n) % n_groups
    said = np.full((n_groups, len(rows), stack.T.shape[1]), stack.mean)
    said *= 1 - stack.weights.sum()
    for weight, U, a in stack.members():
        gram, moment = U.T @ U, U.T @ stack.T
        for g in range(n_groups):
            out = group == g
            gram_g = gram - U[out].T @ U[out]
            moment_g = moment - U[out].T @ stack.T[out]
            said[g] += weight * _left_out(
                U[rows], stack.T[rows], gram_g, moment_g, a, group[rows] != g
            )
    return said


def _left_out(U, T, gram, moment, a, used):
    """Predict rows without themselves where they are used."""
    fitted = U @ coefficients_of(gram, moment, a)
    leverage = (U * coefficients_of(gram, U.T, a).T).sum(axis=1)
    own = used / np.maximum(1 - leverage, 1e-9)
    residual = (T - fitted) * np.where(used, own, 1.0)[:, None]
    return T - residual


def jackknife_error(replicates):
    """Standard error from values of shape (n_groups, m)."""
    n_groups = len(replicates)
    return np.sqrt((n_groups - 1) * replicates.var(axis=0))
