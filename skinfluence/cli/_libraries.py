"""Libraries that only the command line needs, or how to install them."""

from skinfluence.cli._bad_input import BadInput


def import_pandas():
    """Return pandas, or say how to install what the command line needs."""
    try:
        import pandas
    except ImportError:
        raise BadInput(
            'the command line needs pandas: pip install "skinfluence[tables]"'
        ) from None
    return pandas


def check_report_libraries():
    """Raise `BadInput` where what a report is made with is not installed."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise BadInput(
            f'--report needs {error.name}: pip install "skinfluence[report]"'
        ) from None
