"""The reason for the value of each row, as text."""

import numpy as np

from skinfluence._shown import shown
from skinfluence.cli._amounts import amount


def value_reasons(y, rows, classification):
    """Return the reason for the value of each row, as text.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Targets as given.
    rows : RowValues
        Values and predictions of the rows.
    classification : bool
        Whether y holds labels.
    """
    reasons = _reasons(y, rows.scores, classification)
    if not rows.of_influence:
        return reasons
    return [
        f"{_effect(value)}; {reason}"
        for value, reason in zip(rows.values, reasons, strict=True)
    ]


def _reasons(y, scores, classification):
    if classification:
        return [
            _label_reason(*row)
            for row in zip(y, scores.expected, scores.probability, strict=True)
        ]
    return [
        f"a model without this row predicts {amount(expected)}: the value is "
        f"{abs(u):.1f} typical errors {'above' if u > 0 else 'below'}"
        for expected, u in zip(scores.expected, scores.typical_residuals, strict=True)
    ]


def _label_reason(label, expected, probability):
    if np.isnan(probability):
        return "no fold holds this row out, so that it was not evaluated"
    if label == expected:
        return (
            f"a model without this row agrees with the label (probability "
            f"{_percent(probability)})"
        )
    return (
        f"a model without this row expects {shown(expected)} and gives {shown(label)} "
        f"a probability of {_percent(probability)}"
    )


def _percent(probability):
    if probability < 0.001:
        return "below 0.1%"
    return f"{probability:.1%}"


def _effect(value):
    change = "better" if value < 0 else "worse"
    return f"without it held-out rows are predicted {change} ({-value:+.2g} mean loss)"
