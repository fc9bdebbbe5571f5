"""Diagnostics as a table for people: one line for each row or cluster."""

from itertools import product

import numpy as np

from skinfluence._display._shown_bunch import ShownBunch

# Of the coefficients, not of the rows.
OF_THE_MODEL = {"scale", "n_parameters", "std_errors", "jackknife_std_errors", "groups"}


def stacked(each):
    """Put the diagnostics of several linear predictors behind the axis of rows."""
    out = ShownBunch()
    for key in each[0]:
        values = [np.asarray(one[key]) for one in each]
        out[key] = np.stack(values, axis=0 if key in OF_THE_MODEL else 1)
    return out


def diagnostics_frame(diagnostics, index, names, outputs):
    """Return a DataFrame, or None where pandas is not installed.

    Parameters
    ----------
    diagnostics : Bunch
        Its arrays have a line for each row or cluster, then an entry for each linear
        predictor, where there are several, and, of DFBETA, for each coefficient.
    index : sequence or None
        Labels of the lines.
    names : list of str
        Of the coefficients.
    outputs : list of str or None
        Of the linear predictors.
    """
    try:
        import pandas as pd
    except ImportError:
        return None
    columns = {}
    for key, values in diagnostics.items():
        if key in OF_THE_MODEL:
            continue
        labels = [outputs] if outputs is not None and values.ndim > 1 else []
        labels += [names] if key.startswith("dfbeta") else []
        flat = values.reshape(len(values), -1)
        for column, parts in zip(flat.T, product(*labels), strict=True):
            columns["_".join([key, *parts])] = column
    return pd.DataFrame(columns, index=np.arange(len(flat)) if index is None else index)
