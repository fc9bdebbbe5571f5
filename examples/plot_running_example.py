"""
==========================================
Cats, dogs, and the row that is taken away
==========================================

The running example of talks about influence, drawn by code: a classifier separates two
classes, and we ask what each training row did to the prediction for one test row. Then
rows are taken away, one after the other, and we watch the decision line move.
"""

# %%
# A training set and a test row
# -----------------------------
#
# Thirty cats and thirty dogs have two measurements each. One dog stands among the cats.
# The test row, a star, is a cat on the wrong side of the decision line.

import numpy as np
from sklearn.linear_model import LogisticRegression

from skinfluence import LeaveOneOutInfluence

rng = np.random.default_rng(4)
X = np.concatenate([rng.normal(-1, 0.8, (30, 2)), rng.normal(1, 0.8, (30, 2))])
y = np.repeat(["cat", "dog"], 30)
X[59] = -1.6, -0.4
x_test, y_test = np.array([[-0.25, 0.1]]), ["cat"]

loo = LeaveOneOutInfluence(LogisticRegression()).fit(X, y)
influence = loo.influence(x_test, y_test)[0]

# %%
# Dots, arrows and a line
# -----------------------
#
# Arrows start at the eight rows of largest influence. Blue rows made the prediction
# for the star better, vermilion rows made it worse, and the width of an arrow is the
# size of the influence. The dog among the cats did the most harm.

import matplotlib.pyplot as plt

HELPFUL, HARMFUL = "#0072B2", "#D55E00"
MARKERS = {"cat": "o", "dog": "s"}


def draw_line(ax, model, **style):
    """Draw where both classes have probability one half."""
    (a, b), c = model.coef_[0], model.intercept_[0]
    x = np.array([-3.0, 3.0])
    ax.plot(x, -(a * x + c) / b, **style)


def draw_rows(ax, kept):
    """Draw training rows, and the test row as a star."""
    for name, marker in MARKERS.items():
        of_class = kept & (y == name)
        ax.plot(*X[of_class].T, marker, color="0.6", markersize=5, label=name)
    ax.plot(*x_test[0], "*", color="black", markersize=13, label="test row")
    ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[])


everyone = np.ones(60, dtype=bool)
fig, ax = plt.subplots(figsize=(5.5, 5.5), layout="constrained")
draw_rows(ax, everyone)
draw_line(ax, loo.estimator_, color="black", label="decision line")
largest = np.abs(influence).argsort()[::-1][:8]
for i in largest:
    colour = HELPFUL if influence[i] > 0 else HARMFUL
    style = {"color": colour, "lw": 0.8 + 4 * abs(influence[i] / influence[largest[0]])}
    arrow = {"arrowstyle": "-|>", "shrinkA": 5, "shrinkB": 9, **style}
    ax.annotate("", x_test[0], X[i], arrowprops=arrow)
    ax.plot(*X[i], MARKERS[y[i]], color=colour, markersize=7)
ax.legend(loc="lower left")

# %%
# One row less
# ------------
#
# Leave-one-out is the model without a row, and nothing else: the line of all rows is
# dashed, the line without the most harmful row is solid. The loss of the star without
# the row minus its loss with it is the influence; a refit by scikit-learn has the same.

worst = influence.argmin()
without = LogisticRegression(tol=1e-8).fit(
    X[everyone & (np.arange(60) != worst)], y[:59]
)


def loss(model):
    """Log loss of the test row."""
    return -np.log(model.predict_proba(x_test)[0, list(model.classes_).index("cat")])


refitted = loss(without) - loss(loo.estimator_)
print(f"influence {influence[worst]:.4f}, by a refit {refitted:.4f}")

# %%
# The most harmful rows in steps
# ------------------------------
#
# Taking the next most harmful row away, and the next, turns the line until the star
# is on the right side. After each removal the influences are computed anew, since the
# model is another one.

kept = everyone.copy()
fig, axes = plt.subplots(2, 2, figsize=(8, 8), layout="constrained")
before = loo.estimator_
for step, ax in enumerate(axes.ravel()):
    model = LeaveOneOutInfluence(LogisticRegression()).fit(X[kept], y[kept])
    draw_rows(ax, kept)
    ax.plot(*X[~kept].T, "x", color=HARMFUL, markersize=8)
    draw_line(ax, loo.estimator_, color="0.4", ls=":")
    draw_line(ax, before, color="0.4", ls="--")
    draw_line(ax, model.estimator_, color="black")
    ax.set_title(f"{step} removed: loss of the star {loss(model.estimator_):.2f}")
    before = model.estimator_
    values = model.influence(x_test, y_test)[0]
    kept[np.flatnonzero(kept)[values.argmin()]] = False
axes[0, 0].legend(loc="lower left")

# %%
# Crosses are the removed rows. The dotted line is that of all rows, the dashed line
# that of the step before.
