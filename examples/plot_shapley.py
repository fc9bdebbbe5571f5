"""
===================================
Shapley values of the training rows
===================================

Leave-one-out is the contribution of a row to the model of all other rows. Shapley
values average its contribution to models of subsets of all sizes. We use both to find
wrong labels. The result depends on the loss as much as on the method.
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
# Values of the rows
# ------------------
#
# The value of a row is the mean over validation rows of the loss without the row minus
# the loss with it. The lowest values are suspect. Adding a row to logistic regression
# needs no retraining, so that 50 random orders of the rows, and their reverses, take
# seconds.

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
# Under log loss the Shapley values do not detect wrong labels. A subset of one class
# predicts that class with probability one, and loses 36 nats on every row of the other
# class. The row that adds the second class gains more than a wrong label can lose
# later.
#
# Standard errors
# ---------------
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
