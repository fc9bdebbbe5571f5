"""The command line, ``python -m skinfluence``: subcommands ``clean`` and ``demo``."""

import argparse
import os
import sys
import traceback

from skinfluence._shown import LIMIT, escaped_streams, shown
from skinfluence.cleaning._actions import ACTIONS
from skinfluence.cli._analysis import METHODS
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._command import clean, demo

CLEAN = """\
Rank the rows of a table by how badly models trained without them predict their
target. Write the ranking, and, if there are rows that are more likely wrong than
right, the table without them, and say what that does to a model on held-out rows:
where it is clearly worse, no such table is written. Columns may be numbers, text or
dates, with missing values.
"""
EXAMPLE = """\
example:
  python -m skinfluence clean people.csv --target income

  writes people.suspects.csv, all rows with the most suspect first and the reason
  beside each, and people.cleaned.csv, the table without the rows that are more likely
  wrong than right. Where there are none it says so and writes no cleaned table.

  python -m skinfluence clean people.csv --target income --drop 0.05 \\
      --report report.html

  drops the first 5% of the ranking, be they wrong or not, and writes a page that
  shows what was found.

exit status: 0 done, 2 bad input (one line on standard error, nothing written).
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise BadInput(f"{message} (see {self.prog} --help)")


def _share(text):
    return text if text == "auto" else float(text)


_share.__name__ = "share"  # argparse says "invalid share value"


def _parser():
    parser = _Parser(
        prog="python -m skinfluence",
        description="Find the training rows that hurt a model.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add = commands.add_parser(
        "clean",
        help="rank the rows of a table and write it without those that look wrong",
        description=CLEAN,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add.set_defaults(run=clean)
    add.add_argument("table", metavar="TABLE", help="a .csv, .csv.gz or .parquet file")
    add.add_argument(
        "--target", metavar="COLUMN", required=True, help="the column to predict"
    )
    add.add_argument(
        "--output", metavar="FILE", help="cleaned table (default: beside TABLE)"
    )
    add.add_argument(
        "--suspects", metavar="FILE", help="ranked rows (default: beside TABLE)"
    )
    add.add_argument("--report", metavar="FILE", help="report in HTML (default: none)")
    add.add_argument(
        "--drop",
        metavar="SHARE",
        type=_share,
        default="auto",
        help="which rows are suspects: auto, those that are more likely wrong than "
        "right (with another --method: those that clearly hurt); or a share of the "
        "rows in [0, 1), most suspect first (default: %(default)s)",
    )
    add.add_argument(
        "--action",
        choices=ACTIONS,
        default="drop",
        help="what is done to suspects: drop; relabel: the target that models without "
        "them predict; weight: a column sample_weight (default: %(default)s)",
    )
    add.add_argument(
        "--per-class",
        action="store_true",
        help="take the share given as --drop of every class",
    )
    add.add_argument(
        "--groups",
        metavar="COLUMN",
        help="rows with the same value are held out together; not used to predict",
    )
    add.add_argument(
        "--time-ordered",
        action="store_true",
        help="rows are in order of time: hold out later ones only",
    )
    add.add_argument(
        "--method",
        choices=METHODS,
        default="auto",
        help="auto: surprise of models that have not seen the row, best at "
        "finding wrong labels; loo, influence-functions: influence on predictions of "
        "held-out rows, exact or first order (default: %(default)s)",
    )
    add.add_argument(
        "--task",
        choices=("auto", "classification", "regression"),
        default="auto",
        help="auto: regression for numbers, unless whole and at most 20 different",
    )
    add.add_argument(
        "--separator", metavar="CHAR", default=",", help="of a CSV file (default: ,)"
    )
    add.add_argument("--force", action="store_true", help="replace files that exist")
    add = commands.add_parser(
        "demo",
        help="flip labels of a table that scikit-learn ships and find them again",
        description="Flip a share of the labels of scikit-learn's breast_cancer "
        "table and tell how many are found.",
    )
    add.set_defaults(run=demo)
    add.add_argument(
        "--flip",
        metavar="SHARE",
        type=float,
        default=0.1,
        help="share of the labels to flip (default: %(default)s)",
    )
    for command in commands.choices.values():
        command.add_argument(
            "--jobs", metavar="N", type=int, help="processes (default: 1; -1: all)"
        )
        command.add_argument(
            "--seed", type=int, default=0, help="(default: %(default)s)"
        )
    return parser


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    status : int
        0 done, 1 nobody reads on, or a fault of the program, 2 bad input, 130
        interrupted.
    """
    with escaped_streams():
        return _main(argv)


def _main(argv):
    try:
        options = vars(_parser().parse_args(argv))
        options.pop("run")(**options)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        # Python would flush once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except BadInput as error:
        print(f"skinfluence: {shown(error, 10 * LIMIT)}", file=sys.stderr)
        return 2
    except MemoryError as error:
        text = shown(error, 10 * LIMIT)
        print(f"skinfluence: not enough memory: {text}", file=sys.stderr)
        return 2
    except SystemExit as done:  # --help
        return done.code or 0
    except KeyboardInterrupt:
        print("skinfluence: interrupted, nothing written", file=sys.stderr)
        return 130
    except Exception:  # a fault of ours, whose message may quote the table
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
