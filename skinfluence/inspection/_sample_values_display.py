"""Picture of how the values of all training rows are distributed."""

from numbers import Integral

import numpy as np
from sklearn.utils import column_or_1d

from skinfluence.inspection._style import (
    HARMFUL,
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


class SampleValuesDisplay:
    """Distribution of one value per training row, by class, suspects marked.

    Without classes a histogram, bars below zero in the colour of harm; with classes
    one line per class from the 1st to the 99th percentile, thick between quartiles.
    Suspects are ticks on the axis, or dots in the row of their class.

    Parameters
    ----------
    values : array-like of shape (n_train,)
        One value per training row, positive = helpful.
    labels : array-like of shape (n_train,), default=None
        Classes of the training rows.
    suspects : int or array-like of bool of shape (n_train,), default=0
        Rows to mark: a mask, or how many of the lowest values.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.
    suspects_ : ndarray of bool of shape (n_train,)
        The marked rows.
    bars_ : matplotlib BarContainer or None
        The histogram.
    quartiles_ : matplotlib LineCollection or None
        From the first to the third quartile, by class.
    medians_ : matplotlib PathCollection or None
        Medians by class.
    marks_ : matplotlib PathCollection or None
        The suspects.

    See Also
    --------
    RemovalCurveDisplay : What removing suspects does to the score.
    MemorizationDisplay : Self-influence against influence on test rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skinfluence import LeaveOneOutInfluence, SampleValuesDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> loo = LeaveOneOutInfluence(LogisticRegression()).fit(X[::2], y[::2])
    >>> display = SampleValuesDisplay.from_estimator(
    ...     loo, X[1::2], y[1::2], labels=y[::2], suspects=5
    ... )
    """

    def __init__(self, values, *, labels=None, suspects=0):
        self.values = values
        self.labels = labels
        self.suspects = suspects

    @classmethod
    def from_estimator(cls, influence, X, y, *, labels=None, suspects=0, ax=None):
        """Draw the ``sample_values`` of a fitted influence estimator.

        Parameters
        ----------
        influence : fitted influence estimator
            Asked for its ``sample_values``.
        X, y : array-like
            Test rows.
        labels : array-like of shape (n_train,), default=None
            Classes of the training rows.
        suspects : int or array-like of bool of shape (n_train,), default=0
            Rows to mark: a mask, or how many of the lowest values.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : SampleValuesDisplay
            The drawn display.
        """
        values = influence.sample_values(X, y)
        return cls(values, labels=labels, suspects=suspects).plot(ax=ax)

    @classmethod
    def from_influence(cls, influence, *, labels=None, suspects=0, ax=None):
        """Draw the column means of a matrix of influences.

        Parameters
        ----------
        influence : array-like of shape (n_test, n_train)
            Influences from any library, positive = helpful.
        labels : array-like of shape (n_train,), default=None
            Classes of the training rows.
        suspects : int or array-like of bool of shape (n_train,), default=0
            Rows to mark: a mask, or how many of the lowest values.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : SampleValuesDisplay
            The drawn display.
        """
        values = influence_matrix(influence).mean(axis=0)
        return cls(values, labels=labels, suspects=suspects).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the distribution.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : SampleValuesDisplay
            Itself.
        """
        values = check_vector(self.values, "values")
        self.suspects_ = _suspects(self.suspects, values)
        check_entries(self.labels, "labels", len(values))
        if self.labels is not None:
            labels = column_or_1d(self.labels)
        ax = make_axes(ax)
        self.bars_ = self.quartiles_ = self.medians_ = self.marks_ = None
        if self.labels is None:
            self._histogram(ax, values)
        else:
            self._by_class(ax, values, labels)
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set_xlabel("Value of the row")
        ax.locator_params(axis="x", nbins=4)
        if self.marks_ is not None:
            # Above the axes, where there are no rows to cover.
            ax.legend(
                fontsize="small",
                loc="lower right",
                bbox_to_anchor=(1, 1),
                borderaxespad=0.0,
                frameon=False,
            )
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _histogram(self, ax, values):
        edges = np.histogram_bin_edges(values, bins=40)
        width = edges[1] - edges[0]
        # An edge at zero, so that no bar holds both helpful and harmful rows.
        first, last = np.floor(edges[0] / width), np.ceil(edges[-1] / width)
        counts, edges = np.histogram(values, bins=np.arange(first, last + 1) * width)
        self.bars_ = ax.bar(
            edges[:-1],
            counts,
            width,
            align="edge",
            color=sign_colors(edges[1:] - width / 2),
        )
        ax.set(ylabel="Training rows", yscale="log", ylim=(0.5, None))
        if self.suspects_.any():
            self.marks_ = ax.scatter(
                values[self.suspects_],
                np.full(self.suspects_.sum(), 0.04),
                marker="|",
                color="black",
                transform=ax.get_xaxis_transform(),
                label="suspects",
            )

    def _by_class(self, ax, values, labels):
        classes, index = np.unique(labels, return_inverse=True)
        at = np.arange(len(classes))
        low, lower, median, upper, high = np.transpose(
            [np.quantile(values[index == k], (0.01, 0.25, 0.5, 0.75, 0.99)) for k in at]
        )
        width, height = size_in_points(ax)
        line = height / len(classes)
        thick = min(5, 0.6 * line)
        ax.hlines(at, low, high, color=NEUTRAL, linewidth=min(1, 0.3 * thick))
        self.quartiles_ = ax.hlines(at, lower, upper, color=NEUTRAL, linewidth=thick)
        self.medians_ = ax.scatter(
            median, at, s=(1.2 * thick) ** 2, marker="|", color="black", zorder=2.5
        )
        size = float(np.clip(0.7 * line, 5, 10))
        fits = letters(0.35 * width, size)
        # Of more classes than there are lines for, every other or third has a name.
        named = at[:: int(np.ceil(size / (0.7 * line) - 1e-9))]
        names = [cut(label, fits) for label in classes[named]]
        ax.set_yticks(named, names, fontsize=size, parse_math=False)
        ax.set(ylabel="Class", ylim=(len(classes) - 0.4, -0.6))
        if self.suspects_.any():
            self.marks_ = ax.scatter(
                values[self.suspects_],
                index[self.suspects_],
                s=12,
                color=HARMFUL,
                zorder=3,
                label="suspects",
            )


def _suspects(suspects, values):
    """Return the mask of rows to mark."""
    mask = np.zeros(len(values), dtype=bool)
    if isinstance(suspects, Integral) and not isinstance(suspects, bool):
        if not 0 <= suspects <= len(values):
            raise ValueError(
                f"The 'suspects' parameter must be between 0 and {len(values)}, "
                f"the number of rows. Got {suspects}."
            )
        mask[np.argsort(values, kind="stable")[:suspects]] = True
        return mask
    given = np.asarray(suspects)
    if given.dtype != bool or given.shape != mask.shape:
        raise ValueError(
            "The 'suspects' parameter must be a number of rows or a boolean mask of "
            f"shape {mask.shape}. Got dtype {given.dtype}, shape {given.shape}."
        )
    return given
