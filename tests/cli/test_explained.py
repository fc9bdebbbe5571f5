"""Blamed cells in the output of the command line."""

import json

import numpy as np
import pandas as pd
import pytest

from skinfluence.__main__ import main

N, TYPO, WRONG = 200, 11, 30
COLUMN = "=twin\x1b[2J"


def table():
    """Two columns that follow each other; a decimal point and a label are wrong."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=N) + np.where(np.arange(N) % 2, 3.0, -3.0)).round(3)
    twin = (100 + 10 * x + rng.normal(size=N)).round(2)
    label = np.where(x > 0, "big", "small").astype(object)
    twin[TYPO] = 1.25
    label[WRONG] = "big"
    return pd.DataFrame({"x": x, COLUMN: twin, "label": label})


@pytest.fixture(params=["csv", "jsonl"])
def ranking(request, tmp_path):
    path, out = (tmp_path / f"{name}.{request.param}" for name in ("t", "ranked"))
    if request.param == "csv":
        table().to_csv(path, index=False)
    else:
        table().to_json(path, orient="records", lines=True)
    arguments = ["--target", "label", "--drop", "0.02", "--suspects", str(out)]
    assert main(["clean", str(path), *arguments]) == 0
    if request.param == "csv":
        return pd.read_csv(out, keep_default_na=False)
    lines = out.read_text(encoding="utf-8").splitlines()
    return pd.DataFrame([json.loads(line) for line in lines])


def test_the_file_names_cell_and_target(ranking):
    by_row = ranking.set_index("row")
    typo = by_row.loc[TYPO]
    assert typo["to_blame"] == "cell"
    # A spreadsheet would take the name for a formula.
    assert typo["blamed_column"].removeprefix("'") == COLUMN
    assert float(typo["suggested_cell"]) == pytest.approx(
        100 + 10 * table()["x"][TYPO], abs=4
    )
    assert "a cell is likelier wrong than the target (probability 9" in typo["reason"]
    assert "): =twin" in typo["reason"]
    assert "\x1b" not in typo["reason"]
    wrong = by_row.loc[WRONG]
    assert wrong["to_blame"] == "target"
    assert 0.5 < float(wrong["suggested_probability"]) <= 1
    assert "the target is likelier wrong than a cell (probability 9" in wrong["reason"]
    assert "otherwise" not in wrong["reason"]
    fine = by_row[~by_row["suspect"].astype(bool)]
    assert set(fine["to_blame"]) == {""}
    assert set(fine["blamed_column"]) == {""}


def page_of(path, *options):
    page = path.with_suffix(".html")
    arguments = ["clean", str(path), "--target", "label", "--report", str(page)]
    assert main([*arguments, *options]) == 0
    html = page.read_text(encoding="utf-8")
    start = html.index('id="data">') + len('id="data">')
    return json.loads(html[start : html.index("</script>", start)])["suspects"]


def test_wide_tables_get_the_reason_why_no_cell_is_blamed(tmp_path, capsys):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 257)).round(2)).add_prefix("x")
    path = tmp_path / "wide.csv"
    frame.assign(label=["a", "b"] * 20).to_csv(path, index=False)
    (one, two) = page_of(path, "--drop", "0.05")
    assert "at most 256 columns" in one["unsaid"]
    assert one["unsaid"] == two["unsaid"]
    assert "no cell of them is blamed: this needs" in capsys.readouterr().out


def test_the_page_names_suspects_without_reasons(tmp_path, monkeypatch):
    import skinfluence.cli._explained as explained

    monkeypatch.setattr(explained, "MAX_EXPLAINED", 2)
    path = tmp_path / "t.csv"
    table().to_csv(path, index=False)
    suspects = page_of(path, "--drop", "0.02")
    assert len(suspects) == 4
    assert [bool(s["unsaid"]) for s in suspects] == [False, False, True, True]
    assert [bool(s["reasons"]) for s in suspects] == [True, True, False, False]
    assert "first 200 suspects only" in suspects[2]["unsaid"]
    # Numbers are coloured by the rule that the page states.
    columns = table()[["x", COLUMN]]
    row, differs = suspects[0]["near"][0]
    away = (columns.iloc[row] - columns.iloc[suspects[0]["row"]]).abs()
    assert differs == np.flatnonzero(away > columns.std(ddof=0)).tolist()
