r"""How many rows to drop, found on held-out folds.

Rows are valued and dropped in the training part of each fold, the model is trained on
the rest and predicts the held-out rows, whose targets stay as they are. With
:math:`d_{jf}` the loss on held-out row j without cleaning minus that at share f, the
chosen share maximises :math:`\bar d_f - se_f`. It is taken only if the model is better
by more than two standard errors than without cleaning (one would not do: a share is so
much up by chance one time in six, the best of several more often), and by more than one
than a model from which as many rows were dropped at random; else nothing is dropped.

The loss is the zero-one loss of labels and the squared error of numbers. Log loss would
not do: with wrong labels among the held-out rows it rewards models that expect them.

**Cost.** Per fold one valuing and ``len(FRACTIONS) + 3`` fits of the estimator: nothing
dropped, every share, the estimated share of wrong rows, and rows drawn at random.

**When it fails.** Held-out rows are as wrong as the others, which makes the comparison
noisy, never biased, if they are wrong at random; the standard error is why on a small
table cleaning has to help a lot to be chosen. Mistakes that are systematic (one class
taken for another throughout) are what the held-out rows want to see predicted.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

# Standard errors that a gain must exceed, over all rows and over rows at random.
SURE, SURE_RANDOM = 2.0, 1.0
FRACTIONS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)


@dataclass(frozen=True)
class DropSearch:
    """What was tried, and what was chosen.

    Attributes
    ----------
    drop_fraction : float
        The chosen share; 0 where cleaning does not help.
    fractions : ndarray of shape (n_fractions,)
        The shares that were tried.
    loss_all : float
        Mean loss on held-out rows of the model trained on all rows.
    gain : ndarray of shape (n_fractions,)
        Mean loss with all rows minus that of the cleaned model. Positive = better.
    standard_error : ndarray of shape (n_fractions,)
        Of the gains, paired over held-out rows; over groups, where there are any.
    gain_random, standard_error_random : float
        Of the model whose rows were dropped at random, at the best share.
    verdict : str
        The choice in words.
    """

    drop_fraction: float
    fractions: np.ndarray
    loss_all: float
    gain: np.ndarray
    standard_error: np.ndarray
    gain_random: float
    standard_error_random: float
    verdict: str


def search_drop_fraction(
    fold_losses, random_losses, pairs, fractions, groups, n_jobs, name, treated
):
    """Choose among shares by losses on held-out rows.

    Parameters
    ----------
    fold_losses : callable
        ``(train, test, fractions) -> (1 + n_fractions, n_test)``: losses without
        cleaning and at each share.
    random_losses : callable
        ``(train, test, fraction, index) -> (n_test,)``: rows dropped at random.
    pairs : list of (ndarray, ndarray)
        Training and test rows.
    fractions : sequence of float
        Shares to try.
    groups : ndarray of shape (n_samples,) or None
        Rows of one group are not independent.
    n_jobs : int or None
        Folds at once.
    name : str
        Of the loss.
    treated : str
        What is done to suspects, in words with a place for the share.

    Returns
    -------
    search : DropSearch
    """
    losses = Parallel(n_jobs=n_jobs)(
        delayed(fold_losses)(train, test, fractions) for train, test in pairs
    )
    losses = np.concatenate(losses, axis=1)
    held_out = np.concatenate([test for _, test in pairs])
    groups = None if groups is None else np.asarray(groups)[held_out]
    gains = losses[0] - losses[1:]
    gain, error = np.array([paired_mean(row, groups) for row in gains]).T
    best = int((gain - error).argmax())
    random = np.concatenate(
        Parallel(n_jobs=n_jobs)(
            delayed(random_losses)(train, test, fractions[best], index)
            for index, (train, test) in enumerate(pairs)
        )
    )
    gain_random, error_random = paired_mean(losses[0] - random, groups)
    over, over_error = paired_mean(gains[best] - (losses[0] - random), groups)
    chosen = fractions[best]
    figures = (
        f"mean {name} on held-out rows {losses[0].mean():.4g} with all rows; "
        f"{gain[best]:+.2g} (standard error {error[best]:.2g}) better "
        f"{treated.format(f'{chosen:.1%}')}, {gain_random:+.2g} without as many at "
        "random"
    )
    if gain[best] > SURE * error[best] and over > SURE_RANDOM * over_error:
        verdict = f"cleaning helps: {figures}"
    else:
        verdict = (
            "cleaning does not help beyond noise, the table stays as it is: " + figures
        )
        chosen = 0.0
    return DropSearch(
        float(chosen),
        np.array(fractions),
        float(losses[0].mean()),
        gain,
        error,
        gain_random,
        error_random,
        verdict,
    )


def paired_mean(differences, groups=None):
    """Return a mean over rows and its standard error, rows of a group being as one."""
    n = len(differences)
    if groups is not None:
        _, groups = np.unique(groups, return_inverse=True)
        centred = differences - differences.mean()
        sums = np.bincount(groups, centred)
        few = max(len(sums) - 1, 1)
        return differences.mean(), np.sqrt(len(sums) / few * (sums**2).sum()) / n
    return differences.mean(), differences.std(ddof=1 if n > 1 else 0) / np.sqrt(n)


def row_losses(y, predicted, classification):
    """Zero-one loss or squared error of every row, mean over outputs."""
    y, predicted = np.asarray(y), np.asarray(predicted)
    loss = y != predicted.reshape(y.shape) if classification else None
    if loss is None:
        loss = (y.astype(np.float64) - predicted.reshape(y.shape)) ** 2
    return loss.reshape(len(y), -1).mean(axis=1)
