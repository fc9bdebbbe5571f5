"""Files that somebody made to fill memory, and bytes that are no table."""

import gzip
import io
import zlib
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from skinfluence import _memory
from skinfluence.__main__ import main
from skinfluence.cli.tables import _bounds, _compression

pytestmark = pytest.mark.usefixtures("two_folds")


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


class Endless(io.RawIOBase):
    """Standard input that never ends, and counts what was taken of it."""

    def __init__(self, content=b""):
        self.content, self.taken = content, 0

    def read(self, size=-1):
        self.taken += size
        assert size > 0
        assert self.taken < 2**26, "read as a whole"
        return self.content.ljust(size, b"0") if self.taken == size else b"0" * size


def test_standard_input_is_read_no_further_than_memory_allows(monkeypatch, capsys):
    stream = Endless(b"a,y\n")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=stream))
    monkeypatch.setattr(_memory, "memory_limits", lambda: [(2**24, "of a thimble")])
    monkeypatch.setattr(_memory, "SMALL", 0)
    assert main(["clean", "-", "--target", "y"]) == 2
    assert "not enough memory: The table standard input" in capsys.readouterr().err
    assert stream.taken <= 2**24 + _bounds.CHUNK


def test_memory_of_parsed_standard_input_is_checked(monkeypatch, capsys):
    content = b"a,y\n" + b"1.5,0\n" * 500_000
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    monkeypatch.setattr(_memory, "memory_limits", lambda: [(2**24, "of a thimble")])
    monkeypatch.setattr(_memory, "SMALL", 0)
    monkeypatch.setattr(pd, "read_csv", None)
    assert main(["clean", "-", "--target", "y"]) == 2
    assert "not enough memory: The table standard input" in capsys.readouterr().err
