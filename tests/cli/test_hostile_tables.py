"""Tables that somebody made to do harm: to a terminal, a spreadsheet, a browser."""

import csv
import gzip
import re
import subprocess
import sys
import unicodedata
import zlib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import skinfluence
import skinfluence.__main__ as command_line
from skinfluence import _memory
from skinfluence.__main__ import main
from skinfluence._shown import escaped, escaped_streams, shown
from skinfluence.cli._spreadsheet import without_formulas
from skinfluence.cli.report._templates import environment
from skinfluence.cli.tables import _bounds, _compression

N = 120
# Clears the screen, renames the window, rings, returns, one of C1, turns the direction
# (override, isolate), is no character, ends a line in Unicode only.
CONTROLS = "\x1b[2J\x1b]0;x\x07\x08\r\x7f\x9b31m\u202e\u2066\u200b\u2028"


def acting(text):
    """Characters of a text that a terminal acts on, but newlines."""
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return {c for c in text if unicodedata.category(c) in kinds} - {"\n"}


def hostile(good="yes", bad="no", note="plain", names=("size", "note", "label")):
    rng = np.random.default_rng(0)
    size = rng.normal(size=N).round(3)
    size += np.where(size > 0, 1, -1)
    y = np.where(size > 0, good, bad).astype(object)
    flipped = rng.choice(N, 12, replace=False)
    y[flipped] = np.where(size[flipped] > 0, bad, good)
    notes = np.array([note, "other"], dtype=object)[np.arange(N) % 2]
    return pd.DataFrame(dict(zip(names, (size, notes, y), strict=True)))


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


def test_what_worker_processes_write(tmp_path):
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


def test_what_a_terminal_cannot_write_is_no_crash(tmp_path):
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
    assert len(out) < 5_000
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
def test_the_ranking_holds_no_formula_and_the_table_what_came(tmp_path, label):
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
    plain = page_of(tmp_path / "plain", lambda place: f"{place} plain")
    page = page_of(tmp_path / "hostile", lambda place: f"{place} {markup}")
    assert page.elements == plain.elements
    assert page.comments == 0
    assert f"good {markup}" in "".join(page.text)


def test_controls_do_not_reach_the_page(tmp_path):
    page = page_of(tmp_path / "page", lambda place: f"{place}{CONTROLS}{place}")
    assert not acting("".join(page.text)) - {"\t", "\r"}


def test_what_is_not_cut_does_not_act_either():
    template = environment().from_string('<p title="{{ x }}">{{ x }}</p>')
    assert not acting(template.render(x=f"{CONTROLS}\ud800"))


def test_cells_are_cut_and_say_how_long_they_are(tmp_path):
    frame = hostile(note="c" * 2**18)
    assert clean(frame, tmp_path, "--report", str(tmp_path / "r.html")) == 0
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert len(html) < 100_000
    assert "c" * 200 + "... (262144 characters)" in html
    assert "c" * 201 not in html
    assert (tmp_path / "table.cleaned.csv").stat().st_size > 2**18 * N / 3


# --------------------------------------------------------------- what is handed back

ODD = {
    "quotes that are not needed": (b'"a";"t";"y"\n', b'"%d";"x, y";"%s"\n'),
    "lines of Windows": (b"a;t;y\r\n", b"%d;x;%s\r\n"),
    "the mark of UTF-8": (b"\xef\xbb\xbfa;t;y\n", b"%d;\xc3\xa9;%s\n"),
    "line breaks in cells": (b"a;t;y\n", b'%d;"x\n\ny\r;z";%s\n'),
    "blank lines": (b"a;t;y\n\n", b"%d;x;%s\n"),
    "names that are twice there": (b"a;a;y\n", b"%d;1.50;%s\n"),
    "quotes inside": (b"a;t;y\n", b'%d;5" pipe;%s\n'),
}


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
@pytest.mark.parametrize("kind", ODD)
def test_rows_that_stay_are_the_bytes_that_came(tmp_path, kind, suffix):
    header, line = ODD[kind]
    lines = [line % (i * 7 % 30, [b"no", b"yes"][i % 2]) for i in range(60)]
    content = header + b"".join(lines)
    path = tmp_path / f"t{suffix}"
    gz = suffix == ".csv.gz"
    path.write_bytes(gzip.compress(content) if gz else content)
    arguments = ["clean", str(path), "--target", "y", "--separator", ";"]
    assert main([*arguments, "--drop", "0.2"]) == 0
    ranking = pd.read_csv(tmp_path / f"t.suspects{suffix}", sep=";")
    kept = np.sort(ranking["row"][~ranking["suspect"]])
    assert len(kept) == 48
    cleaned = (tmp_path / f"t.cleaned{suffix}").read_bytes()
    cleaned = gzip.decompress(cleaned) if gz else cleaned
    first = header.removesuffix(b"\n") if kind == "blank lines" else header
    assert cleaned == first + b"".join(lines[i] for i in kept)


