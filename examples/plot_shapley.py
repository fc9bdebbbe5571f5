"""
===================================
Shapley values of the training rows
===================================

Leave-one-out asks what a row adds to all the other rows. Shapley values ask what it
adds to subsets of them, small and large. Both are asked for wrong labels here, and the
answer depends on the loss as much as on the method.
"""

# %%
# Flip some labels
# ----------------
#
# 15 of 100 training rows get the wrong label.

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale

X, y = load_breast_cancer(return_X_y=True)
X = scale(X)
rng = np.random.default_rng(2)
order = rng.permutation(len(y))
train, val = order[:100], order[100:300]
wrong = np.zeros(100, dtype=bool)
wrong[rng.choice(100, 15, replace=False)] = True
y_train = np.where(wrong, 1 - y[train], y[train])

# %%
# What is each row worth?
# -----------------------
#
# The mean over validation rows of the loss without the row minus the loss with it: the
# lowest values are the suspects. Adding a row to logistic regression needs no training
# from scratch, so 50 random orders of the rows, and their reverses, take seconds.

from sklearn.metrics import roc_auc_score

from skinfluence import LeaveOneOutInfluence, ShapleyInfluence

model = LogisticRegression()
values = {}
for method in (LeaveOneOutInfluence(model), ShapleyInfluence(model, random_state=0)):
    for loss in ("log_loss", "brier"):
        method.set_params(loss=loss).fit(X[train], y_train)
        name = type(method).__name__, loss
        values[name] = method.sample_values(X[val], y[val])
        area = roc_auc_score(wrong, -values[name])
        print(f"{' with '.join(name)}: area under the ROC curve {area:.2f}")

# %%
# Under log loss the Shapley values say nothing about labels. A subset of one class is
# certain of that class and loses 36 nats on every row of the other; the row that ends
# this is worth more than anything that a wrong label can do later.
#
# How well are they known?
# ------------------------
#
# ``return_std`` gives Monte-Carlo standard errors, drawn as bars of twice their size.

import matplotlib.pyplot as plt

brier, std = method.sample_values(X[val], y[val], return_std=True)
place = brier.argsort().argsort()
fig, ax = plt.subplots()
for mask, label in ((wrong, "wrong label"), (~wrong, "right label")):
    ax.errorbar(
        place[mask], brier[mask], 2 * std[mask], fmt=".", elinewidth=0.7, label=label
    )
ax.axhline(0, color="grey", linewidth=0.7)
ax.set(xlabel="training rows, by value", ylabel="Shapley value (Brier loss)")
_ = ax.legend()
