r"""Numbers as targets: their scale, and the residual that is typical at each row.

A residual is much or little depending on where it is: prices of cheap things vary by
less than those of dear ones. Three things are learnt from predictions of rows held out,
all by `StackedRidge`:

1. *Logarithms or not.* Positive numbers are replaced by their logarithms where these
   are predicted clearly better: where the log likelihood of Cauchy errors, both in the
   unit of the numbers, gains more than four standard errors over the rows. (Under
   lighter tails a few numbers that are far too large decide it.)
2. *What is typical.* :math:`t_i = \exp g_{-i}(x_i)`, g predicting
   :math:`\log |r_j|` of the other rows' residuals, which are first cut off at a tenth
   and at five times their median: neither a lucky hit nor a wrong target says what is
   typical. Where residuals are alike everywhere the stack gives no weight to any
   regression, and t is constant.
3. *Targets that do not pull.* What regressions and trees learn are the targets moved to
   within two typical residuals of the first prediction, one step of a robust
   regression: wrong targets hardly move the predictions of other rows.

The residual u is in units of t, with a median of one over the table, and the loss is
:math:`u^2 / (36 + u^2)` (Geman and McClure): squares for what is common, and no
difference between wrong and more wrong.

**When it fails.** Where most targets are one number (no claim, no sale), its residuals
are what is typical, and rare large numbers are suspect. So are, in part of a table,
right rows where more than half of the others are wrong.

**Cost.** Two passes of `StackedRidge` before the one that scores.

References
----------
S. Geman, D. McClure, "Statistical Methods for Tomographic Image Reconstruction",
Bulletin of the International Statistical Institute 52, 1987.
R. J. Carroll, D. Ruppert, "Transformation and Weighting in Regression", Chapman and
Hall, 1988.
"""

from dataclasses import dataclass

import numpy as np

from skinfluence.cleaning.surprise._stacked_ridge import StackedRidge

CLEARLY = 4.0  # standard errors
SMALLEST, LARGEST = 0.1, 5.0  # limits of residuals, in medians
PULL = 2.0  # typical residuals
HALF = 6.0  # typical residuals, at which the loss is a half
# Larger numbers are clipped to these, because their squares would overflow.
HUGE, FARTHEST = 1e150, 1e100  # in the unit of the table, in standard deviations


@dataclass(frozen=True)
class Amounts:
    """Numbers on the scale of the models, and their typical residuals.

    Attributes
    ----------
    T : ndarray of shape (n, m)
        The numbers or their logarithms, in units of their standard deviation.
    pulled : ndarray of shape (n, m)
        The same within two typical residuals of their prediction.
    typical : ndarray of shape (n, m)
        The residual that is typical at each row, up to a factor.
    logarithm : ndarray of bool, shape (m,)
        Whether T is that of logarithms.
    centre, spread : ndarray of shape (m,)
        Mean and standard deviation of the numbers or their logarithms.
    sizes : list of StackedRidge
        The stacks of the logarithm of typical residuals: of the numbers, and of their
        logarithms where they are tried.
    """

    T: np.ndarray
    pulled: np.ndarray
    typical: np.ndarray
    logarithm: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    sizes: list

    def scaled(self, y):
        """Return numbers of shape (n, m) on the scale of ``T``."""
        # Numbers that are not positive get the logarithm of the smallest positive one.
        log = np.log(np.maximum(y, np.finfo(float).tiny))
        y = np.clip(y, -HUGE, HUGE)
        with np.errstate(over="ignore"):
            T = (np.where(self.logarithm, log, y) - self.centre) / self.spread
        return np.clip(T, -FARTHEST, FARTHEST)

    def sizes_of(self, Z):
        """Return typical residuals of other rows, shape (n, m), up to a factor.

        ``Z`` is as `StackedRidge.predict` takes it.
        """
        return np.exp(self._chosen([stack.predict(Z) for stack in self.sizes]))

    @property
    def size(self):
        """Typical residual of the first row, shape (m,), up to the same factor."""
        return np.exp(self._chosen([s.predictions[:1] for s in self.sizes]))[0]

    def _chosen(self, of_scales):
        columns, chosen = np.arange(len(self.logarithm)), self.logarithm.astype(int)
        return np.moveaxis(np.stack(of_scales), 0, -1)[..., columns, chosen]

    def numbers(self, T):
        """Return numbers from values on the scale of ``T``, shape (n, m)."""
        numbers = self.centre + self.spread * T
        # Exponentials of larger numbers overflow.
        return np.where(self.logarithm, np.exp(np.minimum(numbers, 700.0)), numbers)


