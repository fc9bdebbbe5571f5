"""Separator, quotes and header of a delimited text, guessed from its first records."""

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass

SEPARATORS = ",;\t|"
N_RECORDS = 200
SAMPLE = 2**18
LARGEST_FIELD = 2**31 - 1


@dataclass(frozen=True)
class Dialect:
    """How values are written in lines.

    Attributes
    ----------
    separator : str
        Between values.
    quote : str
        Quote around values that contain separators.
    header : bool
        Whether the first record names the columns.
    """

    separator: str = ","
    quote: str = '"'
    header: bool = True


def read_records(lines, separator, quote='"'):
    """Yield the records of some lines, and how many lines each ends after.

    Stops silently where the text is no CSV, at a carriage return outside quotes, say.
    """
    limit = csv.field_size_limit(LARGEST_FIELD)
    reader = csv.reader(lines, delimiter=separator, quotechar=quote)
    try:
        for record in reader:
            yield record, reader.line_num
    except csv.Error:
        pass
    finally:
        csv.field_size_limit(limit)


def lines_of(text):
    """Return the lines of a text.

    A carriage return ends a line only in files without line feeds, which old programs
    for the Mac write.
    """
    return io.StringIO(text, newline="\n" if "\n" in text else "\r").readlines()


def sample_records(text, separator, quote='"'):
    """Return the first records of a text that are not blank."""
    lines = lines_of(text[:SAMPLE])
    if len(text) > SAMPLE:
        lines = lines[:-1] or lines  # the last may be cut
    records = []
    for record, _ in read_records(lines, separator, quote):
        if record:
            records.append(record)
        if len(records) > N_RECORDS:
            break
    return records


def guess_separator(text, quote='"'):
    """Return the character that cuts most records into the same number of values.

    A comma if no separator does.
    """
    best, separator = (0.0, 0), ","
    for candidate in SEPARATORS:
        widths = Counter(len(r) for r in sample_records(text, candidate, quote))
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        score = count / sum(widths.values()), width
        # Any line is at least one value: only two or more are evidence.
        if width > 1 and score > best:
            best, separator = score, candidate
    return separator


def guess_quote(text):
    """Return the single quote if values are in single and none in double quotes."""
    sample = text[:SAMPLE]
    cells = [cell.strip() for cell in re.split(f"[{SEPARATORS}\\n]", sample)]
    quoted = sum(len(c) > 1 and c[0] == c[-1] == "'" for c in cells)
    return "'" if quoted > 1 and '"' not in sample else '"'


def numbered_records(content, dialect):
    """Return pairs of the bytes of a record and its number, blank ones counted."""
    # Latin-1 has a character for every byte.
    lines = lines_of(content.decode("latin-1"))
    found, start, number = [], 0, 0
    for record, end in read_records(lines, dialect.separator, dialect.quote):
        number += 1
        if record:
            bytes_ = "".join(lines[start:end]).encode("latin-1")
            found.append((bytes_, number))
        start = end
    return found


def separator_and_quote(text, reading, separator):
    """Return the separator of the option, else of the name, else of the text."""
    quote = guess_quote(text)
    if reading.separator != "auto":
        separator = reading.separator
    elif separator == ",":
        separator = guess_separator(text, quote)
    return separator, quote


def looks_like_data(records, is_number):
    """Tell whether the first record holds values instead of names of columns.

    It does where columns of numbers have a number in it, and no column of numbers has a
    text in it. Names of columns may be numbers, years, say: whole and different ones
    beside at least one text are taken for names.

    Parameters
    ----------
    records : list of list of str
        Of the beginning of a table.
    is_number : callable
        Whether a text is a number.
    """
    first, rest = records[0], records[1:]
    numeric = []
    for column, cell in enumerate(first):
        below = [r[column].strip() for r in rest if column < len(r)]
        below = [text for text in below if text]
        if below and all(map(is_number, below)):
            numeric.append(cell.strip())
    filled = [cell for cell in numeric if cell]
    if not filled or not all(map(is_number, filled)):
        return False
    names = [cell.strip() for cell in first]
    may_be_names = all(cell.isdigit() for cell in filled) and len(set(names)) == len(
        names
    )
    return not (may_be_names and len(filled) < len(names) and _is_series(filled))


def _is_series(texts):
    """Tell whether whole numbers rise by one step, as years and positions do."""
    numbers = [int(text) for text in texts]
    steps = {b - a for a, b in zip(numbers, numbers[1:], strict=False)}
    return len(steps) == 1 and 0 not in steps
