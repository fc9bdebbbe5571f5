"""Picture of the long tail: memorization against influence on test rows."""

import numpy as np
from sklearn.utils import indexable

from skinfluence._sklearn import take_rows
from skinfluence.inspection._memorization import row_blocks
from skinfluence.inspection._style import (
    HELPFUL,
    NEUTRAL,
    check_vector,
    make_axes,
)
from skinfluence.metrics._inputs import influence_matrix


class MemorizationDisplay:
    """Memorization of every training row against its largest influence on a test row.

    Rows on the right are predicted well only because they were seen; those of them
    at the top are needed by a test row as well: rare but useful. Those at the bottom
    help no test row: often mistakes.

    Parameters
    ----------
    memorization : array-like of shape (n_train,)
        Self-influence.
    largest_influence : array-like of shape (n_train,)
        Largest influence of the row on any test row.
    memorization_threshold : float, default=0.25
        Least memorization of a pair.
    influence_threshold : float, default=0.15
        Least influence of a pair.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.
    points_ : matplotlib PathCollection
        The training rows; those of high-influence pairs in the colour of help.

    See Also
    --------
    high_influence_pairs : The marked rows, with their test rows.
    memorization_curve : What the test score owes to memorized rows.

    References
    ----------
    .. [1] V. Feldman, C. Zhang, "What Neural Networks Memorize and Why: Discovering
       the Long Tail via Influence Estimation", NeurIPS 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from skinfluence import LeaveOneOutInfluence, MemorizationDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> knn = KNeighborsClassifier(3)
    >>> loo = LeaveOneOutInfluence(knn, loss="brier").fit(X[:500], y[:500])
    >>> display = MemorizationDisplay.from_estimator(loo, X[500:], y[500:])
    """

    def __init__(
        self,
        memorization,
        largest_influence,
        *,
        memorization_threshold=0.25,
        influence_threshold=0.15,
    ):
        self.memorization = memorization
        self.largest_influence = largest_influence
        self.memorization_threshold = memorization_threshold
        self.influence_threshold = influence_threshold

    @classmethod
    def from_estimator(
        cls,
        influence,
        X,
        y,
        *,
        memorization_threshold=0.25,
        influence_threshold=0.15,
        ax=None,
    ):
        """Ask a fitted influence estimator, and draw.

        Parameters
        ----------
        influence : fitted influence estimator
            Asked for ``self_influence`` and, in blocks, ``influence``.
        X, y : array-like
            Test rows.
        memorization_threshold : float, default=0.25
            Least memorization of a pair.
        influence_threshold : float, default=0.15
            Least influence of a pair.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : MemorizationDisplay
            The drawn display.
        """
        X, y = indexable(X, y)
        largest = np.full(influence.n_samples_fit_, -np.inf)
        for rows in row_blocks(influence, X):
            block = influence.influence(take_rows(X, rows), take_rows(y, rows))
            np.maximum(largest, block.max(axis=0), out=largest)
        return cls(
            influence.self_influence(),
            largest,
            memorization_threshold=memorization_threshold,
            influence_threshold=influence_threshold,
        ).plot(ax=ax)

    @classmethod
    def from_influence(
        cls,
        memorization,
        influence,
        *,
        memorization_threshold=0.25,
        influence_threshold=0.15,
        ax=None,
    ):
        """Draw self-influences and a matrix of influences from any library.

        Parameters
        ----------
        memorization : array-like of shape (n_train,)
            Self-influence.
        influence : array-like of shape (n_test, n_train)
            Influences, positive = helpful.
        memorization_threshold : float, default=0.25
            Least memorization of a pair.
        influence_threshold : float, default=0.15
            Least influence of a pair.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : MemorizationDisplay
            The drawn display.
        """
        return cls(
            memorization,
            influence_matrix(influence).max(axis=0),
            memorization_threshold=memorization_threshold,
            influence_threshold=influence_threshold,
        ).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the training rows.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : MemorizationDisplay
            Itself.
        """
        x = check_vector(self.memorization, "memorization")
        y = check_vector(self.largest_influence, "largest_influence", len(x))
        pair = (x >= self.memorization_threshold) & (y >= self.influence_threshold)
        ax = make_axes(ax)
        self.points_ = ax.scatter(
            x, y, s=12, c=np.where(pair, HELPFUL, NEUTRAL), alpha=0.7, linewidths=0
        )
        line = {"color": "black", "linewidth": 0.8, "linestyle": ":"}
        ax.axvline(self.memorization_threshold, **line)
        ax.axhline(self.influence_threshold, **line)
        ax.set(
            xlabel="Memorization",
            ylabel="Largest influence",
            title=f"{pair.sum()} of {len(x)} rows memorized and needed",
        )
        ax.title.set_fontsize("small")
        ax.locator_params(nbins=5)
        self.ax_, self.figure_ = ax, ax.figure
        return self
