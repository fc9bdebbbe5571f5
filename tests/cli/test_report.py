"""The report says what was found, in one file that is safe to open."""

import base64
import hashlib
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes

from skinfluence.__main__ import main

VOID = {"input", "meta"}
HOSTILE = "<script>alert('x')</script>"


class Page(HTMLParser):
    """Elements, attributes and visible text of a page; refuses bad nesting."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []
        self.rows = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"style", "script"} & set(self.open):
            return
        self.text.append(data)
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def hostile_table(n=150):
    rng = np.random.default_rng(0)
    size = rng.normal(size=n).round(3)
    size += np.where(size > 0, 1, -1)
    y = np.where(size > 0, HOSTILE, "small & 'quoted'").astype(object)
    wrong = rng.choice(n, 10, replace=False)
    y[wrong] = np.where(size[wrong] > 0, "small & 'quoted'", HOSTILE)
    note = np.array(["</td><img src=x onerror=y>", "plain", "\x1b[0m"], dtype=object)
    return pd.DataFrame(
        {"size <b>": size, "note": note[np.arange(n) % 3], "tar&get": y}
    ), wrong


def write_report(folder, frame, target, *options):
    path, page = folder / "a<b>.csv", folder / "report.html"
    frame.to_csv(path, index=False)
    arguments = ["clean", str(path), "--target", target, "--report", str(page)]
    assert main([*arguments, *options]) == 0
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    frame, wrong = hostile_table()
    folder = tmp_path_factory.mktemp("report")
    html = write_report(folder, frame, "tar&get", "--drop", "0.08")
    ranking = pd.read_csv(folder / "a<b>.suspects.csv")
    return frame, wrong, html, ranking


def test_cells_do_not_become_markup(hostile):
    _, _, html, _ = hostile
    page = Page(html)
    assert page.tags.count("script") == 2  # the data and the review
    assert not {"img", "link", "iframe", "b", "object"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert HOSTILE in page.words
    assert "</td><img src=x onerror=y>" in page.words
    assert "Suspect rows of a<b>.csv" in page.words
    assert "\x1b" not in html


def test_the_page_loads_no_other_file(hostile):
    page = Page(hostile[2])
    assert not {"src", "action"} & {name for name, _ in page.attributes}
    # Shapes of a figure refer to others of the same page.
    references = [v for n, v in page.attributes if n in ("href", "xlink:href")]
    references += re.findall(r"url\(([^)]*)\)", hostile[2])
    assert all(reference.startswith("#") for reference in references)
    assert "@import" not in hostile[2]
    script = re.findall("<script>(.*?)</script>", hostile[2], re.DOTALL)[-1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = "default-src 'none'; style-src 'unsafe-inline'; "
    policy += f"script-src 'sha256-{digest}'"
    assert ("content", policy) in page.attributes


def test_names_of_shapes_are_told_apart(hostile):
    names = [value for name, value in Page(hostile[2]).attributes if name == "id"]
    assert len(set(names)) == len(names)


def test_the_page_is_the_same_again(tmp_path, hostile):
    again = write_report(tmp_path, hostile[0], "tar&get", "--drop", "0.08")
    assert again == hostile[2]


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_a_missing_library_is_named_before_long_work(
    tmp_path, capsys, monkeypatch, library
):
    path, page = tmp_path / "t.csv", tmp_path / "report.html"
    hostile_table()[0].to_csv(path, index=False)
    monkeypatch.setitem(sys.modules, library, None)
    arguments = ["clean", str(path), "--target", "tar&get"]
    assert main([*arguments, "--report", str(page)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f'{library}: pip install "skinfluence[report]"' in err
    assert err.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]


def test_no_report_needs_no_library_of_reports():
    code = """
