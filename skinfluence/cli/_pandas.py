"""Pandas, which only the command line needs."""

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
