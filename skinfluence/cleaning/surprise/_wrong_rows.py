"""The probability that each row's target is wrong: an estimate and its range.

The estimate looks at the form of the predictions of the fixed scorer's regressions:
whether they go on or stop where they become extreme. Trees in the scorer's stack learn
where they stop: of what is observed they say so much that no mistakes are needed to
explain it, whether there are any or not. So trees, and the regressions on weighted
columns that may be stacked with them, never make the estimate. But where these predict
clearly better, the form of the regressions' predictions is partly a misfit, and what
the whole stack says widens the range at both ends.
"""

from dataclasses import dataclass, replace

import numpy as np

from skinfluence.cleaning.surprise._false_discoveries import probability_wrong
from skinfluence.cleaning.surprise._label_noise import fit_label_noise
from skinfluence.cleaning.surprise._target_noise import targets_look_exchanged

TWO_SIDED = 1.96  # standard deviations, 95% of a normal distribution


@dataclass(frozen=True)
class WrongRows:
    """The probability of every row to have a wrong target, as a range.

    Attributes
    ----------
    floor : ndarray of shape (n,)
        The smallest that predictions without the row need, never above
        ``probability``: with more in the scorer's stack also that of the whole.
    probability : ndarray of shape (n,)
        The estimate: the smallest that explains the form of the regressions'
        predictions. Zero for rows that no fold holds out.
    ceiling : ndarray of shape (n,)
        The largest of all estimates that the table does not rule out, never below
        ``probability``.
    share, share_ceiling : float
        The ends of the share of wrong rows in the table, as `fine_share` has them.
    transition : ndarray of shape (k, k) or None
        ``transition[j, c]`` is the probability of the label c if j is the true one;
        None for numbers, for several columns of labels, and if there is nothing to
        compare.
    """

    floor: np.ndarray
    probability: np.ndarray
    ceiling: np.ndarray
    share: float
    share_ceiling: float
    transition: np.ndarray | None

    def fine_share(self, rows):
        """Return the smallest and the largest possible share of rows that are right.

        Rows are right or wrong independently, each with its own probability: the range
        includes 1.96 standard deviations of their share.

        Parameters
        ----------
        rows : ndarray of bool or int
            The rows to look at.

        Returns
        -------
        smallest, largest : float
            NaN without rows.
        """
        smallest, largest = _shares(self.floor[rows], self.ceiling[rows])
        return 1 - largest, 1 - smallest


def _shares(floor, ceiling):
    """Return the ends of the share of rows that are wrong."""
    if not len(floor):
        return np.nan, np.nan
    smallest = floor.mean() - TWO_SIDED * _deviation(floor)
    largest = ceiling.mean() + TWO_SIDED * _deviation(ceiling)
    return float(max(smallest, 0.0)), float(min(largest, 1.0))


def _deviation(probability):
    """Standard deviation of the share of rows that are wrong by chance."""
    # Rounding may leave a probability above one.
    return np.sqrt(max((probability * (1 - probability)).sum(), 0)) / len(probability)


def wrong_rows(scores):
    """Estimate the probability to be wrong from predictions by models without the row.

    Labels: see `_label_noise`. Numbers: either no row is shown to be wrong, or the
    estimate of `_false_discoveries` applies, its odds multiplied by those of
    `_far_rows`; see `_target_noise`. No model is trained again; the time is about that
    of the scorer.

    Parameters
    ----------
    scores : RowScores
        Scores of all rows.

    Returns
    -------
    wrong : WrongRows

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from skinfluence.cleaning.surprise._scorer import score_rows
    >>> from skinfluence.cleaning.surprise._wrong_rows import wrong_rows
    >>> X, y = load_wine(return_X_y=True)
    >>> y[:178:10] = (y[:178:10] + 1) % 3  # a tenth of the labels is wrong
    >>> wrong = wrong_rows(score_rows(X, y, True))
    >>> print(f"{wrong.share:.2f}, at most {wrong.share_ceiling:.2f}")
    0.04, at most 0.11
    >>> coins = np.random.default_rng(0).integers(0, 2, 178)
    >>> wrong = wrong_rows(score_rows(X, coins, True))
    >>> print(f"{wrong.share:.2f}, but up to {wrong.share_ceiling:.2f} are possible")
    0.00, but up to 0.46 are possible
    """
    plain = scores.plain or scores
    floor, probability, ceiling, transition = _estimate(plain)
    if scores.plain:
        needed, _, allowed, _ = _estimate(scores)
        floor = np.minimum(floor, needed)
        ceiling = np.maximum(ceiling, allowed)
    ends = _shares(floor, ceiling)
    return WrongRows(floor, probability, ceiling, *ends, transition)


def _estimate(scores):
    """Return least, estimate, ceiling and matrix of noise of one stack."""
    ceiling = _largest_probability(scores)
    floor, probability, transition = (
        np.zeros(len(ceiling)),
        np.zeros(len(ceiling)),
        None,
    )
    columns = scores.columns
    if columns and columns[0].temperature is None:
        if _numbers_look_wrong(columns[0]):
            floor = probability = ceiling
    elif columns:
        share = ceiling.mean()
        results = [_wrong_labels(column, share) for column in columns]
        # A row is right where all its labels are.
        floor, probability, most = 1 - np.prod(
            [1 - ends for ends, _ in results], axis=0
        )
        ceiling = np.maximum(ceiling, most)
        if len(results) == 1:
            transition = results[0][1]
    return floor, probability, ceiling, transition


def _largest_probability(scores):
    numbers = [scored for scored in scores.columns if scored.odds is not None]
    if not numbers:
        # The largest probability allows mistakes in both directions.
        both = scores.log_losses or (scores.values, scores.wrong_values)
        return probability_wrong(*both, scores.n_classes)
    (scored,) = numbers
    # Without odds: exchanged targets do not depend on the distance of the row.
    even = replace(scored, odds=None)
    values = even.values(even.predictions, even.T)
    probability = probability_wrong(values, even.exchanged_values(), None)
    odds = scored.odds.max(axis=1)
    return odds * probability / (1 - probability + odds * probability)


def _judged(scored):
    """Return the rows that are judged, their predictions and their targets."""
    rows = np.flatnonzero(~np.isnan(scored.predictions).any(axis=1))
    return rows, scored.predictions[rows], scored.T[rows]


def _numbers_look_wrong(scored):
    _, said, T = _judged(scored)
    return targets_look_exchanged(said, T)


def _wrong_labels(scored, share):
    """Return least, estimate and most, (3, n), and the matrix of one column."""
    rows, said, T = _judged(scored)
    labels = T.argmax(axis=1)
    noise = fit_label_noise(said, labels, share)
    probability = np.zeros((3, len(scored.T)))
    probability[:, rows] = noise.probability_wrong(said, labels)
    return probability, noise.transition
