"""Limits of the size of tables, checked before memory is allocated."""

from skinfluence._memory import check_memory, memory_size

# gzip makes a table of numbers 2 to 5 times smaller and nothing more than 1,030 times:
# a file near that was made to fill memory. Small tables may be as empty as they are.
MAX_FACTOR = 100
ALWAYS_ALLOWED = 2**26
# The table is held as text and as numbers: 6 times its bytes were measured for floats
# of six digits, and the results of the analysis come on top.
PARSED_FACTOR = 8
MAX_COLUMNS = 100_000
CHUNK = 2**20


class BadTable(ValueError):
    """The bytes are no table that can be read."""


def check_parsed(name, n_bytes, factor=PARSED_FACTOR):
    """Raise MemoryError for a table that would not fit after it is parsed.

    Parameters
    ----------
    name : str
        Name of the file.
    n_bytes : int
        Its data, decompressed.
    factor : float
        Memory per byte of data.
    """
    check_memory(
        factor * n_bytes,
        f"The table {name}, {memory_size(n_bytes)} of data,",
        "Use a sample of its rows, or of its columns.",
    )


def check_decompressed(name, n_bytes, compressed):
    """Raise for data that is too large for its compressed size, or for the memory."""
    allowed = max(ALWAYS_ALLOWED, MAX_FACTOR * compressed)
    if n_bytes > allowed:
        raise BadTable(
            f"it decompresses to more than {memory_size(allowed)}, {MAX_FACTOR} times "
            "its size; if that is what you expect, decompress it yourself"
        )
    check_parsed(name, n_bytes)


def check_n_columns(n_columns):
    """Raise for more columns than real tables have."""
    if n_columns > MAX_COLUMNS:
        raise BadTable(
            f"it has {n_columns} columns or more, at most {MAX_COLUMNS} are supported: "
            "choose the columns to predict from"
        )


def read_checked(stream, check):
    """Read a stream piece by piece.

    Parameters
    ----------
    stream : binary file
        Stream to be read to its end.
    check : callable
        Called with the number of bytes so far; raises where they are too many.

    Returns
    -------
    content : bytes
    """
    pieces, size = [], 0
    while piece := stream.read(CHUNK):
        pieces.append(piece)
        size += len(piece)
        check(size)
    return b"".join(pieces)
