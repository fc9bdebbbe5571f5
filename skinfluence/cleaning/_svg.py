"""Pictures of the report, as text that every browser draws without a library."""

from html import escape

import numpy as np

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 240, 56, 44, 26
KEPT, FLAGGED = "#0072b2", "#d55e00"  # also apart for the colour-blind
N_BINS = 40


def histogram(values, flagged, title, label):
    """Draw how many rows have which value, suspects on top in another colour.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Finite ones are drawn.
    flagged : ndarray of bool, shape (n,)
        Suspects.
    title, label : str
        Of the picture and of the horizontal axis; escaped here.

    Returns
    -------
    svg : str
    """
    finite = np.isfinite(values)
    values, flagged = values[finite], flagged[finite]
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    high = high if high > low else low + 1.0
    edges = np.linspace(low, high, N_BINS + 1)
    kept, bad = (np.histogram(values[m], edges)[0] for m in (~flagged, flagged))
    # A few suspects beside thousands of rows would not be seen on a linear axis.
    top = np.log1p((kept + bad).max())
    scale = (HEIGHT - BOTTOM - TOP) / (top or 1.0)
    width = (WIDTH - LEFT - 12) / N_BINS
    parts = []
    for i, (k, b) in enumerate(zip(kept, bad, strict=True)):
        whole, part = np.log1p(k + b) * scale, np.log1p(b) * scale
        x, base = LEFT + i * width, HEIGHT - BOTTOM
        if k:
            parts.append(_bar(x, base - whole, width, whole, KEPT))
        if b:
            parts.append(_bar(x, base - part, width, part, FLAGGED))
    ticks = _x_ticks(np.linspace(low, high, 5), low, high)
    counts = [c for c in 10.0 ** np.arange(7) if np.log1p(c) <= top]
    ticks += [
        f'<text x="{LEFT - 6}" y="{HEIGHT - BOTTOM - np.log1p(c) * scale + 4:.1f}" '
        f'text-anchor="end">{c:.0f}</text>'
        for c in counts
    ]
    legend = (
        f'<rect x="{LEFT + 8}" y="{TOP}" width="10" height="10" fill="{KEPT}"/>'
        f'<text x="{LEFT + 22}" y="{TOP + 9}">kept rows</text>'
        f'<rect x="{LEFT + 98}" y="{TOP}" width="10" height="10" fill="{FLAGGED}"/>'
        f'<text x="{LEFT + 112}" y="{TOP + 9}">suspects</text>'
    )
    return _frame(title, f"{label}; rows on a log axis", [*parts, *ticks, legend])


def gains(fractions, gain, error, chosen, title, label):
    """Draw the gain of every share with one standard error up and down.

    Parameters
    ----------
    fractions, gain, error : ndarray of shape (n_fractions,)
        Shares, gains and standard errors.
    chosen : float
        Drawn in another colour.
    title, label : str
        Of the picture and of the horizontal axis.

    Returns
    -------
    svg : str
    """
    low = min(0.0, (gain - error).min())
    high = max(0.0, (gain + error).max())
    high = high if high > low else low + 1.0

    def x_of(f):
        return LEFT + f / fractions.max() * (WIDTH - LEFT - 30)

    def y_of(g):
        return HEIGHT - BOTTOM - (g - low) / (high - low) * (HEIGHT - BOTTOM - TOP)

    parts = [
        f'<line x1="{LEFT}" x2="{WIDTH - 12}" y1="{y_of(0):.1f}" y2="{y_of(0):.1f}" '
        'stroke="#888" stroke-dasharray="4 3"/>'
    ]
    for f, g, e in zip(fractions, gain, error, strict=True):
        colour = FLAGGED if f == chosen else KEPT
        parts.append(
            f'<line x1="{x_of(f):.1f}" x2="{x_of(f):.1f}" y1="{y_of(g - e):.1f}" '
            f'y2="{y_of(g + e):.1f}" stroke="{colour}" stroke-width="2"/>'
            f'<circle cx="{x_of(f):.1f}" cy="{y_of(g):.1f}" r="4" fill="{colour}"/>'
        )
    ticks = [
        f'<text x="{x_of(f):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
        f"{f:.0%}</text>"
        for f in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
        if f <= fractions.max()
    ]
    ticks += [
        f'<text x="{LEFT - 6}" y="{y_of(g) + 4:.1f}" text-anchor="end">{g:.2g}</text>'
        for g in {low, 0.0, high}
    ]
    return _frame(title, label, parts + ticks)


def _bar(x, y, width, height, colour):
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width - 1, 1):.1f}" '
        f'height="{height:.1f}" fill="{colour}"/>'
    )


def _x_ticks(ticks, low, high):
    scale = (WIDTH - LEFT - 12) / (high - low)
    return [
        f'<text x="{LEFT + (t - low) * scale:.1f}" y="{HEIGHT - BOTTOM + 16}" '
        f'text-anchor="{"end" if t == ticks[-1] else "middle"}">{t:.3g}</text>'
        for t in ticks
    ]


def _frame(title, label, parts):
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'<text x="{LEFT}" y="14" font-weight="bold">{escape(title)}</text>'
        f'<line x1="{LEFT}" x2="{WIDTH - 12}" y1="{HEIGHT - BOTTOM}" '
        f'y2="{HEIGHT - BOTTOM}" stroke="#444"/>{"".join(parts)}'
        f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{escape(label)}</text></svg>"
    )
