"""One minimisation, and what removals do to its penalty."""

from dataclasses import dataclass

import numpy as np

from skinfluence.removal.certificates._rounding import EPS, UNITS
from skinfluence.removal.linear._penalty import Penalty


@dataclass(frozen=True)
class Problem:
    """One minimisation: ``sum_j weight_j l(x_j'theta, y_j) + theta' R theta / 2``.

    Attributes
    ----------
    design : Design
    y, weight : ndarray of shape (n,)
    pointwise : object
        The loss l.
    penalty, theta : ndarray of shape (p,)
        Diagonal of R, and coefficients close to the minimiser.
    without : ndarray of shape (m, p) or None
        Diagonals of R without each set; None where removals leave R as it is. Next to
        a row that outweighs all others, their difference from R has no digits.
    penalty_error : float
        Relative error of the penalties, of that with all rows too: behind a scaler
        they are made of variances.
    """

    design: object
    y: np.ndarray
    weight: np.ndarray
    pointwise: object
    penalty: np.ndarray
    theta: np.ndarray
    without: np.ndarray | None = None
    penalty_error: float = UNITS


def penalties_without(penalty, penalties, masks, polished):
    """Return penalties without sets of rows, None if as ``penalty``, and their error.

    Single steps hold the scales of a scaler fixed.
    """
    scales = penalties.scales if polished else None
    if scales is None and penalties.mass is None:
        return None, UNITS
    if not polished:
        penalties = Penalty(penalties.diagonal, penalties.weight, penalties.mass)
    without = penalties.without(masks)
    if scales is None:
        return without, UNITS
    # A variance without a row is a difference of sums over all rows.
    used = penalty > 0
    share = (without[:, used] / penalty[used]).min(initial=1.0)
    return without, 64 * len(penalties.weight) * EPS / max(share, 1e-12)
