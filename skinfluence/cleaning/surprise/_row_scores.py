"""What the fixed scorer says of rows, and the models behind."""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, logsumexp

from skinfluence.cleaning.surprise._amounts import Amounts, loss_of_amounts
from skinfluence.cleaning.surprise._far_rows import Distance
from skinfluence.cleaning.surprise._relevant_columns import RelevantColumns
from skinfluence.cleaning.surprise._stacked_ridge import StackedRidge
from skinfluence.cleaning.surprise._tree_columns import TreeColumns
from skinfluence.cleaning.surprise._trees import Trees


@dataclass(frozen=True)
class RowScores:
    """What models trained without a row say of it.

    Attributes
    ----------
    values : ndarray of shape (n_samples,)
        Minus the loss of the row under the models without it. Low = suspect. NaN
        where no fold holds the row out.
    expected : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The label or number that these models predict; the row's own where it has no
        value.
    probability : ndarray of shape (n_samples,) or None
        The probability they give to the row's own label; None for regression.
    wrong_values : ndarray of shape (n_samples,)
        The values if every row had a wrong target, drawn from the other rows.
    n_classes : int or None
        Of one column of labels.
    columns : list of Scored
        The models behind, one per column of labels or one for all numbers; empty
        where there is nothing to compare.
    plain : RowScores or None
        What the regressions say by themselves; None where nothing is with them.
    log_losses : tuple of two ndarray of shape (n_samples,), or None
        ``values`` and ``wrong_values`` as if mistakes were not made one way; None where
        they are not.
    sample : ndarray of int or None
        Rows that the models were fitted to, in order; None: all of them.
    of_sample : RowScores or None
        What the models say of these rows.
    """

    values: np.ndarray
    expected: np.ndarray
    probability: np.ndarray | None
    wrong_values: np.ndarray
    n_classes: int | None
    columns: list
    plain: "RowScores | None" = None
    log_losses: tuple | None = None
    sample: np.ndarray | None = None
    of_sample: "RowScores | None" = None

    @property
    def typical_residuals(self):
        """Residuals of one column of numbers, in units of what is typical there.

        Zero where no fold holds the row out, and where there is nothing to compare.
        """
        if not self.columns:
            return np.zeros(len(self.values))
        (scored,) = self.columns
        residuals = (scored.T - scored.predictions)[:, 0] / scored.typical[:, 0]
        return np.nan_to_num(residuals)


@dataclass(frozen=True)
class Scored:
    """Predictions of rows held out, and how they become values.

    Attributes
    ----------
    stack : StackedRidge
        Of indicators of labels, or of `Amounts`.
    predictions : ndarray of shape (n, k)
        Those of the stack, with trees in it where they gain.
    T : ndarray of shape (n, k)
        Indicators, or numbers on the scale of the stack.
    temperature : float or None
        Inverse temperature of the softmax; None for numbers.
    typical : ndarray of shape (n, k) or None
        The residual that is typical at each row; None for labels.
    amounts : Amounts or None
        How numbers are learnt and judged; None for labels.
    more : MoreInStack or None
        None where the predictions are those of the stack.
    frequency : ndarray of shape (k, k) or None
        Of mistakes, see `frequency_of_mistakes`; None where they are not made one way,
        and for numbers.
    far : Distance or None
        How far other rows are; None for labels.
    distance : ndarray of shape (n,) or None
        How far the rows are from the others; None for labels.
    odds : ndarray of shape (n, k) or None
        Of `odds_of_far_rows`; None where they are not asked for.
    """

    stack: StackedRidge
    predictions: np.ndarray
    T: np.ndarray
    temperature: float | None
    typical: np.ndarray | None
    amounts: Amounts | None = None
    more: "MoreInStack | None" = None
    frequency: np.ndarray | None = None
    far: Distance | None = None
    distance: np.ndarray | None = None
    odds: np.ndarray | None = None

    def predict(self, Z, X, of_stack=None):
        """Predict other rows by the models of all rows.

        Parameters
        ----------
        Z : list of ndarray
            Matrices of the rows, as `StackedRidge` takes them.
        X : array-like
            The rows.
        of_stack : ndarray of shape (m, k), default=None
            What the stack says of them, if that is known.

        Returns
        -------
        predictions : ndarray of shape (m, k)
        """
        said = self.stack.predict(Z) if of_stack is None else of_stack
        return said if self.more is None else self.more.added_to(said, Z, X)

    def typical_of(self, Z):
        """Return the residuals that are typical at other rows, shape (m, k)."""
        return self.amounts.sizes_of(Z) * (self.typical[0] / self.amounts.size)

    def values(self, said, T, rows=slice(None)):
        """Minus the loss of predictions, the targets being ``T``.

        Parameters
        ----------
        said, T : ndarray of shape (..., m, k)
            Predictions and targets.
        rows : slice or ndarray of int, default=slice(None)
            The m rows that they are of.

        Returns
        -------
        values : ndarray of shape (..., m)
        """
        if self.temperature is None:
            odds = 1.0 if self.odds is None else self.odds[rows]
            return -loss_of_amounts((T - said) / self.typical[rows], odds)
        log_q = log_softmax(self.temperature * said, axis=-1)
        if self.frequency is None:
            return (T * log_q).sum(axis=-1)
        log_q = log_q + T @ np.log(self.frequency).T
        return (T * log_q).sum(axis=-1) - logsumexp(log_q, axis=-1)

    def exchanged_values(self):
        """Values of numbers if every row had the target of another, shape (n,)."""
        other = np.random.default_rng(0).permutation(len(self.T))
        return self.values(self.predictions, self.T[other])


@dataclass(frozen=True)
class MoreInStack:
    """Models that are stacked with the regressions.

    Attributes
    ----------
    mean : ndarray of shape (k,)
        What is predicted where no member has a weight.
    weights : ndarray of shape (n_members,)
        Of the regressions, of both ensembles of trees where these are in, and of the
        regressions on weighted columns where they are.
    columns : TreeColumns or None
        What trees take.
    trees : Trees or None
        Trained.
    relevant : RelevantColumns or None
    """

    mean: np.ndarray
    weights: np.ndarray
    columns: TreeColumns | None = None
    trees: Trees | None = None
    relevant: RelevantColumns | None = None

    def added_to(self, said, Z, X):
        """Return what all say of other rows, ``said`` being of the regressions."""
        members = [said]
        if self.trees is not None:
            members += self.trees.predict(self.columns.of(X))
        if self.relevant is not None:
            members.append(self.relevant.predict(Z[0]))
        moves = np.stack(members) - self.mean
        return self.mean + np.tensordot(self.weights, moves, axes=1)
