"""``clean --verdicts``: a review goes on."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skinfluence.__main__ import main

N = 240


def table():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, N))
    right = np.where(x + z / 3 > 0, "yes", "no")
    label = right.copy()
    flipped = rng.choice(N, 30, replace=False)
    label[flipped] = np.where(label[flipped] == "yes", "no", "yes")
    frame = pd.DataFrame({"x": x.round(3), "z": z.round(3), "label": label})
    return frame, right


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table, and verdicts on its first suspects."""
    frame, right = table()
    tmp_path = tmp_path_factory.mktemp("reviewed")
    path, file = tmp_path / "t.csv", tmp_path / "v.csv"
    frame.to_csv(path, index=False)
    assert main(["clean", str(path), "--target", "label"]) == 0
    rows = pd.read_csv(tmp_path / "t.suspects.csv")["row"][:15].to_numpy()
    given = frame["label"].to_numpy()[rows]
    wrong = given != right[rows]
    verdicts = pd.DataFrame({"row": rows, "given": given, "note": "seen"})
    verdicts["verdict"] = np.where(wrong, "relabel", "keep")
    verdicts["value"] = np.where(wrong, right[rows], "")
    last = np.flatnonzero(wrong)[-1]
    verdicts.loc[last, ["verdict", "value"]] = ["drop", ""]
    verdicts.to_csv(file, index=False)
    return tmp_path, verdicts


@pytest.fixture
def reviewed(folder, tmp_path):
    """Return the paths of both files, and the verdicts."""
    folder, verdicts = folder
    paths = [Path(shutil.copy(folder / name, tmp_path)) for name in ("t.csv", "v.csv")]
    return *paths, verdicts


def go_on(path, file, *more):
    arguments = ["clean", str(path), "--target", "label", "--verdicts", str(file)]
    return main([*arguments, "--force", *more])


def test_rows_found_wrong_do_not_count_as_given_in_the_check(reviewed, capsys):
    def shares():
        out = capsys.readouterr().out
        pattern = r"([\d.]+)% of comparisons .*out-of-fold loss: ([\d.]+)%"
        return np.array(re.search(pattern, out).groups(), dtype=float)

    path, file, _ = reviewed
    assert main(["clean", str(path), "--target", "label", "--force"]) == 0
    before = shares()
    go_on(path, file)
    assert (shares() > before + 2).all()


def test_decided_rows_are_carried_out_and_not_asked_again(reviewed, capsys):
    path, file, verdicts = reviewed
    frame, right = table()
    assert go_on(path, file, "--report", str(path.with_name("r.html"))) == 0
    out = capsys.readouterr().out
    counts = verdicts["verdict"].value_counts()
    assert f"15 verdicts: {counts.get('keep', 0)} keep, 1 drop, " in out
    assert "are wrong (95% interval)" in out
    ranking = pd.read_csv(path.with_name("t.suspects.csv"))
    assert len(ranking) == N
    assert set(ranking["row"][-15:]) == set(verdicts["row"])
    assert ranking["decided"].sum() == 15
    assert not ranking["suspect"][ranking["decided"]].any()
    asked = ranking["probability_wrong"][~ranking["decided"]]
    assert asked.is_monotonic_decreasing
    suspects = ranking["row"][ranking["suspect"]].to_numpy()
    assert len(suspects) > 3
    assert (frame["label"].to_numpy() != right)[suspects].mean() > 0.7
    expected = frame.copy()
    for row, verdict, value in verdicts[["row", "verdict", "value"]].itertuples(
        index=False
    ):
        if verdict == "relabel":
            expected.loc[row, "label"] = value
    gone = [*verdicts["row"][verdicts["verdict"] == "drop"], *suspects]
    expected = expected.drop(index=gone).reset_index(drop=True)
    cleaned = pd.read_csv(path.with_name("t.cleaned.csv"))
    pd.testing.assert_frame_equal(cleaned, expected)
    page = path.with_name("r.html").read_text()
    row, verdict = int(verdicts["row"][0]), verdicts["verdict"][0]
    assert f'"earlier": [[{row}, "{verdict}", ' in page
    assert "from 15 verdicts" in page


