"""Figures of measured growth: a panel per method, sizes in doublings."""

from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np

SIZES = {"n": "#0072b2", "p": "#d55e00", "T": "#009e73", "K": "#cc79a7", "m": "#777777"}
STYLES = {"textbook": "--", "ours": "-"}
PER_LINE = 4


def draw(points, folder):
    """Write the figures of time and of memory as SVG.

    Parameters
    ----------
    points : list of dict
        Rows of points.csv.
    folder : Path
        Where complexity_time.svg and complexity_memory.svg are written.
    """
    for name, label, cost in (
        ("time", "CPU seconds of all test rows and once", seconds),
        ("memory", "peak memory, MiB", lambda row: float(row["MiB"])),
    ):
        figure(points, label, cost).savefig(
            Path(folder) / f"complexity_{name}.svg", metadata={"Date": None}
        )


def seconds(row):
    """Seconds of `fit` and of `influence`."""
    return float(row["once"] or 0) + float(row["asking"])


def figure(points, label, cost):
    """Return a figure of one panel per method."""
    methods = list(dict.fromkeys(row["method"] for row in points))
    lines = -(-len(methods) // PER_LINE)
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "growth"})
    fig, axes = plt.subplots(
        lines, PER_LINE, figsize=(13, 2.7 * lines), layout="constrained"
    )
    for ax, method in zip(axes.ravel(), methods, strict=False):
        ax.set_title(method, fontsize=10)
        for size, colour in SIZES.items():
            for side, style in STYLES.items():
                rows = [
                    row
                    for row in points
                    if (row["method"], row["side"], row["in"]) == (method, side, size)
                ]
                if not rows:
                    continue
                x = np.array([float(row["size"]) for row in rows])
                y = np.maximum([cost(row) for row in rows], 1e-4)
                ax.loglog(x / x[0], y, style, color=colour, marker="o", markersize=2.5)
        ax.set_xticks([1, 2, 4, 8], ["1x", "2x", "4x", "8x"])
        ax.minorticks_off()
        ax.grid(alpha=0.3)
    for ax in axes.ravel()[len(methods) :]:
        ax.set_axis_off()
    handles = [plt.Line2D([], [], color=c, label=s) for s, c in SIZES.items()]
    handles += [
        plt.Line2D([], [], color="black", linestyle=style, label=side)
        for side, style in STYLES.items()
    ]
    fig.legend(handles=handles, loc="outside upper center", ncols=7, frameon=False)
    fig.supylabel(label)
    fig.supxlabel("size, in multiples of the smallest")
    return fig
