"""Elements of HTML and SVG, whose text cannot become markup.

``xml.etree`` escapes every text and attribute when it writes them, so that what is in a
table is shown and never interpreted.
"""

import re
from xml.etree.ElementTree import Element, tostring

# What neither XML nor HTML can hold, even escaped, and what would turn the direction of
# the text that follows.
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
    "\ufffe\uffff]"
)


def tag(name, /, *children, **attributes):
    """Make an element.

    Parameters
    ----------
    name : str
        Of the element.
    *children : Element, str, number or list of these
        What is inside. None is nothing.
    **attributes : str or number
        A trailing underscore is cut off, other ones become hyphens.

    Returns
    -------
    element : xml.etree.ElementTree.Element

    Examples
    --------
    >>> from skinfluence.cli.report._markup import tag, to_text
    >>> to_text(tag("p", "a < b", class_="note"))
    '<p class="note">a &lt; b</p>'
    """
    named = {
        key.rstrip("_").replace("_", "-"): FORBIDDEN.sub("\ufffd", str(value))
        for key, value in attributes.items()
    }
    element = Element(name, named)
    _append(element, children)
    return element


def _append(element, children):
    for child in children:
        if child is None:
            continue
        if isinstance(child, list | tuple):
            _append(element, child)
        elif isinstance(child, Element):
            element.append(child)
        else:
            text = FORBIDDEN.sub("\ufffd", str(child))
            if len(element):
                element[-1].tail = (element[-1].tail or "") + text
            else:
                element.text = (element.text or "") + text


def to_text(element):
    """Write an element as HTML."""
    return tostring(element, encoding="unicode", method="html")
