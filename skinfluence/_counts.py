"""Numbers of things as text: 1 row is, 2 rows are."""


def counted(n, noun, plural=None):
    """Return a number with its noun.

    Examples
    --------
    >>> from skinfluence._counts import counted
    >>> counted(1, "row"), counted(0, "verdict"), counted(2, "class", "classes")
    ('1 row', '0 verdicts', '2 classes')
    """
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def verb(n, singular, plural):
    """Return the form of a verb that agrees with a number of things.

    Examples
    --------
    >>> from skinfluence._counts import counted, verb
    >>> [f"{counted(n, 'row')} {verb(n, 'is', 'are')} wrong" for n in (1, 2)]
    ['1 row is wrong', '2 rows are wrong']
    """
    return singular if n == 1 else plural
