"""Picture of the training rows that decided about one test row."""

from numbers import Integral

import numpy as np

from skinfluence._sklearn import take_rows
from skinfluence.inspection._style import (
    NEUTRAL,
    check_entries,
    check_vector,
    cut,
    letters,
    make_axes,
    sign_colors,
    size_in_points,
)
from skinfluence.metrics._inputs import influence_matrix

KINDS = ("bars", "images", "text")


class InfluenceDisplay:
    """The most helpful and the most harmful training rows of one test row.

    Bars for tables, thumbnails for images, lines for texts. Help is blue and harm is
    vermilion, in every picture of this library.

    Parameters
    ----------
    influence : array-like of shape (n_train,)
        Influences on the test row, positive = helpful.
    labels : array-like of shape (n_train,), default=None
        Labels of the training rows, shown beside them.
    rows : array-like of shape (n_train, ...), default=None
        Training images, (height, width) or (height, width, 3) each, or texts.
    row : array-like or str, default=None
        The test row, image or text.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.
    indices_ : ndarray of shape (n_shown,)
        The rows shown, by descending influence: helpful first.
    bars_ : matplotlib BarContainer or None
        For tables.
    images_ : list of matplotlib AxesImage
        For images: those of ``indices_``, then the test row's if it was given.
    texts_ : list of matplotlib Text
        For images the captions, for texts the lines, of ``indices_``.

    See Also
    --------
    LeaveOneOutInfluence : Computes influences.
    MemorizationDisplay : All training rows at once.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skinfluence import InfluenceDisplay, LeaveOneOutInfluence
    >>> digits = load_digits()
    >>> X, y, images = digits.data / 16, digits.target, digits.images
    >>> loo = LeaveOneOutInfluence(LogisticRegression(max_iter=1000))
    >>> loo.fit(X[:400], y[:400])
    LeaveOneOutInfluence(estimator=LogisticRegression(max_iter=1000))
    >>> display = InfluenceDisplay.from_estimator(
    ...     loo, X[[400]], y[[400]], labels=y[:400], rows=images[:400], row=images[400]
    ... )
    """

    def __init__(self, influence, *, labels=None, rows=None, row=None):
        self.influence = influence
        self.labels = labels
        self.rows = rows
        self.row = row

    @classmethod
    def from_estimator(
        cls,
        influence,
        X,
        y=None,
        *,
        labels=None,
        rows=None,
        row=None,
        n_rows=5,
        kind="auto",
        ax=None,
    ):
        """Ask a fitted influence estimator about one test row, and draw.

        Parameters
        ----------
        influence : fitted influence estimator
            Asked for its ``influence``.
        X : array-like of shape (1, n_features)
            The test row.
        y : array-like of shape (1,), default=None
            Its true value; None explains the prediction.
        labels : array-like of shape (n_train,), default=None
            Labels of the training rows.
        rows : array-like of shape (n_train, ...), default=None
            Training images or texts.
        row : array-like or str, default=None
            The test image or text.
        n_rows : int, default=5
            How many helpful and how many harmful rows to show, at most.
        kind : {"auto", "bars", "images", "text"}, default="auto"
            How to draw; "auto" goes by what ``rows`` holds.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : InfluenceDisplay
            The drawn display.
        """
        values = influence.influence(X, y)
        if len(values) != 1:
            raise ValueError(
                f"The 'X' parameter must hold one test row. Got {len(values)}: pass "
                "X[[t]], and y[[t]]."
            )
        display = cls(values[0], labels=labels, rows=rows, row=row)
        return display.plot(ax=ax, n_rows=n_rows, kind=kind)

    @classmethod
    def from_influence(
        cls,
        influence,
        t,
        *,
        labels=None,
        rows=None,
        row=None,
        n_rows=5,
        kind="auto",
        ax=None,
    ):
        """Draw one row of a matrix of influences.

        Parameters
        ----------
        influence : array-like of shape (n_test, n_train)
            Influences from any library, positive = helpful.
        t : int
            The test row, from 0 to n_test - 1.
        labels : array-like of shape (n_train,), default=None
            Labels of the training rows.
        rows : array-like of shape (n_train, ...), default=None
            Training images or texts.
        row : array-like or str, default=None
            The test image or text.
        n_rows : int, default=5
            How many helpful and how many harmful rows to show, at most.
        kind : {"auto", "bars", "images", "text"}, default="auto"
            How to draw; "auto" goes by what ``rows`` holds.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : InfluenceDisplay
            The drawn display.
        """
        influence = influence_matrix(influence)
        if not isinstance(t, Integral) or not 0 <= t < len(influence):
            raise ValueError(
                "The 't' parameter must be the position of a test row, an integer from "
                f"0 to {len(influence) - 1}. Got {t!r}."
            )
        display = cls(influence[t], labels=labels, rows=rows, row=row)
        return display.plot(ax=ax, n_rows=n_rows, kind=kind)

    def plot(self, ax=None, *, n_rows=5, kind="auto"):
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        n_rows : int, default=5
            How many helpful and how many harmful rows to show, at most.
        kind : {"auto", "bars", "images", "text"}, default="auto"
            How to draw; "auto" goes by what ``rows`` holds.

        Returns
        -------
        display : InfluenceDisplay
            Itself.
        """
        values = check_vector(self.influence, "influence")
        kind = self._check(kind, n_rows, len(values))
        order = np.argsort(-values, kind="stable")
        helpful = order[values[order] > 0][:n_rows]
        harmful = order[values[order] < 0][-n_rows:]
        self.indices_ = np.concatenate([helpful, harmful])
        ax = make_axes(ax)
        self.ax_, self.figure_ = ax, ax.figure
        self.bars_, self.images_, self.texts_ = None, [], []
        shown = values[self.indices_]
        if kind == "bars":
            self._draw_bars(ax, shown)
        elif kind == "images":
            self._draw_images(ax, shown, len(helpful))
        else:
            self._draw_text(ax, shown)
        return self

    def _check(self, kind, n_shown, n_train):
        if kind not in ("auto", *KINDS):
            raise ValueError(
                f"The 'kind' parameter must be 'auto' or one of {KINDS}. Got {kind!r}."
            )
        if not isinstance(n_shown, Integral) or n_shown < 1:
            raise ValueError(
                f"The 'n_rows' parameter must be a positive integer. Got {n_shown!r}."
            )
        check_entries(self.labels, "labels", n_train)
        check_entries(self.rows, "rows", n_train)
        if kind == "auto":
            if self.rows is None:
                return "bars"
            if isinstance(take_rows(self.rows, 0), str):
                return "text"
            return "images" if np.ndim(self.rows) in (3, 4) else "bars"
        if kind != "bars" and self.rows is None:
            raise ValueError(
                f"The 'rows' parameter must hold the training rows for kind={kind!r}. "
                "Got None."
            )
        return kind

    def _name(self, i, fits):
        """Return the number and the label of a row, in so many letters."""
        if self.labels is None:
            return f"{i}"
        label = np.asarray(self.labels)[i]
        return f"{i} ({cut(label, fits - len(f'{i} ()'))})"

    def _draw_bars(self, ax, values):
        at = np.arange(len(values))
        self.bars_ = ax.barh(at, values, color=sign_colors(values))
        width, height = size_in_points(ax)
        size = float(np.clip(0.7 * height / max(len(at), 1), 4, 10))
        fits = letters(0.35 * width, size)
        names = [self._name(i, fits) for i in self.indices_]
        ax.set_yticks(at, names, fontsize=size, parse_math=False)
        ax.invert_yaxis()
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set_xlabel("Influence (positive = helpful)", fontsize="small")
        ax.set_ylabel("Training row")
        ax.locator_params(axis="x", nbins=4)

    def _draw_images(self, ax, values, n_helpful):
        columns = max(n_helpful, len(values) - n_helpful, 1)
        first = 0 if self.row is None else 1
        across = columns + first
        width, height = size_in_points(ax)
        cell = min(width / across, height / 2 / 1.5)
        size = float(np.clip(cell / 5.5, 3.5, 10))
        caption = 1 + 2.6 * size / cell  # two lines below every image
        fits = letters(cell, size)
        for k, (i, color) in enumerate(
            zip(self.indices_, sign_colors(values), strict=True)
        ):
            down = int(k >= n_helpful)
            left = first + k - down * n_helpful
            self._thumbnail(
                ax, take_rows(self.rows, i), left, down * caption, color, 2.0
            )
            self.texts_.append(
                ax.text(
                    left + 0.5,
                    down * caption + 0.97,
                    f"{self._name(i, fits)}\n{values[k]:+.2g}",
                    color=color,
                    parse_math=False,
                    fontsize=size,
                    ha="center",
                    va="top",
                    linespacing=1.1,
                )
            )
        if first:
            top = (caption - 0.5) / 2 + 0.1
            self._thumbnail(ax, self.row, 0, top, NEUTRAL, 1.0)
            ax.text(0.5, top + 0.97, "test row", fontsize=size, ha="center", va="top")
        ax.set(xlim=(0, across), ylim=(2 * caption, -0.05))
        ax.set_aspect("equal")
        ax.axis("off")

    def _thumbnail(self, ax, image, left, top, color, line):
        from matplotlib.patches import Rectangle

        extent = (left + 0.08, left + 0.92, top + 0.92, top + 0.08)
        self.images_.append(ax.imshow(np.asarray(image), cmap="gray_r", extent=extent))
        ax.add_patch(
            Rectangle(
                (left + 0.06, top + 0.06), 0.88, 0.88, fill=False, ec=color, lw=line
            )
        )

    def _draw_text(self, ax, values):
        width, height = size_in_points(ax)
        lines = len(values) + (self.row is not None)
        size = float(np.clip(0.6 * height / max(lines, 1), 4, 10))
        fits = letters(width, size)

        def line(k, text, color):
            return ax.text(
                0,
                1 - (k + 0.5) / lines,
                cut(text, fits),
                color=color,
                parse_math=False,
                fontsize=size,
                va="center",
                family="monospace",
                transform=ax.transAxes,
            )

        if self.row is not None:
            line(0, f"test row: {self.row}", "black")
        for k, (i, color) in enumerate(
            zip(self.indices_, sign_colors(values), strict=True),
            start=lines - len(values),
        ):
            name = self._name(i, fits // 3)
            text = f"{values[k - lines]:+.1e} {name} {take_rows(self.rows, i)}"
            self.texts_.append(line(k, text, color))
        ax.axis("off")
