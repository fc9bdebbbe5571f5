"""Numbers of things as text: 1 row, 2 rows."""


def counted(n, noun):
    """Return a number with its noun.

    Examples
    --------
    >>> from skinfluence._counts import counted
    >>> counted(1, "row"), counted(0, "verdict")
    ('1 row', '0 verdicts')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
