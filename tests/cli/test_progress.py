"""Progress of long computations is reported, and that of short ones is not."""

import pytest

from skinfluence.cli import _terminal
from skinfluence.cli._terminal import MANY_CELLS, MANY_ROWS, progress
from skinfluence.cli.tables import _read
from skinfluence.cli.tables._read import read_table


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("shape", [(MANY_ROWS, 1), (1, MANY_CELLS)])
def test_large_tables_report_progress(shape, capsys, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_terminal, "monotonic", clock)
    with progress(3, shape) as step:
        assert "the first of 3 parts" in capsys.readouterr().err
        clock.now += 40
        step()
        assert capsys.readouterr().err == "1 of 3 parts done in 40.0 s\n"
        clock.now += 20
        step()
        assert capsys.readouterr().err == (
            "2 of 3 parts done in 1 min 00 s, about 20.0 s left\n"
        )
        clock.now += 5
        step()
        assert capsys.readouterr().err == "3 of 3 parts done in 1 min 05 s\n"


def test_large_files_are_announced(tmp_path, capsys, monkeypatch):
    file = tmp_path / "t.csv"
    file.write_bytes(b"a,b\n" + b"1,2\n" * 400_000)
    read_table([file])
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(_read, "MANY_BYTES", 1_600_004)
    read_table([file])
    assert capsys.readouterr().err == "reading 2 MB\n"


def test_small_tables_report_no_progress(capsys):
    with progress(3, (MANY_ROWS - 1, MANY_CELLS // MANY_ROWS)) as step:
        step()
    assert capsys.readouterr().err == ""
