"""Picture of the accuracy that no k changes of the training table can spoil."""

from skinfluence.inspection._style import (
    HARMFUL,
    HELPFUL,
    cut,
    letters,
    make_axes,
    size_in_points,
)

LEGEND = 8  # size of its font, in points


class CertifiedAccuracyDisplay:
    """Accuracy after the worst k changes of the training table, from both sides.

    The lower curve is certified: whatever k rows are removed or relabelled, so many
    test rows are predicted right. The upper one is what is left after the changes that
    were found for each test row. The truth is between them.

    Parameters
    ----------
    curve : Bunch
        The result of :meth:`PredictionCertificate.certified_accuracy`.
    change : {"removal", "label_flip"}, default="removal"
        The kind of change, for the horizontal axis.
    name : str, default=None
        Name of the model, for the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.
    certified_, attacked_ : matplotlib Line2D
        The curves.
    band_ : matplotlib PolyCollection
        The band between them, where the accuracy is not known.

    See Also
    --------
    PredictionCertificate : Computes the curve.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from skinfluence import CertifiedAccuracyDisplay, PredictionCertificate
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> certificate = PredictionCertificate(KNeighborsClassifier(), max_rows=20)
    >>> certificate = certificate.fit(X[:426], y[:426])
    >>> display = CertifiedAccuracyDisplay.from_estimator(
    ...     certificate, X[540:], y[540:]
    ... )
    """

    def __init__(self, curve, *, change="removal", name=None):
        self.curve = curve
        self.change = change
        self.name = name

    @classmethod
    def from_estimator(cls, certificate, X, y, *, name=None, ax=None):
        """Compute the curve of test rows, and draw.

        Parameters
        ----------
        certificate : fitted PredictionCertificate
            Of the model.
        X : array-like of shape (n_samples, n_features)
            Test rows.
        y : array-like of shape (n_samples,)
            Their true targets.
        name : str, default=None
            Name of the model, for the legend; None: its class.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : CertifiedAccuracyDisplay
            The drawn display.
        """
        curve = certificate.certified_accuracy(X, y)
        name = type(certificate.estimator).__name__ if name is None else name
        return cls(curve, change=certificate.change, name=name).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : CertifiedAccuracyDisplay
            Itself.
        """
        ax = make_axes(ax)
        curve, steps = self.curve, "post"
        width, _ = size_in_points(ax)
        fits = letters(0.8 * width, LEGEND)
        of = f"{self.name}, " if self.name else ""
        self.band_ = ax.fill_between(
            curve.n_changes,
            curve.certified,
            curve.attacked,
            step=steps,
            color=HELPFUL,
            alpha=0.15,
            lw=0,
        )
        self.certified_, self.attacked_ = (
            ax.plot(
                curve.n_changes,
                values,
                color=color,
                linestyle=line,
                drawstyle=f"steps-{steps}",
                label=cut(of + label, fits),
            )[0]
            for values, color, line, label in (
                (curve.certified, HELPFUL, "-", "certified"),
                (curve.attacked, HARMFUL, "--", "after the changes found"),
            )
        )
        changed = {"removal": "removed", "label_flip": "with another label"}
        ax.set(
            xlabel=f"Training rows {changed[self.change]}",
            ylabel="Accuracy",
            ylim=(0, 1.02),
        )
        ax.legend(fontsize=LEGEND, frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
