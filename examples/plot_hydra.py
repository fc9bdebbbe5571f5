"""
======================================
A net's training run without some rows
======================================

For one training run of a small net on digits we compute the effect of removing rows in
four ways: the derivative of the run with respect to the weight of each row (HyDRA), the
same without Hessians, the gradient products of TracIn, and, as ground truth, the run
without the row.
"""

# %%
# A net and its run
# -----------------
#
# 200 training rows, 96 steps with momentum. A seed makes the run repeatable: all four
# are about this run.

import numpy as np
import torch
from sklearn.datasets import load_digits
from skorch import NeuralNetClassifier

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X_train, y_train, X_test, y_test = X[:200], y[:200], X[200:230], y[200:230]


class Perceptron(torch.nn.Module):
    """One hidden layer of 32 units."""

    def __init__(self, activation):
        super().__init__()
        self.hidden = torch.nn.Linear(64, 32)
        self.activation = activation()
        self.out = torch.nn.Linear(32, 10)

    def forward(self, X):
        """Logits."""
        return self.out(self.activation(self.hidden(X)))


def net(activation, lr):
    """Batches of 25, 12 epochs."""
    return NeuralNetClassifier(
        Perceptron,
        module__activation=activation,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer__momentum=0.9,
        lr=lr,
        batch_size=25,
        max_epochs=12,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


# %%
# Predicted and actual effects
# ----------------------------
#
# ``replayed_influence`` replays the recorded run without each of 40 rows, all at once.
# With tanh at a moderate learning rate the derivative predicts the actual effect,
# whereas methods that drop the Hessian do not. With ReLU at a high learning rate none
# of the methods predicts it.

from scipy.stats import spearmanr

from skinfluence import HyDRA, TracIn

rows = np.arange(40)
alone = np.eye(len(X_train), dtype=bool)[rows]  # a group for each row
tanh, relu = net(torch.nn.Tanh, 0.03), net(torch.nn.ReLU, 0.2)
exact = HyDRA(tanh, random_state=0).fit(X_train, y_train)
truth = exact.replayed_influence(X_test, y_test, groups=alone)
fast = HyDRA(tanh, approximation="fast", random_state=0).fit(X_train, y_train)
tracin = TracIn(tanh, checkpoints="all", random_state=0).fit(X_train, y_train)
rough = HyDRA(relu, random_state=0).fit(X_train, y_train)
panels = {
    "HyDRA, tanh": (exact.influence(X_test, y_test)[:, rows], truth),
    "HyDRA fast, tanh": (fast.influence(X_test, y_test)[:, rows], truth),
    "TracIn, tanh": (tracin.influence(X_test, y_test)[:, rows], truth),
    "HyDRA, ReLU at a high rate": (
        rough.influence(X_test, y_test)[:, rows],
        rough.replayed_influence(X_test, y_test, groups=alone),
    ),
}

# %%
# The numbers above the panels are rank correlations over rows, averaged over test rows.

import matplotlib.pyplot as plt

fig, axes = plt.subplots(2, 2, figsize=(8, 7), layout="constrained")
for ax, (name, (predicted, actual)) in zip(axes.flat, panels.items(), strict=True):
    pairs = zip(predicted, actual, strict=True)
    rank = np.mean([spearmanr(p, a).statistic for p, a in pairs])
    ax.scatter(predicted, actual, s=4, alpha=0.4)
    ax.axline((0, 0), slope=1, color="grey", linewidth=0.7)
    for set_limits, values in ((ax.set_xlim, predicted), (ax.set_ylim, actual)):
        most = np.quantile(np.abs(values), 0.999)
        set_limits(-most, most)
    ax.set(xlabel="predicted influence", ylabel="row left out of the run")
    ax.set_title(f"{name}: {rank:.2f}")

# %%
# Check the derivative
# --------------------
#
# ``spot_check`` compares the derivative with replays for a few rows of any net.

for name, hydra in (("tanh", exact), ("ReLU", rough)):
    check = hydra.spot_check(20, X_test, y_test)
    print(f"{name}: rank correlation {check.spearman:.2f}")
