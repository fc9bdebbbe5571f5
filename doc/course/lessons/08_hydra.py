# %% [markdown]
# # HyDRA
#
# **Level:** advanced. **Time:** 15 minutes of reading, 30 of exercises.
# **Before:** lessons 5 and 7.
#
# Influence functions estimate leave-one-out, but need a minimum of a convex objective.
# TracIn needs no minimum, but does not estimate leave-one-out. HyDRA (Chen and co-authors
# 2021) estimates leave-one-out for a given training run, whether it has converged or not. It
# carries the derivative of the parameters along through all of training.

# %% [markdown]
# ## Training as a function of a weight
#
# Give training row $i$ the weight $w_i$. Fix everything else: the first parameters, the
# order of the rows, the learning rates. Then the final parameters $\theta_T$ are a
# function of the weight. One step of gradient descent on batch $B$ is
#
# $$ \theta_{k+1} = \theta_k - \eta \left[ \frac{1}{|B|} \sum_{j \in B} w_j
#    \nabla \ell_j(\theta_k) + \lambda \theta_k \right] . $$
#
# Differentiate both sides with respect to $w_i$ at $w = 1$, and call the
# derivative $D_k = d\theta_k / dw_i$:
#
# $$ D_{k+1} = D_k - \eta \left[ (H_B + \lambda I)\, D_k +
#    \frac{1[i \in B]}{|B|} \nabla\ell_i(\theta_k) \right], \qquad D_0 = 0 . $$
#
# $H_B$ is the Hessian of the mean loss of the batch. The formula has two parts. A step *on*
# the row adds its gradient. All steps, also those on other rows, change what has
# been added before. In a direction of strong curvature a change soon dies away, because the
# other rows pull the parameters back. Removing a row changes its weight by $-1$, so
#
# $$ I(i, t) = -\nabla\ell_t(\theta_T)^\top D_T . $$
#
# The picture shows this for one parameter of a small model. We train once with all rows
# and once with one row at half of its weight. The difference of the two runs is drawn, and
# the prediction $-D_k / 2$ of the recursion beside it.

# %% alt="The difference of two training runs over 60 steps, in which one row has full and half weight, and the prediction of the recursion. The two curves nearly agree; both rise and slowly level off."
import matplotlib.pyplot as plt
import numpy as np

rng = np.random.default_rng(1)
X = rng.normal(size=(30, 3))
y = (X.sum(axis=1) + rng.normal(size=30) > 0).astype(int)
X_test = rng.normal(size=(12, 3))
y_test = (X_test.sum(axis=1) + rng.normal(size=12) > 0).astype(int)


def sigmoid(z):
    """Probability of class 1."""
    return 1 / (1 + np.exp(-z))


def gradients(theta, X, y):
    """Gradient of the log loss of each row."""
    return (sigmoid(X @ theta) - y)[:, None] * X


def mean_hessian(theta, X):
    """Hessian of the mean log loss."""
    p = sigmoid(X @ theta)
    return (X.T * (p * (1 - p))) @ X / len(X)


def train(weights, n_steps, lr=0.5, l2=0.05):
    """Return the parameters after each step of gradient descent on all rows."""
    path = [np.zeros(3)]
    for _ in range(n_steps):
        theta = path[-1]
        mean = weights @ gradients(theta, X, y) / len(X)
        path.append(theta - lr * (mean + l2 * theta))
    return np.array(path)


row = int(abs(y - sigmoid(X @ train(np.ones(30), 60)[-1])).argmax())
half = np.ones(30)
half[row] = 0.5
path = train(np.ones(30), 60)
D = [np.zeros(3)]
for theta in path[:-1]:
    pull = (mean_hessian(theta, X) + 0.05 * np.eye(3)) @ D[-1]
    D.append(D[-1] - 0.5 * (pull + gradients(theta, X[[row]], y[[row]])[0] / 30))

fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.plot((train(half, 60) - path)[:, 0], label="difference of two runs")
ax.plot(-np.array(D)[:, 0] / 2, "--", label="predicted by the recursion")
ax.set(xlabel="step", ylabel="change of a parameter")
ax.legend()

# %% [markdown]
# ## The fast version
#
# Each step needs the product of a Hessian with $D$ for every training row. The *fast*
# version drops $H_B$. What remains is close to TracIn: a sum of gradients, with the test
# gradient taken at the end of training. But the Hessian is what makes the difference
# between "who did the work" and "who would be missed".
#
# In the picture both versions predict what happens without each row, for a small network
# with tanh units.

