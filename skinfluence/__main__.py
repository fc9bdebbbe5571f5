"""The command line, ``python -m skinfluence``."""

import os
import sys
import traceback

from skinfluence._shown import LIMIT, escaped_streams, shown
from skinfluence.cli._apply import apply
from skinfluence.cli._arguments import parse
from skinfluence.cli._audit import audit
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._clean import clean
from skinfluence.cli._demo import demo
from skinfluence.cli._settings import (
    ApplySettings,
    AuditSettings,
    DemoSettings,
    Settings,
)


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    status : int
        0 done, 1 nobody reads on, or a fault of the program, 2 bad input, 3 an audit
        found what it was to fail on, 130 interrupted.
    """
    with escaped_streams():
        return _main(argv)


def _main(argv):
    try:
        settings = parse(argv)
        commands = {
            Settings: clean,
            AuditSettings: audit,
            ApplySettings: apply,
            DemoSettings: demo,
        }
        status = commands[type(settings)](settings) or 0
        sys.stdout.flush()
    except BrokenPipeError:  # as with `| head`
        # Python would flush the closed stream once more at exit.
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
    except Exception:  # an error of the program, whose message may quote the table
        traceback.print_exc()
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
