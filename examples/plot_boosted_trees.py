"""
=========================================
Training rows behind a booster's forecast
=========================================

For one patient the prediction of a boosted ensemble differs strongly from that of a
linear model. We compute which training rows raise or lower this prediction, look at
them, and compute the prediction of the same ensemble without them.
"""

# %%
# A booster on a table
# --------------------
#
# The table shows the progression of diabetes in 442 patients, with age, sex, body mass
# index, blood pressure and six blood measures. We hold 100 patients out and choose the
# one whose prediction is furthest from that of a linear model.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=100, random_state=0)
X_train, X_test = X_train.reset_index(drop=True), X_test.reset_index(drop=True)
booster = HistGradientBoostingRegressor(max_iter=60, random_state=0)
booster.fit(X_train, y_train)
said = booster.predict(X_test)
gap = said - Ridge().fit(X_train, y_train).predict(X_test)
unusual = int(np.abs(gap).argmax())
print(f"booster {said[unusual]:.0f}, linear {said[unusual] - gap[unusual]:.0f}")

# %%
# The rows behind the prediction
# ------------------------------
#
# Without a target, influence is the change of the prediction itself: rows with positive
# values raise it. ``TreeInfluence`` averages over twenty boosters, each trained on a
# part of the rows, so that the result does not depend on the splits of a single
# booster.

from skinfluence import LeaveOneOutInfluence, TreeInfluence

trees = TreeInfluence(booster, random_state=0).fit(X_train, y_train)
row = X_test.iloc[[unusual]]
influence = trees.influence(row)[0]
behind = influence.argsort()[::-1][:20]  # they raise the prediction most
table = X_train.iloc[behind].assign(
    progression=y_train.iloc[behind].to_numpy(), raises_by=influence[behind]
)
table.head(8).round(1)

# %%
# The row itself, in the same columns:

row

# %%
# All training rows: those that raise the prediction are on the right.

figure, axes = plt.subplots(figsize=(7, 3.5))
axes.scatter(influence, y_train, s=14, color="0.6", label="training rows")
axes.scatter(influence[behind], y_train.iloc[behind], s=30, label="the twenty")
axes.axvline(0, color="0.8", zorder=0)
axes.axhline(said[unusual], color="C1", linewidth=1, label="prediction")
axes.set(xlabel="raises the prediction by", ylabel="progression of the training row")
axes.legend(frameon=False)
figure.tight_layout()

# %%
# The prediction without these rows
# ---------------------------------
#
# ``LeaveOneOutInfluence`` with ``solver="exact"`` computes the leaf values of the
# booster without the twenty rows, with its splits held fixed.

loo = LeaveOneOutInfluence(booster, solver="exact").fit(X_train, y_train)
mask = np.isin(np.arange(len(y_train)), behind)
together = loo.group_influence(row, groups=mask[None])[0, 0]
apart = loo.influence(row)[0, behind].sum()
print(f"the twenty rows together: {together:.1f}, one by one: {apart:.1f}")
print(f"without them the booster would say {said[unusual] - together:.0f}")

# %%
# Retraining without the twenty rows changes the splits as well, which had adapted to
# these rows, and the prediction falls further. Ten boosters that are also trained
# without a random 1% of the other rows show how much of the difference is noise.

kept = ~mask
again = [
    HistGradientBoostingRegressor(max_iter=60, random_state=0)
    .fit(X_train[part], y_train[part])
    .predict(row)[0]
    for part in (
        kept & (np.random.default_rng(seed).random(len(kept)) > 0.01)
        for seed in range(10)
    )
]
print(f"trained again: {np.mean(again):.0f}, from {min(again):.0f} to {max(again):.0f}")
