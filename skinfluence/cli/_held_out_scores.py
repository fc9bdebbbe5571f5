r"""Scores of two models on held-out rows, and the effect of cleaning.

The proper score decides: log loss of labels, squared error of numbers. Accuracy is
insensitive to rare classes and to overconfident probabilities. Balanced accuracy, the
mean over classes of the share of rows predicted correctly, ranks models of two classes
in the same way on right labels and on labels of which some are wrong, for any share of
wrong labels in each class [1]_.

**Wrong labels among the held-out rows.** A model trained on all rows predicts the
labels as they are given, a model trained on cleaned rows the right ones, for which the
log loss of wrong held-out labels is large. The probabilities q of the latter are
therefore turned into those of the labels as given,

.. math:: q ((1 - \lambda) I + \lambda R)

with R the probabilities of mistakes, estimated in the training part of the fold, and
:math:`\lambda` the share of them that cleaning removed. Without estimated mistakes this
is q itself.

Standard errors are those of the mean of paired differences over held-out rows. Rows of
one group count as one.

References
----------
.. [1] A. Menon, B. van Rooyen, C. S. Ong, R. Williamson, "Learning from Corrupted
   Binary Labels via Class-Probability Estimation", ICML 2015.
"""

from dataclasses import dataclass

import numpy as np

# Number of standard errors of a clear difference.
CLEAR = 2.0


@dataclass(frozen=True)
class Score:
    """A score before and after cleaning.

    Attributes
    ----------
    before, after : float
        Means over held-out rows.
    gain, error : float
        Improvement by cleaning (positive is better for every score), and its standard
        error.
    """

    before: float
    after: float
    gain: float
    error: float

    @property
    def clearly_better(self):
        """Whether the gain is more than two standard errors."""
        return self.gain > CLEAR * self.error

    @property
    def clearly_worse(self):
        """Whether the loss is more than two standard errors."""
        return self.gain < -CLEAR * self.error


