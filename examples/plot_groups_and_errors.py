"""
=======================================
Values of groups, and how sure they are
=======================================

Influence of a whole group of rows is not the sum of the influences of its rows, and
values that are sampled have errors. Both are seen in a picture.
"""

# %%
# Influence by group
# ------------------
#
# Rows come from ten sources of twelve rows each. Five sources repeat one measurement
# twelve times, the others have twelve different ones. Without one copy hardly
# anything changes, since eleven remain: for four of the five sources of copies the
# sum of single influences is less than half of the influence of the group. The fifth
# harms, and its sum says more harm than there is. For sources of different rows both
# are nearer.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

from skinfluence import LeaveOneOutInfluence, ShapleyInfluence

HELPFUL, HARMFUL = "#0072B2", "#D55E00"
rng = np.random.default_rng(0)
coefficients = np.array([1.0, -1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0])
sources = np.repeat(np.arange(10), 12)
X = rng.normal(size=(120, 8))
y = X @ coefficients + rng.normal(size=120)
for source in range(5):  # twelve copies of the first row
    X[sources == source] = X[sources == source][0]
    y[sources == source] = y[sources == source][0]
X_test = rng.normal(size=(500, 8))
y_test = X_test @ coefficients + rng.normal(size=500)

loo = LeaveOneOutInfluence(Ridge()).fit(X, y)
together = loo.group_influence(X_test, y_test, groups=sources).mean(axis=0)
single = np.bincount(sources, loo.sample_values(X_test, y_test))

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
places = np.arange(10)
colours = [HELPFUL if value > 0 else HARMFUL for value in together]
bars = ax.bar(places, together, color=colours, width=0.7)
(dots,) = ax.plot(places, single, "D", color="black")
ax.axhline(0, color="black", lw=0.8)
ax.axvline(4.5, color="0.6", ls=":")
ax.set_xticks(places, [f"{'copies' if s < 5 else 'rows'}\n{s}" for s in places])
ax.set_ylabel("influence on the mean squared error")
ax.legend([bars[1], dots], ["the group together", "sum of its rows"])
for source in places:
    print(f"source {source}: {together[source]:.3f}, sum {single[source]:.3f}")

# %%
# Sample values with standard errors
# ----------------------------------
#
# Shapley values are sampled here, from few random orders of the rows: bars are two
# standard errors to either side. A tenth of the labels is wrong. Where the bar of a row
# crosses zero, more retrainings are needed before its sign means anything.

from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

from skinfluence.datasets import plant_label_flips

X, y = load_breast_cancer(return_X_y=True)
X = scale(X)
X_train, y_train, wrong = plant_label_flips(
    X[:60], y[:60], fraction=0.1, random_state=0
)
shapley = ShapleyInfluence(
    LogisticRegression(), loss="brier", max_retrainings=60 * 20, random_state=0
)
shapley.fit(X_train, y_train)
values, errors = shapley.sample_values(X[60:], y[60:], return_std=True)

order = values.argsort()
places = np.arange(60)
fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for mask, colour, name in (
    (~wrong, "0.45", "right label"),
    (wrong, HARMFUL, "flipped"),
):
    at = mask[order]
    ax.errorbar(
        places[at], values[order][at], 2 * errors[order][at], fmt="o", color=colour,
        markersize=4, elinewidth=1, label=name,
    )  # fmt: skip
ax.axhline(0, color="black", lw=0.8)
ax.set(xlabel="training rows, by value", ylabel="value, with two standard errors")
ax.legend(loc="upper left")
