"""Predicted amounts as text: six digits, and no exponent that a reader must unfold."""

import numpy as np

# Of a prediction; more would be noise.
DIGITS = 6
# From where on zeros are harder to read than an exponent.
LARGEST, SMALLEST = 1e15, 1e-6


def amount(number):
    """Return a number as text.

    Examples
    --------
    >>> from skinfluence.cli._amounts import amount
    >>> amount(777912.4), amount(1234567.8), amount(0.000123456789), amount(-2.0)
    ('777912', '1234570', '0.000123457', '-2')
    """
    text = f"{number:.{DIGITS}g}"
    if "e" not in text or not SMALLEST <= abs(number) < LARGEST:
        return text
    return np.format_float_positional(float(text), trim="-")


def suggested_amount(number, whole):
    """Return a predicted target as text, as it could stand in the table.

    Parameters
    ----------
    number : float
        The prediction.
    whole : bool
        Whether all targets of the table are whole numbers.

    Examples
    --------
    >>> from skinfluence.cli._amounts import suggested_amount
    >>> suggested_amount(-0.3, whole=True), suggested_amount(2004.71, whole=False)
    ('0', '2004.71')
    """
    return amount(np.round(number) + 0.0 if whole else number)  # no "-0"
