"""Write the table of the tutorial as people send tables, with faults that are known.

``wines.csv`` has two thirds of scikit-learn's wines, ``new_wines.csv`` the others,
whose values and labels are right.
"""

import numpy as np
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

GRAPES = np.array(["Barolo", "Grignolino", "Barbera"])
COLUMNS = {
    "alcohol": "alcohol",
    "malic_acid": "malic acid",
    "alcalinity_of_ash": "alcalinity",
    "flavanoids": "flavanoids",
    "color_intensity": "colour",
    "hue": "hue",
    "proline": "proline",
}
CELLARS = np.array(["Città", "Santa Lucia", "Pré-Saint", "Übersee"])
TITLE = "Analyses of the laboratory; as of 31 May"
N_FLIPPED = 12
LEAK, TARGET = "tank", "grape"
TYPO = 12  # the row whose flavanoids have the decimal comma one digit too early


def wines(seed=0):
    """Return the tables, and the right labels of the first.

    Returns
    -------
    train, test : DataFrame
        ``train`` has two equal rows at its end.
    right : ndarray of str
        The right labels of ``train``.
    """
    rng = np.random.default_rng(seed)
    X, y = load_wine(return_X_y=True, as_frame=True)
    table = X[list(COLUMNS)].rename(columns=COLUMNS)
    table["cellar"] = CELLARS[rng.integers(len(CELLARS), size=len(y))]
    # Filled by hand, after the grape was known: one tank for each.
    table[LEAK] = np.array(["A1", "B2", "C3"])[y]
    table[TARGET] = GRAPES[y]
    train, test = train_test_split(table, test_size=1 / 3, random_state=seed)
    train, test = train.reset_index(drop=True), test.reset_index(drop=True)
    right = train[TARGET].to_numpy(copy=True)
    flipped = rng.choice(len(train), N_FLIPPED, replace=False)
    others = [rng.choice(GRAPES[GRAPES != right[i]]) for i in flipped]
    train.loc[flipped, TARGET] = others
    # The code of the tank follows the label in the sheet, wrong or not.
    train[LEAK] = train[TARGET].map(dict(zip(GRAPES, ["A1", "B2", "C3"], strict=True)))
    train.loc[TYPO, "flavanoids"] *= 0.1
    train.loc[len(train)] = train.loc[0]
    return train, test, np.append(right, right[0])


def main():
    """Write both tables into the current folder."""
    train, test, right = wines()
    for name, table in ("wines.csv", train), ("new_wines.csv", test):
        text = table.to_csv(index=False, sep=";", decimal=",", lineterminator="\r\n")
        with open(name, "wb") as file:
            file.write(f"{TITLE}\r\n{text}".encode("cp1252"))
        print(f"wrote {name}: {len(table)} rows")
    print(f"{(train[TARGET] != right).sum()} labels of wines.csv are wrong")


if __name__ == "__main__":
    main()
