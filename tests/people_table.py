"""Tables of people for the command line: with wrong labels, and with a rare class."""

import numpy as np
import pandas as pd
from sklearn.datasets import load_wine

N = 130
WRONG = np.arange(3, N, 12)
UNLABELLED = [20, 77]


def people():
    """Mixed columns with missing values, 11 wrong labels and two missing ones."""
    X, y = load_wine(return_X_y=True, as_frame=True)
    X, y = X.iloc[:N].round(4), y[:N]
    X.columns = [*"abcdefghijkl", "size"]
    y = np.where(y == 1, "small", "big").astype(object)
    y[WRONG] = np.where(y[WRONG] == "big", "small", "big")
    y[UNLABELLED] = None
    X.loc[1::9, "size"] = np.nan
    colour = np.array(["red", "green", "blue"], dtype=object)[np.arange(N) % 3]
    colour[2::11] = None
    code = [f"{i:03d}" for i in range(100, 100 + N)]
    return X.assign(code=code, colour=colour, same="x", label=y)


def rare_class(n=1000):
    """Outcomes of chance, 3% of one kind, of which one column says a little."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    rare = rng.random(n) < 1 / (1 + np.exp(3.8 - X[:, 0]))
    frame = pd.DataFrame(X.round(4), columns=list("abcd"))
    return frame.assign(outcome=np.where(rare, "ill", "well"))


def names(folder):
    """Names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir())
