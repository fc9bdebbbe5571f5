"""Which values of a column are missing."""

import numpy as np


def is_missing(values):
    """Tell None, NaN, NaT and pandas.NA, without importing pandas."""
    if values.dtype.kind == "O":
        return np.array([v is None or str(v) in {"nan", "<NA>", "NaT"} for v in values])
    if values.dtype.kind in "fmM":
        return np.isnan(values) if values.dtype.kind == "f" else np.isnat(values)
    return np.zeros(len(values), dtype=bool)
