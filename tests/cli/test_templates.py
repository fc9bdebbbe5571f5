"""Values in a template are shown and never interpreted."""

from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from skinfluence.cli.report._templates import environment

HOSTILE = """</svg><script>alert("x")</script> & 'y' "z" <img src=x onerror=y>"""


def rendered(template, **values):
    return environment().from_string(template).render(**values)


def test_text_and_attributes_are_escaped():
    html = rendered('<p title="{{ x }}">{{ x }}<b>{{ x }}</b></p>', x=HOSTILE)
    seen = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.append((tag, attrs))

        def handle_data(self, data):
            seen.append(data)

    Parser().feed(html)
    assert seen == [("p", [("title", HOSTILE)]), HOSTILE, ("b", []), HOSTILE]


def test_characters_that_html_forbids_are_written_as_codes():
    html = rendered('<p title="{{ t }}">{{ x }}</p>', t="\x07", x="a\x00b\x1bc\ud800d")
    assert html == '<p title="\\x07">a\\x00b\\x1bc\\ud800d</p>'
    assert html.encode("utf-8")


def test_shown_makes_one_line_and_cuts_it():
    html = rendered("{{ x | shown }}", x="a\n<" + 300 * "x")
    assert html == "a\\n&lt;" + 197 * "x" + "... (303 characters)"


def test_figures_are_not_escaped():
    assert rendered("{{ x }}", x=Markup("<svg/>")) == "<svg/>"


def test_an_undefined_name_is_an_error():
    with pytest.raises(UndefinedError, match="nothing"):
        rendered("{{ nothing }}")


def test_one_row_is_not_one_rows():
    values = {
        "n_rows": 1,
        "n_columns": 1,
        "target": "y",
        "n_classes": 2,
        "n_suspects": 1,
        "why_not": None,
        "action": "suspects are dropped",
        "wrong_share": ["0%", "1%"],
        "wrong_suspects": ["0%", "1%"],
        "n_verdicts": 1,
        "n_disagree": 1,
        "n_others": 0,
        "n_missing": 1,
        "left_out": {},
        "texts": [],
    }
    template = environment().get_template("summary.html")
    one = template.render(**values)
    assert "<li>1 row, 1 column; the target is y" in one
    assert "<li>1 row (100.0%) is a suspect; " in one
    assert "from 1 verdict and" in one
    assert "expect another label in 1 row." in one
    assert "<li>1 row without a value of y was left out.</li>" in one
    several = dict.fromkeys(["n_suspects", "n_verdicts", "n_disagree", "n_missing"], 2)
    two = template.render(**values | several | {"n_rows": 4})
    assert "<li>2 rows (50.0%) are suspects; " in two
    assert "<li>2 rows without a value of y were left out.</li>" in two
