"""Format and compression of a file, by its name."""

import re
from pathlib import Path

from skinfluence.cli._bad_input import BadInput
from skinfluence.cli.tables._compression import COMPRESSIONS

DELIMITED = {".csv": ",", ".tsv": "\t", ".txt": ","}
JSON_LINES = (".jsonl", ".ndjson")
SPREADSHEETS = (".xlsx", ".ods")
COLUMNAR = (".parquet", ".feather")
# Texts, which compression serves; the others compress themselves.
TEXTS = (*DELIMITED, *JSON_LINES)
FORMATS = (*TEXTS, *SPREADSHEETS, *COLUMNAR)
STDIN = "-"


def split_name(name):
    """Split a name of a file into stem, format and compression.

    Parameters
    ----------
    name : str
        Name, without folders.

    Returns
    -------
    stem, file_format, compression : str
        Parts that are missing in the name are empty.

    Examples
    --------
    >>> from skinfluence.cli.tables._file_names import split_name
    >>> split_name("people.2024.csv.gz"), split_name("people.zip")
    (('people.2024', '.csv', '.gz'), ('people', '', '.zip'))
    """
    stem, compression = _without(name, COMPRESSIONS)
    stem, file_format = _without(stem, FORMATS if not compression else TEXTS)
    return stem, file_format, compression


def _without(name, suffixes):
    for suffix in suffixes:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)], suffix
    return name, ""


def check_name(path):
    """Refuse a name whose end is no format."""
    _, file_format, compression = split_name(path.name)
    if not file_format and compression != ".zip":
        raise BadInput(
            f"{path}: the name must end in the format, one of {', '.join(FORMATS)}, "
            f"the texts with {', '.join(COMPRESSIONS)} or without"
        )


def beside(table, what):
    """Return the path of a result named ``what``, beside the table."""
    if str(table) == STDIN:
        return Path(f"stdin.{what}.csv")
    stem, file_format, compression = split_name(table.name)
    default = ".parquet" if table.is_dir() else ".csv"
    return table.with_name(f"{stem}.{what}{file_format or default}{compression}")


def parts_of(path):
    """Return the Parquet files of a folder in the order of their numbers.

    For a file or standard input this is the path itself. Names that begin with a dot or
    an underscore are notes of the program that wrote the folder.
    """
    if str(path) == STDIN or not Path(path).is_dir():
        return [path]
    files = [f for f in sorted(Path(path).rglob("*")) if not _is_note(f, path)]
    parts = [f for f in files if f.suffix.lower() == ".parquet" and f.is_file()]
    if not parts:
        raise BadInput(
            f"{path} is a folder without files in .parquet; pass other files by name: "
            f"{Path(path) / '*.csv'}"
        )
    inside = [part for part in parts if part.parent != Path(path)]
    if inside:
        raise BadInput(
            f"{path} has a folder of parts in it, {inside[0].parent.name}, whose name "
            "may be a column: pass the folder with the parts"
        )
    return sorted(parts, key=_number)


def _is_note(file, folder):
    return any(part[0] in "._" for part in file.relative_to(folder).parts)


def _number(part):
    """Sort part.10 behind part.9."""
    pieces = re.split(r"(\d+)", part.name)
    return [(int(p), "") if p.isdigit() else (-1, p) for p in pieces]
