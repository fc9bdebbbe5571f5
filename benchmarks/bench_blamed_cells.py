"""Which cell of a suspect row is wrong, and is it a cell or the target?

In 10% of the rows of a table one cell is made wrong: two digits exchanged, another
unit, the sign, the decimal point, another category, or the cell of another row; in 5%
more the target. The tenth of the rows with the lowest values of the fixed scorer are
suspects, as with ``drop_fraction=0.1``, and every method blames one cell of each.
Printed are, of each table, the number of suspects with a wrong cell and the share whose
blamed cell it is ("all"); the same among those that are suspects because of that cell,
which are not suspects once all cells are right, the wrong targets being as they are
("made"); of the latter the share for which a cell is said to be to blame besides ("and
said"); and the share of suspects with a wrong target for which the target is
("target"). The text of a wrong cell is that of another row.

Then the same tables with wrong targets in 10% of the rows and no wrong cell, and with
wrong cells in 10% and no wrong target. Printed are, of the suspects that are wrong, the
share for which the wrong kind is named, and how often a cell was to blame where that
was said with certain probabilities.

    python benchmarks/bench_blamed_cells.py [seeds] [table.csv target]

The table adds 4,000 random rows of a data set of two classes. Seeds count from 500,
which no constant was chosen on. The rule was chosen on `CHOSEN_ON`, with other seeds,
and on four tables that are not here; "together" leaves them out.
"""

import sys

from timing import restart_single_threaded

