"""InfluenceDisplay: bars, thumbnails and lines, and that labels do not overlap."""

import builtins

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skinfluence import InfluenceDisplay, MemorizationDisplay, SampleValuesDisplay
from skinfluence.inspection._style import HARMFUL, HELPFUL

pytest.importorskip("matplotlib").use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from drawn import SIZES, new_axes, overlapping  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402

VALUES = np.array([0.3, -0.2, 0.0, 0.1, -0.5, 0.2])


def test_bars_show_the_extremes_in_order():
    display = InfluenceDisplay(VALUES, labels=list("abcdef")).plot(n_rows=2)
    assert_array_equal(display.indices_, [0, 5, 1, 4])
    assert_allclose([bar.get_width() for bar in display.bars_], [0.3, 0.2, -0.2, -0.5])
    assert [to_hex(bar.get_facecolor()).upper() for bar in display.bars_] == (
        [HELPFUL] * 2 + [HARMFUL] * 2
    )
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == ["0 (a)", "5 (f)", "1 (b)", "4 (e)"]
    assert display.ax_.yaxis_inverted()  # the most helpful on top
    assert display.figure_ is display.ax_.figure


def test_rows_of_the_other_sign_do_not_fill_the_gaps():
    display = InfluenceDisplay(VALUES).plot(n_rows=5)
    assert_array_equal(display.indices_, [0, 5, 3, 1, 4])  # not row 2: it is zero


def test_influence_display_asks_the_estimator(digits):
    loo, X, y, labels, _ = digits
    display = InfluenceDisplay.from_estimator(loo, X[[3]], y[[3]], n_rows=3)
    matrix = loo.influence(X, y)
    same = InfluenceDisplay.from_influence(matrix, 3, n_rows=3)
    assert_array_equal(display.indices_, same.indices_)
    widths = [bar.get_width() for bar in display.bars_]
    assert_allclose(widths, matrix[3, display.indices_], rtol=1e-10)
    assert_allclose(max(widths), matrix[3].max(), rtol=1e-10)
    assert_allclose(min(widths), matrix[3].min(), rtol=1e-10)
    with pytest.raises(ValueError, match="'X'.*one test row. Got 2"):
        InfluenceDisplay.from_estimator(loo, X[:2], y[:2])


def test_thumbnails_are_the_rows(digits):
    images = digits[4]
    display = InfluenceDisplay(VALUES, rows=images[:6], row=images[9]).plot(n_rows=2)
    expected = [*images[display.indices_], images[9]]
    assert len(display.images_) == 5
    for artist, image in zip(display.images_, expected, strict=True):
        assert_array_equal(artist.get_array(), image)
    captions = [text.get_text() for text in display.texts_]
    assert captions == ["0\n+0.3", "5\n+0.2", "1\n-0.2", "4\n-0.5"]
    tops = [artist.get_extent()[3] for artist in display.images_]
    assert tops[0] == tops[1] < tops[2] == tops[3]  # help above harm
    edges = [to_hex(p.get_edgecolor()).upper() for p in display.ax_.patches[:4]]
    assert edges == [HELPFUL] * 2 + [HARMFUL] * 2
    assert display.bars_ is None


def test_lines_are_the_texts():
    rows = [f"text number {k}" for k in range(6)]
    display = InfluenceDisplay(VALUES, rows=rows, row="?").plot(n_rows=2)
    lines = [text.get_text() for text in display.texts_]
    assert lines == [
        "+3.0e-01 0 text number 0",
        "+2.0e-01 5 text number 5",
        "-2.0e-01 1 text number 1",
        "-5.0e-01 4 text number 4",
    ]
    assert [text.get_color() for text in display.texts_] == (
        [HELPFUL] * 2 + [HARMFUL] * 2
    )
    long = InfluenceDisplay(VALUES, rows=["so many words " * 50] * 6).plot()
    assert all(text.get_text().endswith("…") for text in long.texts_)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["bars", "images", "text"])
def test_captions_of_influences_do_not_overlap(kind, size, digits):
    loo, X, y, labels, images = digits
    rows = {
        "bars": None,
        "images": images[:150],
        "text": ["a rather long sentence about the row " * 3] * 150,
    }[kind]
    row = {"bars": None, "images": images[150], "text": "what is it?"}[kind]
    display = InfluenceDisplay.from_estimator(
        loo, X[[0]], y[[0]], labels=labels, rows=rows, row=row, ax=new_axes(size)
    )
    texts = display.ax_.get_yticklabels() if kind == "bars" else display.ax_.texts
    assert len(texts) >= 10
    assert not overlapping(texts)


LONG = np.array([f"a.newsgroup.on.some-topic.{k} $x$" for k in range(10)])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["bars", "images", "text"])
@pytest.mark.parametrize("n_rows", [5, 10])
def test_long_labels_are_shortened(kind, size, n_rows, digits):
    loo, X, y, labels, images = digits
    rows = {
        "bars": None,
        "images": images[:150],
        "text": ["Donaudampfschifffahrtsgesellschaftskapitän" * 5] * 150,
    }[kind]
    ax = new_axes(size)
    display = InfluenceDisplay.from_estimator(
        loo, X[[0]], y[[0]], labels=LONG[labels], rows=rows, n_rows=n_rows, ax=ax
    )
    texts = ax.get_yticklabels() if kind == "bars" else display.texts_
    assert len(texts) > n_rows
    assert not overlapping(texts)
    for i, text in zip(display.indices_, texts, strict=True):
        assert f"{i} (a" in text.get_text()
    assert ax.get_position().width > 0.45


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "pie"}, "'kind'.*Got 'pie'"),
        ({"kind": "images"}, "'rows'.*kind='images'"),
        ({"n_rows": 0}, "'n_rows'.*Got 0"),
    ],
)
def test_influence_display_checks_how_to_draw(options, message):
    with pytest.raises(ValueError, match=message):
        InfluenceDisplay(VALUES).plot(**options)


def test_influence_display_checks_its_arguments():
    with pytest.raises(ValueError, match="'labels'.*6. Got 5"):
        InfluenceDisplay(VALUES, labels=list("abcde")).plot()
    with pytest.raises(ValueError, match="'influence'.*one number per training row"):
        InfluenceDisplay(VALUES[None]).plot()


@pytest.mark.parametrize("t", [2, -1, 0.5, slice(1), None])
def test_influence_display_checks_the_test_row(t):
    with pytest.raises(ValueError, match="'t'.*integer from 0 to 1. Got"):
        InfluenceDisplay.from_influence(np.ones((2, 6)), t)


@pytest.mark.parametrize("shape", [(6,), (2, 6, 1)])
@pytest.mark.parametrize(
    "draw",
    [
        lambda matrix: InfluenceDisplay.from_influence(matrix, 0),
        SampleValuesDisplay.from_influence,
        lambda matrix: MemorizationDisplay.from_influence(VALUES, matrix),
    ],
)
def test_influences_must_be_a_matrix(draw, shape):
    with pytest.raises(
        ValueError, match=r"'influence'.*\(n_test, n_train\). Got shape"
    ):
        draw(np.ones(shape))


def test_the_given_axes_are_used_and_no_figure_is_made():
    ax = new_axes((4, 3))
    display = InfluenceDisplay(VALUES).plot(ax=ax)
    assert display.ax_ is ax
    assert len(plt.get_fignums()) == 1


def test_missing_matplotlib_is_reported_with_the_command(monkeypatch):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'skinfluence\[plot\]'"):
        InfluenceDisplay(VALUES).plot()
