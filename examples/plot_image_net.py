"""
===============================
Influential images of a network
===============================

A convolutional network reads handwritten digits, some of which are labelled wrongly.
The training images with most influence on a prediction are shown as thumbnails, and so
are the images that the network had to learn by heart.
"""

# %%
# A network and its digits
# ------------------------
#
# 5% of the 600 training labels are replaced by others.

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from skorch import NeuralNetClassifier
from torch import nn

from skinfluence import TRAK, InfluenceDisplay
from skinfluence.datasets import plant_label_flips

torch.set_num_threads(1)
digits = load_digits()
images = (digits.images[:, None] / 16).astype(np.float32)  # one channel
X, y_true = images[:600], digits.target[:600]
X_test, y_test = images[600:800], digits.target[600:800]
_, y, flipped = plant_label_flips(X, y_true, fraction=0.05, random_state=0)


class Convolutions(nn.Sequential):
    """Two convolutions, each followed by normalisation, and a linear layer."""

    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.GroupNorm(2, 8),
            nn.GELU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.GroupNorm(2, 16),
            nn.GELU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64, 10),
        )


net = NeuralNetClassifier(
    Convolutions,
    criterion=nn.CrossEntropyLoss,
    optimizer=torch.optim.Adam,
    lr=0.01,
    max_epochs=10,
    batch_size=50,
    train_split=None,
    verbose=0,
)

# %%
# The most influential images
# ---------------------------
#
# :class:`~skinfluence.TRAK` keeps checkpoints of one training run. Helpful images are
# blue and harmful ones vermilion.

trak = TRAK(net, random_state=0).fit(X, y)
print("accuracy:", trak.score(X_test, y_test))
wrong = np.flatnonzero(trak.predict(X_test) != y_test)
shown = wrong[0]
print(
    "a", y_test[shown], "that is read as a", trak.predict(X_test[shown : shown + 1])[0]
)
display = InfluenceDisplay.from_estimator(
    trak,
    X_test[shown : shown + 1],
    y_test[shown : shown + 1],
    labels=y,
    rows=X[:, 0],
    row=X_test[shown, 0],
)

# %%
# The images learnt by heart
# --------------------------
#
# A row of high self-influence is predicted by its label only because it is in the
# training data. Such images, with their labels; flipped labels are in vermilion.

order = trak.self_influence().argsort()[::-1]
figure, axes = plt.subplots(2, 8, figsize=(8, 2.6), layout="constrained")
for ax, i in zip(axes.flat, order, strict=False):
    ax.imshow(X[i, 0], cmap="gray_r")
    ax.set_title(y[i], color="#d55e00" if flipped[i] else "black")
    ax.axis("off")
found = flipped[order[: flipped.sum()]].mean()
print(f"{found:.0%} of the {flipped.sum()} highest have flipped labels")