@dataclass(frozen=True)
class HeldOut:
    """Predictions of held-out rows before and after cleaning.

    Attributes
    ----------
    y : ndarray of shape (n_samples,)
        Targets as given.
    classification : bool
        Whether y holds labels.
    groups : ndarray of shape (n_samples,) or None
        Rows that are not independent.
    fold : ndarray of int, shape (n_samples,)
        The fold that holds the row out; -1 if there is none.
    losses : ndarray of shape (2, n_samples)
        Log loss or squared error before and after; NaN if no fold holds the row out.
    predicted : ndarray of shape (2, n_samples)
        Predictions before and after.
    """

    y: np.ndarray
    classification: bool
    groups: np.ndarray | None
    fold: np.ndarray
    losses: np.ndarray
    predicted: np.ndarray

    @property
    def proper(self):
        """Name of the score that decides."""
        return "log loss" if self.classification else "mean squared error"

    def scores(self):
        """Return the scores of all held-out rows by name, the proper one first."""
        rows = np.flatnonzero(self.fold >= 0)
        scores = {self.proper: self._score(-self.losses, rows, sign=-1)}
        if self.classification:
            right = self._right()
            _, index, count = np.unique(
                self.y[rows], return_inverse=True, return_counts=True
            )
            weight = np.zeros(len(self.y))
            weight[rows] = len(rows) / len(count) / count[index]
            scores["balanced accuracy"] = self._score(right, rows, weight)
            scores["accuracy"] = self._score(right, rows)
        else:
            loss = scores[self.proper]
            spread = self.y[rows].var() or 1.0
            scores["R2"] = Score(
                1 - loss.before / spread,
                1 - loss.after / spread,
                loss.gain / spread,
                loss.error / spread,
            )
        return scores

    def classes(self):
        """Return, by class, the number of held-out rows, log loss and accuracy."""
        scores = {}
        for label in np.unique(self.y):
            rows = np.flatnonzero((self.y == label) & (self.fold >= 0))
            if len(rows):
                scores[label] = (
                    len(rows),
                    self._score(-self.losses, rows, sign=-1),
                    self._score(self._right(), rows),
                )
        return scores

    def of_rows(self, chosen):
        """Return the proper score of some of the rows; None where none is held out."""
        rows = np.flatnonzero(chosen & (self.fold >= 0))
        return self._score(-self.losses, rows, sign=-1) if len(rows) else None

    def by_fold(self):
        """Return the mean proper loss of each fold, shape (2, n_folds)."""
        return np.array(
            [
                self.losses[:, self.fold == k].mean(axis=1)
                for k in range(self.fold.max() + 1)
            ]
        ).T

    def harm(self):
        """Return why the cleaned model is clearly worse; None if it is not.

        If a class is predicted clearly worse than before while the proper score is not
        clearly better, the model has moved towards the other classes. Accuracy may
        improve by such a move, and is not used.
        """
        scores = self.scores()
        names = [self.proper] + ["balanced accuracy"] * self.classification
        worse = [name for name in names if scores[name].clearly_worse]
        if worse:
            return (
                "after cleaning the model is clearly worse on held-out rows "
                f"({' and '.join(worse)})"
            )
        if scores[self.proper].clearly_better or not self.classification:
            return None
        classes = self.classes()
        worse = [name for name, (_, loss, _) in classes.items() if loss.clearly_worse]
        if worse:
            return (
                "after cleaning the model favours other classes at the cost of "
                f"{len(worse)} of {len(classes)}, whose log loss is clearly worse"
            )
        return None

    def verdict(self):
        """Describe the effect of cleaning in one sentence."""
        harm = self.harm()
        if harm is not None:
            return f"{harm[0].upper()}{harm[1:]}."
        if self.scores()[self.proper].clearly_better:
            return (
                f"After cleaning the model is clearly better on held-out rows "
                f"({self.proper})."
            )
        return (
            "These held-out rows do not show whether cleaning helps: the difference in "
            f"{self.proper} is below {CLEAR:g} standard errors."
        )

    def _right(self):
        return (self.predicted == self.y).astype(np.float64)

    def _score(self, good, rows, weight=None, sign=1):
        """Score from values per row of which larger is better, shown times ``sign``."""
        good = good[:, rows] if weight is None else (good * weight)[:, rows]
        groups = None if self.groups is None else self.groups[rows]
        gain, error = paired_mean(good[1] - good[0], groups)
        before, after = sign * good.mean(axis=1)
        return Score(float(before), float(after), float(gain), float(error))


def paired_mean(differences, groups=None):
    """Return a mean over rows and its standard error, with rows of a group as one.

    The error of a single row or group is NaN.
    """
    n, mean = len(differences), differences.mean()
    sums = differences - mean
    if groups is not None:
        sums = np.bincount(np.unique(groups, return_inverse=True)[1], sums)
    few = len(sums) - 1
    if not few:
        return mean, np.nan
    return mean, np.sqrt(len(sums) / few * (sums**2).sum()) / n


def remaining_mistakes(wrong, kept):
    """Return the probability of each given label by the label that a model predicts.

    Parameters
    ----------
    wrong : WrongRows
        Estimate for the rows that were cleaned.
    kept : ndarray of bool, shape (n_samples,)
        False for suspects.

    Returns
    -------
    mistakes : ndarray of shape (k, k) or None
        None if no mistakes were estimated.
    """
    total = wrong.probability.sum()
    if wrong.transition is None or not total:
        return None
    part = wrong.probability[~kept].sum() / total
    return (1 - part) * np.eye(len(wrong.transition)) + part * wrong.transition


def among_classes(mistakes, given, classes):
    """Return probabilities of mistakes among the classes that a model knows.

    Parameters
    ----------
    mistakes : ndarray of shape (n_given, n_given)
        As `remaining_mistakes` returns them.
    given : ndarray of shape (n_given,)
        Labels as given, sorted.
    classes : ndarray of shape (k,)
        Labels after verdicts, sorted: nothing is mistaken for one that was not given.

    Returns
    -------
    mistakes : ndarray of shape (k, k)
    """
    among = np.eye(len(classes))
    both = np.flatnonzero(np.isin(classes, given))
    rows = np.searchsorted(given, classes[both])
    among[np.ix_(both, both)] = mistakes[np.ix_(rows, rows)]
    return among
