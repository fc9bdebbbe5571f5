"""How likely each row's target is wrong: the least that is needed, and the most."""

from dataclasses import dataclass

import numpy as np

from skinfluence.cleaning._false_discoveries import probability_wrong


@dataclass(frozen=True)
class WrongRows:
    """The probability of every row to have a wrong target, as a range.

    Attributes
    ----------
    probability : ndarray of shape (n,)
        The estimate: the smallest that the shape of the predictions needs. Zero where
        no fold judges the row.
    ceiling : ndarray of shape (n,)
        The largest possible, never below ``probability``.
    share : float
        Mean of ``probability``.
    share_ceiling : float
        Mean of ``ceiling``.
    transition : ndarray of shape (k, k) or None
        ``transition[j, c]`` is the probability of the label c where j is true; None
        for numbers, and for several columns of labels.
    """

    probability: np.ndarray
    ceiling: np.ndarray
    share: float
    share_ceiling: float
    transition: np.ndarray | None

    def fine_share(self, rows):
        """Return the smallest possible and the estimated share of rows that are right.

        Parameters
        ----------
        rows : ndarray of bool or int
            Which rows are asked about.

        Returns
        -------
        smallest, estimate : float
            NaN without rows.
        """
        if not len(self.probability[rows]):
            return np.nan, np.nan
        return (
            float(1 - self.ceiling[rows].mean()),
            float(1 - self.probability[rows].mean()),
        )


def wrong_rows(scores):
    """Estimate which rows are wrong from what models without them predict.

    Parameters
    ----------
    scores : RowScores
        Of all rows.

    Returns
    -------
    wrong : WrongRows
    """
    ceiling = probability_wrong(scores.values, scores.wrong_values, scores.n_classes)
    probability = ceiling
    return WrongRows(
        probability, ceiling, float(probability.mean()), float(ceiling.mean()), None
    )
