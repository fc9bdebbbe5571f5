"""A small table with wrong labels, whose names and texts are whatever a test says."""

import numpy as np
import pandas as pd

N = 120


def hostile(good="yes", bad="no", note="plain", names=("size", "note", "label")):
    rng = np.random.default_rng(0)
    size = rng.normal(size=N).round(3)
    size += np.where(size > 0, 1, -1)
    y = np.where(size > 0, good, bad).astype(object)
    flipped = rng.choice(N, 12, replace=False)
    y[flipped] = np.where(size[flipped] > 0, bad, good)
    notes = np.array([note, "other"], dtype=object)[np.arange(N) % 2]
    return pd.DataFrame(dict(zip(names, (size, notes, y), strict=True)))
