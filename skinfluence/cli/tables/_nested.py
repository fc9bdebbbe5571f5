"""Columns of lists and objects, as JSON lines and Parquet may hold them."""

from skinfluence._shown import shown


def notes_on_nested(names):
    """Say which columns are compared as texts because their values have parts.

    Parameters
    ----------
    names : sequence of str
        Of columns with lists or objects.

    Returns
    -------
    notes : list of str
        One for each.
    """
    return [
        f"{shown(name)} holds lists or objects: taken for text; write their parts into "
        "columns of their own to have them compared"
        for name in names
    ]
