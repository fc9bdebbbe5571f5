"""The encoding of a text file, guessed from its bytes."""

import codecs
from dataclasses import dataclass

from skinfluence.cli.tables._bounds import BadTable

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
SAMPLE = 4096


@dataclass(frozen=True)
class Encoding:
    """How a text became bytes.

    Attributes
    ----------
    name : str
        Python's name of it.
    mark : bytes
        The byte order mark before the text, may be empty.
    """

    name: str = "utf-8"
    mark: bytes = b""

    def decode(self, content):
        """Return the text of a file.

        Raises
        ------
        BadTable
            Where the bytes are not of this encoding.
        """
        if self.mark and content.startswith(self.mark):
            content = content[len(self.mark) :]
        try:
            return content.decode(self.name)
        except UnicodeDecodeError as error:
            raise BadTable(
                f"byte {error.start} is not {self.name}: give its encoding, cp1252, "
                "say, as --encoding"
            ) from None

    def encode(self, text):
        """Return the bytes of a text; UTF-8 where the encoding lacks a character."""
        try:
            return self.mark + text.encode(self.name)
        except UnicodeEncodeError:
            return codecs.BOM_UTF8 + text.encode()


def named_encoding(name, content):
    """Return the encoding that was asked for, with the mark that the file has."""
    name = codecs.lookup(name).name.removesuffix("-sig")
    if name == "utf-16":
        return guess_encoding(content)
    for mark, of in MARKS.items():
        if name == of and content.startswith(mark):
            return Encoding(name, mark)
    return Encoding(name)


def guess_encoding(content):
    """Guess whether a text is in UTF-8, UTF-16, cp1252 or Latin-1.

    A mark decides; then zero bytes at every other place, which are UTF-16; then whether
    the bytes are valid UTF-8, as text in another encoding hardly ever is. The rest is
    cp1252, the encoding of Windows in western Europe, or Latin-1 where a byte is not
    defined there.

    Parameters
    ----------
    content : bytes
        The bytes of the file.
    """
    for mark, name in MARKS.items():
        if content.startswith(mark):
            return Encoding(name, mark)
    sample = content[:SAMPLE]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) > 0.3 * len(sample) / 2 and len(content) % 2 == 0:
        return Encoding("utf-16-be" if even > odd else "utf-16-le")
    for name in ("utf-8", "cp1252"):
        try:
            content.decode(name)
        except UnicodeDecodeError:
            continue
        return Encoding(name)
    return Encoding("latin-1")
