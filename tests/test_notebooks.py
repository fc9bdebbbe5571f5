"""Output in notebooks: HTML of fitted estimators and results, bars of long fits."""

import copy
import pickle
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import estimator_html_repr

import skinfluence
from skinfluence import (
    SOURCE,
    TRAK,
    BaseInfluence,
    DownsamplingInfluence,
    HyDRA,
    InfluenceCleaner,
    InfluenceFunctions,
    KNNShapley,
    LeaveOneOutInfluence,
    OutOfBagInfluence,
    RepresenterPoints,
    ShapleyInfluence,
    TracIn,
    TreeInfluence,
    case_diagnostics,
    group_values,
    suggest,
)
from skinfluence._display._html import table
from skinfluence._display._row_labels import RowTable
from skinfluence._display._shown_bunch import ShownBunch
from skinfluence._progress import Progress, bar_for
from skinfluence.datasets import load_longley

HOSTILE = "<script>alert('x')</script>\x1b[2J\u202e&amp;"
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)), np.arange(40) % 2


class Tags(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, html):
        super().__init__()
        self.opened, self.closed, self.text = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        assert all(not name.startswith("on") for name, _ in attrs)
        self.opened.append(tag)

    def handle_endtag(self, tag):
        self.closed.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def facts(fitted):
    """Return the facts below the diagram of scikit-learn."""
    return dict(fitted._computed())


@pytest.mark.parametrize(
    ("fitted", "path"),
    [
        (LeaveOneOutInfluence(LogisticRegression()), "exact removal"),
        (LeaveOneOutInfluence(DecisionTreeClassifier()), "40 retrainings"),
        (InfluenceFunctions(LogisticRegression()), "first order"),
        (InfluenceFunctions(LogisticRegression(), step="newton"), "one Newton step"),
        (RepresenterPoints(LogisticRegression()), "at the optimum"),
        (
            DownsamplingInfluence(LogisticRegression(), n_retrainings=30),
            "30 retrainings, each on 50% of the rows, with a control variate",
        ),
        (KNNShapley(), "closed form"),
        (ShapleyInfluence(KNNShapley().estimator), "without retraining"),
        (OutOfBagInfluence(RandomForestClassifier(30)), "30 members"),
        (TreeInfluence(RandomForestClassifier(30)), "30 structures"),
        (
            TracIn(SGDClassifier(loss="log_loss", max_iter=7, tol=None), checkpoints=3),
            "3 checkpoints",
        ),
    ],
)
def test_the_path_of_a_fit_is_told(fitted, path):
    assert facts(fitted) == {}
    shown = facts(fitted.fit(X, Y))
    assert path in shown["computed by"]
    assert shown["training rows"] == "40"
    assert shown["unit"] == f"{fitted._loss.name} of one test row"
    assert "positive = the row made the prediction better" in shown["influence"]
    assert shown["fit took"].endswith(" s")


def test_every_method_shows_its_algorithm():
    for name in skinfluence.__all__:
        method = getattr(skinfluence, name)
        if not isinstance(method, type) or not issubclass(method, BaseInfluence):
            continue
        if method is not BaseInfluence:
            assert method._path is not BaseInfluence._path, name


def test_html_of_an_estimator_follows_scikit_learns():
    loo = LeaveOneOutInfluence(make_pipeline(StandardScaler(), Ridge()))
    assert set(loo._repr_mimebundle_()) == {"text/plain", "text/html"}
    assert "fit took" not in loo._repr_html_()
    loo.fit(X, Y)
    html = loo._repr_html_()
    diagram, _, below = html.rpartition("<table><tbody><tr><th>training rows")
    assert "StandardScaler" in diagram
    assert diagram.count("<table") == estimator_html_repr(loo).count("<table")
    assert "squared_error of one test row" in below
    assert set(Tags(below).opened) <= {"table", "tbody", "tr", "th", "td"}
    with sklearn.config_context(display="text"):
        assert not hasattr(loo, "_repr_html_")
        assert set(loo._repr_mimebundle_()) == {"text/plain"}


def test_an_interrupted_fit_shows_no_summary(monkeypatch):
    loo = LeaveOneOutInfluence(Ridge()).fit(X, Y)

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(loo, "_fit_influence", interrupted)
    with pytest.raises(KeyboardInterrupt):
        loo.fit(X[:20], Y[:20])
    assert facts(loo) == {}
    assert "fit took" not in loo._repr_html_()


def test_steps_that_are_held_fixed_and_retrained_rows_are_told():
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    assert (
        "standardscaler" in facts(InfluenceFunctions(pipeline).fit(X, Y))["held fixed"]
    )
    one = np.where(np.arange(40) == 3, 1, 0)  # no model without the only row of a class
    shown = facts(LeaveOneOutInfluence(LogisticRegression()).fit(X, one))
    assert shown["rows left out by retraining"] == "1"


