"""What the name of a file says: its format and its compression."""

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
        Those that the name does not have are empty.

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
    """Return the path beside a table where ``what`` became of it is written."""
    if str(table) == STDIN:
        return Path(f"stdin.{what}.csv")
    stem, file_format, compression = split_name(table.name)
    return table.with_name(f"{stem}.{what}{file_format or '.csv'}{compression}")