@pytest.mark.parametrize("action", ["relabel", "weight"])
def test_other_actions(reviewed, action):
    path, file, verdicts = reviewed
    frame, right = table()
    assert go_on(path, file, "--action", action) == 0
    ranking = pd.read_csv(path.with_name("t.suspects.csv"))
    ranking = ranking.set_index("row").sort_index()
    suspect = ranking["suspect"].to_numpy()
    stay = ~np.isin(np.arange(N), verdicts["row"][verdicts["verdict"] == "drop"])
    label = frame["label"].to_numpy().copy()
    seen = verdicts[verdicts["verdict"] == "relabel"]
    label[seen["row"]] = seen["value"]
    cleaned = pd.read_csv(path.with_name("t.cleaned.csv"))
    if action == "relabel":
        label = np.where(suspect, ranking["suggested"], label)
    else:
        weight = np.where(suspect, 1 - ranking["probability_wrong"], 1.0)
        np.testing.assert_allclose(cleaned["sample_weight"], weight[stay], atol=1e-5)
    assert cleaned["label"].tolist() == label[stay].tolist()


def test_verdicts_are_carried_out_where_nothing_is_suspect(reviewed, capsys):
    path, file, _ = reviewed
    assert go_on(path, file, "--drop", "0.001") == 0
    out = capsys.readouterr().out
    assert "Nothing more should be removed" in out
    assert len(pd.read_csv(path.with_name("t.cleaned.csv"))) == N - 1


BAD = {
    "no value": ("0,relabel,,", "line 2: relabel needs a value"),
    "too far": (f"{N},drop,,", "row must be a position in the table"),
    "another table": ("0,drop,,other", "give the table that was reviewed"),
    "twice": ("0,drop,,\n0,drop,,", "line 3: row 0 is decided on more than once"),
    "no target": ("5,drop,,", "row 5 has no value of 'label'"),
    "one class": ("", "leaves rows of one class only, no"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_verdicts_end_before_the_work(tmp_path, name, capsys):
    lines, message = BAD[name]
    frame, _ = table()
    frame.loc[5, "label"] = None
    path, file = tmp_path / "t.csv", tmp_path / "v.csv"
    frame.to_csv(path, index=False)
    if name == "one class":
        rows = np.flatnonzero(frame["label"] == "yes")
        lines = "\n".join(f"{row},drop,," for row in rows)
    file.write_text(f"row,verdict,value,given\n{lines}\n")
    assert go_on(path, file) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert "suspects" not in said.out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.csv", "v.csv"]


def test_the_file_of_verdicts_is_not_written_over(reviewed, capsys):
    path, file, _ = reviewed
    assert go_on(path, file, "--suspects", str(file)) == 2
    assert str(file) in capsys.readouterr().err


def test_a_label_that_no_row_had_is_a_class(reviewed, capsys):
    path, file, verdicts = reviewed
    frame, right = table()
    rows = [row for row in range(N) if row not in set(verdicts["row"])][:6]
    new = pd.DataFrame({"row": rows, "verdict": "relabel", "value": "unclear case"})
    pd.concat([verdicts, new]).to_csv(file, index=False)
    more = ["--report", str(path.with_name("r.html")), "--by", "label"]
    assert go_on(path, file, *more) == 0
    out = capsys.readouterr().out
    assert "'unclear case' is a label that no row had: verdicts give it to 6" in out
    cleaned = pd.read_csv(path.with_name("t.cleaned.csv"))
    assert (cleaned["label"] == "unclear case").sum() == 6
    assert cleaned["x"][cleaned["label"] == "unclear case"].tolist() == (
        frame["x"][rows].tolist()
    )
    # The model before has not seen the label: the scores are those of the other rows.
    compared = re.findall(r"^  (\w+) \((\d+)\) +\d\.\d{4}", out, re.MULTILINE)
    left = N - len(rows) - (verdicts["verdict"] == "drop").sum()
    assert sum(int(n) for _, n in compared) == left
    assert {name for name, _ in compared} == {"no", "yes"}
