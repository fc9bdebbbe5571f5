"""Tables that somebody made to do harm: to a terminal, a spreadsheet, a browser."""

import csv
import re
import subprocess
import sys
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hostile_table import N, hostile

import skinfluence
import skinfluence.__main__ as command_line
from skinfluence.__main__ import main
from skinfluence._shown import escaped, escaped_streams, shown
from skinfluence.cli._spreadsheet import without_formulas
from skinfluence.cli.report._templates import environment

pytestmark = pytest.mark.usefixtures("two_folds")

# Clears the screen, renames the window, rings, returns, one of C1, turns the direction
# (override, isolate), is no character, ends a line in Unicode only.
CONTROLS = "\x1b[2J\x1b]0;x\x07\x08\r\x7f\x9b31m\u202e\u2066\u200b\u2028"


def acting(text):
    """Characters of a text that a terminal acts on, but newlines."""
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return {c for c in text if unicodedata.category(c) in kinds} - {"\n"}


def clean(frame, folder, *options, name="table.csv", target=None):
    path = folder / name
    frame.to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC)
    target = frame.columns[-1] if target is None else target
    return main(["clean", str(path), "--target", target, *options])


# ------------------------------------------------------------------- the terminal


def test_control_characters_of_a_table_are_shown_as_codes(tmp_path, capsys):
    labels = f"yes{CONTROLS}", f"no{CONTROLS}\nwrote all.csv: 0 rows"
    names = ("size", f"same{CONTROLS}", f"label{CONTROLS}\nsuspects: 9999 rows")
    frame = hostile(*labels, names=names)
    frame[names[1]] = f"always{CONTROLS}"
    assert clean(frame, tmp_path, name=f"a{CONTROLS}.csv") == 0
    out, err = capsys.readouterr()
    assert not acting(out + err)
    assert "\\x1b[2J" in out
    assert "\\u202e" in out
    assert not re.search(r"^(wrote all|suspects: 9999 rows)", out, re.MULTILINE)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frame, bad: frame.rename(columns={"label": bad}),
        lambda frame, bad: frame.assign(label=bad),
        lambda frame, bad: frame.assign(label=[f"{bad}{i}" for i in range(N)]),
        lambda frame, bad: frame.iloc[:3],
    ],
)
def test_control_characters_of_error_messages(tmp_path, capsys, spoil):
    frame = spoil(hostile(), f"x{CONTROLS}\nskinfluence: all is well")
    name = f"t{CONTROLS}\n.csv"
    assert clean(frame, tmp_path, name=name, target="label") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert not acting(err)
    assert err.count("\n") == 1


def test_options_and_file_names_are_shown_as_codes_too(tmp_path, capsys):
    path = str(tmp_path / f"none{CONTROLS}.csv")
    for arguments in (
        ["clean", path, "--target", "y"],
        ["clean", path, "--target", "y", f"--{CONTROLS}"],
        ["clean", path, "--target", "y", "--method", CONTROLS],
        ["clean", "a\udce9.csv", "--target", "y"],  # a byte that is no UTF-8
    ):
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert not acting(out + err)
        assert err.count("\n") == 1


def test_faults_of_the_program_and_warnings(tmp_path, capsys, monkeypatch):
    def faulty(settings):
        print(f"a library prints {CONTROLS}")
        raise RuntimeError(f"could not convert {CONTROLS}")

    monkeypatch.setattr(command_line, "clean", faulty)
    assert main(["clean", "t.csv", "--target", "y"]) == 1
    out, err = capsys.readouterr()
    assert "Traceback" in err
    assert "could not convert \\x1b" in err
    assert not acting(out + err)
    with escaped_streams():
        print(CONTROLS, file=sys.stderr)
    assert not acting(capsys.readouterr().err)


