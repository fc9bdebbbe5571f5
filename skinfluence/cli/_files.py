"""The files that the command line reads and writes, and their checks."""

import gzip
import os
import tempfile
from pathlib import Path

from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._csv_rows import csv_bytes

FORMATS = (".csv", ".csv.gz", ".parquet")
PAGES = (".html", ".htm")


def file_format(path):
    """Return the format of FORMATS that a file name ends with."""
    for suffix in FORMATS:
        if path.name.lower().endswith(suffix):
            return suffix
    raise BadInput(
        f"{path}: the name must end in the format, one of {', '.join(FORMATS)}"
    )


def beside(table, what):
    """Return the path of an output in the folder of the table."""
    for suffix in sorted(FORMATS, key=len, reverse=True):
        if table.name.lower().endswith(suffix):
            stem = table.name[: -len(suffix)]
            return table.with_name(f"{stem}.{what}{suffix}")
    return table.with_name(f"{table.name}.{what}.csv")


def check_outputs(table, outputs, force, page=None):
    """Raise, before long work, for paths that could not be written at its end.

    Parameters
    ----------
    table : Path
        The input, which is never overwritten.
    outputs : list of Path
        Tables that will be written.
    force : bool
        Whether files that exist may be replaced.
    page : Path, default=None
        HTML that will be written.
    """
    for path in outputs:
        file_format(path)
    if page is not None:
        if page.suffix.lower() not in PAGES:
            raise BadInput(f"{page}: the name must end in {' or '.join(PAGES)}")
        outputs = [*outputs, page]
    resolved = [path.resolve() for path in outputs]
    for i, full in enumerate(resolved):
        if full in resolved[:i]:
            raise BadInput(f"two outputs are the same file, {outputs[i]}")
    for path, full in zip(outputs, resolved, strict=True):
        if full == table.resolve():
            raise BadInput(f"{path} is the table itself: choose another name")
        if full.is_dir() or not full.parent.is_dir():
            raise BadInput(f"cannot write {path}: no such folder, or a folder itself")
        if not os.access(full.parent, os.W_OK):
            raise BadInput(f"cannot write {path}: no permission in its folder")
        if full.exists() and not force:
            raise BadInput(f"{path} exists: use --force to replace it")


def write_files(contents):
    """Write all files or none.

    Parameters
    ----------
    contents : dict of Path to DataFrame, bytes or str
        A table is written in the format that the file name ends with; bytes are
        compressed if the name says so; text is written as it is.
    """
    finished = []
    try:
        for path, frame in contents.items():
            suffix = path.suffix if isinstance(frame, str) else file_format(path)
            handle, name = tempfile.mkstemp(suffix, ".skinfluence-", path.parent)
            os.close(handle)
            finished.append((Path(name), path))
            if isinstance(frame, str):
                Path(name).write_text(frame, encoding="utf-8")
            elif suffix == ".parquet":
                frame.to_parquet(name, index=False)
            else:
                content = frame if isinstance(frame, bytes) else csv_bytes(frame)
                if suffix == ".csv.gz":
                    content = gzip.compress(content)
                Path(name).write_bytes(content)
        mask = os.umask(0)
        os.umask(mask)
        for temporary, path in finished:
            temporary.chmod(0o666 & ~mask)  # mkstemp lets only the owner read
            temporary.replace(path)
    except OSError as error:
        raise BadInput(f"cannot write the results: {error}") from None
    finally:
        for temporary, _ in finished:
            temporary.unlink(missing_ok=True)
