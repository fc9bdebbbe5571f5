"""The figures of the report: what they draw, and that text stays text."""

from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest

from skinfluence.cli.report._figures import dots, histogram, svg
from skinfluence.inspection._style import HARMFUL, HELPFUL

HOSTILE = """</svg><script>alert("x")</script> & 'y' "z" <img src=x onerror=y>"""


def bars(figure, colour):
    """Bars of one colour that are not empty, from left to right."""
    (ax,) = figure.axes
    rgba = matplotlib.colors.to_rgba(colour)
    return [b for b in ax.patches if b.get_facecolor() == rgba and b.get_height()]


class Shapes(HTMLParser):
    """Elements, attributes and text of a figure; refuses bad nesting."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.text.append(data)


def test_bars_have_the_counts_of_a_histogram():
    rng = np.random.default_rng(0)
    kept, suspects = rng.normal(size=200), rng.normal(-3, 1, size=40)
    figure = histogram(kept, suspects, "value", n_bins=20)
    edges = np.histogram_bin_edges(np.concatenate([kept, suspects]), 20)
    for colour, values in ((HELPFUL, kept), (HARMFUL, suspects)):
        counts, _ = np.histogram(values, edges)
        drawn = bars(figure, colour)
        np.testing.assert_allclose([b.get_height() for b in drawn], counts[counts > 0])
        left = [b.get_x() for b in drawn]
        np.testing.assert_allclose(left, edges[:-1][counts > 0])


def test_suspects_stand_on_the_rows_that_are_kept():
    figure = histogram(np.zeros(3), np.zeros(1), "value", n_bins=1)
    (below,), (above,) = bars(figure, HELPFUL), bars(figure, HARMFUL)
    assert (below.get_y(), below.get_height()) == (0, 3)
    assert (above.get_y(), above.get_height()) == (3, 1)


def test_dots_and_the_stroke_at_their_mean():
    rows = {"before": np.array([0.5, 0.6, 0.9]), "after": np.array([0.9, 0.8, 0.1])}
    (ax,) = dots(rows, "score").axes
    for line, stroke, numbers in zip(
        ax.lines, ax.collections, rows.values(), strict=True
    ):
        np.testing.assert_array_equal(line.get_xdata(), numbers)
        (segment,) = stroke.get_segments()
        np.testing.assert_allclose(segment[:, 0], numbers.mean())
    assert [label.get_text() for label in ax.get_yticklabels()] == list(rows)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first row on top


@pytest.mark.parametrize(
    "figure",
    [
        lambda: histogram(np.zeros(5), np.empty(0), "value"),
        lambda: dots({"before": np.ones(3), "after": np.ones(3)}, "score"),
    ],
)
def test_equal_values_are_drawn(figure):
    assert "nan" not in svg(figure(), "figure")


def test_figures_are_escaped_and_load_no_file():
    shapes = Shapes(svg(histogram(np.arange(9.0), np.arange(3.0), HOSTILE), "figure"))
    assert shapes.text.count(HOSTILE) == 1
    assert not {"script", "img"} & set(shapes.tags)
    assert not [name for name, _ in shapes.attributes if name.startswith("on")]


def test_figures_are_the_same_again_and_under_other_settings():
    def draw(name):
        return svg(histogram(np.arange(9.0), np.arange(3.0), "value"), name)

    first = draw("figure")
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path"}):
        assert draw("figure") == first
    assert "date" not in first.lower()
    names = [v for k, v in Shapes(first).attributes if k == "id"]
    others = [v for k, v in Shapes(draw("other")).attributes if k == "id"]
    assert len(set(names)) == len(names)
    assert not set(names) & set(others)
