"""A table as people write it: separators, marks of numbers, characters."""

import numpy as np
import pandas as pd

from skinfluence.cli.tables._read import read_table
from skinfluence.cli.tables._table import Reading

N = 40
PRICES = [round(37.5 * i + 1_200, 2) for i in range(N)]
TOWNS = ["Köln", "Liège", "Łódź", "Ulm"]
NARROW = TOWNS[:2]  # of cp1252


def frame(towns=TOWNS):
    """Numbers, texts beyond ASCII, and labels."""
    return pd.DataFrame(
        {
            "price": PRICES,
            "town": [towns[i % len(towns)] for i in range(N)],
            "size": np.arange(N) % 7,
            "label": ["no" if i % 3 else "yes" for i in range(N)],
        }
    )


def said_as(number, decimal, thousands):
    """Write a number as people do; Python's own grouping is the truth."""
    text = f"{number:,.2f}"
    return text.replace(",", "T").replace(".", decimal).replace("T", thousands)


def text_of(table, separator=",", decimal=".", thousands="", end="\n"):
    """Write a table by hand."""
    lines = [separator.join(table.columns)]
    for row in table.itertuples(index=False):
        cells = [said_as(row[0], decimal, thousands), *map(str, row[1:])]
        quoted = [f'"{c}"' if separator in c else c for c in cells]
        lines.append(separator.join(quoted))
    return end.join(lines) + end


def read(path, **reading):
    """Read a table whose target is ``label``."""
    return read_table([path], Reading(target="label", **reading))