@pytest.mark.parametrize("action", ["relabel", "weight"])
def test_tables_that_change_keep_their_separator_and_their_cells(tmp_path, action):
    frame = hostile(note="x\ry;z")
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False, sep=";", quoting=csv.QUOTE_NONNUMERIC)
    arguments = ["clean", str(path), "--target", "label", "--separator", ";"]
    assert main([*arguments, "--action", action]) == 0
    with open(tmp_path / "t.cleaned.csv", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    assert rows[0][:3] == ["size", "note", "label"]
    assert [row[1] for row in rows[1:]] == frame["note"].tolist()
    assert [float(row[0]) for row in rows[1:]] == frame["size"].tolist()


@pytest.mark.parametrize("separator", ["::", "", "\\s+", "§"])
def test_separators_that_are_no_character(tmp_path, capsys, separator):
    path = tmp_path / "t.csv"
    lines = [f"{i * 7 % 30}::{'ny'[i % 2]}" for i in range(60)]
    path.write_text("\n".join(["a::y", *lines]))
    assert main(["clean", str(path), "--target", "y", "--separator", separator]) == 2
    assert "--separator must be one character" in capsys.readouterr().err


# ------------------------------------------------------------------------ the bytes


def refused(path, capsys, target="y"):
    before = sorted(path.parent.iterdir())
    assert main(["clean", str(path), "--target", target]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert sorted(path.parent.iterdir()) == before
    return err


def bomb(path, n_bytes):
    """Compress a table whose one cell is ``n_bytes`` zeros, without holding it."""
    squeeze = zlib.compressobj(9, wbits=31)
    with open(path, "wb") as file:
        file.write(squeeze.compress(b"a,y\n"))
        for _ in range(n_bytes // 2**20):
            file.write(squeeze.compress(b"0" * 2**20))
        file.write(squeeze.compress(b",1\n") + squeeze.flush())


def test_a_bomb_is_not_decompressed(tmp_path, capsys):
    path = tmp_path / "bomb.csv.gz"
    bomb(path, 300 * 2**20)
    assert path.stat().st_size < 2**19
    err = refused(path, capsys)
    assert "decompresses to more than 64 MiB, 100 times its size" in err
    assert "decompress it yourself" in err


def test_ordinary_tables_are_decompressed(tmp_path):
    constant = pd.DataFrame({"a": np.zeros(200_000, int), "y": np.arange(200_000) % 2})
    path = tmp_path / "t.csv.gz"
    constant.to_csv(path, index=False)
    n_bytes = len(gzip.decompress(path.read_bytes()))
    assert n_bytes / path.stat().st_size > _bounds.MAX_FACTOR
    content, _ = _compression.decompressed("t.csv.gz", path.read_bytes(), ".gz")
    assert content == gzip.decompress(path.read_bytes())


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_memory_is_asked_before_a_table_is_parsed(
    tmp_path, capsys, suffix, monkeypatch
):
    path = tmp_path / f"t{suffix}"
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=20_000), "y": np.arange(20_000) % 2})
    write = frame.to_parquet if suffix == ".parquet" else frame.to_csv
    write(path, index=False)
    monkeypatch.setattr(_memory, "SMALL", 0)
    monkeypatch.setattr(_memory, "memory_limits", lambda: [(2**19, "of a thimble")])

    def parsed(*args, **kwargs):
        raise AssertionError("parsed")

    monkeypatch.setattr(pd, "read_csv", parsed)
    monkeypatch.setattr(pd, "read_parquet", parsed)
    err = refused(path, capsys)
    assert f"not enough memory: The table t{suffix}, " in err
    assert "are available of a thimble. Use a sample of its rows" in err


def test_a_parquet_of_one_value_repeated_counts_its_cells(
    tmp_path, capsys, monkeypatch
):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": np.zeros(2**20), "y": np.ones(2**20)}).to_parquet(path)
    assert path.stat().st_size < 2**17
    monkeypatch.setattr(_memory, "memory_limits", lambda: [(2**24, "of a thimble")])
    monkeypatch.setattr(_memory, "SMALL", 0)
    assert "48 MiB" in refused(path, capsys)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_nul_bytes_are_no_text(tmp_path, capsys, name):
    content = b"a,y\n" + b"1,0\n" * 20 + b"2,\0\n" + b"3,1\n" * 20
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert "holds a NUL byte (byte 86) and is not text: save it as CSV in UTF-8" in (
        refused(path, capsys)
    )


def test_a_million_columns(tmp_path, capsys):
    path = tmp_path / "wide.csv"
    path.write_bytes(b"y" + b",a" * 1_000_000 + b"\n" + b"1" + b",2" * 1_000_000)
    assert "100000 are supported: choose the columns to predict from" in refused(
        path, capsys
    )


def test_a_line_that_never_ends(tmp_path, capsys):
    path = tmp_path / "long.csv"
    path.write_bytes(b"y" * 5_000_000)
    err = refused(path, capsys)
    assert len(err) < 1_000
    path.write_bytes(b"a,y\n" + b"z" * 5_000_000 + b",1\n")
    assert len(refused(path, capsys)) < 1_000
