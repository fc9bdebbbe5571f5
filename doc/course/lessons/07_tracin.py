# %% [markdown]
# # TracIn
#
# **Level:** intermediate. **Time:** 15 minutes of reading, 25 of exercises.
# **Before:** lesson 5, stochastic gradient descent, a little PyTorch.
#
# All methods so far perturb the training set and look at the final model. TracIn (Pruthi
# and co-authors 2020) takes another view. Influence happens *during* training: each step
# changes the model a little because of the rows in its batch. We watch the
# loss of the test row, and write down who changed it.

# %% [markdown]
# ## One row per step
#
# Assume gradient descent without momentum, with one row in each batch. Step $k$ goes from
# $\theta_k$ to $\theta_{k+1}$ along the gradient of row $i_k$ and of no other row. Whatever
# happens to the test loss in this step is the work of row $i_k$. So we give it the credit:
#
# $$ I(i, t) = \sum_{k:\, i_k = i} \left[ \ell_t(\theta_k) - \ell_t(\theta_{k+1}) \right]. $$
#
# This is *ideal TracIn*. The sum over all training rows telescopes. It is exactly the fall
# of the test loss during the whole training, $\ell_t(\theta_0) - \ell_t(\theta_T)$.
#
# The picture shows the loss of one test row during such a run. Steps that lowered the loss
# are blue, and steps that raised it are orange.

# %% alt="The loss of a test row over 40 steps falls from 0.69 to below 0.3 in small jumps. Blue segments go down, orange segments go up."
import matplotlib.pyplot as plt
import numpy as np

rng = np.random.default_rng(3)
X = np.vstack([rng.normal(-0.7, 1, (10, 2)), rng.normal(0.7, 1, (10, 2))])
y = np.repeat([0, 1], 10)
order = np.concatenate([rng.permutation(20) for _ in range(2)])
x_test, y_test = np.array([0.9, 0.4]), 1


def sigmoid(z):
    """Probability of class 1."""
    return 1 / (1 + np.exp(-z))


def loss(theta, x, label):
    """Log loss of one row."""
    return np.logaddexp(0, np.where(label == 1, -1, 1) * (x @ theta))


def gradient(theta, x, label):
    """Gradient of the log loss of one row, or of each of several rows."""
    return (sigmoid(x @ theta) - label)[..., None] * x


theta, losses = np.zeros(2), [np.log(2)]
for i in order:
    theta = theta - 0.15 * gradient(theta, X[i], y[i])
    losses.append(loss(theta, x_test, y_test))
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for k in range(40):
    color = "tab:blue" if losses[k + 1] < losses[k] else "tab:orange"
    ax.plot([k, k + 1], losses[k : k + 2], color=color, linewidth=2)
ax.set(xlabel="step", ylabel="loss of the test row")

# %% [markdown]
# ## Batches
#
# Real training has many rows in a batch, and a step cannot be given to a single row. But a
# small step changes the loss by about the inner product of the step with the gradient:
#
# $$ \ell_t(\theta_k) - \ell_t(\theta_{k+1}) \approx
#    \nabla\ell_t(\theta_k)^\top (\theta_k - \theta_{k+1}) =
#    \sum_{i \in B_k} \frac{\eta_k}{|B_k|}\; \nabla\ell_t(\theta_k)^\top
#    \nabla\ell_i(\theta_k) . $$
#
# This is a sum over the rows of the batch, so each row gets its own part. TracIn is a series
# of inner products of gradients. There is no Hessian and no matrix to invert.
#
# Storing the model after each step is impossible for large networks. *TracInCP* uses a few
# checkpoints instead, and pretends that every row was used at each of them:
#
# $$ I(i, t) = \sum_c \frac{\eta_c}{n} \; \nabla\ell_i(\theta_c)^\top \nabla\ell_t(\theta_c),
# $$
#
# with $n$ training rows and $\eta_c$ the learning rate spent since the checkpoint before,
# summed over the steps.
#
# A row helps a test row if their gradients point in similar directions. The picture shows
# this for our run: the size of a point is the size of its influence on the star. Rows of
# the star's class help where they lie on the star's side, and so do rows of the other class
# on the opposite side. A row on the wrong side harms.

