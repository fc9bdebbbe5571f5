"""Helpers of all displays: colours with fixed meanings, axes, texts that fit."""

import numpy as np
from sklearn.utils import check_array

from skinfluence._sklearn import n_rows

# Blue and vermilion of Okabe and Ito: told apart by the colour-blind, and in grey.
HELPFUL = "#0072B2"
HARMFUL = "#D55E00"
NEUTRAL = "#7F7F7F"

# Mean width of a letter, in sizes of the font; what fits is estimated with it.
LETTER = 0.62


def sign_colors(values):
    """Return one colour per value: helpful if not negative."""
    return [HARMFUL if value < 0 else HELPFUL for value in values]


def make_axes(ax):
    """Return the given axes, or those of a new figure that leaves room for labels."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Drawing needs matplotlib, which is not installed: pip install "
            "'skinfluence[plot]'."
        ) from error
    return plt.subplots(layout="constrained")[1]


def size_in_points(ax):
    """Return width and height of the axes: labels are cut to what fits."""
    box = ax.get_position()
    width, height = ax.figure.get_size_inches() * 72
    return box.width * width, box.height * height


def letters(points, size):
    """Return how many letters of a font of this size fit on a line."""
    return int(points / (LETTER * size))


def cut(text, fits):
    """Return the text on one line, shortened to ``fits`` letters."""
    text = " ".join(str(text).split())
    return text if len(text) <= fits else text[: max(fits - 1, 0)].rstrip(" .") + "…"


def check_vector(values, name, n=None):
    """Return ``values`` as floats of shape (n,)."""
    values = check_array(values, ensure_2d=False, dtype=np.float64, input_name=name)
    if values.ndim != 1 or n not in (None, len(values)):
        expected = "(n_train,)" if n is None else f"({n},)"
        raise ValueError(
            f"The {name!r} parameter must hold one number per training row, shape "
            f"{expected}. Got shape {values.shape}."
        )
    return values


def check_entries(given, name, n):
    """Raise for labels or rows that are not one for each training row."""
    if given is not None and n_rows(given) != n:
        raise ValueError(
            f"The {name!r} parameter must have one entry per training row, {n}. Got "
            f"{n_rows(given)}."
        )
