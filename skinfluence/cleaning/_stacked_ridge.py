r"""Leave-one-out predictions of ridge regressions on several kernels, stacked.

Members: ridge regression on the standardised columns, and on features of a Gaussian
kernel :math:`\exp(-g \|x - x'\|^2 / v)`, v the total variance of the columns, for four
widths g. Each has the prediction of every row without that row in closed form,

.. math:: \hat y_{-i} = y_i - \frac{y_i - \hat y_i}{1 - h_i},

and its penalty is the one whose squared leave-one-out error is smallest. The stack is
the combination of the members' predictions, with weights that are not negative, whose
error is smallest (Breiman 1996): where one kernel is wrong for the table it gets no
weight, where several are as good their errors average out.

Features of the kernel are those of Nystroem's method on 150 of the rows; they and the
weights do look at the row that is left out, which 150 or 5 numbers hardly fit.

**Cost.** O(n p^2) for p = 150 features; memory O(n p). Nothing is refitted.

References
----------
L. Breiman, "Stacked Regressions", Machine Learning 24, 1996.
"""

import numpy as np
from scipy.optimize import nnls
from sklearn.kernel_approximation import Nystroem

WIDTHS = (0.125, 0.25, 0.5, 1.0)
N_FEATURES = 150
PENALTIES = 10.0 ** np.arange(-3, 3.5, 0.5)


def stacked_leave_one_out(Z, T):
    """Predict each row of ``T`` from the others.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised columns.
    T : ndarray of shape (n, k)
        Targets; of k classes their indicators.

    Returns
    -------
    predictions : ndarray of shape (n, k)
    """
    mean = T.mean(axis=0)
    members = [leave_one_out(F, T) - mean for F in feature_maps(Z)]
    weights, _ = nnls(np.stack([m.ravel() for m in members], 1), (T - mean).ravel())
    return mean + np.tensordot(weights, np.stack(members), axes=1)


def feature_maps(Z):
    """Yield the features of each member, (n, p)."""
    variance = Z.var(axis=0).sum() or 1.0
    yield Z / np.sqrt(variance)
    for width in WIDTHS:
        kernel = Nystroem(
            gamma=width / variance,
            n_components=min(N_FEATURES, len(Z)),
            random_state=0,
        )
        yield kernel.fit_transform(Z)


def leave_one_out(F, T):
    """Predict by ridge regression on F, at the penalty with the smallest error."""
    n = len(F)
    F, centred = F - F.mean(axis=0), T - T.mean(axis=0)
    values, vectors = np.linalg.eigh(F.T @ F)
    kept = values > values[-1] * 1e-10
    values = values[kept]
    U = F @ (vectors[:, kept] / np.sqrt(values))
    coefficients = U.T @ centred
    shrink = values / np.add.outer(PENALTIES, values)
    leverage = 1 / n + U**2 @ shrink.T
    # At a leverage of one nothing is known without the row.
    gap = np.maximum(1 - leverage, 1e-9)
    best, chosen = np.inf, None
    for d, left in zip(shrink, gap.T, strict=True):
        residual = (centred - U @ (d[:, None] * coefficients)) / left[:, None]
        total = (residual**2).sum()
        if total < best:
            best, chosen = total, residual
    return T - chosen
