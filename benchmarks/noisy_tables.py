"""Tables that are not blobs, and mistakes in their targets or columns.

Every maker of a table takes a seed; every kind of mistake takes columns, targets, share
and seed, and returns columns and targets with mistakes and which rows have one.
"""

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes, make_friedman1


def diamonds(n, labels):
    """Stones whose price depends on columns together; labels are fifths of it."""

    def make(seed):
        rng = np.random.default_rng(seed)
        carat = np.exp(rng.normal(-0.4, 0.6, n)).clip(0.2, 4).round(2)
        cut = rng.choice(5, n, p=[0.03, 0.09, 0.22, 0.26, 0.4])
        color, clarity = rng.choice(7, n), rng.choice(8, n)
        log_price = 7.8 + 1.7 * np.log(carat) + 0.04 * cut + rng.normal(0, 0.1, n)
        log_price -= 0.07 * color * (1 + 0.5 * (carat > 1))
        log_price += 0.12 * clarity * (1 - 0.4 * (carat > 1.5))
        log_price += 0.15 * ((color < 3) & (clarity > 5))
        X = pd.DataFrame(
            {
                "carat": carat,
                "cut": np.array(["Fair", "Good", "Very Good", "Premium", "Ideal"])[cut],
                "color": np.array(list("DEFGHIJ"))[color],
                "clarity": np.array("I1 SI2 SI1 VS2 VS1 VVS2 VVS1 IF".split())[clarity],
                "depth": rng.normal(61.7, 1.4, n).round(1),
                "table": rng.normal(57, 2, n).round(),
            }
        )
        if labels:
            fifths = np.quantile(log_price, [0.2, 0.4, 0.6, 0.8])
            return X, np.digitize(log_price, fifths)
        return X, np.exp(log_price)

    return make


def credit(n, share_bad):
    """Loans like those of the German credit data: 3 numbers, 5 categories."""

    def make(seed):
        rng = np.random.default_rng(seed)
        months = rng.choice([6, 12, 18, 24, 36, 48, 60], n)
        amount = np.exp(rng.normal(7.8, 0.8, n) + months / 60).round()
        age = (19 + rng.gamma(2.5, 7, n)).round()
        codes = {
            "account": rng.choice(4, n, p=[0.27, 0.27, 0.06, 0.4]),
            "history": rng.choice(5, n, p=[0.04, 0.05, 0.53, 0.09, 0.29]),
            "purpose": rng.choice(9, n),
            "savings": rng.choice(5, n, p=[0.6, 0.1, 0.06, 0.05, 0.19]),
            "employed": rng.choice(5, n, p=[0.06, 0.17, 0.34, 0.17, 0.26]),
        }
        rate = amount / months
        risk = 2.0 * (codes["account"] < 2) * (codes["savings"] < 2)
        risk += 1.2 * (months > 24) - 0.5 * codes["history"] - 0.3 * codes["employed"]
        risk += 1.5 * ((rate > np.median(rate)) & (age < 30)) - 0.02 * age
        risk = 2 * risk + rng.logistic(size=n)
        X = pd.DataFrame({"months": months, "amount": amount, "age": age})
        for name, code in codes.items():
            X[name] = np.array([f"{name} {k}" for k in range(code.max() + 1)])[code]
        return X, (risk > np.quantile(risk, 1 - share_bad)).astype(int)

    return make


def rows_of(path, target, n):
    """Make tables of n random rows of a table of labels."""
    table = pd.read_csv(path)

    def make(seed):
        part = table.sample(n, random_state=seed).reset_index(drop=True)
        return part.drop(columns=target), pd.factorize(part[target], sort=True)[0]

    return make


def friedman1(n):
    """Ten columns of numbers, five of which act, two of them together."""
    return lambda seed: make_friedman1(n, noise=1, random_state=seed)


def diabetes(seed):
    """Progression of a disease in 442 patients."""
    return load_diabetes(return_X_y=True)


def fried(n):
    """Tell whether friedman1 is above its median, as OpenML's ``fried`` (901)."""

    def make(seed):
        X, y = make_friedman1(n, noise=1, random_state=seed)
        return X, (y > np.median(y)).astype(int)

    return make


def two_planes(n):
    """Breiman's two planes, above their mean or not: OpenML's ``2dplanes`` (727)."""

    def make(seed):
        rng = np.random.default_rng(seed)
        X = rng.choice([-1.0, 0.0, 1.0], (n, 10))
        X[:, 0] = rng.choice([-1.0, 1.0], n)
        up = 3 + 3 * X[:, 1] + 2 * X[:, 2] + X[:, 3]
        down = -3 + 3 * X[:, 4] + 2 * X[:, 5] + X[:, 6]
        y = np.where(X[:, 0] == 1, up, down) + rng.normal(scale=2**0.5, size=n)
        return X, (y > y.mean()).astype(int)

    return make


def _some(n, share, rng, weight=None):
    rows = np.zeros(n, dtype=bool)
    rows[rng.choice(n, int(share * n), replace=False, p=weight)] = True
    return rows


def flipped(X, y, share, seed):
    """Labels replaced by another class."""
    rng = np.random.default_rng(seed)
    wrong, k = _some(len(y), share, rng), y.max() + 1
    return X, np.where(wrong, (y + rng.integers(1, k, len(y))) % k, y), wrong


def flipped_by_class(X, y, share, seed):
    """Labels of every second class replaced by the one before it."""
    rng = np.random.default_rng(seed)
    wrong = (y % 2 == 1) & (rng.random(len(y)) < share)
    return X, np.where(wrong, y - 1, y), wrong


def flipped_by_column(X, y, share, seed):
    """Labels replaced by another class, four times as often where a number is high."""
    rng = np.random.default_rng(seed)
    first = np.asarray(X)[:, 0].astype(float)
    weight = np.where(first > np.median(first), 4.0, 1.0)
    wrong, k = _some(len(y), share, rng, weight / weight.sum()), y.max() + 1
    return X, np.where(wrong, (y + rng.integers(1, k, len(y))) % k, y), wrong


def swapped(X, y, share, seed):
    """Targets of some rows exchanged among them."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(y), int(share * len(y)), replace=False)
    noisy = y.copy()
    noisy[rows] = y[rng.permutation(rows)]
    return X, noisy, np.isin(np.arange(len(y)), rows)


def shifted(X, y, share, seed):
    """One to three standard deviations added or taken away."""
    rng = np.random.default_rng(seed)
    wrong = _some(len(y), share, rng)
    move = rng.choice([-1, 1], len(y)) * rng.uniform(1, 3, len(y)) * y.std()
    return X, np.where(wrong, y + move, y), wrong


def wrong_unit(X, y, share, seed):
    """Ten times, or a tenth of, the number."""
    rng = np.random.default_rng(seed)
    wrong = _some(len(y), share, rng)
    return X, np.where(wrong, y * rng.choice([0.1, 10.0], len(y)), y), wrong


def noisy_columns(X, y, share, seed):
    """Normal noise of one standard deviation added to all columns of some rows."""
    rng = np.random.default_rng(seed)
    wrong = _some(len(y), share, rng)
    noise = rng.normal(size=X.shape) * X.std(axis=0)
    return np.where(wrong[:, None], X + noise, X), y, wrong