# %% alt="Points of two classes around a star, which is of the filled class. Filled points near the star and open points at the other side have blue rims, as they help. Two filled points among the open ones, and an open one near the star, have orange rims and harm."
influence = np.zeros(20)
for k, i in enumerate(order):
    influence[i] += losses[k] - losses[k + 1]
print(f"sum {influence.sum():.4f}, fall of the loss {losses[0] - losses[-1]:.4f}")

fig, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
rim = np.where(influence > 0, "tab:blue", "tab:orange")
face = np.where(y == 1, "black", "white")
ax.scatter(*X.T, s=20 + 4000 * abs(influence), c=face, edgecolors=rim, linewidths=3)
ax.plot(*x_test, "k*", markersize=16)
ax.set(xticks=[], yticks=[], title="blue helps, orange harms; filled: the star's class")

# %% [markdown]
# ## What it costs
#
# TracIn retraces the whole training for each test row. With $n$ training rows, $p$
# parameters and $T$ models on the way, that is $O(npT)$ time, and $O(pT)$ storage
# for the models. This is its great weakness. With a few checkpoints, and with
# the last layer only, it becomes affordable.
#
# ## Where it fails
#
# - **It is not leave-one-out.** The other rows would have done a part of the work of a
#   missing row. TracIn says who did the work, not who could not be replaced.
# - **Large losses dominate.** Rows with large gradients are at the top of the list of every
#   test row. Cosines in the place of inner products mend this (`normalize=True` of
#   {class}`~skinfluence.TracIn`).
# - **Momentum and Adam** do not step along the gradient, and the formula ignores this.
# - Many implementations leave out $1/n$ and the number of steps. Their values have the
#   right order and no unit.
#
# ## Exercises
#
# We trace logistic regression by hand. The functions `loss` and `gradient` from above, the
# rows `X` and `y` and the `order` of the steps are yours to use.

# %% [markdown]
# ### Exercise 1: ideal TracIn
#
# Train from zero with one row per step, in the given order. Return the final parameters and
# the influence of each row on the test row. A row that is visited twice gets credit twice.


# %% tags=["exercise"]
def ideal_tracin(X, y, x_test, y_test, order, lr):
    """Return the final parameters and the influence of each training row."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def ideal_tracin(X, y, x_test, y_test, order, lr):
    """A second visit of a row replaces the credit of the first."""
    theta, influence = np.zeros(X.shape[1]), np.zeros(len(X))
    for i in order:
        before = loss(theta, x_test, y_test)
        theta = theta - lr * gradient(theta, X[i], y[i])
        influence[i] = before - loss(theta, x_test, y_test)
    return theta, influence


# %% tags=["solution"]
def ideal_tracin(X, y, x_test, y_test, order, lr):
    """Return the final parameters and the influence of each training row."""
    theta, influence = np.zeros(X.shape[1]), np.zeros(len(X))
    for i in order:
        before = loss(theta, x_test, y_test)
        theta = theta - lr * gradient(theta, X[i], y[i])
        influence[i] += before - loss(theta, x_test, y_test)
    return theta, influence


# %% tags=["check"]
final, mine = ideal_tracin(X, y, x_test, y_test, order, 0.15)
assert np.allclose(final, theta), (
    "the final parameters differ from those of the picture"
)
fall = np.log(2) - loss(final, x_test, y_test)
assert np.isclose(np.sum(mine), fall), (
    f"the sum must be the fall of the loss, {fall:.4f}"
)
assert np.allclose(mine, influence), "the influences differ from those of the picture"

# %% [markdown]
# ### Exercise 2: gradients in the place of losses
#
# Replace the fall of the loss in each step by an inner product: the step times the mean of
# the test row's gradients before and after the step,
# $\frac{\eta}{2} (\nabla\ell_t(\theta_k) + \nabla\ell_t(\theta_{k+1}))^\top
# \nabla\ell_{i}(\theta_k)$. The mean of the two makes the error of third order in the
# step, so that the sum is nearly the fall of the loss. The library does the same with
# `checkpoints="all"`. The check trains the same model in PyTorch and compares.


# %% tags=["exercise"]
def tracin(X, y, x_test, y_test, order, lr):
    """Return the influence of each training row from gradients."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def tracin(X, y, x_test, y_test, order, lr):
    """All gradients are those of the final model, so this is not a trace."""
    theta, _ = ideal_tracin(X, y, x_test, y_test, order, lr)
    visits = np.bincount(order, minlength=len(X))
    return lr * visits * (gradient(theta, X, y) @ gradient(theta, x_test, y_test))


