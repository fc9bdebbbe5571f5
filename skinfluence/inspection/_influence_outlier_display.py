"""The classic picture of regression diagnostics: residuals against leverage."""

import numpy as np

from skinfluence.inspection._case_diagnostics import case_diagnostics
from skinfluence.inspection._style import (
    HARMFUL,
    LETTER,
    NEUTRAL,
    check_vector,
    make_axes,
    size_in_points,
)


class InfluenceOutlierDisplay:
    r"""Studentized residuals against leverage, with contours of Cook's distance.

    A row moves the model if it is unusual (leverage) and badly predicted (residual):
    the contours are where Cook's distance

    .. math:: D = \frac{t^2}{p} \frac{h}{1 - h}

    of internally studentized residual t, leverage h and p parameters is constant.
    For least squares that is the exact distance, for other models its first order.

    Parameters
    ----------
    diagnostics : Bunch
        The result of :func:`~skinfluence.case_diagnostics`.
    levels : array-like of float, default=None
        Cook's distances to draw contours of; None draws 4 / n, the customary
        threshold for looking at a row, and 0.5 and 1.
    n_labels : int, default=3
        How many rows of largest Cook's distance get their number.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.
    points_ : matplotlib PathCollection
        The rows; those beyond the lowest contour in the colour of harm.
    contours_ : list of pairs of matplotlib Line2D
        Upper and lower half of every contour.
    texts_ : list of matplotlib Annotation
        The numbers of rows.

    See Also
    --------
    case_diagnostics : Computes the diagnostics.

    References
    ----------
    .. [1] R. D. Cook, S. Weisberg, "Residuals and Influence in Regression", 1982.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from skinfluence import InfluenceOutlierDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> display = InfluenceOutlierDisplay.from_estimator(
    ...     LinearRegression().fit(X, y), X, y
    ... )
    """

    def __init__(self, diagnostics, *, levels=None, n_labels=3):
        self.diagnostics = diagnostics
        self.levels = levels
        self.n_labels = n_labels

    @classmethod
    def from_estimator(
        cls, estimator, X=None, y=None, *, levels=None, n_labels=3, ax=None, **options
    ):
        """Compute the diagnostics of a fitted model, and draw.

        Parameters
        ----------
        estimator : fitted estimator, or results of statsmodels
            A linear model that :func:`~skinfluence.case_diagnostics` takes.
        X, y : array-like, default=None
            The rows it was fitted on; not for results of statsmodels.
        levels : array-like of float, default=None
            Cook's distances to draw contours of; None is 4 / n, 0.5 and 1.
        n_labels : int, default=3
            How many rows of largest Cook's distance get their number.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **options : dict
            Passed to :func:`~skinfluence.case_diagnostics`.

        Returns
        -------
        display : InfluenceOutlierDisplay
            The drawn display.
        """
        diagnostics = case_diagnostics(estimator, X, y, **options)
        return cls(diagnostics, levels=levels, n_labels=n_labels).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the rows and the contours.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : InfluenceOutlierDisplay
            Itself.
        """
        if "resid_studentized_internal" not in self.diagnostics:
            raise ValueError(
                "The picture is of residuals and leverages of single rows. Got "
                "diagnostics of clusters, or of a model that has none: leave groups "
                "out, or take a least squares or generalised linear model."
            )
        leverage = check_vector(self.diagnostics.leverage, "leverage")
        n = len(leverage)
        residual = check_vector(
            self.diagnostics.resid_studentized_internal, "residual", n
        )
        distance = np.asarray(self.diagnostics.cooks_distance)
        levels = [4 / n, 0.5, 1.0] if self.levels is None else list(self.levels)
        ax = make_axes(ax)
        beyond = distance > min(levels, default=np.inf)
        self.points_ = ax.scatter(
            leverage, residual, s=14, c=np.where(beyond, HARMFUL, NEUTRAL)
        )
        right = min(1.0, 1.15 * leverage.max())
        top = 1.2 * max(np.abs(residual).max(), 2.0)
        self._contours(ax, levels, right, top)
        self._numbers(ax, leverage, residual, distance, right, top)
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set(
            xlabel="Leverage",
            ylabel="Studentized residual",
            xlim=(0, right),
            ylim=(-top, top),
        )
        ax.locator_params(axis="x", nbins=5)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _contours(self, ax, levels, right, top):
        self.contours_ = []
        h = np.linspace(1e-6, min(right, 1 - 1e-6), 500)
        styles = [":", "--", "-."]
        for k, level in enumerate(sorted(levels)):
            t = np.sqrt(level * self.diagnostics.n_parameters * (1 - h) / h)
            name = f"D = {level:.2g}"
            line = {"color": "black", "lw": 0.8, "ls": styles[k % 3]}
            # A contour beyond the rows has no place in the legend.
            label = name if t.min() < top else "_" + name
            (upper,) = ax.plot(h, t, label=label, **line)
            (lower,) = ax.plot(h, -t, **line)
            self.contours_.append((upper, lower))
        if any(not upper.get_label().startswith("_") for upper, _ in self.contours_):
            # Above the axes, where there are no rows to cover.
            ax.legend(
                title="Cook's distance",
                title_fontsize="x-small",
                fontsize="x-small",
                loc="lower left",
                bbox_to_anchor=(0, 1),
                borderaxespad=0.2,
                frameon=False,
                ncols=3,
            )

    def _numbers(self, ax, leverage, residual, distance, right, top):
        """Write the numbers of rows beside them, one not over the other."""
        self.texts_, taken = [], []
        width, height = size_in_points(ax)
        size = 8.0
        for i in np.argsort(-distance, kind="stable")[: self.n_labels]:
            x, y = leverage[i] / right * width, residual[i] / top * height / 2
            long = letters_width(str(i), size)
            left = leverage[i] > 0.75 * right
            start = x - 4 - long if left else x + 4
            shift = free_shift(start, y, long, size, taken)
            taken.append((start, y + shift, long))
            self.texts_.append(
                ax.annotate(
                    str(i),
                    (leverage[i], residual[i]),
                    xytext=(-4 if left else 4, shift),
                    textcoords="offset points",
                    ha="right" if left else "left",
                    va="center",
                    fontsize=size,
                )
            )


def letters_width(text, size):
    """Return about how long a text is, in points."""
    return LETTER * size * len(text)


def free_shift(start, y, long, size, taken):
    """Return how far up or down the nearest place is that no other text takes."""
    for step in range(2 * len(taken) + 1):
        shift = (-1) ** step * ((step + 1) // 2) * 1.2 * size
        if not any(
            start < other + length
            and other < start + long
            and abs(y + shift - height) < 1.15 * size
            for other, height, length in taken
        ):
            return shift
    return 0.0
