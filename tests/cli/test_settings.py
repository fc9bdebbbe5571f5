"""Settings are the only list of options: the parser is filled from them."""

from dataclasses import fields

import pytest

from skinfluence.__main__ import main
from skinfluence.cleaning._actions import ACTIONS
from skinfluence.cli import _settings
from skinfluence.cli._arguments import parse
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._settings import DemoSettings, Settings


@pytest.mark.parametrize(
    ("command", "settings"), [("clean", Settings), ("demo", DemoSettings)]
)
def test_help_names_every_option(command, settings, capsys):
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    for entry in fields(settings):
        name = entry.metadata["argument"].get("metavar")
        if not entry.metadata["positional"]:
            name = f"--{entry.name.replace('_', '-')}"
        assert name in out


def test_arguments_become_settings():
    arguments = ["clean", "t.csv", "--target", "y", "--drop", "0.2", "--per-class"]
    assert parse([*arguments, "--jobs", "-1"]) == Settings(
        tables=["t.csv"], target="y", drop=0.2, per_class=True, jobs=-1
    )
    assert parse(["clean", "t.csv", "--target", "y"]) == Settings(["t.csv"], "y")
    assert parse(["demo"]) == DemoSettings()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"drop": 1.0}, "in \\[0, 1\\), not 1"),
        ({"method": "magic"}, "--method must be one of auto, loo"),
        ({"jobs": 0}, "--jobs must not be 0"),
        ({"seed": -1}, "--seed must be in"),
        ({"separator": "::"}, "--separator must be one character"),
        ({"encoding": "klingon"}, "--encoding must be a name such as"),
        ({"decimal": ";"}, "--decimal must be a point or a comma"),
        ({"thousands": "x"}, "--thousands must be a point, a comma"),
        ({"per_class": True}, "--per-class takes a share"),
        ({"groups": "g", "time_ordered": True}, "exclude each other"),
    ],
)
def test_settings_refuse_bad_values_from_any_caller(bad, message):
    with pytest.raises(BadInput, match=message):
        Settings(["t.csv"], "y", **bad)


def test_actions_are_those_of_the_cleaner():
    assert tuple(_settings.ACTIONS) == ACTIONS


def test_settings_reach_the_cleaning():
    cleaning = Settings(drop=0.1, action="weight", per_class=True, jobs=2, seed=3)
    cleaning = cleaning.of_cleaning(None)
    assert cleaning.drop_fraction == 0.1
    assert cleaning.action == "weight"
    assert cleaning.per_class
    assert (cleaning.n_jobs, cleaning.random_state) == (2, 3)
