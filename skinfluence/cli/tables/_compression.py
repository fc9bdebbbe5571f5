"""Compressed files: gzip, Zstandard, and ZIP archives of one file."""

import gzip
import io
import zipfile

from skinfluence.cli._bad_input import BadInput
from skinfluence.cli.tables._bounds import BadTable, check_decompressed, read_checked

COMPRESSIONS = (".gz", ".zst", ".zip")
# First bytes, for standard input, which has no name.
MAGIC = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"PK\x03\x04": ".zip"}


def decompressed(name, content, compression):
    """Return decompressed bytes, and the name of the file that an archive holds.

    Parameters
    ----------
    name : str
        Name of the file.
    content : bytes
        Compressed.
    compression : {".gz", ".zst", ".zip"}
        The compression, by the end of the name.

    Returns
    -------
    content : bytes
    member : str or None
        Name inside a ZIP archive.

    Raises
    ------
    BadTable
        For an archive of several files, or one that was made to fill memory.
    """
    if compression == ".zip":
        return _unzipped(name, content)
    if compression == ".gz":
        stream = gzip.open(io.BytesIO(content))
    else:
        stream = _zstandard().ZstdDecompressor().stream_reader(io.BytesIO(content))
    return _read(name, stream, len(content)), None


def compressed(content, compression, member):
    """Compress bytes; ``member`` is their name inside a ZIP archive."""
    if compression == ".gz":
        return gzip.compress(content)
    if compression == ".zst":
        return _zstandard().ZstdCompressor().compress(content)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(member, content)
    return archive.getvalue()


def zip_members(content):
    """Return the files in a ZIP archive, without folders and the notes of macOS."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [
            info
            for info in archive.infolist()
            if not info.is_dir() and not info.filename.startswith("__MACOSX/")
        ]


def _unzipped(name, content):
    members = zip_members(content)
    if len(members) != 1:
        names = ", ".join(info.filename for info in members[:5])
        raise BadTable(
            f"the archive holds {len(members)} files ({names}): one table is expected, "
            "unpack it and choose"
        )
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        with archive.open(members[0]) as stream:
            return _read(name, stream, len(content)), members[0].filename


def _read(name, stream, n_compressed):
    """Read the stream to its end, since the size that it states may be wrong."""
    return read_checked(
        stream, lambda n_bytes: check_decompressed(name, n_bytes, n_compressed)
    )


def _zstandard():
    try:
        import zstandard
    except ImportError:
        raise BadInput(
            'files in .zst need zstandard: pip install "skinfluence[tables]"'
        ) from None
    return zstandard
