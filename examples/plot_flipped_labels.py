"""
===================================
Find flipped labels and remove them
===================================

We flip one training label in ten, and rank the training rows by how much they hurt the
predictions of clean validation rows. Most of the flipped rows come first, and a model
trained without the worst rows has a lower loss.
"""

# %%
# Flip a tenth of the training labels
# -----------------------------------
#
# The validation and test labels are not changed, since influence is measured on their
# predictions.

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, y = load_breast_cancer(return_X_y=True)
X_train, X_rest, y_train, y_rest = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=0
)
X_val, X_test, y_val, y_test = train_test_split(
    X_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=0
)

rng = np.random.default_rng(0)
flipped = np.zeros(len(y_train), dtype=bool)
flipped[rng.choice(len(y_train), size=len(y_train) // 10, replace=False)] = True
y_noisy = np.where(flipped, 1 - y_train, y_train)

# %%
# Values of the training rows
# ---------------------------
#
# The value of a training row is the validation loss without it minus the loss with it.
# If it is negative, the model is better without the row. With a strong penalty (small
# ``C``) the model does not fit the flipped labels, which makes them easier to detect.

from skinfluence import LeaveOneOutInfluence

model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
loo = LeaveOneOutInfluence(model).fit(X_train, y_noisy)
values = loo.sample_values(X_val, y_val)

suspects = values.argsort()[: flipped.sum()]
print(
    f"{flipped[suspects].sum()} of the {flipped.sum()} lowest rows have a flipped "
    f"label; {flipped.mean() * flipped.sum():.0f} would by chance"
)

# %%
# In the order of ascending values most of the flipped labels come first.

import matplotlib.pyplot as plt

found = np.cumsum(flipped[values.argsort()])
rows = np.arange(1, len(found) + 1)
fig, ax = plt.subplots()
ax.plot(rows, found, label="lowest value first")
ax.plot(rows, rows * flipped.mean(), linestyle="--", label="in random order")
ax.set(xlabel="training rows inspected", ylabel="flipped labels found")
ax.legend()

# %%
# Train without them
# ------------------
#
# :class:`~skinfluence.InfluenceCleaner` needs no clean validation data: it values each
# row by held-out predictions on the noisy training set itself, drops the rows that are
# more likely wrong than right, and trains on the others. Their number is estimated from
# the data.

from sklearn.metrics import log_loss

from skinfluence import InfluenceCleaner

cleaner = InfluenceCleaner(model).fit(X_train, y_noisy)
dropped = ~cleaner.sample_mask_
print(
    f"{flipped[dropped].sum()} of the {dropped.sum()} rows dropped have a flipped label"
)
for name, fitted in [("all", loo), ("cleaned", cleaner)]:
    loss = log_loss(y_test, fitted.predict_proba(X_test))
    print(f"log loss on test rows, trained on {name} rows: {loss:.3f}")

cleaner