WORKERS = """
import sys, warnings
from sklearn.utils.parallel import Parallel, delayed
from skinfluence import __main__ as command_line

def tell(k):
    warnings.warn(f"warned {k} " + CONTROLS)
    print("printed", k, CONTROLS, file=[sys.stdout, sys.stderr][k], flush=True)

def clean(settings):
    Parallel(n_jobs=settings.jobs)(delayed(tell)(k) for k in range(2))

command_line.clean = clean
sys.exit(command_line.main(["clean", "t.csv", "--target", "y", "--jobs", "2"]))
"""


@pytest.mark.slow
def test_output_of_worker_processes(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", f"CONTROLS = {CONTROLS!a}{WORKERS}"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        env={
            "PYTHONPATH": str(Path(skinfluence.__file__).parents[1]),
            "PYTHONIOENCODING": "utf-8",
            "OMP_NUM_THREADS": "1",
        },
    )
    assert run.returncode == 0, run.stderr
    for told in ("warned 0 \\x1b", "warned 1 \\x1b", "printed 1 \\x1b"):
        assert told in run.stderr
    assert "printed 0 \\x1b" in run.stdout
    assert not acting(run.stdout + run.stderr)


def test_characters_that_a_terminal_cannot_print(tmp_path):
    frame = hostile(good="größer \N{SNOWMAN}", bad="klein")
    frame.to_csv(tmp_path / "t.csv", index=False)
    run = subprocess.run(
        [sys.executable, "-m", "skinfluence", "clean", "t.csv", "--target", "label"],
        cwd=tmp_path,
        capture_output=True,
        env={
            "PYTHONPATH": str(Path(skinfluence.__file__).parents[1]),
            "PYTHONIOENCODING": "ascii",
            "OMP_NUM_THREADS": "1",
        },
    )
    assert run.returncode == 0, run.stderr
    assert rb"gr\xf6\xdfer \u2603" in run.stdout


def test_escaped_and_shown():
    assert escaped("plain é 漢字 \u200d\n") == "plain é 漢字 \u200d\n"
    assert escaped("\x9b\ud800\U000e0041") == r"\x9b\ud800\U000e0041"
    assert shown("x" * 200) == "x" * 200
    assert shown("x" * 201) == "x" * 200 + "... (201 characters)"
    assert shown("a\nb", 2) == "a\\n... (3 characters)"
    assert shown(1.5) == "1.5"


def test_long_names_and_labels_are_cut(tmp_path, capsys):
    long = "L" * 100_000
    assert clean(hostile(f"yes{long}", f"no{long}"), tmp_path, "--report",
                 str(tmp_path / "r.html")) == 0  # fmt: skip
    out, _ = capsys.readouterr()
    assert len(out) < 6_000
    assert "... (100003 characters)" in out
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "L" * 201 not in html
    assert len(html) < 150_000
    frame = hostile(names=("size", long, "label"))
    assert clean(frame, tmp_path, name="n.csv", target=f"{long[:-1]}l") == 2
    _, err = capsys.readouterr()
    assert len(err) < 3_000


# ----------------------------------------------------------------- the spreadsheet

FORMULAS = [
    "=1+1",
    '=HYPERLINK("http://x","y")',
    "+1+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\uff1d1+1",
    "-",
    "+49 30 1234",
]
HARMLESS = ["-1", "+1", "-1.5", "-1e-05", "1-1", "a=b", "", "'=1+1", "-.5", "x@y.z"]
HARMLESS += ["-1,256", "-1.499,50", "-1\u202f499,5", "+12.6%", "-12,6 %", "-3,50 €"]


def test_formulas_are_quoted_and_numbers_stay():
    frame = pd.DataFrame(
        {
            "text": [*FORMULAS, *HARMLESS],
            "number": -np.arange(len(FORMULAS) + len(HARMLESS)) - 0.5,
            "whole": -np.arange(len(FORMULAS) + len(HARMLESS)),
        }
    )
    safe = without_formulas(frame)
    assert safe["text"].tolist() == [f"'{text}" for text in FORMULAS] + HARMLESS
    pd.testing.assert_frame_equal(safe[["number", "whole"]], frame[["number", "whole"]])
    assert frame["text"].tolist() == [*FORMULAS, *HARMLESS]


