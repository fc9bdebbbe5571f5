"""Text that strangers have written, made safe to show: on a terminal, in one line."""

import sys
import unicodedata
from contextlib import contextmanager, redirect_stderr, redirect_stdout

LIMIT = 200
# Control characters move the cursor and more, format characters turn the direction of
# what follows, surrogates cannot be encoded, separators break lines.
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
JOINERS = "\u200c\u200d"  # of Persian and of emoji


def escaped(text):
    r"""Write characters that act instead of being seen as their codes, but newlines.

    Examples
    --------
    >>> from skinfluence._shown import escaped
    >>> print(escaped("plain \x1b[2J \u202e"))
    plain \x1b[2J \u202e
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_escaped_character, text))


def _escaped_character(character):
    if character == "\n" or character in JOINERS:
        return character
    if unicodedata.category(character) not in HIDDEN:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def shown(value, limit=LIMIT):
    r"""Return one line of text for a value of a table: no control, not too long.

    Examples
    --------
    >>> from skinfluence._shown import shown
    >>> print(shown("two\nlines"), shown("x" * 1000, limit=5))
    two\nlines xxxxx... (1000 characters)
    """
    text = str(value)
    end = "" if len(text) <= limit else f"... ({len(text)} characters)"
    return escaped(text[:limit]).replace("\n", "\\n") + end


class _Escaped:
    """A stream to a terminal that writes `escaped` text."""

    def __init__(self, stream):
        self.unescaped = stream

    def write(self, text):
        """Write text."""
        encoding = getattr(self.unescaped, "encoding", None) or "utf-8"
        # Not every terminal knows every character.
        known = escaped(text).encode(encoding, "backslashreplace").decode(encoding)
        return self.unescaped.write(known)

    def __getattr__(self, name):
        return getattr(self.unescaped, name)


@contextmanager
def escaped_streams():
    """Let everything that is printed, errors and warnings too, pass `escaped`."""
    with redirect_stdout(_Escaped(sys.stdout)), redirect_stderr(_Escaped(sys.stderr)):
        yield
