"""Mistakes in single cells of a table, and in its targets."""

import numpy as np
import pandas as pd

# Of the rows: wrong cells and wrong targets.
SHARES = {"both": (0.1, 0.05), "targets": (0.0, 0.1), "cells": (0.1, 0.0)}
UNITS = [2.54, 0.3937, 0.4536, 2.2046, 1000.0, 0.001]


def exchanged_digits(value):
    """Exchange the first two neighbouring digits that differ."""
    text = list(f"{abs(value):.10g}")
    digits = [i for i, c in enumerate(text) if c.isdigit()]
    if "e" in text:
        return value
    for i, j in zip(digits, digits[1:], strict=False):
        if text[i] != text[j]:
            text[i], text[j] = text[j], text[i]
            return np.copysign(float("".join(text)), value)
    return value


def wrong_cell(column, value, rng):
    """Return another value for a cell."""
    if column.dtype.kind == "O":
        among = pd.unique(column) if rng.random() < 0.5 else column
        return rng.choice(among)
    kind = rng.integers(5)
    if kind == 0:
        return exchanged_digits(value)
    if kind == 1:
        return value * rng.choice(UNITS)
    if kind == 2:
        return -value
    if kind == 3:
        return value * rng.choice([0.01, 0.1, 10.0, 100.0])
    return rng.choice(column)


def with_mistakes(X, y, labels, rng, kind="both"):
    """Make single cells of some rows wrong, and the targets of others.

    Returns
    -------
    X, y : DataFrame and ndarray
        With mistakes.
    cell : ndarray of int
        The wrong column of each row, or -1.
    wrong_target : ndarray of bool
    """
    n, d = X.shape
    numbers = [X.iloc[:, j].dtype.kind in "iuf" for j in range(d)]
    clean = [
        X.iloc[:, j].to_numpy(dtype=float if number else object)
        for j, number in enumerate(numbers)
    ]
    dirty = [column.copy() for column in clean]
    of_cells, of_targets = SHARES[kind]
    order, n_cells = rng.permutation(n), int(of_cells * n)
    cell = np.full(n, -1)
    for i in order[:n_cells]:
        for _ in range(100):
            j = rng.integers(d)
            value = wrong_cell(clean[j], clean[j][i], rng)
            if value != clean[j][i] and value == value:
                dirty[j][i], cell[i] = value, j
                break
    wrong = order[n_cells : n_cells + int(of_targets * n)]
    y, classes = y.copy(), np.unique(y)
    for i in wrong:
        y[i] = rng.choice(classes[classes != y[i]]) if labels else rng.choice(y)
    X = pd.DataFrame(dict(zip(X.columns, dirty, strict=True)))
    return X, y, cell, np.isin(np.arange(n), wrong)