def test_hostile_names_and_values_are_text():
    found = ShownBunch(
        **{HOSTILE: HOSTILE, "row": [1, 2], "note": [HOSTILE, "x" * 1000]}
    )
    tags = Tags(found._repr_html_())
    assert set(tags.opened) == {"table", "thead", "tbody", "tr", "th", "td", "caption"}
    assert sorted(tags.opened) == sorted(tags.closed)
    text = " ".join(tags.text)
    assert "<script>alert('x')</script>" in text
    assert not set("\x1b\u202e") & set(text)
    assert "x" * 61 not in text


def test_hostile_frames_are_text():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=[HOSTILE, "b", "c"], index=[HOSTILE] * 40)
    cleaner = InfluenceCleaner(LogisticRegression(), drop_fraction=0.2).fit(frame, Y)
    shown = [cleaner._repr_html_(), cleaner.suspects_._repr_html_()]
    model = LogisticRegression().fit(frame, Y)
    shown.append(case_diagnostics(model, frame, Y)._repr_html_())
    for html in shown:
        assert "<script>alert" not in html
        assert "\u202e" not in html
    assert "&lt;script&gt;" in shown[1]
    assert "dfbeta_&lt;script&gt;" in shown[2]


def test_a_bunch_is_shown_by_fields_and_first_rows():
    found = ShownBunch(
        values=np.arange(8) / 3, pairs=np.zeros((8, 2)), total=2.0, name=None
    )
    assert repr(found) == repr(dict(found))
    text = Tags(found._repr_html_()).text
    assert text[3:6] == ["values", "(8,)", "float64"]
    assert text[6:9] == ["pairs", "(8, 2)", "float64"]
    assert text[9:13] == ["total", "2", "name", "None"]
    assert text[13] == "the first 5 of 8 rows"
    assert text[15:] == ["0", "0", "1", "0.3333", "2", "0.6667", "3", "1", "4", "1.333"]
    with sklearn.config_context(display="text"):
        assert found._repr_html_() is None
    assert Tags(ShownBunch(a=1.5)._repr_html_()).opened.count("table") == 1
    assert "0 rows" in ShownBunch(a=[])._repr_html_()


def test_a_suggestion_is_text_where_that_is_asked_for():
    suggestion = suggest(LogisticRegression())
    assert "<b>" in suggestion._repr_html_()
    with sklearn.config_context(display="text"):
        assert suggestion._repr_html_() is None


def test_many_columns_are_cut():
    wide = ShownBunch(**{f"c{j}": [j] for j in range(30)})
    assert "1 row, 18 more columns" in wide._repr_html_()


def test_labels_of_a_frame_are_shown():
    pytest.importorskip("pandas")
    text = Tags(load_longley(as_frame=True)._repr_html_()).text
    assert "1947" in text
    assert "gnp_deflator" in text


def test_values_are_escaped_and_cut():
    assert (
        table(["<"], [])
        == "<table><thead><tr><th>&lt;</th></tr></thead><tbody></tbody></table>"
    )
    assert "11 entries" in table([], [("a", list(range(11)))])


def test_suspects_are_a_frame_with_the_index_of_x():
    pd = pytest.importorskip("pandas")
    names = np.array([f"row {i}" for i in range(40)])
    frame = pd.DataFrame(X, columns=list("abc"), index=names)
    cleaner = InfluenceCleaner(LogisticRegression(), drop_fraction=0.2).fit(frame, Y)
    suspects = cleaner.suspects_
    assert len(suspects.row) == 8
    assert_array_equal(suspects.frame.index, names[suspects.row])
    assert list(suspects.frame.columns) == list(suspects)
    assert_array_equal(suspects.frame["value"], suspects.value)
    assert "frame" in dir(suspects)
    for other in (pickle.loads(pickle.dumps(suspects)), copy.copy(suspects)):
        pd.testing.assert_frame_equal(other.frame, suspects.frame)
    reasons = cleaner.suspect_reasons(suspects.row[:2])
    assert_array_equal(reasons.frame.index, names[suspects.row[:2]])
    plain = InfluenceCleaner(LogisticRegression(), drop_fraction=0.2).fit(X, Y)
    assert_array_equal(plain.suspects_.frame.index, plain.suspects_.row)


@pytest.mark.parametrize("y", [Y, None])
def test_influential_rows_as_frame(y):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, index=np.arange(40) * 10)
    loo = LeaveOneOutInfluence(LogisticRegression()).fit(frame, Y)
    test = frame.iloc[[7, 3]].set_axis(["t", "u"])
    y = None if y is None else y[[7, 3]]
    values, rows = loo.influential_rows(test, y, n_rows=3)
    found = loo.influential_rows(test, y, n_rows=3, as_frame=True)
    assert found["test_row"].tolist() == ["t"] * 3 + ["u"] * 3
    assert_array_equal(found["row"], rows.ravel())
    assert_array_equal(found["influence"], values.ravel())
    assert_array_equal(found.index, rows.ravel() * 10)
    assert_array_equal(found.join(frame)[0], X[rows.ravel(), 0])