@pytest.mark.parametrize("label", [FORMULAS[i] for i in (0, 3, 6, 9)])
def test_the_ranking_has_no_formulas_and_the_table_keeps_its_own(tmp_path, label):
    frame = hostile(good=label, note=label)
    assert clean(frame, tmp_path) == 0
    with open(tmp_path / "table.suspects.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == N
    texts = {cell for row in rows for cell in row.values()}
    assert not [text for text in texts if re.match(r"\s*[=@\uff1d]", text)]
    assert not [t for t in texts if t[:1] in "+-" and t and not _is_number(t)]
    assert {row["given"] for row in rows} == {f"'{label}", "no"}
    kept = sorted(int(row["row"]) for row in rows if row["suspect"] == "False")
    expected = frame.iloc[kept].to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)
    assert (tmp_path / "table.cleaned.csv").read_bytes() == expected.encode()


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_negative_numbers_of_a_ranking_stay_numbers(tmp_path):
    frame = hostile()
    frame["label"] = -frame["size"] * 3 + 0.25
    assert clean(frame, tmp_path) == 0
    ranking = pd.read_csv(tmp_path / "table.suspects.csv")
    for name in ("given", "predicted", "value", "standard_error"):
        assert ranking[name].dtype.kind == "f"
    assert (ranking["given"] < 0).any()
    assert (ranking["value"] < 0).any()


# ---------------------------------------------------------------------- the report

MARKUP = [
    "<script>alert(1)</script>",
    "</td></table><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "</title></style><iframe srcdoc='x'>",
    "<!-- ",
    "]]><b>",
    "&lt;i&gt;",
    "javascript:alert(1)",
]


class Elements(HTMLParser):
    """The elements and attributes that a browser would make of a page."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self.comments = [], [], 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.comments += 1


def page_of(folder, words):
    """The report of a table whose every text is ``words(place)``."""
    folder.mkdir()
    names = [words(place) for place in ("x", "y", "z")]
    frame = hostile(words("good"), words("bad"), words("note"), names)
    frame["same"] = words("constant")
    name = re.sub("[/\0]", "", words("file"))[:60] + ".csv"
    report = folder / "report.html"
    code = clean(frame, folder, "--report", str(report), name=name, target=names[-1])
    assert code == 0
    return Elements(report.read_text(encoding="utf-8"))


@pytest.mark.parametrize("markup", ["".join(MARKUP[:4]), "".join(MARKUP[4:])])
def test_a_page_has_the_elements_of_its_template_and_no_other(tmp_path, markup):
    words = "p" * len(markup)  # long cells have a class
    plain = page_of(tmp_path / "plain", lambda place: f"{place} {words}")
    page = page_of(tmp_path / "hostile", lambda place: f"{place} {markup}")
    assert page.elements == plain.elements
    assert page.comments == 0
    assert f"good {markup}" in "".join(page.text)


def test_controls_do_not_reach_the_page(tmp_path):
    page = page_of(tmp_path / "page", lambda place: f"{place}{CONTROLS}{place}")
    assert not acting("".join(page.text)) - {"\t", "\r"}


def test_markup_in_short_cells_is_harmless():
    template = environment().from_string('<p title="{{ x }}">{{ x }}</p>')
    assert not acting(template.render(x=f"{CONTROLS}\ud800"))


def test_long_cells_are_cut_and_their_length_is_shown(tmp_path):
    frame = hostile(note="c" * 2**18)
    assert clean(frame, tmp_path, "--report", str(tmp_path / "r.html")) == 0
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert len(html) < 120_000
    assert "c" * 200 + "... (262144 characters)" in html
    assert "c" * 1_001 not in html  # cells of suspects can be read to there
    assert (tmp_path / "table.cleaned.csv").stat().st_size > 2**18 * N / 3
