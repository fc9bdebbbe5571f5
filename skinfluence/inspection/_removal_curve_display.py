"""Picture of what removing rows does to the test score."""

import numpy as np

from skinfluence.inspection._style import (
    HARMFUL,
    HELPFUL,
    NEUTRAL,
    cut,
    letters,
    make_axes,
    size_in_points,
)
from skinfluence.metrics import removal_curve

LEGEND = 8  # size of its font, in points


class RemovalCurveDisplay:
    """Test score after removing rows of lowest or highest value, or random rows.

    If the values are right, the curve of the lowest values runs above the grey band
    of random removals and that of the highest below.

    Parameters
    ----------
    curve : Bunch
        What :func:`~skinfluence.metrics.removal_curve` or
        :func:`~skinfluence.memorization_curve` returned.
    value_name : str, default="value"
        Name of the values that order the rows, for the legend.
    score_name : str, default="Test score"
        Label of the vertical axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.
    lowest_, highest_, random_ : matplotlib Line2D
        The curves; ``random_`` is the mean of the random removals.
    band_ : matplotlib PolyCollection
        Two standard deviations of the random removals, up and down.

    See Also
    --------
    skinfluence.metrics.removal_curve : Computes the scores.
    memorization_curve : The same for memorized rows.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from skinfluence import LeaveOneOutInfluence, RemovalCurveDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> loo = LeaveOneOutInfluence(Ridge()).fit(X[::3], y[::3])
    >>> values = loo.sample_values(X[1::3], y[1::3])
    >>> display = RemovalCurveDisplay.from_estimator(
    ...     Ridge(), values, X[::3], y[::3], X[2::3], y[2::3], random_state=0
    ... )
    """

    def __init__(self, curve, *, value_name="value", score_name="Test score"):
        self.curve = curve
        self.value_name = value_name
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        values,
        X,
        y,
        X_test,
        y_test,
        *,
        value_name="value",
        score_name="Test score",
        ax=None,
        **options,
    ):
        """Retrain without the rows, and draw.

        Parameters
        ----------
        estimator : estimator
            Trained again; cloned.
        values : fitted influence estimator or array-like of shape (n_train,)
            One value per training row, positive = helpful.
        X, y : array-like
            Training rows.
        X_test, y_test : array-like
            Rows to score on.
        value_name : str, default="value"
            Name of the values that order the rows, for the legend.
        score_name : str, default="Test score"
            Label of the vertical axis.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **options : dict
            Passed to :func:`~skinfluence.metrics.removal_curve`.

        Returns
        -------
        display : RemovalCurveDisplay
            The drawn display.
        """
        curve = removal_curve(estimator, values, X, y, X_test, y_test, **options)
        return cls(curve, value_name=value_name, score_name=score_name).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : RemovalCurveDisplay
            Itself.
        """
        ax = make_axes(ax)
        curve = self.curve
        order = np.argsort(curve.fractions)
        percent = 100 * np.concatenate([[0], np.asarray(curve.fractions)[order]])

        def from_all_rows(scores):
            scores = np.asarray(scores)[..., order]
            start = np.full((*scores.shape[:-1], 1), curve.all_rows)
            return np.concatenate([start, scores], axis=-1)

        random = from_all_rows(curve.random)
        mean, spread = random.mean(axis=0), 2 * random.std(axis=0)
        self.band_ = ax.fill_between(
            percent, mean - spread, mean + spread, color=NEUTRAL, alpha=0.25, lw=0
        )
        (self.random_,) = ax.plot(
            percent, mean, color=NEUTRAL, linestyle="--", label="random"
        )
        width, height = size_in_points(ax)
        fits = letters(0.7 * width, LEGEND)
        (self.lowest_,) = ax.plot(
            percent,
            from_all_rows(curve.lowest),
            color=HARMFUL,
            marker="v",
            label=cut(f"lowest {self.value_name}", fits),
        )
        (self.highest_,) = ax.plot(
            percent,
            from_all_rows(curve.highest),
            color=HELPFUL,
            marker="o",
            label=cut(f"highest {self.value_name}", fits),
        )
        ax.set(
            xlabel="Rows removed (%)", ylabel=cut(self.score_name, letters(height, 10))
        )
        ax.legend(fontsize=LEGEND, frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