import sys
sys.modules["jinja2"] = sys.modules["matplotlib"] = None
from skinfluence.__main__ import main
sys.exit(main(["demo"]))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_the_page_agrees_with_the_ranking(hostile):
    frame, wrong, html, ranking = hostile
    page = Page(html)
    n_suspects = int(ranking["suspect"].sum())
    assert n_suspects > 0
    assert f"{n_suspects} rows ({n_suspects / 150:.1%}) are suspects" in page.words
    for place, row in enumerate(ranking["row"][: min(20, n_suspects)]):
        assert f"{place + 1}. line {row + 2}" in page.words
    worst = ranking.iloc[0]
    reason = worst["reason"]
    assert f". {reason[:1].upper()}{reason[1:]}" in page.words
    hurts = "; ".join(f"line {int(row) + 2}" for row in worst["hurts"].split())
    assert f"It hurts the held-out rows {hurts} most" in page.words


def test_suspects_stand_above_rows_that_agree(hostile):
    frame, _, html, ranking = hostile
    rows = Page(html).rows
    suspects = [row for row in rows if row and row[0] == "suspect"]
    assert len(suspects) == min(20, ranking["suspect"].sum())
    suggested = ranking.set_index("row")["suggested"]
    last = None
    for cells in rows:
        if cells[0] == "suspect":
            last = suggested[_row(cells[1])]
        if cells[0] in ("suspect", "agrees"):
            of_table = frame.iloc[_row(cells[1])]
            assert cells[2] == of_table["tar&get"]
            assert cells[3] == str(of_table["size <b>"])
        if cells[0] == "agrees":
            assert cells[2] == last


def _row(place):
    """Position in the frame of a line that people see: a header stands above."""
    return int(place.removeprefix("line ")) - 2


def test_scores_settings_and_limits(hostile):
    page = Page(hostile[2])
    for name in ("log loss", "balanced accuracy", "accuracy"):
        (row,) = [row for row in page.rows if row[0] == name]
        before, after, gain, error = map(float, row[1:5])
        sign = -1 if name == "log loss" else 1
        assert sign * (after - before) == pytest.approx(gain, abs=2e-4)
        assert error >= 0
    of_class = {row[0]: row for row in page.rows if len(row) == 8}
    assert {HOSTILE, "small & 'quoted'"} < set(of_class)
    assert sum(int(of_class[label][1]) for label in set(hostile[0]["tar&get"])) == 150
    assert page.tags.count("svg") == 2
    for heading in (
        "What was found",
        "Score before and after",
        "Distribution of the values",
        "Suspects",
        "Method and settings",
        "Limits",
    ):
        assert heading in page.words
    assert "Suspects by label" in page.words
    assert "plain out-of-fold loss" in page.words
    assert "the lowest 8.0% of the table" in page.words


def test_shares_are_ranges(hostile):
    words = Page(hostile[2]).words
    assert re.search(r"between \d+% and \d+% of all rows, and \d+% to", words)
    assert re.search(
        r"probability to be wrong \d\.\d\d, at most \d\.\d\d\. A model", words
    )


def test_regression_and_wide_tables(tmp_path):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    y = y.copy()
    y.iloc[100] += 1000
    noise = np.random.default_rng(0).normal(size=(442, 25)).round(2)
    names = [f"noise {j}" for j in range(25)]
    frame = X.join(pd.DataFrame(noise, columns=names)).assign(target=y)
    html = write_report(tmp_path, frame, "target", "--drop", "0.01")
    page = Page(html)
    assert "the target is target, a number" in page.words
    assert "The first 30 of 35 columns" in page.words
    assert "1. line 102" in page.words
    near = [row for row in page.rows if row and row[0] == "agrees"]
    assert len(near) == 3 * 4
    assert page.tags.count("svg") == 2


def test_no_suspects(tmp_path):
    frame, _ = hostile_table()
    html = write_report(tmp_path, frame, "tar&get", "--drop", "0")
    assert "There are none." in Page(html).words
    assert (
        "Nothing should be removed: the share of rows given as --drop"
        in Page(html).words
    )
    assert "Score before and after" not in Page(html).words
    assert not re.search(r"\bnan\b", Page(html).words)


@pytest.mark.parametrize("action", ["relabel", "weight"])
def test_actions_are_named(tmp_path, action):
    frame, _ = hostile_table()
    options = ["--action", action, "--drop", "0.06"]
    html = write_report(tmp_path, frame, "tar&get", *options)
    said = {"relabel": "suspects get the target", "weight": "suspects are weighed"}[
        action
    ]
    assert said in Page(html).words
