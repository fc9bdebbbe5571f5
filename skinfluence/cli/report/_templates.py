"""The templates of the report, in which all text of a table is escaped."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from skinfluence._counts import counted
from skinfluence._shown import escaped, shown


def environment():
    """Return the environment of the templates.

    All values in a template are escaped: invisible control characters are written as
    codes, and characters of markup as entities. The filter ``shown`` turns a value into
    one line of limited length; ``counted`` puts a noun behind a number.
    """
    env = Environment(
        loader=PackageLoader("skinfluence.cli.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters["shown"] = shown
    env.filters["counted"] = counted
    return env


def _seen(value):
    return value if isinstance(value, Markup) else escaped(str(value))