# %% alt="Two scatter plots of predicted against actual loss changes of removed rows. For exact HyDRA the points are near the diagonal; for the fast version they are widely scattered."
import torch
from sklearn.datasets import load_digits
from skorch import NeuralNetClassifier

from skinfluence import HyDRA

digits, labels = load_digits(return_X_y=True)
digits = (digits / 16).astype("float32")


class Perceptron(torch.nn.Module):
    """One hidden layer of tanh units."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(64, 16), torch.nn.Tanh(), torch.nn.Linear(16, 10)
        )

    def forward(self, X):
        """Logits."""
        return self.layers(X)


perceptron = NeuralNetClassifier(
    Perceptron,
    criterion=torch.nn.CrossEntropyLoss,
    lr=0.2,
    batch_size=20,
    max_epochs=15,
    train_split=None,
    verbose=0,
)
alone = np.eye(100, dtype=bool)[:30]
tests = digits[100:120], labels[100:120]
fig, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
for ax, approximation in zip(axes, ("exact", "fast"), strict=True):
    method = HyDRA(perceptron, approximation=approximation, random_state=0)
    method.fit(digits[:100], labels[:100])
    if approximation == "exact":
        truth = method.replayed_influence(*tests, groups=alone)
    predicted = method.influence(*tests)[:, :30]
    ax.plot(truth, predicted, ".", color="tab:blue", markersize=3)
    ax.plot(truth.ravel(), truth.ravel(), color="gray", linewidth=0.8)
    ax.set(title=approximation, xlabel="actual change", ylabel="predicted")

# %% [markdown]
# ## What it costs
#
# Going forward, $D$ has $p$ numbers for each training row: $O(np)$ memory, and $O(npT)$
# time. The authors needed 49 hours on two GPUs for one pass of a network of 40 layers with
# Hessians. The library runs the recursion backwards from the test rows instead, where that
# is cheaper; the result is the same.
#
# ## Where it fails
#
# - The prediction is a derivative, as for influence functions. With ReLU units at a high
#   learning rate the run is not a smooth function of a weight, and the derivative
#   predicts nothing. `metasmoothness` measures this beforehand.
# - The answer is about *this* run. Another seed changes the model more than one row does.
#
# ## Exercises
#
# The functions `gradients` and `mean_hessian` and the 30 rows from above are yours to use.
# The check of exercise 2 trains the same model in PyTorch.

# %% [markdown]
# ### Exercise 1: the recursion
#
# Train from zero with gradient descent on all rows, and carry along $D$ for all
# training rows at once, as a matrix with one line per row. Return the final parameters and
# $D_T$.


# %% tags=["exercise"]
def hydra_recursion(X, y, n_steps, lr, l2):
    """Return theta_T and the derivatives D_T, training rows by parameters."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def hydra_recursion(X, y, n_steps, lr, l2):
    """The Hessian is dropped: this is the fast version."""
    n, p = X.shape
    theta, D = np.zeros(p), np.zeros((n, p))
    for _ in range(n_steps):
        g = gradients(theta, X, y)
        D = D - lr * (l2 * D + g / n)
        theta = theta - lr * (g.mean(axis=0) + l2 * theta)
    return theta, D


# %% tags=["solution"]
def hydra_recursion(X, y, n_steps, lr, l2):
    """Return theta_T and the derivatives D_T, training rows by parameters."""
    n, p = X.shape
    theta, D = np.zeros(p), np.zeros((n, p))
    for _ in range(n_steps):
        g = gradients(theta, X, y)
        H = mean_hessian(theta, X) + l2 * np.eye(p)
        D = D - lr * (D @ H + g / n)
        theta = theta - lr * (g.mean(axis=0) + l2 * theta)
    return theta, D


# %% tags=["check"]
final, D = hydra_recursion(X, y, 60, 0.5, 0.05)
assert np.allclose(final, path[-1]), "the final parameters differ from those above"
assert np.shape(D) == (30, 3), "one derivative of three parameters per row is expected"
for i in (0, 7, row):  # finite differences of two whole runs
    step = 1e-4 * np.eye(30)[i]
    slope = train(1 + step, 60)[-1] - train(1 - step, 60)[-1]
    assert np.allclose(D[i], slope / 2e-4, atol=1e-6), (
        f"the derivative for row {i} differs"
    )

