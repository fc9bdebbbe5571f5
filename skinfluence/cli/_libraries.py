"""Import of the libraries that only the command line needs."""

from skinfluence.cli._bad_input import BadInput


def import_pandas():
    """Return pandas, or raise with the command to install it."""
    try:
        import pandas
    except ImportError:
        raise BadInput(
            'the command line needs pandas: pip install "skinfluence[tables]"'
        ) from None
    return pandas


def check_report_libraries():
    """Raise `BadInput` if a library for the report is not installed."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise BadInput(
            f'--report needs {error.name}: pip install "skinfluence[report]"'
        ) from None