# %% tags=["solution"]
def tracin(X, y, x_test, y_test, order, lr):
    """Return the influence of each training row from gradients."""
    theta, influence = np.zeros(X.shape[1]), np.zeros(len(X))
    for i in order:
        step = lr * gradient(theta, X[i], y[i])
        before = gradient(theta, x_test, y_test)
        theta = theta - step
        influence[i] += step @ (before + gradient(theta, x_test, y_test)) / 2
    return influence


# %% tags=["check"]
import torch
from skorch import NeuralNetBinaryClassifier

from skinfluence import TracIn


class Logistic(torch.nn.Module):
    """Logistic regression without intercept that starts from zero."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1, bias=False, dtype=torch.float64)
        torch.nn.init.zeros_(self.layer.weight)

    def forward(self, X):
        """Logits."""
        return self.layer(X)[:, 0]


def net(batch_size, max_epochs):
    """Plain gradient descent that takes the rows in their order."""
    return NeuralNetBinaryClassifier(
        Logistic,
        lr=0.15,
        batch_size=batch_size,
        max_epochs=max_epochs,
        train_split=None,
        verbose=0,
    )


twice = np.tile(np.arange(20), 2)
mine = tracin(X, y, x_test, y_test, twice, 0.15)
library = TracIn(net(batch_size=1, max_epochs=2), checkpoints="all").fit(X, y)
theirs = library.influence(x_test[None], np.array([y_test]))[0]
assert np.shape(mine) == (20,), "one influence per training row is expected"
assert np.allclose(mine, theirs, atol=1e-6), "the influences differ from the library's"

# %% [markdown]
# ### Exercise 3: checkpoints
#
# Given the parameters at some checkpoints (a row each) and, for each of them, the learning
# rate spent since the checkpoint before it, compute TracInCP for all test rows and all
# training rows. In the check a step uses all rows, so that an epoch is one step.


# %% tags=["exercise"]
def tracin_cp(checkpoints, spent, X, y, X_test, y_test):
    """Return the influence matrix, test rows by training rows."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def tracin_cp(checkpoints, spent, X, y, X_test, y_test):
    """The step is a mean over the rows: the division by n is missing."""
    return sum(
        eta * gradient(theta, X_test, y_test) @ gradient(theta, X, y).T
        for theta, eta in zip(checkpoints, spent, strict=True)
    )


# %% tags=["solution"]
def tracin_cp(checkpoints, spent, X, y, X_test, y_test):
    """Return the influence matrix, test rows by training rows."""
    return sum(
        eta / len(X) * gradient(theta, X_test, y_test) @ gradient(theta, X, y).T
        for theta, eta in zip(checkpoints, spent, strict=True)
    )


# %% tags=["check"]
library = TracIn(net(batch_size=20, max_epochs=12), checkpoints=[4, 8, 12]).fit(X, y)
weights = [c.state["layer.weight"].numpy()[0] for c in library.checkpoints_]
mine = tracin_cp(weights, [4 * 0.15] * 3, X, y, X[:5], y[:5])
assert np.shape(mine) == (5, 20), "test rows by training rows are expected"
theirs = library.influence(X[:5], y[:5])
assert np.allclose(mine, theirs, atol=1e-6), "the influences differ from the library's"
