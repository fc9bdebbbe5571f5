r"""Whether some numbers belong to other rows, or are only hard to predict.

Let s be the prediction of a row by models without it, and r = y - s. Without mistakes
the row has the density :math:`f_0(r)`, any density whatever, with tails as heavy as the
table needs. If a share w of the targets are those of other rows, it has

.. math:: (1 - w) f_0(y - s) + w f_1(y)

with :math:`f_1` the density of all targets. The residual of a wrong row depends on its
prediction, that of a right row does not; where the columns say nothing of the target
both densities are the same, and nothing can be gained. Densities are smoothed
histograms of asinh(x / median \|x\|), w and :math:`f_0` are fitted by expectation
maximisation.

Residuals whose spread depends on the prediction depend on it as well. So the test is
made twice, the second time with r / v(s), v being the running median of \|r\|; mistakes
are shown where both log likelihoods gain more than two.

Targets with limits (ages, percentages) have residuals that are cut off differently at
each prediction, which looks like a mixture as well. There (a kurtosis below 2) the
smaller gain must also exceed that of tables without mistakes, with the same targets and
predictions: normal scores of the targets are drawn again, given those of the
predictions, with the correlation that they have.

**When it fails.** Of 60 rows it shows hardly anything. Skewed errors whose spread
grows with the prediction can pass for mistakes where `Amounts` takes no logarithms. The
share w is too small, and not used.
"""

import numpy as np
from scipy.ndimage import median_filter
from scipy.stats import kurtosis, norm, rankdata

from skinfluence.cleaning.surprise._histogram import Histogram

SMALLEST_GAIN = 2.0
N_ROUNDS = 100
# Targets whose kurtosis is below this have limits; that of a uniform one is 1.8.
FLAT = 2.0
# Tables without mistakes that are drawn, and rows of each at most.
N_DRAWN, MAX_DRAWN = 19, 5_000


def targets_look_exchanged(predictions, targets):
    """Tell whether some targets are shown to be exchanged.

    Parameters
    ----------
    predictions, targets : ndarray of shape (n, m)
        Predictions of models without the row, and targets as given, both centred.

    Returns
    -------
    shown : bool
        In at least one of the m outputs.
    """
    if len(targets) < 3:
        return False
    return any(
        _looks_exchanged(s, y) for s, y in zip(predictions.T, targets.T, strict=True)
    )


def _looks_exchanged(predictions, targets):
    # The stack is that of all outputs: where it says nothing of this one its
    # predictions are chance, and all targets would look exchanged.
    slope = predictions @ targets / max(predictions @ predictions, 1e-300)
    predictions = np.clip(slope, 0.0, 1.0) * predictions
    gain = _smaller_gain(predictions, targets)
    if not gain > SMALLEST_GAIN:
        return False
    if kurtosis(targets, fisher=False) >= FLAT:
        return True
    return gain > _gain_of_right_rows(predictions, targets)


def _smaller_gain(predictions, targets):
    """Gain with residuals without scaling, or in units of their running spread."""
    residuals = targets - predictions
    plain = _gain(targets, residuals, np.ones(len(targets)))
    return min(plain, _gain(targets, residuals, _spread(residuals, predictions)))


def _gain_of_right_rows(predictions, targets):
    """Largest gain of tables without mistakes, with these targets and predictions."""
    rng = np.random.default_rng(0)
    few = np.arange(len(targets))
    if len(few) > MAX_DRAWN:
        few = rng.choice(few, MAX_DRAWN, replace=False)
    s, y = predictions[few], targets[few]
    u, z = (norm.ppf((rankdata(v) - 0.5) / len(few)) for v in (s, y))
    correlation = np.clip(u @ z / np.sqrt((u @ u) * (z @ z)), 0.0, 1.0)
    ranked, most = np.sort(y), 0.0
    for _ in range(N_DRAWN):
        noise = rng.standard_normal(len(few))
        drawn = correlation * u + np.sqrt(1 - correlation**2) * noise
        most = max(most, _smaller_gain(s, ranked[drawn.argsort().argsort()]))
    # Misfits of a density gain in proportion to the number of rows.
    return most * len(targets) / len(few)


def _spread(residuals, predictions):
    """Running median of absolute residuals along the predictions."""
    n = len(residuals)
    order = np.argsort(predictions, kind="stable")
    width = min(n, max(15, n // 10)) | 1
    spread = np.empty(n)
    spread[order] = median_filter(np.abs(residuals[order]), width, mode="nearest")
    return np.maximum(spread, 1e-3 * np.abs(residuals).mean())


def _gain(targets, residuals, spread):
    """Log likelihood with targets of other rows minus that without."""
    if not np.abs(residuals).max() > 0 or not np.ptp(targets) > 0:
        return 0.0
    scaled = residuals / spread
    log_other = np.log(Histogram(targets).density(np.ones(len(targets))))
    histogram = Histogram(scaled)
    own = np.log(histogram.density(np.ones(len(scaled)))) - np.log(spread)
    plain, share, best = own.sum(), 0.1, 0.0
    for _ in range(N_ROUNDS):
        wrong = np.log(share) + log_other
        both = np.logaddexp(np.log1p(-share) + own, wrong)
        p = np.exp(wrong - both)
        share = np.clip(p.mean(), 1e-6, 0.5)
        own = np.log(histogram.density(1 - p)) - np.log(spread)
        gain = both.sum() - plain
        if gain < best + 0.001 and best > 0:
            break
        best = max(best, gain)
    return best