# %% [markdown]
# ### Exercise 2: batches
#
# Now each step uses one batch: `batches` is a list of arrays of row numbers. A row gets a
# new term only in the steps on its own batch, but its derivative is pulled back in all
# steps. Return the influence matrix, test rows by training rows.


# %% tags=["exercise"]
def hydra(X, y, X_test, y_test, batches, lr, l2):
    """Return the influence of each training row on each test row."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def hydra(X, y, X_test, y_test, batches, lr, l2):
    """Only derivatives of the rows of the batch are pulled back."""
    theta, D = np.zeros(X.shape[1]), np.zeros(X.shape)
    for B in batches:
        g = gradients(theta, X[B], y[B])
        H = mean_hessian(theta, X[B]) + l2 * np.eye(len(theta))
        D[B] -= lr * (D[B] @ H + g / len(B))
        theta = theta - lr * (g.mean(axis=0) + l2 * theta)
    return -gradients(theta, X_test, y_test) @ D.T


# %% tags=["solution"]
def hydra(X, y, X_test, y_test, batches, lr, l2):
    """Return the influence of each training row on each test row."""
    theta, D = np.zeros(X.shape[1]), np.zeros(X.shape)
    for B in batches:
        g = gradients(theta, X[B], y[B])
        H = mean_hessian(theta, X[B]) + l2 * np.eye(len(theta))
        D = D - lr * D @ H
        D[B] -= lr * g / len(B)
        theta = theta - lr * (g.mean(axis=0) + l2 * theta)
    return -gradients(theta, X_test, y_test) @ D.T


# %% tags=["check"]
from skorch import NeuralNetBinaryClassifier


class Logistic(torch.nn.Module):
    """Logistic regression without intercept that starts from zero."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1, bias=False, dtype=torch.float64)
        torch.nn.init.zeros_(self.layer.weight)

    def forward(self, X):
        """Logits."""
        return self.layer(X)[:, 0]


net = NeuralNetBinaryClassifier(
    Logistic,
    lr=0.5,
    optimizer__weight_decay=0.05,
    batch_size=10,
    max_epochs=8,
    train_split=None,
    verbose=0,
)
batches = np.tile(np.arange(30).reshape(3, 10), (8, 1))
mine = hydra(X, y, X_test, y_test, batches, 0.5, 0.05)
assert np.shape(mine) == (12, 30), "test rows by training rows are expected"
theirs = HyDRA(net).fit(X, y).influence(X_test, y_test)
assert np.allclose(mine, theirs, atol=1e-6), "the influences differ from the library's"

# %% [markdown]
# ### Exercise 3: the end of training
#
# If gradient descent converges, $D_k$ no longer changes. Set $D_{k+1} = D_k$ in the
# recursion for all rows in one batch, and solve for $D$. You know the result: it is the
# influence function of lesson 5. Return $D$ at the minimum, for the parameters `theta`.


# %% tags=["exercise"]
def fixed_point(theta, X, y, l2):
    """Return the D that the recursion no longer changes, rows by parameters."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def fixed_point(theta, X, y, l2):
    """The gradient of the row is not divided by the size of the batch."""
    H = mean_hessian(theta, X) + l2 * np.eye(len(theta))
    return -np.linalg.solve(H, gradients(theta, X, y).T).T


# %% tags=["solution"]
def fixed_point(theta, X, y, l2):
    """Return the D that the recursion no longer changes, rows by parameters."""
    H = mean_hessian(theta, X) + l2 * np.eye(len(theta))
    return -np.linalg.solve(H, gradients(theta, X, y).T).T / len(X)


# %% tags=["check"]
from sklearn.linear_model import LogisticRegression

from skinfluence import InfluenceFunctions

final, D = hydra_recursion(X, y, 3000, 0.5, 0.05)
limit = fixed_point(final, X, y, 0.05)
assert np.shape(limit) == (30, 3), "one derivative per training row is expected"
assert np.allclose(limit, D, atol=1e-8), (
    "the recursion moves away from your fixed point"
)
# scikit-learn's objective is a sum: C = 1 / (n l2)
model = LogisticRegression(C=1 / (30 * 0.05), fit_intercept=False, tol=1e-10)
theirs = InfluenceFunctions(model).fit(X, y).influence(X_test, y_test)
mine = -gradients(final, X_test, y_test) @ limit.T
assert np.allclose(mine, theirs, atol=1e-6), "influence functions give something else"
