"""
==================================
A suspect beside similar rows
==================================

A number says that a training row is a suspect. Whether its label is wrong can be seen
from its values, beside those of similar rows of both labels. The table has the analyses
of 178 wines from three growers, and we give a few of them to the wrong one.
"""

# %%
# A suspect
# ---------
#
# The row with the lowest value hurts the predictions of held-out rows most.

import numpy as np
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skinfluence import LeaveOneOutInfluence
from skinfluence.datasets import plant_label_flips

wine = load_wine()
X, y, names = wine.data, wine.target, wine.feature_names
order = np.random.default_rng(0).permutation(len(y))
X, y = X[order], y[order]
X_train, y_train, wrong = plant_label_flips(
    X[:118], y[:118], fraction=0.05, random_state=1
)
X_val, y_val = X[118:], y[118:]

model = make_pipeline(StandardScaler(), LogisticRegression())
loo = LeaveOneOutInfluence(model).fit(X_train, y_train)
suspect = loo.sample_values(X_val, y_val).argmin()
given = y_train[suspect]
print(f"row {suspect} is labelled {given}; its label was flipped: {wrong[suspect]}")

# %%
# Between neighbours of both labels
# ---------------------------------
#
# The three nearest rows that share the label of the suspect, and the three nearest of
# the class that the model predicts without it. In most columns the suspect, in black,
# has the values of the other class.

import matplotlib.pyplot as plt

HELPFUL, HARMFUL = "#0072B2", "#D55E00"
rest = np.arange(len(y_train)) != suspect
predicted = model.fit(X_train[rest], y_train[rest]).predict(X_train[[suspect]])[0]
units = scale(X_train)
distance = np.linalg.norm(units - units[suspect], axis=1)


def nearest(label, n=3):
    """Return the nearest other rows of a label."""
    rows = np.flatnonzero(rest & (y_train == label))
    return rows[distance[rows].argsort()[:n]]


fig, ax = plt.subplots(figsize=(7, 5.5), layout="constrained")
heights = np.arange(len(names))[::-1]
for label, colour, shift in ((given, HARMFUL, 0.15), (predicted, HELPFUL, -0.15)):
    for row in nearest(label):
        (dots,) = ax.plot(units[row], heights + shift, "o", color=colour, alpha=0.7)
    dots.set_label(f"nearest rows of label {label}")
ax.plot(units[suspect], heights, "D", color="black", label=f"suspect, labelled {given}")
ax.set_yticks(heights, names)
ax.set_xlabel("standard deviations from the mean")
ax.grid(axis="y", alpha=0.3)
fig.legend(loc="outside lower center", ncols=3, frameon=False)

# %%
# The rows behind one prediction
# ------------------------------
#
# For the validation row of largest loss: which training rows helped and which harmed,
# and what are their values? The columns are the four in which the classes differ
# most; the row itself comes first, and a cell is darker the nearer its value is to
# that of the row.

proba = loo.predict_proba(X_val)[np.arange(len(y_val)), y_val]
hard = proba.argmin()
values, rows = loo.influential_rows(X_val[[hard]], y_val[[hard]], n_rows=8)
values, rows = values[0], rows[0]
order = values.argsort()[::-1]
values, rows = values[order], rows[order]

between = np.array([X[y == k].mean(axis=0) for k in range(3)]).var(axis=0)
columns = (between / X.var(axis=0)).argsort()[::-1][:4]
spread = X_train.std(axis=0)[columns]
fig, (bars, table) = plt.subplots(
    1, 2, figsize=(10, 4), layout="constrained", width_ratios=(1, 2)
)
heights = np.arange(1, len(rows) + 1)
bars.barh(heights, values, color=[HELPFUL if v > 0 else HARMFUL for v in values])
bars.set_yticks([0, *heights], ["the row", *(f"row {i}" for i in rows)])
bars.set_ylim(len(rows) + 0.5, -0.5)
bars.axvline(0, color="black", lw=0.8)
bars.set_xlabel("influence on its loss")
gaps = np.abs(X_train[rows][:, columns] - X_val[hard, columns]) / spread
shades = np.concatenate([np.zeros((1, 4)), gaps])
table.imshow(shades, cmap="Blues_r", vmin=-2, vmax=2, aspect="auto", alpha=0.6)
cells = np.concatenate([X_val[[hard]], X_train[rows]])[:, columns]
labels = [y_val[hard], *y_train[rows]]
for i, line in enumerate(cells):
    for j, cell in enumerate(line):
        table.text(j, i, f"{cell:.4g}", ha="center", va="center")
short = [names[c].replace("_of_diluted_wines", "").replace("/", "/\n") for c in columns]
table.set_xticks(range(4), short)
table.set_yticks(range(len(cells)), [f"label {label}" for label in labels])
table.xaxis.tick_top()
