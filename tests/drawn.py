"""Inspection of drawn figures: texts that overlap, labels in view, colours."""

import matplotlib.pyplot as plt
from matplotlib.colors import to_hex

SIZES = [(3.2, 2.4), (8, 6)]


def new_axes(size):
    return plt.subplots(figsize=size, layout="constrained")[1]


def overlapping(texts):
    """Pairs of texts whose boxes overlap once drawn, and texts off the figure."""
    figure = texts[0].figure
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    off = [b for b in boxes if not figure.bbox.padded(1).containsx(b.x0)]
    off += [b for b in boxes if not figure.bbox.padded(1).containsx(b.x1)]
    pairs = [
        (a, b)
        for k, a in enumerate(boxes)
        for b in boxes[:k]
        if a.padded(-0.5).overlaps(b.padded(-0.5))
    ]
    return pairs + off


def tick_labels(axis):
    """Labels of the ticks in view; others are not drawn."""
    axis.figure.draw_without_rendering()
    low, high = sorted(axis.get_view_interval())
    ticks = axis.get_major_ticks()
    return [t.label1 for t in ticks if low <= t.get_loc() <= high]


def colors(collection):
    return [to_hex(c[:3]).upper() for c in collection.get_facecolors()]
