"""Rows of a CSV file as their original bytes, if the file can be split into rows."""

import csv
import io

from skinfluence.cli._table_bytes import csv_source

LARGEST_FIELD = 2**31 - 1


def csv_bytes(frame, separator=","):
    """Write a table as CSV in UTF-8.

    All texts are quoted if one of them contains a carriage return, which pandas would
    otherwise write unquoted.
    """
    texts = [name for name in frame.columns if frame[name].dtype.kind not in "biufmM"]
    returns = any("\r" in str(name) for name in frame.columns) or any(
        "\r" in value
        for name in texts
        for value in frame[name]
        if isinstance(value, str)
    )
    quoting = csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL
    return frame.to_csv(
        index=False, sep=separator, quoting=quoting, lineterminator="\n"
    ).encode()


def rows_as_they_came(pandas, path, separator, frame):
    """Return the bytes of some rows of a file, header first.

    Parameters
    ----------
    pandas : module
    path : Path
        The CSV file.
    separator : str
        Separator of its values.
    frame : DataFrame
        The rows, as texts; its index are their positions in the file.

    Returns
    -------
    content : bytes
        The original bytes if they parse to ``frame``; else, for instance with unusual
        quoting, ``frame`` written as CSV.
    """
    records = _records(path, separator)
    try:
        content = b"".join(records[i] for i in (0, *(frame.index + 1)))
        again = pandas.read_csv(
            io.BytesIO(content),
            sep=separator,
            index_col=False,
            dtype=str,
            keep_default_na=False,
        )
    except (IndexError, ValueError):
        return csv_bytes(frame, separator)
    again.columns = [str(name) for name in again.columns]
    same = again.equals(frame.reset_index(drop=True))
    return content if same else csv_bytes(frame, separator)


def _records(path, separator):
    """Return the header and the rows of a file as bytes; fewer for unusual files."""
    source = csv_source(path, separator)
    content = path.read_bytes() if source is path else source.getvalue()
    # Latin-1 has a character for every byte.
    lines = io.StringIO(content.decode("latin-1"), newline="\n").readlines()
    limit = csv.field_size_limit(LARGEST_FIELD)
    records, start = [], 0
    try:
        reader = csv.reader(lines, delimiter=separator)
        for row in reader:
            if row:  # blank lines are not rows
                records.append(
                    "".join(lines[start : reader.line_num]).encode("latin-1")
                )
            start = reader.line_num
    except csv.Error:  # for instance a carriage return outside of quotes
        pass
    finally:
        csv.field_size_limit(limit)
    return records