def test_influential_rows_as_frame_of_validation_rows_and_arrays():
    pytest.importorskip("pandas")
    drawn = DownsamplingInfluence(
        DecisionTreeClassifier(), n_retrainings=20, random_state=0
    ).fit(X, Y, X[:2], Y[:2])
    found = drawn.influential_rows(n_rows=2, as_frame=True)
    assert found["test_row"].tolist() == [0, 0, 1, 1]
    assert_array_equal(found.index, found["row"])


def test_frames_without_pandas_name_the_command(monkeypatch):
    loo = LeaveOneOutInfluence(Ridge()).fit(X, Y)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"as_frame=True needs pandas.*skinfluence\["):
        loo.influential_rows(X[:1], as_frame=True)
    with pytest.raises(ImportError, match="frame needs pandas"):
        RowTable.of(X, row=np.array([1])).frame  # noqa: B018
    assert "<td>1</td>" in RowTable.of(X, row=np.array([1]))._repr_html_()


def test_tables_of_groups_show_their_labels():
    pytest.importorskip("pandas")
    loo = LeaveOneOutInfluence(LogisticRegression()).fit(X, Y)
    values = group_values(loo, X, Y, groups=np.array(["<b>", "plain"])[Y])
    assert "<th>&lt;b&gt;</th>" in values._repr_html_()


class Display:
    """Stands for IPython in a notebook; keeps what its cell shows in the end."""

    def __init__(self):
        self.shown, self.n_outputs = None, 0

    def display(self, bundle, *, raw, display_id):
        assert raw
        assert display_id
        self.shown, self.n_outputs = bundle, self.n_outputs + 1
        return SimpleNamespace(update=self.update)

    def update(self, bundle, *, raw):
        assert raw
        self.shown = bundle


def test_progress_in_a_notebook_is_one_bar(monkeypatch, capsys):
    cell = Display()
    shell = SimpleNamespace(kernel=object())
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(
        sys.modules, "IPython.display", SimpleNamespace(display=cell.display)
    )
    monkeypatch.setattr("skinfluence._progress.EVERY_BAR", 0)
    LeaveOneOutInfluence(DecisionTreeClassifier(), verbose=1).fit(X, Y)
    assert cell.n_outputs == 1
    assert '<progress value="40" max="40">' in cell.shown["text/html"]
    assert cell.shown["text/plain"].startswith("40/40 retrainings, ")
    assert capsys.readouterr().out == ""
    cell.n_outputs = 0
    shapley = ShapleyInfluence(  # a run of several parts
        DecisionTreeClassifier(), standard_error=0.1, loss="brier", verbose=1
    )
    shapley.fit(X[:18], Y[:18], X[:5], Y[:5])
    assert cell.n_outputs == 1
    assert "orders, " in cell.shown["text/plain"]
    assert len(pickle.loads(pickle.dumps(shapley)).influence()) == 5
    cell.n_outputs = 0
    LeaveOneOutInfluence(DecisionTreeClassifier()).fit(X, Y)
    assert cell.n_outputs == 0
    capsys.readouterr()
    shell = SimpleNamespace()  # IPython on a terminal
    progress = Progress("fits", 1, verbose=1, bar=bar_for(1))
    progress.advance(1)
    assert capsys.readouterr().out.startswith("1/1 fits")


def test_the_path_of_a_fit_on_nets_is_told():
    pytest.importorskip("skorch")
    from net_methods import make_net

    x = X[:, [0, 1, 2, 0]].astype(np.float32)
    for method, path in [
        (HyDRA(make_net(n_out=2)), "derivative of 1 training steps (exact)"),
        (SOURCE(make_net(n_out=2)), "in 3 segments"),
        (TRAK(make_net(n_out=2), checkpoints=1), "1 training run"),
        (RepresenterPoints(make_net(n_out=2)), "at the refitted last layer"),
        (InfluenceFunctions(make_net(n_out=2)), "of the net (ekfac)"),
    ]:
        assert path in facts(method.fit(x[:12], Y[:12]))["computed by"]


def test_results_are_bunches_that_notebooks_show():
    """Only the command line, which returns none, makes plain ones."""
    package = Path(skinfluence.__file__).parent
    plain = {
        path.relative_to(package).parts[0]
        for path in package.rglob("*.py")
        if re.search(r"import .*\bBunch\b", path.read_text(encoding="utf-8"))
    }
    assert plain == {"cli", "_display"}
