"""The figures of the report, as reproducible SVG."""

import io
import re

import matplotlib
import matplotlib.style
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from skinfluence.inspection._style import HARMFUL, HELPFUL, NEUTRAL

SIZE = 8.0, 3.0  # inches
STYLE = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10,
    # Text is kept as text, which can be copied and keeps the file small.
    "svg.fonttype": "none",
}

# Independent of the user's settings.
styled = matplotlib.style.context(["default", STYLE])


@styled
def histogram(kept, suspects, label, n_bins=40):
    """Draw a histogram of values, with suspects stacked on the other rows.

    Parameters
    ----------
    kept, suspects : ndarray of shape (n,)
        Values.
    label : str
        Label of the values.
    n_bins : int, default=40
        Number of bars.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    figure = Figure(figsize=SIZE, layout="constrained")
    ax = figure.subplots()
    ax.hist(
        [kept, suspects],
        bins=np.histogram_bin_edges(np.concatenate([kept, suspects]), n_bins),
        stacked=True,
        color=[HELPFUL, HARMFUL],
        label=["kept", "suspects"],
    )
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel=label, ylabel="rows")
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    return figure


@styled
def dots(rows, label):
    """Draw the numbers of each row as dots on a line, and their mean as a bar.

    Parameters
    ----------
    rows : dict of str to ndarray
        Numbers by the name of the row.
    label : str
        Label of the numbers.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    figure = Figure(figsize=SIZE, layout="constrained")
    ax = figure.subplots()
    for i, numbers in enumerate(rows.values()):
        colour = (NEUTRAL, HELPFUL)[i % 2]
        ax.plot(numbers, np.full(len(numbers), i), "o", color=colour, alpha=0.6)
        ax.vlines(np.mean(numbers), i - 0.25, i + 0.25, color="black")
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set(xlabel=label, ylim=(len(rows) - 0.5, -0.5))
    return figure


def svg(figure, name):
    """Write a figure as an element of a page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    name : str
        Prefix of the names of its shapes, which must differ between figures of a page.

    Returns
    -------
    svg : markupsafe.Markup
    """
    stream = io.StringIO()
    nothing = dict.fromkeys(["Creator", "Date", "Format", "Type"])
    style = matplotlib.style.context(["default", STYLE, {"svg.hashsalt": name}])
    with style:
        figure.savefig(stream, format="svg", metadata=nothing)
    text = stream.getvalue()
    # All figures have the same names of groups, to which nothing refers.
    text = re.sub('<g id="[^"]*">', "<g>", text[text.index("<svg") :])
    return Markup(text)
