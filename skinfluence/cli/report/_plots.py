"""Small pictures as inline SVG, so that a report is one file and needs no library."""

import numpy as np

from skinfluence.cli.report._markup import tag

# Okabe and Ito: told apart by the colour-blind, and in grey.
KEPT, SUSPECT, NEUTRAL = "#0072B2", "#D55E00", "#7F7F7F"
WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 130, 20, 34, 46


def histogram(kept, suspects, label, n_bins=40):
    """Draw how values are distributed, suspects on top of the other rows.

    Parameters
    ----------
    kept, suspects : ndarray of shape (n,)
        Values.
    label : str
        Of the values.
    n_bins : int, default=40
        Bars.

    Returns
    -------
    svg : Element
    """
    values = np.concatenate([kept, suspects])
    edges = np.histogram_bin_edges(values, n_bins)
    below, _ = np.histogram(kept, edges)
    above, _ = np.histogram(suspects, edges)
    x = _scale(edges[0], edges[-1], LEFT, WIDTH - RIGHT)
    y = _scale(0, max((below + above).max(), 1), HEIGHT - BOTTOM, TOP)
    shapes = [*_x_axis(x, edges[0], edges[-1], label), *_y_axis(y, "rows")]
    for left, right, low, high in zip(edges, edges[1:], below, above, strict=False):
        for start, count, colour in ((0, low, KEPT), (low, high, SUSPECT)):
            if count:
                shapes.append(
                    _bar(x(left), y(start + count), x(right), y(start), colour)
                )
    return _picture(shapes, [("kept", KEPT), ("suspects", SUSPECT)])


def dots(rows, label):
    """Draw the numbers of each row on a line, and their mean as a stroke.

    Parameters
    ----------
    rows : dict of str to ndarray
        Numbers by the name of the row.
    label : str
        Of the numbers.

    Returns
    -------
    svg : Element
    """
    values = np.concatenate(list(rows.values()))
    low, high = values.min(), values.max()
    margin = 0.05 * (high - low) or 0.5
    low, high = low - margin, high + margin
    x = _scale(low, high, LEFT, WIDTH - RIGHT)
    shapes = _x_axis(x, low, high, label)
    y = _scale(-0.5, len(rows) - 0.5, TOP, HEIGHT - BOTTOM)
    for i, (name, numbers) in enumerate(rows.items()):
        colour = (NEUTRAL, KEPT)[i % 2]
        shapes.append(_text(LEFT - 8, y(i) + 4, name, "end"))
        shapes += [
            tag("circle", cx=_n(x(v)), cy=_n(y(i)), r=5, fill=colour, opacity=0.6)
            for v in numbers
        ]
        mean = x(np.mean(numbers))
        shapes.append(_line(mean, y(i) - 16, mean, y(i) + 16, "#000000", 2))
    return _picture(shapes)


def ticks(low, high, n=5):
    """Choose round numbers between two.

    Examples
    --------
    >>> from skinfluence.cli.report._plots import ticks
    >>> ticks(0.13, 0.92)
    ['0.2', '0.4', '0.6', '0.8']
    """
    raw = (high - low) / n
    power = 10.0 ** np.floor(np.log10(raw))
    step = power * min((m for m in (1, 2, 5, 10) if m * power >= raw), default=10)
    # Adding zero makes a zero of a negative one.
    whole = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1)
    return [f"{k * step + 0.0:.6g}" for k in whole]


def _scale(low, high, start, end):
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _x_axis(x, low, high, label):
    bottom = HEIGHT - BOTTOM
    shapes = [_line(LEFT, bottom, WIDTH - RIGHT, bottom, NEUTRAL)]
    for t in ticks(low, high):
        shapes.append(_line(x(float(t)), bottom, x(float(t)), bottom + 4, NEUTRAL))
        shapes.append(_text(x(float(t)), bottom + 16, t))
    shapes.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, label))
    return shapes


def _y_axis(y, label):
    low, high = 0.0, (y(0) - TOP) / (y(0) - y(1))  # a count, from zero
    shapes = [_line(LEFT, TOP, LEFT, HEIGHT - BOTTOM, NEUTRAL)]
    for t in ticks(low, high):
        shapes.append(_line(LEFT - 4, y(float(t)), LEFT, y(float(t)), NEUTRAL))
        shapes.append(_text(LEFT - 8, y(float(t)) + 4, t, "end"))
    shapes.append(_text(4, TOP - 14, label, "start"))
    return shapes


def _picture(shapes, legend=()):
    for i, (name, colour) in enumerate(legend):
        left = WIDTH - RIGHT - 90 * (len(legend) - i)
        shapes.append(_bar(left, 8, left + 12, 20, colour))
        shapes.append(_text(left + 18, 19, name, "start"))
    return tag("svg", shapes, viewBox=f"0 0 {WIDTH} {HEIGHT}", width=WIDTH, role="img")


def _bar(x0, y0, x1, y1, colour):
    return tag(
        "rect",
        x=_n(x0),
        y=_n(y0),
        width=_n(x1 - x0),
        height=_n(y1 - y0),
        fill=colour,
    )


def _line(x0, y0, x1, y1, colour, width=1):
    return tag(
        "line",
        x1=_n(x0),
        y1=_n(y0),
        x2=_n(x1),
        y2=_n(y1),
        stroke=colour,
        stroke_width=width,
    )


def _text(x, y, text, anchor="middle"):
    return tag("text", text, x=_n(x), y=_n(y), text_anchor=anchor)


def _n(number):
    return f"{number:.2f}"
