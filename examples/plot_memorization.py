"""
=============================
Which digits are memorized?
=============================

A model memorizes a row if it predicts the row well only because it was trained on it.
Feldman and Zhang (2020) argue that memorization is useful: rare rows have to be
memorized, because some test rows are similar to them. We measure memorization of
handwritten digits, retrain without the most memorized ones, and look at them.
"""

# %%
# Measure memorization
# --------------------
#
# Memorization is defined as the probability to predict a row correctly after training
# on a random 70% of the rows that includes the row, minus the probability if the row is
# not included. This is the self-influence of
# :class:`~skinfluence.DownsamplingInfluence` under the zero-one loss. Nearest
# neighbours memorize all training rows, so that the rows with a high score are those
# that would be misclassified without themselves.

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from skinfluence import DownsamplingInfluence

digits = load_digits()
X, y, images = digits.data, digits.target, digits.images
X_train, y_train, X_test, y_test = X[:600], y[:600], X[600:], y[600:]

model = KNeighborsClassifier(1)
downsampling = DownsamplingInfluence(
    model, n_retrainings=200, loss="zero_one", random_state=0
).fit(X_train, y_train)
memorization = downsampling.self_influence()
print(f"{(memorization >= 0.25).sum()} of 600 rows are memorized by 0.25 or more")

# %%
# Retrain without memorized rows
# ------------------------------
#
# The accuracy on test rows without the most memorized rows (blue), without the least
# memorized ones (vermilion), and without as many random rows.

from skinfluence import RemovalCurveDisplay, memorization_curve

curve = memorization_curve(
    model, downsampling, X_train, y_train, X_test, y_test, n_random=5, random_state=0
)
display = RemovalCurveDisplay(curve, value_name="memorization").plot()
lost = curve.all_rows - curve.highest[1]
by_chance = curve.all_rows - curve.random[:, 1].mean()
print(f"accuracy lost without 5% of the rows: the most memorized {lost:.3f}")
print(f"                                      random ones        {by_chance:.3f}")

# %%
# Test rows that depend on memorized rows
# ---------------------------------------
#
# Each training row is shown with its memorization and its largest influence on a test
# row. Blue rows are memorized, and some test row is predicted correctly because of
# them.

from skinfluence import MemorizationDisplay, high_influence_pairs

display = MemorizationDisplay.from_estimator(downsampling, X_test, y_test)

# %%
# The pairs of largest influence, each training row above the test row that depends on
# it. They show similar unusual ways to write a digit.

import matplotlib.pyplot as plt

pairs = high_influence_pairs(downsampling, X_test, y_test)
first = np.unique(pairs.train, return_index=True)[1]  # each training row once
shown = np.sort(first)[:6]
fig, axes = plt.subplots(2, 6, figsize=(7, 2.8), layout="constrained")
for (above, below), k in zip(axes.T, shown, strict=True):
    i, t = pairs.train[k], 600 + pairs.test[k]
    above.imshow(images[i], cmap="gray_r")
    below.imshow(images[t], cmap="gray_r")
    above.set_title(f"{y[i]}: row {i}", fontsize="small")
    below.set_title(f"{y[t]}: {pairs.influence[k]:+.2f}", fontsize="small")
for ax in axes.ravel():
    ax.axis("off")
