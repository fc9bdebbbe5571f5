"""Displays: what the artists hold, and that labels do not overlap."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils import Bunch

from skinfluence import (
    CertifiedAccuracyDisplay,
    InfluenceOutlierDisplay,
    MemorizationDisplay,
    RemovalCurveDisplay,
    SampleValuesDisplay,
    case_diagnostics,
)
from skinfluence.inspection._style import HARMFUL, HELPFUL
from skinfluence.metrics import removal_curve

pytest.importorskip("matplotlib").use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from drawn import SIZES, colors, new_axes, overlapping, tick_labels  # noqa: E402
from matplotlib.colors import to_hex, to_rgba  # noqa: E402

# ------------------------------------------------------- InfluenceOutlierDisplay


def test_outlier_display_draws_the_diagnostics():
    X, y = load_diabetes(return_X_y=True)
    model = LinearRegression().fit(X, y)
    found = case_diagnostics(model, X, y)
    display = InfluenceOutlierDisplay.from_estimator(model, X, y, n_labels=4)
    assert_array_equal(
        display.points_.get_offsets(),
        np.column_stack([found.leverage, found.resid_studentized_internal]),
    )
    beyond = found.cooks_distance > 4 / len(y)
    assert_array_equal(np.array(colors(display.points_)) == HARMFUL, beyond)
    worst = found.cooks_distance.argsort()[::-1][:4]
    assert [text.get_text() for text in display.texts_] == [str(i) for i in worst]


def test_outlier_display_of_statsmodels_and_of_models_without_residuals():
    sm = pytest.importorskip("statsmodels.api")
    X, y = load_diabetes(return_X_y=True)
    results = sm.OLS(y, sm.add_constant(X)).fit()
    display = InfluenceOutlierDisplay.from_estimator(results)
    expected = InfluenceOutlierDisplay.from_estimator(
        LinearRegression().fit(X, y), X, y
    )
    assert_allclose(display.points_.get_offsets(), expected.points_.get_offsets())
    with pytest.raises(ValueError, match="leave groups out"):
        InfluenceOutlierDisplay.from_estimator(results, groups=y > 100)


@pytest.mark.parametrize("size", SIZES)
def test_numbers_of_rows_do_not_overlap(size):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(100, 2)), np.full((6, 2), 7.0)])
    X[100:] += rng.normal(scale=0.02, size=(6, 2))  # alike: close in the picture
    y = np.concatenate([rng.normal(size=100), [9.0, 9.1, 9.2, -9.0, -9.1, -9.2]])
    display = InfluenceOutlierDisplay.from_estimator(
        LinearRegression().fit(X, y), X, y, n_labels=8, ax=new_axes(size)
    )
    assert len(display.texts_) == 8
    assert not overlapping(display.texts_)


def test_contours_separate_cooks_distances():
    X, y = load_diabetes(return_X_y=True)
    X, y = X[:80], y[:80]
    display = InfluenceOutlierDisplay.from_estimator(
        LinearRegression().fit(X, y), X, y, levels=[0.01, 0.05]
    )
    found = display.diagnostics
    h, t = found.leverage, np.abs(found.resid_studentized_internal)
    assert len(display.contours_) == 2
    for level, (upper, lower) in zip([0.01, 0.05], display.contours_, strict=True):
        contour = np.interp(h, *upper.get_data())
        clear = np.abs(found.cooks_distance / level - 1) > 1e-2  # interpolated
        above = t > contour
        assert_array_equal(above[clear], (found.cooks_distance > level)[clear])
        assert 0 < above.sum() < 80
        assert_array_equal(upper.get_ydata(), -lower.get_ydata())


# ----------------------------------------------------------- SampleValuesDisplay


def test_histogram_counts_every_row_and_splits_at_zero():
    values = np.random.default_rng(0).normal(0.3, 1, size=500)
    display = SampleValuesDisplay(values, suspects=20).plot()
    assert sum(bar.get_height() for bar in display.bars_) == 500
    negative = sum(
        bar.get_height()
        for bar in display.bars_
        if bar.get_facecolor() == to_rgba(HARMFUL)
    )
    assert negative == (values < 0).sum()
    marked = display.marks_.get_offsets()[:, 0]
    assert_allclose(np.sort(marked), np.sort(values)[:20])
    assert_array_equal(display.suspects_, values <= np.sort(values)[19])


def test_quantiles_by_class_and_suspects_in_their_row():
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=90), np.repeat(["c", "a", "b"], 30)
    mask = rng.random(90) < 0.1
    display = SampleValuesDisplay(values, labels=labels, suspects=mask).plot()
    groups = [values[labels == k] for k in "abc"]
    medians = display.medians_.get_offsets()
    assert_allclose(medians[:, 0], [np.median(group) for group in groups])
    assert_allclose(medians[:, 1], [0, 1, 2])
    ends = [segment[:, 0] for segment in display.quartiles_.get_segments()]
    assert_allclose(ends, [np.percentile(group, [25, 75]) for group in groups])
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == ["a", "b", "c"]
    expected = np.column_stack([values, np.searchsorted(list("abc"), labels)])[mask]
    assert_allclose(display.marks_.get_offsets(), expected)


def test_sample_values_display_asks_the_estimator(digits):
    loo, X, y, _, _ = digits
    display = SampleValuesDisplay.from_estimator(loo, X, y)
    assert_allclose(display.values, loo.sample_values(X, y))
    same = SampleValuesDisplay.from_influence(loo.influence(X, y))
    assert_allclose(display.values, same.values, rtol=1e-8, atol=1e-14)
    assert display.marks_ is None
    with pytest.raises(ValueError, match="'suspects'.*between 0 and 150, .*Got 151"):
        SampleValuesDisplay(display.values, suspects=151).plot()
    with pytest.raises(ValueError, match="'labels'.*training row, 150. Got 3"):
        SampleValuesDisplay(display.values, labels=list("abc")).plot()
    with pytest.raises(ValueError, match="'suspects'.*boolean mask"):
        SampleValuesDisplay(display.values, suspects=[1, 2]).plot()


@pytest.mark.parametrize("size", SIZES)
def test_labels_of_values_do_not_overlap(size, digits):
    loo, X, y, labels, _ = digits
    for options in ({}, {"labels": labels}):
        display = SampleValuesDisplay.from_estimator(
            loo, X, y, suspects=5, ax=new_axes(size), **options
        )
        ax = display.ax_
        assert not overlapping([*tick_labels(ax.xaxis), ax.xaxis.label])
        if options:
            assert not overlapping([*tick_labels(ax.yaxis), ax.yaxis.label])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("n_classes", [4, 40])
def test_names_of_classes_are_cut_or_left_out(size, n_classes):
    rng = np.random.default_rng(0)
    names = np.array([f"{k:02} a long name of a class" for k in range(n_classes)])
    labels = names[np.arange(400) % n_classes]
    ax = new_axes(size)
    SampleValuesDisplay(rng.normal(size=400), labels=labels, suspects=5).plot(ax)
    shown = tick_labels(ax.yaxis)
    assert len(shown) >= min(n_classes, 10)
    for label in shown:
        at = round(label.get_position()[1])
        assert names[at].startswith(label.get_text().removesuffix("…"))
    assert not overlapping([*shown, ax.yaxis.label])
    assert not overlapping([*tick_labels(ax.xaxis), ax.xaxis.label])
    assert ax.get_position().width > 0.45
    # The legend covers no row.
    assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1


# ----------------------------------------------------------- MemorizationDisplay


def test_memorization_display_marks_the_pairs():
    memorization = np.array([0.0, 0.3, 0.3, 0.25])
    influence = np.array([[0.5, 0.1, 0.0, 0.15], [0.0, -0.9, 0.2, -0.1]])
    display = MemorizationDisplay.from_influence(memorization, influence)
    assert_allclose(
        display.points_.get_offsets(),
        np.column_stack([memorization, [0.5, 0.1, 0.2, 0.15]]),
    )
    assert_array_equal(
        np.array(colors(display.points_)) == HELPFUL, [False, False, True, True]
    )
    assert "2 of 4" in display.ax_.get_title()


def test_memorization_display_asks_the_estimator(digits):
    loo, X, y, _, _ = digits
    display = MemorizationDisplay.from_estimator(loo, X, y, influence_threshold=0.01)
    offsets = display.points_.get_offsets()
    assert_allclose(offsets[:, 0], loo.self_influence())
    assert_allclose(offsets[:, 1], loo.influence(X, y).max(axis=0), rtol=1e-10)
    assert display.influence_threshold == 0.01
    with pytest.raises(TypeError, match="limit"):
        MemorizationDisplay.from_estimator(loo, X, y, limit=0.01)


# ----------------------------------------------------------- RemovalCurveDisplay


def test_removal_curves_start_at_all_rows_and_are_sorted():
    curve = Bunch(
        fractions=np.array([0.2, 0.1]),
        all_rows=0.9,
        lowest=np.array([0.95, 0.92]),
        highest=np.array([0.7, 0.8]),
        random=np.array([[0.85, 0.88], [0.87, 0.90]]),
    )
    display = RemovalCurveDisplay(curve, value_name="worth").plot()
    for line, expected in (
        (display.lowest_, [0.9, 0.92, 0.95]),
        (display.highest_, [0.9, 0.8, 0.7]),
        (display.random_, [0.9, 0.89, 0.86]),
    ):
        assert_allclose(line.get_xdata(), [0, 10, 20])
        assert_allclose(line.get_ydata(), expected)
    band = display.band_.get_paths()[0].get_extents()
    assert_allclose([band.x0, band.x1], [0, 20])
    assert_allclose(band.ymin, 0.86 - 2 * 0.01)
    assert (display.lowest_.get_color(), display.highest_.get_color()) == (
        HARMFUL,
        HELPFUL,
    )
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["random", "lowest worth", "highest worth"]


@pytest.mark.parametrize("size", SIZES)
def test_long_names_of_curves_are_cut(size):
    scores = {"lowest": [0.95], "highest": [0.7], "random": [[0.85], [0.87]]}
    curve = Bunch(fractions=[0.2], all_rows=0.9, **scores)
    display = RemovalCurveDisplay(
        curve, value_name="value of the row " * 9, score_name="Accuracy of all " * 9
    ).plot(new_axes(size))
    ax = display.ax_
    ax.figure.draw_without_rendering()
    legend, box = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert legend.x0 >= box.x0
    assert legend.x1 <= box.x1
    label = ax.yaxis.label.get_window_extent()
    assert label.y0 >= 0
    assert label.y1 <= ax.figure.bbox.y1
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names[1].startswith("lowest value of the row")
    assert names[2].startswith("highest value of the row")


def test_removal_curve_display_retrains():
    X, y = load_diabetes(return_X_y=True)
    rows = np.random.default_rng(0).normal(size=60), X[:60], y[:60], X[60:], y[60:]
    options = {"n_random": 2, "random_state": 0, "fractions": [0.1, 0.5]}
    display = RemovalCurveDisplay.from_estimator(Ridge(), *rows, **options)
    expected = removal_curve(Ridge(), *rows, **options)
    assert_allclose(display.lowest_.get_ydata()[1:], expected.lowest)
    assert_allclose(display.highest_.get_ydata()[1:], expected.highest)


def test_certified_accuracy_is_drawn_from_both_sides():
    curve = Bunch(
        n_changes=np.arange(4),
        certified=np.array([0.9, 0.6, 0.2, 0.0]),
        attacked=np.array([0.9, 0.8, 0.4, 0.1]),
    )
    display = CertifiedAccuracyDisplay(curve, change="label_flip", name="ridge").plot()
    assert_array_equal(display.certified_.get_ydata(), curve.certified)
    assert_array_equal(display.attacked_.get_ydata(), curve.attacked)
    assert_array_equal(display.certified_.get_xdata(), curve.n_changes)
    assert to_hex(display.certified_.get_color()) == HELPFUL.lower()
    assert to_hex(display.attacked_.get_color()) == HARMFUL.lower()
    assert "another label" in display.ax_.get_xlabel()
    assert "ridge" in display.ax_.get_legend().get_texts()[0].get_text()
    other = plt.figure().subplots()
    assert display.plot(ax=other).ax_ is other
