"""The templates of the report, in which nothing of a table becomes markup."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from skinfluence._shown import escaped, shown


def environment():
    """Return the environment of the templates.

    All that is put into a template is escaped: characters that act instead of being
    seen are written as codes, then those of markup as entities. The filter ``shown``
    makes one line of a value and cuts it.
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
    return env


def _seen(value):
    return value if isinstance(value, Markup) else escaped(str(value))
