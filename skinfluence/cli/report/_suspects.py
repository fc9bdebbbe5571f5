"""The tables of suspects, each followed by similar rows with the suggested target."""

import numpy as np

from skinfluence.cleaning.reasons._agreeing_rows import agreeing_rows
from skinfluence.cli._amounts import suggested_amount

N_SUSPECTS = 20
N_NEIGHBORS = 3
# Largest number of columns in a table.
N_COLUMNS = 30


def suspect_columns(problem, target):
    """Return the names of the columns that are shown beside the target."""
    return [name for name in problem.table.columns if name != target][:N_COLUMNS]


def top_suspects(problem, analysis, target):
    """Tabulate the first suspects, each with rows that have the suggested target.

    Parameters
    ----------
    problem : Task
        The table.
    analysis : Analysis
        The results.
    target : str
        Name of the column to predict.

    Returns
    -------
    suspects : list of dict
        Values for the template ``suspects.html``.
    """
    suspects = analysis.suspects
    first = suspects.row[:N_SUSPECTS]
    if not len(first):
        return []
    neighbors = agreeing_rows(
        problem.X,
        problem.y,
        analysis.expected[first],
        problem.y[first],
        first,
        analysis.kept,
        N_NEIGHBORS,
        problem.classification,
    )
    columns = [Column(problem, name) for name in suspect_columns(problem, target)]
    out = []
    for i, (row, near) in enumerate(zip(first, neighbors, strict=True)):
        suggested, error = suspects.suggested[i], suspects.standard_error[i]
        if not problem.classification:
            suggested = suggested_amount(suggested, problem.whole_numbers)
        chance = suspects.suggested_probability[i]
        lines = [("suspect", row), *(("agrees", j) for j in near)]
        out.append(
            {
                "place": problem.place(row),
                "given": suspects.given[i],
                "suggested": suggested,
                "chance": None if np.isnan(chance) else chance,
                "value": suspects.value[i],
                "error": None if np.isnan(error) else error,
                "probability": suspects.probability_wrong[i],
                "ceiling": suspects.probability_ceiling[i],
                "reason": analysis.reasons[row],
                "hurts": [problem.place(j) for j in suspects.hurts[i]],
                "lines": [
                    {
                        "role": name,
                        "place": problem.place(j),
                        "target": problem.table[target].iloc[j],
                        "cells": [(c.text[j], c.differs(j, row)) for c in columns],
                    }
                    for name, j in lines
                ],
            }
        )
    return out


class Column:
    """The values of a column, and their differences from a suspect's value."""

    def __init__(self, problem, name):
        self.text = problem.table[name].to_numpy()
        self.numbers = None
        if name in problem.X.columns and problem.X[name].dtype.kind in "iuf":
            self.numbers = problem.X[name].to_numpy(dtype=np.float64, na_value=np.nan)
            self.spread = np.nanstd(self.numbers)

    def differs(self, row, suspect):
        """Tell whether a value differs from the suspect's by the rule of the report."""
        unlike = str(self.text[row]) != str(self.text[suspect])
        if self.numbers is not None and unlike:
            distance = abs(self.numbers[row] - self.numbers[suspect])
            unlike = not distance <= self.spread
        return unlike
