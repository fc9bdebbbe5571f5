"""From the arguments of the process to settings."""

import argparse
from dataclasses import fields

from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._settings import (
    ApplySettings,
    AuditSettings,
    DemoSettings,
    Settings,
)

CLEAN = """\
Rank the rows of a table by how badly models trained without them predict their
target, and write the ranking. If some rows are more likely wrong than right, also
write the table without them, unless that makes a model clearly worse on held-out
rows. Columns may be numbers, text or dates, with missing values.
"""
AUDIT = """\
Look for faults that make scores of a model wrong: columns that leak the target, test
rows that are also training rows, duplicates, equal rows with different targets, cases
that folds would cut in two, an order of the rows, useless columns, rare classes.

exit status: 0 done, 2 bad input, 3 a finding as serious as --fail-on.
"""
APPLY = """\
Carry out the verdicts of a reviewer on the page of `clean --report`: drop and relabel
rows, and copy all others unchanged. A second file is a log of the changes.
"""
EXAMPLE = """\
example:
  python -m skinfluence clean people.csv --target income

  writes people.suspects.csv, all rows with the most suspect first and the reason
  beside each, and people.cleaned.csv, the table without the rows that are more likely
  wrong than right. If there are no such rows, no cleaned table is written.

  python -m skinfluence clean people.csv --target income --drop 0.05 \\
      --report report.html

  drops the first 5% of the ranking, whether wrong or not, and writes a report of the
  results.

exit status: 0 done, 2 bad input (one line on standard error, nothing written).
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise BadInput(f"{message} (see {self.prog} --help)")


def parse(argv):
    """Return the settings for the arguments.

    Parameters
    ----------
    argv : list of str or None
        Arguments; None takes those of the process.

    Returns
    -------
    settings : Settings, AuditSettings, ApplySettings or DemoSettings
        The class says which subcommand was given.

    Raises
    ------
    BadInput
        For unknown options and invalid values.
    SystemExit
        After ``--help``.
    """
    options = vars(_parser().parse_args(argv))
    return options.pop("settings")(**options)


def _parser():
    parser = _Parser(
        prog="python -m skinfluence",
        description="Find the training rows that hurt a model.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    clean = commands.add_parser(
        "clean",
        help="rank the rows of a table and write it without those that look wrong",
        description=CLEAN,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _fill(clean, Settings)
    audit = commands.add_parser(
        "audit",
        help="look for faults of a table that make scores of a model wrong",
        description=AUDIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _fill(audit, AuditSettings)
    carry_out = commands.add_parser(
        "apply",
        help="carry out the verdicts of a reviewer",
        description=APPLY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _fill(carry_out, ApplySettings)
    demo = commands.add_parser(
        "demo",
        help="flip labels of a table that scikit-learn ships and find them again",
        description="Flip a share of the labels of scikit-learn's breast_cancer "
        "table and tell how many are found.",
    )
    _fill(demo, DemoSettings)
    return parser


def _fill(parser, settings):
    parser.set_defaults(settings=settings)
    of_files = parser.add_argument_group("how files are read")
    for entry in fields(settings):
        argument = dict(entry.metadata["argument"])
        if entry.metadata["positional"]:
            parser.add_argument(entry.name, **argument)
            continue
        if not argument.get("required"):
            argument["default"] = entry.default
        # The options of `OfFiles`, which all commands that read a table inherit.
        part = of_files if entry.kw_only else parser
        part.add_argument(f"--{entry.name.replace('_', '-')}", **argument)