def fit_amounts(Z, y, folds=None):
    """Learn scale and typical residuals of numbers.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised columns.
    y : ndarray of shape (n, m)
        Numbers.
    folds : list of (ndarray, ndarray), default=None
        As in `StackedRidge`.

    Returns
    -------
    amounts : Amounts
    """
    positive = (y > 0).all(axis=0)
    scales = [np.clip(y, -HUGE, HUGE)]
    if positive.any():
        scales.append(np.where(positive, np.log(np.where(positive, y, 1.0)), y))
    centres = [scale.mean(axis=0) for scale in scales]
    spreads = [scale.std(axis=0) for scale in scales]
    spreads = [np.where(spread > 0, spread, 1.0) for spread in spreads]
    targets = [(s - c) / d for s, c, d in zip(scales, centres, spreads, strict=True)]
    said = [stack.predictions for stack in StackedRidge.several(Z, targets, folds)]
    residuals = [T - p for T, p in zip(targets, said, strict=True)]
    sizes, typical = _typical(Z, residuals, folds)
    chosen = np.zeros(y.shape[1], dtype=int)
    if positive.any():
        plain, of_logarithm = (
            _log_likelihood(r, t) - np.log(d)
            for r, t, d in zip(residuals, typical, spreads, strict=True)
        )
        gain = of_logarithm - scales[1] - plain
        error = np.nanstd(gain, axis=0) / np.sqrt((~np.isnan(gain)).sum(axis=0))
        chosen[positive & (np.nanmean(gain, axis=0) > CLEARLY * error)] = 1
    columns = np.arange(y.shape[1])

    def best(of_scales):
        return np.moveaxis(np.stack(of_scales), 0, -1)[..., columns, chosen]

    T, r, t = best(targets), best(residuals), best(typical)
    pulled = np.where(np.isnan(r), T, T - r + np.clip(r, -PULL * t, PULL * t))
    log = chosen == 1
    return Amounts(T, pulled, t, log, best(centres), best(spreads), sizes)


def in_its_units(residuals, typical):
    """Scale typical residuals so that residuals are in the median as large."""
    ratio = np.nanmedian(np.abs(residuals) / typical, axis=0)
    return typical * np.where(ratio > 0, ratio, 1.0)


def loss_of_amounts(u, odds=1.0):
    """Mean over outputs of the loss of residuals, in units of the typical residual.

    Under Cauchy errors the odds of a wrong row are proportional to 1 + u^2: ``odds``
    multiplies these.
    """
    squared = odds * u**2 + (odds - 1)
    return (squared / (HALF**2 + squared)).mean(axis=-1)


def _typical(Z, residuals, folds):
    logs = []
    for r in residuals:
        size = np.abs(r)
        # Where most residuals are zero the others are not infinitely far away.
        middle = np.maximum(np.nanmedian(size, axis=0), 0.01 * np.nanmean(size, axis=0))
        middle = np.maximum(middle, 1e-9)  # rounding, the targets' unit being one
        size = np.where(np.isnan(size), middle, size)
        logs.append(np.log(np.clip(size, SMALLEST * middle, LARGEST * middle)))
    stacks = StackedRidge.several(Z, logs, folds)
    return stacks, [
        in_its_units(r, np.exp(_filled(stack)))
        for r, stack in zip(residuals, stacks, strict=True)
    ]


def _filled(stack):
    """Predictions, and the mean for rows that no fold judges."""
    return np.where(np.isnan(stack.predictions), stack.mean, stack.predictions)


def _log_likelihood(residuals, typical):
    """Of Cauchy errors, up to a constant; (n, m)."""
    return -np.log(typical) - np.log1p((residuals / typical) ** 2)
