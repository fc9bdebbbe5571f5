"""Most influential sets where the estimand is a ratio of sums, exactly (Dinkelbach)."""

import numpy as np

MOST_ITERATIONS = 100


def most_influential_ratio_set(numerator, denominator, n_rows, largest=True):
    r"""Find the rows whose removal makes ``sum a / sum b`` largest, or smallest.

    With :math:`\lambda` = ``(A - sum_S a) / (B - sum_S b)``, the best set S for a given
    :math:`\lambda` is that of the ``n_rows`` largest :math:`\lambda b_i - a_i`, and
    its own ratio is the next :math:`\lambda`, until it stays (Dinkelbach 1967; Konrad
    and Kuschnig, arXiv:2606.05919): 3 to 5 passes of O(n).

    Parameters
    ----------
    numerator, denominator : ndarray of shape (n,)
        a and b. What is left of ``sum b`` must be positive, whoever leaves: ``b >= 0``.
    n_rows : int
        How many rows leave, fewer than n.
    largest : bool, default=True
        Whether the ratio is to be as large, or as small, as it can be.

    Returns
    -------
    rows : ndarray of int of shape (n_rows,)
        Ascending.
    ratio : float
        Without them.
    """
    sign = 1.0 if largest else -1.0
    A, B, n = numerator.sum(), denominator.sum(), len(numerator)
    ratio, rows = A / B, None
    for _ in range(MOST_ITERATIONS):
        gain = denominator * (sign * ratio)
        gain -= sign * numerator
        chosen = np.argpartition(gain, n - n_rows)[n - n_rows :]
        left = B - denominator[chosen].sum()
        new = (A - numerator[chosen].sum()) / left if left > 0 else ratio
        if rows is not None and not sign * new > sign * ratio:
            break
        rows, ratio = chosen, new
    return np.sort(rows), float(ratio)
