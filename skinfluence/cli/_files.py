"""The files that the command line reads and writes, and their checks."""

import os
import tempfile
from pathlib import Path

from skinfluence.cli._bad_input import BadInput
from skinfluence.cli.tables._file_names import STDIN, check_name

PAGES = (".html", ".htm")


def check_outputs(tables, outputs, force, page=None):
    """Refuse, before any long work, paths that could not be written at its end.

    Parameters
    ----------
    tables : list of str
        The inputs, which are never overwritten.
    outputs : list of Path
        Tables that will be written.
    force : bool
        Whether files that exist may be replaced.
    page : Path, default=None
        HTML that will be written.
    """
    for path in outputs:
        check_name(path)
    if page is not None:
        if page.suffix.lower() not in PAGES:
            raise BadInput(f"{page}: the name must end in {' or '.join(PAGES)}")
        outputs = [*outputs, page]
    resolved = [path.resolve() for path in outputs]
    for i, full in enumerate(resolved):
        if full in resolved[:i]:
            raise BadInput(f"two outputs are the same file, {outputs[i]}")
    inputs = {Path(table).resolve() for table in tables if table != STDIN}
    for path, full in zip(outputs, resolved, strict=True):
        if full in inputs:
            raise BadInput(f"{path} is the table itself: choose another name")
        if full.parent in inputs:
            raise BadInput(f"{path} is in the folder of the table: choose another one")
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
    contents : dict of Path to bytes
        Content of each file.
    """
    finished = []
    try:
        for path, content in contents.items():
            handle, name = tempfile.mkstemp(path.suffix, ".skinfluence-", path.parent)
            os.close(handle)
            finished.append((Path(name), path))
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
