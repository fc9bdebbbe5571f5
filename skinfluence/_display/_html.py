"""Small HTML tables for notebooks.

Everything that is shown is escaped. There are no colours and no scripts, so that tables
look right on light and on dark pages, and in notebooks that are not trusted.
"""

from html import escape
from numbers import Integral, Real

import numpy as np

from skinfluence._shown import shown

LONGEST = 60  # characters of a value
MOST_ENTRIES = 10


def text(value):
    """Write a value as one short line without control characters.

    Examples
    --------
    >>> from skinfluence._display._html import text
    >>> text(0.123456), text(None), text((1, 0.25))
    ('0.1235', 'None', '[1, 0.25]')
    """
    if isinstance(value, Real) and not isinstance(value, Integral):
        return f"{float(value):.4g}"
    if isinstance(value, list | tuple) or np.ndim(value):
        if len(value) > MOST_ENTRIES:
            return f"{len(value)} entries"
        return shown(f"[{', '.join(map(text, value))}]", LONGEST)
    return shown(value, LONGEST)


def table(head, lines, caption=""):
    """Return a table; entries are text or any value.

    Parameters
    ----------
    head : sequence
        Titles of the columns; empty for none.
    lines : iterable of sequence
        The first entry of each is its title.
    caption : str, default=""
        Above the table.

    Examples
    --------
    >>> from skinfluence._display._html import table
    >>> table([], [("<b>", 1)])
    '<table><tbody><tr><th>&lt;b&gt;</th><td>1</td></tr></tbody></table>'
    """
    title = f"<caption>{_cell(caption)}</caption>" if caption else ""
    titles = "".join(f"<th>{_cell(entry)}</th>" for entry in head)
    titles = f"<thead><tr>{titles}</tr></thead>" if titles else ""
    body = "".join(
        f"<tr><th>{_cell(first)}</th>"
        + "".join(f"<td>{_cell(entry)}</td>" for entry in others)
        + "</tr>"
        for first, *others in lines
    )
    return f"<table>{title}{titles}<tbody>{body}</tbody></table>"


def _cell(entry):
    # A sentence of this package is a str and is not cut as values are.
    return escape(entry if isinstance(entry, Sentence) else text(entry))


class Sentence(str):
    """Text of this package, which is shown whole."""
