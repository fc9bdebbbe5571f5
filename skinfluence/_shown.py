"""Untrusted text, made safe to show on a terminal or in one line."""

import sys
import unicodedata
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from joblib import parallel_config

LIMIT = 200
# Control characters can move the cursor, format characters can reverse the direction of
# text, surrogates cannot be encoded, and separators break lines.
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
JOINERS = "\u200c\u200d"  # used in Persian text and in emoji


def escaped(text):
    r"""Replace invisible control characters, except newlines, by their codes.

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
    r"""Return a value of a table as one line of limited length, without controls.

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
        # Not every terminal supports every character.
        known = escaped(text).encode(encoding, "backslashreplace").decode(encoding)
        return self.unescaped.write(known)

    def __getattr__(self, name):
        return getattr(self.unescaped, name)


def _escape_from_now_on():
    sys.stdout, sys.stderr = _Escaped(sys.stdout), _Escaped(sys.stderr)


@contextmanager
def escaped_streams():
    """Apply `escaped` to all output in this context, including errors and warnings.

    It is also applied in worker processes, which write to the terminal directly.
    """
    with (
        redirect_stdout(_Escaped(sys.stdout)),
        redirect_stderr(_Escaped(sys.stderr)),
        parallel_config("loky", initializer=_escape_from_now_on),
    ):
        yield
