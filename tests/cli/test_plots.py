"""Pictures as SVG: what they draw, and that text stays text."""

from html.parser import HTMLParser

import numpy as np
import pytest

from skinfluence.cli.report._markup import tag, to_text
from skinfluence.cli.report._plots import (
    HEIGHT,
    KEPT,
    SUSPECT,
    WIDTH,
    dots,
    histogram,
    ticks,
)

HOSTILE = """</svg><script>alert("x")</script> & 'y' "z" <img src=x onerror=y>"""


def drawn(svg, name, **attributes):
    return [
        element
        for element in svg.iter(name)
        if all(element.get(key) == value for key, value in attributes.items())
    ]


def number(element, key):
    return float(element.get(key))


def inside(svg):
    for element in svg.iter():
        for key, bound in (("x", WIDTH), ("cx", WIDTH), ("y", HEIGHT), ("cy", HEIGHT)):
            assert 0 <= float(element.get(key, 0)) <= bound


def test_text_and_attributes_are_escaped():
    element = tag("p", HOSTILE, tag("b", HOSTILE), HOSTILE, title=HOSTILE)
    seen = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.append((tag, attrs))

        def handle_data(self, data):
            seen.append(data)

    Parser().feed(to_text(element))
    title = [("title", HOSTILE)]
    assert seen == [("p", title), HOSTILE, ("b", []), HOSTILE, HOSTILE]


def test_what_no_page_can_hold_is_replaced():
    html = to_text(tag("p", "a\x00b\x1bc\ud800d", title="\x07"))
    assert html == '<p title="\ufffd">a\ufffdb\ufffdc\ufffdd</p>'
    assert html.encode("utf-8")


def test_bars_have_the_counts_of_a_histogram():
    rng = np.random.default_rng(0)
    kept, suspects = rng.normal(size=200), rng.normal(-3, 1, size=40)
    svg = histogram(kept, suspects, "value", n_bins=20)
    edges = np.histogram_bin_edges(np.concatenate([kept, suspects]), 20)
    for colour, values in ((KEPT, kept), (SUSPECT, suspects)):
        bars = drawn(svg, "rect", fill=colour)[:-1]  # without the legend's
        heights = np.array([number(bar, "height") for bar in bars])
        counts, _ = np.histogram(values, edges)
        counts = counts[counts > 0]
        np.testing.assert_allclose(heights / heights[0], counts / counts[0], rtol=0.02)
    inside(svg)


def test_suspects_stand_on_the_rows_that_are_kept():
    svg = histogram(np.zeros(3), np.zeros(1), "value", n_bins=1)
    below, above = drawn(svg, "rect", fill=KEPT)[0], drawn(svg, "rect", fill=SUSPECT)[0]
    assert number(above, "y") + number(above, "height") == pytest.approx(
        number(below, "y"), abs=0.02
    )
    assert number(below, "height") == pytest.approx(3 * number(above, "height"), 0.01)


def test_dots_and_the_stroke_at_their_mean():
    svg = dots({"before": np.array([0.5, 0.7]), "after": np.array([0.9, 0.8])}, "score")
    x = np.array([number(circle, "cx") for circle in drawn(svg, "circle")])
    np.testing.assert_allclose(
        (x - x[0]) / (x[2] - x[0]),
        (np.array([0.5, 0.7, 0.9, 0.8]) - 0.5) / 0.4,
        atol=1e-3,
    )
    strokes = drawn(svg, "line", stroke="#000000")
    means = [number(stroke, "x1") for stroke in strokes]
    np.testing.assert_allclose(means, [x[:2].mean(), x[2:].mean()], atol=0.02)
    inside(svg)


@pytest.mark.parametrize(
    "picture",
    [
        lambda: histogram(np.zeros(5), np.empty(0), "value"),
        lambda: dots({"before": np.ones(3), "after": np.ones(3)}, "score"),
    ],
)
def test_nothing_to_tell_apart_is_drawn_all_the_same(picture):
    svg = picture()
    assert "nan" not in to_text(svg)
    inside(svg)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-3.2, 0.1), (0.97, 0.98), (0, 48842), (-1e-9, 1e-9)]
)
def test_ticks_are_round_inside_and_few(low, high):
    marks = np.array([float(t) for t in ticks(low, high)])
    assert 2 <= len(marks) <= 6
    assert low - 1e-12 <= marks[0] < marks[-1] <= high + 1e-12
    np.testing.assert_allclose(np.diff(marks), marks[1] - marks[0])
    assert "-0" not in ticks(low, high)