restart_single_threaded()

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from cell_mistakes import SHARES, with_mistakes  # noqa: E402
from noisy_tables import diamonds, rows_of  # noqa: E402
from sklearn import datasets  # noqa: E402
from sklearn.ensemble import (  # noqa: E402
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor  # noqa: E402
from text_tables import addresses, comments, jobs, log_lines, products  # noqa: E402

from skinfluence.cleaning.reasons._explanations import explain  # noqa: E402
from skinfluence.cleaning.surprise._scorer import score_rows  # noqa: E402
from skinfluence.cleaning.surprise._tree_columns import tree_columns  # noqa: E402

FIRST_SEED = 500
SHARE_OF_SUSPECTS = 0.1
STATED = 0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0


# ---------------------------------------------------------------------------- tables
def shipped(name):
    """A table of scikit-learn."""
    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    y = bunch.target.to_numpy()
    return lambda seed: (bunch.data.astype(float), y)


def friedman(kind, noise, n=600):
    """Numbers of one of Friedman's functions."""

    def make(seed):
        generator = getattr(datasets, f"make_friedman{kind}")
        X, y = generator(n_samples=n, noise=noise, random_state=seed)
        return pd.DataFrame(X.round(4)).rename(columns="x{}".format), y

    return make


def credit(n=1200):
    """Mixed columns, several of which depend on each other, and a credit's outcome."""

    def make(seed):
        rng = np.random.default_rng(seed)
        age = (19 + rng.gamma(2.2, 7.5, n)).round()
        job = rng.choice(4, n, p=[0.03, 0.2, 0.62, 0.15])
        months = rng.choice([6, 9, 12, 15, 18, 24, 30, 36, 48, 60], n)
        amount = np.exp(6.2 + 0.55 * np.log(months) + 0.15 * job)
        amount = (amount * np.exp(rng.normal(0, 0.5, n))).round()
        rate = np.clip(
            np.round(4 - amount / months / 150 + rng.normal(0, 0.8, n)), 1, 4
        )
        account = rng.choice(4, n, p=[0.27, 0.27, 0.07, 0.39])
        savings = np.clip(account - 1 + rng.choice(3, n), 0, 4)
        history = rng.choice(5, n, p=[0.04, 0.05, 0.53, 0.09, 0.29])
        own = (age + rng.normal(0, 9, n) > 45) | (rng.random(n) < 0.6)
        years = np.clip(np.round((age - 20) / 12 + rng.normal(0, 0.8, n)), 0, 4)
        risk = 0.035 * months + 0.00012 * amount - 0.75 * account - 0.35 * savings
        risk += 0.3 * rate - 0.3 * history - 0.02 * age - 0.3 * years - 0.5 * own
        risk -= np.quantile(risk, 0.7)
        y = np.where(1 / (1 + np.exp(-1.6 * risk)) > rng.random(n), "bad", "good")
        columns = {
            "account": np.array(["overdrawn", "below 200", "above 200", "none"])[
                account
            ],
            "months": months.astype(float),
            "history": np.array(list("abcde"))[history],
            "amount": amount,
            "savings": np.array(["none", "<100", "<500", "<1000", "more"])[savings],
            "employed": years,
            "rate": rate,
            "age": age,
            "housing": np.where(own, "own", "rent"),
            "job": np.array(["none", "unskilled", "skilled", "manager"])[job],
        }
        return pd.DataFrame(columns), y

    return make


def stones(n=1000):
    """Stones measured and graded, and their price."""

    def make(seed):
        rng = np.random.default_rng(seed + 77)
        carat = np.exp(rng.normal(-0.5, 0.55, n)).clip(0.2, 4).round(2)
        depth, table = rng.normal(61.7, 1.4, n).round(1), rng.normal(57, 2.2, n).round()
        width = (6.4 * carat ** (1 / 3) * np.exp(rng.normal(0, 0.01, n))).round(2)
        color = rng.choice(7, n, p=[0.13, 0.18, 0.18, 0.21, 0.15, 0.1, 0.05])
        share = [0.02, 0.17, 0.24, 0.23, 0.15, 0.09, 0.07, 0.03]
        clarity = rng.choice(8, n, p=share)
        shape = rng.choice(4, n, p=[0.6, 0.2, 0.12, 0.08])
        log_price = 8 + 1.75 * np.log(carat) - 0.08 * color + 0.1 * clarity
        log_price -= 0.1 * shape + 0.1 * (color > 3) * (clarity > 4)
        log_price += rng.normal(0, 0.12, n)
        columns = {
            "carat": carat,
            "depth": depth,
            "table": table,
            "width": width,
            "height": (width * depth / 100).round(2),
            "color": np.array(list("DEFGHIJ"))[color],
            "clarity": np.array("I1 SI2 SI1 VS2 VS1 VVS2 VVS1 IF".split())[clarity],
            "shape": np.array(["round", "oval", "pear", "cushion"])[shape],
        }
        return pd.DataFrame(columns), np.exp(log_price).round()

    return make


TABLES = {
    "digits": shipped("digits"),
    "breast_cancer": shipped("breast_cancer"),
    "diabetes": shipped("diabetes"),
    "friedman2": friedman(2, 50.0),
    "friedman3": friedman(3, 0.1),
    "stones": stones(),
    "prices": diamonds(1000, labels=False),
    "wine": shipped("wine"),
    "iris": shipped("iris"),
    "friedman1": friedman(1, 1.0),
    "credit": credit(),
    "addresses": addresses(1000, True),
    "houses": addresses(1000, False),
    "log_lines": log_lines(1000),
    "pay": jobs(1000, False),
    "comments": comments(1000),
    "products": products(1000),
}
TEXTS = {"addresses", "houses", "log_lines", "pay", "comments", "products"}
CHOSEN_ON = {"prices", "wine", "iris", "friedman1", "credit", "comments", "products"}
AMOUNTS = {
    *("diabetes", "friedman1", "friedman2", "friedman3", "prices"),
    "stones",
    *("houses", "pay"),
}


# --------------------------------------------------------------------------- methods
def contradicted(X, y, rows, kept, labels):
    """The library's: the cell most to blame, and how likely one is to blame at all."""
    found = explain(X, y, rows, kept, labels)
    return found.column, found.cell_probability


def _forest(kind, labels, **params):
    return kind[labels](**params, random_state=0)


def _learnt(X, y, labels):
    found = tree_columns(X, 1000)
    columns = np.nan_to_num(found.values, nan=-999.0)
    target = np.unique(y, return_inverse=True)[1] if labels else y
    return columns, target, found.positions


def rescored(X, y, rows, kept, labels):
    """The cell whose change makes the given target most likely to a forest.

    Every cell in turn is replaced by those of 15 random rows; the loss is averaged.
    """
    columns, target, positions = _learnt(X, y, labels)
    kind = RandomForestRegressor, RandomForestClassifier
    model = _forest(kind, labels, n_estimators=100, min_samples_leaf=2)
    model.fit(columns[kept], target[kept])
    rng, others = np.random.default_rng(0), np.flatnonzero(kept)
    loss = np.empty((len(rows), columns.shape[1]))
    for j in range(columns.shape[1]):
        tried = np.repeat(columns[rows], 15, axis=0)
        tried[:, j] = columns[rng.choice(others, len(tried)), j]
        given = np.repeat(target[rows], 15)
        if labels:
            share = model.predict_proba(tried)[np.arange(len(tried)), given]
            loss[:, j] = 1 - share.reshape(len(rows), 15).mean(axis=1)
        else:
            error = (model.predict(tried) - given) ** 2
            loss[:, j] = error.reshape(len(rows), 15).mean(axis=1)
    return positions[loss.argmin(axis=1)], None


def two_d_oob(X, y, rows, kept, labels):
    """2D-OOB: the column with which trees on half of the columns err most."""
    columns, target, positions = _learnt(X, y, labels)
    d = columns.shape[1]
    kind = DecisionTreeRegressor, DecisionTreeClassifier
    rng, others = np.random.default_rng(0), np.flatnonzero(kept)
    total, count = np.zeros((len(rows), d)), np.zeros(d)
    for _ in range(300):
        used = rng.choice(d, (d + 1) // 2, replace=False)
        bag = rng.choice(others, min(len(others), 2000))
        tree = _forest(kind, labels, min_samples_leaf=2)
        said = tree.fit(columns[bag][:, used], target[bag]).predict(
            columns[rows][:, used]
        )
        error = (said != target[rows]) if labels else (said - target[rows]) ** 2
        total[:, used] += error[:, np.newaxis]
        count[used] += 1
    return positions[(total / count).argmax(axis=1)], None


def neighbours(X, y, rows, kept, labels):
    """The cell that is least like those of the 15 nearest rows with such a target."""
    found = tree_columns(X, 1000)
    columns, categorical = found.values, found.categorical
    columns = np.where(np.isnan(columns), np.nanmedian(columns, axis=0), columns)
    spread = np.percentile(columns, 75, axis=0) - np.percentile(columns, 25, axis=0)
    spread = np.where(spread > 0, spread, columns.std(axis=0)) / 1.349
    z = columns / np.where(spread > 0, spread, 1.0)
    target = np.unique(y, return_inverse=True)[1] if labels else y / y.std()
    others, blamed = np.flatnonzero(kept), np.empty(len(rows), dtype=int)
    for k, i in enumerate(rows):
        apart = np.minimum((z[others] - z[i]) ** 2, 9.0)
        apart[:, categorical] = z[others][:, categorical] != z[i, categorical]
        given = (target[others] != target[i]) * 5.0
        if not labels:
            given = np.minimum((target[others] - target[i]) ** 2, 9.0)
        total, blame = apart.sum(axis=1) + given, np.empty(z.shape[1])
        for j in range(z.shape[1]):
            near = others[np.argsort(total - apart[:, j], kind="stable")[:15]]
            if categorical[j]:
                blame[j] = -2 * np.log((1 + (z[near, j] == z[i, j]).sum()) / 16)
            else:
                centre = np.median(z[near, j])
                scale = 1.4826 * np.median(np.abs(z[near, j] - centre))
                blame[j] = ((z[i, j] - centre) / max(scale, 0.15)) ** 2
        blamed[k] = blame.argmax()
    return found.positions[blamed], None


METHODS = [contradicted, neighbours, two_d_oob, rescored]


# ------------------------------------------------------------------------------ main
def suspects(X, y, labels):
    """Return the rows of the lowest values."""
    values = score_rows(X, y, labels).values
    return np.argsort(values, kind="stable")[: max(1, int(SHARE_OF_SUSPECTS * len(y)))]


class Planted:
    """A table with mistakes, its suspects, and what is wrong with them."""

    def __init__(self, make, name, seed, kind="both"):
        X, y = make(seed)
        self.labels, rng = name not in AMOUNTS, np.random.default_rng(seed)
        self.X, self.y, cell, wrong = with_mistakes(X, y, self.labels, rng, kind)
        self.rows = suspects(self.X, self.y, self.labels)
        self.kept = ~np.isin(np.arange(len(y)), self.rows)
        self.cell, self.wrong = cell[self.rows], wrong[self.rows]
        of_right_cells = suspects(X, self.y, self.labels)
        self.made = (self.cell >= 0) & ~np.isin(self.rows, of_right_cells)

    def blamed(self, method):
        """Return the cells that a method blames, and how likely a cell is wrong."""
        return method(self.X, self.y, self.rows, self.kept, self.labels)


def counts(make, name, seed, methods):
    """Return, of every method, what was right and of how many."""
    table = Planted(make, name, seed)
    planted, made, of_target = table.cell >= 0, table.made, table.wrong
    results = []
    for method in methods:
        column, chance = table.blamed(method)
        hit = planted & (column == table.cell)
        is_cell = np.zeros(len(hit), dtype=bool) if chance is None else chance > 0.5
        results.append(
            [
                [hit.sum(), planted.sum()],
                [hit[made].sum(), made.sum()],
                [(hit & is_cell)[made].sum(), made.sum()],
                [(~is_cell)[of_target].sum(), of_target.sum()],
            ]
        )
    return np.array(results)


def stated_and_true(make, name, kind, seeds):
    """Return how likely a cell was said to be wrong, and whether it was."""
    tables = [Planted(make, name, FIRST_SEED + i, kind) for i in range(seeds)]
    known = [table.made | table.wrong for table in tables]
    said = [t.blamed(contradicted)[1][k] for t, k in zip(tables, known, strict=True)]
    true = [t.made[k] for t, k in zip(tables, known, strict=True)]
    return np.concatenate(said), np.concatenate(true)


def show_verdicts(tables, seeds):
    """Print how often a cell or the target is rightly said to be wrong."""
    for kind in SHARES:
        print(f"\nwrong: {kind}")
        results = []
        for name, make in tables.items():
            said, true = stated_and_true(make, name, kind, seeds)
            right = (said > 0.5) == true
            print(f"{name:15}", *(_share(right[true == t]) for t in (True, False)))
            if name not in CHOSEN_ON:
                results.append((said, true))
        said, true = (np.concatenate(part) for part in zip(*results, strict=True))
        right = (said > 0.5) == true
        print(f"{'together':15}", *(_share(right[true == t]) for t in (True, False)))
        for low, high in zip(STATED, STATED[1:], strict=False):
            stated = (said >= low) & (said < high + (high == 1))
            if stated.any():
                print(
                    f"  a cell, stated {said[stated].mean():.2f}:{_share(true[stated])}"
                )


def _share(right):
    return f"{right.mean():10.2f} of {len(right):>4}" if len(right) else f"{'':18}"


def main(seeds="5", *table):
    """Print the shares of every table and method."""
    tables = dict(TABLES)
    if table:
        tables["table"] = rows_of(*table, 4000)
    print(f"{'':28}{'all':>14}{'made':>14}{'and said':>14}{'target':>14}")
    total = np.zeros((len(METHODS), 4, 2))
    for name, make in tables.items():
        # Trees of the alternatives take minutes on 64 columns.
        # The alternatives do not look at texts.
        methods = METHODS if name != "digits" else METHODS[:2]
        methods = METHODS[:1] if name in TEXTS else methods
        of_table = sum(
            counts(make, name, FIRST_SEED + i, methods) for i in range(int(seeds))
        )
        if name not in CHOSEN_ON:
            total[: len(methods)] += of_table
        show(name, methods, of_table)
    show("together", METHODS, total)
    show_verdicts(tables, int(seeds))


def show(name, methods, results):
    """Print the shares of one table."""
    for method, result in zip(methods, results, strict=True):
        right = result[:, 0] / np.maximum(result[:, 1], 1)
        shares = [
            f"{share:.2f} of {int(of):>4}"
            for share, of in zip(right, result[:, 1], strict=True)
        ]
        if method is not contradicted:
            shares = shares[:2]
        print(f"{name:15}{method.__name__:13}" + "".join(f"{s:>14}" for s in shares))
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
