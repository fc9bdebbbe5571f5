r"""The largest number of rows that may be wrong, if all surprising rows may be.

The values are a mixture of those of right rows and of wrong ones,
:math:`g = (1 - \pi) f_0 + \pi f_1`. The scorer also values every row as if its target
were wrong, which costs nothing because no model has seen that target. If a share
:math:`\pi` of the rows is wrong already and a wrong target becomes right by chance c
(1 / (k - 1) for k classes, 0 for numbers), these values have the density
:math:`p = (1 - \pi c) f_1 + \pi c f_0`. Far down only wrong rows are left, and

.. math:: \rho = \min_t G(t) / P(t) \approx \pi / (1 - \pi c)

gives :math:`\pi`, t being where an upper bound of the ratio is smallest; the
probability of being wrong is :math:`\pi f_1 / g`, the ratio of
densities an isotonic regression.

**When it fails.** Wrong rows are taken to be wrong at random, anywhere in the table,
and their targets to be as those of other rows. Mistakes that crowd in one part of the
table, where the models are less sure for that reason, and mistakes that look plausible
(a neighbouring class, a small error of measurement) are counted as right, at worst all
of them. Rows that are hard and right are counted as wrong where the scorer is as
surprised by them as by a wrong target: of labels drawn at random nearly all. So this is
the ceiling of `WrongRows`, not its estimate.
"""

import numpy as np
from sklearn.isotonic import IsotonicRegression


def wrong_share(values, wrong_values, n_classes):
    """Estimate the largest possible share of wrong rows.

    Parameters
    ----------
    values, wrong_values : ndarray of shape (n,)
        Values of the rows with their own and with wrong targets.
    n_classes : int or None
        None: a wrong target never becomes right by chance.

    Returns
    -------
    share : float
    """
    c = _chance(n_classes)
    wrong = np.sort(wrong_values)
    # Of equal values the last counts.
    last = np.flatnonzero(np.append(np.diff(wrong) > 0, True))
    count = np.searchsorted(np.sort(values), wrong[last], side="right")
    # Three standard errors up: surely small, not small by chance among few rows.
    best = ((count + 3 * np.sqrt(count) + 9) / (last + 1)).argmin()
    # One more than was seen: a share of none would clear every row, whatever it is.
    ratio = min(1.0, (count[best] + 1) / (last[best] + 1))
    return ratio / (1 + ratio * c)


def probability_wrong(values, wrong_values, n_classes):
    """Estimate the probability of every row to be wrong at the largest share.

    Parameters
    ----------
    values, wrong_values : ndarray of shape (n,)
        Values of rows with their own and with wrong targets; rows without one (NaN) are
        taken to be right.
    n_classes : int or None
        Number of classes of one column of labels.

    Returns
    -------
    probability : ndarray of shape (n,)
        Higher for lower values.
    """
    probability = np.zeros(len(values))
    judged = ~np.isnan(values)
    values, wrong_values = values[judged], wrong_values[judged]
    if len(values) == 0 or np.ptp(values) == 0:
        return probability
    share, c = wrong_share(values, wrong_values, n_classes), _chance(n_classes)
    # By ranks, because values that are next to each other cannot be interpolated.
    both = np.concatenate([values, wrong_values])
    both = np.unique(both, return_inverse=True)[1]
    is_wrong = np.repeat([0.0, 1.0], len(values))
    model = IsotonicRegression(increasing=False, y_min=0.0, y_max=1 - 1e-9)
    odds = model.fit(both, is_wrong).predict(both[: len(values)])
    odds = odds / (1 - odds)
    # Solve the two mixtures for the density of wrong rows.
    bottom = max((1 - share * c) * (1 - share) - share**2 * c, 1e-9)
    ratio = (odds * (1 - share) - share * c) / bottom
    probability[judged] = np.clip(share * ratio, 0.0, 1.0)
    return probability


def _chance(n_classes):
    return 0.0 if n_classes is None else 1 / (n_classes - 1)
