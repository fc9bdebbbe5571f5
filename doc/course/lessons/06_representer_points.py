# %% [markdown]
# # Representer points
#
# **Level:** intermediate. **Time:** 10 minutes of reading, 20 of exercises.
# **Before:** lesson 5, softmax regression, a little PyTorch.
#
# Some models *are* sums over their training rows. For such a model we need no estimate:
# each row has its term in the prediction, and we can read it off. Representer points (Yeh
# and co-authors 2018) do this for the last layer of a network. It is the fastest method of
# this course.

# %% [markdown]
# ## A prediction as a sum over rows
#
# Train a linear model with an L2 penalty,
#
# $$ \min_w \; \sum_i \ell(w^\top x_i, y_i) + \frac{1}{2C} |w|^2 . $$
#
# At the minimum the gradient is zero, so $w / C = -\sum_i \ell'_i\, x_i$, where $\ell'_i$ is
# the derivative of the loss with respect to the raw prediction $w^\top x_i$. The weights
# are a sum over the training rows, and therefore each raw prediction is one too:
#
# $$ w^\top x_t = \sum_i \alpha_i \; x_i^\top x_t , \qquad \alpha_i = -C\, \ell'_i . $$
#
# This is a case of the representer theorem (Schölkopf, Herbrich and Smola 2001). The term of
# row $i$ is large if the row is similar to the test row ($x_i^\top x_t$), and if the
# model still has a large loss on it ($\alpha_i$). A row that is fitted perfectly has no term.
#
# Kernel methods have the same form with $k(x_i, x_t)$ in the place of the inner product.
# The picture shows the terms of a support vector machine for one test row, the star. The
# larger a point, the larger its term. Orange rows raise the raw prediction, blue rows lower
# it. Most rows have no term at all.

# %% alt="Two interleaved half moons of points. A star marks the test row. Points of both classes, orange and blue, that are near it and near the border between the classes are large; those far away are tiny."
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.svm import SVC

from skinfluence import RepresenterPoints

X, y = make_moons(120, noise=0.15, random_state=0)
star = np.array([[0.6, 0.3]])
svm = SVC(C=1.0, gamma=2.0)
points = RepresenterPoints(svm).fit(X, y)
terms = points.representer_values(star)[0, :, 0]

fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
color = np.where(y == 1, "tab:orange", "tab:blue")
ax.scatter(*X.T, s=8 + 400 * abs(terms), c=color, alpha=0.7, edgecolor="black")
ax.plot(*star[0], "k*", markersize=14)
ax.set(xticks=[], yticks=[])
total = terms.sum() + points.bias_[0]
ax.set_title(
    f"sum of the terms {total:.3f}, model {points.decision_function(star)[0]:.3f}"
)

# %% [markdown]
# ## A network as a feature extractor
#
# A deep network is not linear. But its last layer is a linear model of the features
# $f_i$ that the layers before it compute. Treat these layers as fixed, and fit the last
# layer with a penalty $\lambda$ on its weights,
#
# $$ \min_W \; \frac1n \sum_i \ell(W f_i, y_i) + \lambda |W|^2 . $$
#
# Then the raw predictions are sums again, and this is the formula of the talk:
#
# $$ W f_t = \sum_i \alpha_i \, f_i^\top f_t , \qquad
#    \alpha_i = - \frac{1}{2 \lambda n} \frac{\partial \ell_i}{\partial (W f_i)} . $$
#
# The picture shows the three species of iris: at the left by two of their four measurements,
# where they overlap, and at the right by the two features of a network, where lines
# separate them.

# %% alt="Left: three species of iris by the width and length of the sepals; two of the species overlap. Right: the same flowers by the two features of the network; the three species are apart but for a few flowers."
import torch
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier


class Net(torch.nn.Module):
    """Four inputs, 16 hidden units, two features, three classes."""

    def __init__(self):
        super().__init__()
        self.features = torch.nn.Sequential(
            torch.nn.Linear(4, 16),
            torch.nn.Tanh(),
            torch.nn.Linear(16, 2),
        )
        self.last = torch.nn.Linear(2, 3, bias=False)

    def forward(self, X):
        """Logits."""
        return self.last(self.features(X))


torch.manual_seed(0)
net = NeuralNetClassifier(
    Net,
    criterion=torch.nn.CrossEntropyLoss,
    optimizer=torch.optim.Adam,
    lr=0.02,
    max_epochs=60,
    batch_size=40,
    train_split=None,
    verbose=0,
)
flowers, species = load_iris(return_X_y=True)
flowers = StandardScaler().fit_transform(flowers).astype("float32")
points = RepresenterPoints(net, l2=0.01, random_state=0).fit(flowers, species)
module = points.estimator_.net_.module_
with torch.no_grad():
    features = module.features(torch.tensor(flowers)).double().numpy()

fig, axes = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
for ax, values in zip(axes, (flowers[:, :2], features), strict=True):
    for k, marker in enumerate("os^"):
        name = ("setosa", "versicolor", "virginica")[k]
        ax.scatter(*values[species == k].T, s=18, marker=marker, alpha=0.6, label=name)
    ax.set(xticks=[], yticks=[])
axes[0].legend(fontsize=8)
axes[0].set_title("two of the inputs")
axes[1].set_title("features before the last layer")

# %% [markdown]
# ## What it costs
#
# One fit of the last layer, and then an inner product per row: $O(n)$ for each test row,
# faster than all other methods by a factor of ten and more.
#
# ## Where it fails
#
# - **A term is not a removal.** Without a row the other rows are fitted differently and
#   take over a part of its term. Two copies each keep their whole term.
# - **"Too reductive"** (Yeh and co-authors 2022). Whatever happens in the earlier layers
#   is ignored. They are the larger part of a network, and they learn from rows too.
# - **A minimum with a penalty is needed.** The last layer of a trained network is neither,
#   so it is fitted again. Look at `refit_correlation_`: is the refitted layer still
#   the layer that you wanted to explain?
#
# More generally, methods that look only at the final parameters are like reading the ending
# of a novel. You may find out roughly what happened, but most details are lost. The
# {doc}`next lesson <07_tracin>` reads the novel from the beginning.
#
# ## Exercises

# %% [markdown]
# ### Exercise 1: alpha of logistic regression
#
# For a fitted `LogisticRegression(C=C, fit_intercept=False)` of the classes 0 and 1 return
# $\alpha_i = -C\, \ell'_i$ for each training row. The derivative of the log loss with
# respect to the logit is $p_i - y_i$.


# %% tags=["exercise"]
def alphas(model, X, y):
    """Return alpha of each training row of a fitted logistic regression."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def alphas(model, X, y):
    """The sign of the derivative is kept: each row would push away its own class."""
    return model.C * (model.predict_proba(X)[:, 1] - y)


# %% tags=["solution"]
def alphas(model, X, y):
    """Return alpha of each training row of a fitted logistic regression."""
    return model.C * (y - model.predict_proba(X)[:, 1])


# %% tags=["check"]
from sklearn.linear_model import LogisticRegression

logistic = LogisticRegression(C=0.5, fit_intercept=False, tol=1e-10).fit(X, y)
mine = alphas(logistic, X, y)
assert np.shape(mine) == (120,), "one alpha per row is expected"
theirs = RepresenterPoints(logistic).fit(X, y).alpha_[:, 0]
assert np.allclose(mine, theirs, atol=1e-6), "the alphas differ from the library's"

# %% [markdown]
# ### Exercise 2: put the prediction together
#
# Return the matrix of all terms $\alpha_i\, x_i^\top x_t$, test rows by training rows. Its
# rows must sum to the decision function.


# %% tags=["exercise"]
def terms_of(alpha, X_train, X_test):
    """Return the term of each training row in each raw prediction."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def terms_of(alpha, X_train, X_test):
    """Cosines, not inner products: the sum is not the prediction."""
    A = X_train / np.linalg.norm(X_train, axis=1, keepdims=True)
    B = X_test / np.linalg.norm(X_test, axis=1, keepdims=True)
    return alpha * (B @ A.T)


# %% tags=["solution"]
def terms_of(alpha, X_train, X_test):
    """Return the term of each training row in each raw prediction."""
    return alpha * (X_test @ X_train.T)


# %% tags=["check"]
grid = np.random.default_rng(0).normal(size=(20, 2))
mine = terms_of(alphas(logistic, X, y), X, grid)
assert np.shape(mine) == (20, 120), "test rows by training rows are expected"
sums = mine.sum(axis=1)
assert np.allclose(sums, logistic.decision_function(grid), atol=1e-5), "the sums differ"

# %% [markdown]
# ### Exercise 3: the last layer of a network
#
# The features of the network for all rows are in `features`, an array of shape (150, 2).
# Fit $W$ (3 by 2, no bias) with `torch.optim.LBFGS` or any other optimiser, until the
# gradient of the objective above vanishes. Use double precision. Return $\alpha$ of shape
# (150, 3): for the cross entropy of a softmax the derivative with respect to the logits is
# the vector of probabilities minus the one-hot vector of the label.


# %% tags=["exercise"]
def last_layer_alphas(features, labels, l2):
    """Return alpha of each row and class of the refitted last layer."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def last_layer_alphas(features, labels, l2):
    """Fifty steps of gradient descent are not at the minimum."""
    F, target = torch.tensor(features), torch.tensor(labels)
    W = torch.zeros(3, F.shape[1], dtype=torch.float64, requires_grad=True)
    for _ in range(50):
        loss = torch.nn.functional.cross_entropy(F @ W.T, target) + l2 * (W**2).sum()
        (gradient,) = torch.autograd.grad(loss, W)
        with torch.no_grad():
            W -= 0.1 * gradient
    p = torch.softmax(F @ W.T, dim=1).detach().numpy()
    return (np.eye(3)[labels] - p) / (2 * len(labels) * l2)


# %% tags=["solution"]
def last_layer_alphas(features, labels, l2):
    """Return alpha of each row and class of the refitted last layer."""
    F, target = torch.tensor(features), torch.tensor(labels)
    W = torch.zeros(3, F.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [W],
        max_iter=500,
        tolerance_grad=1e-12,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def objective():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(F @ W.T, target) + l2 * (W**2).sum()
        loss.backward()
        return loss

    optimizer.step(objective)
    p = torch.softmax(F @ W.T, dim=1).detach().numpy()
    return (np.eye(3)[labels] - p) / (2 * len(labels) * l2)


# %% tags=["check"]
mine = last_layer_alphas(features, species, 0.01)
assert np.shape(mine) == (150, 3), "one alpha per row and class is expected"
W = mine.T @ features  # the representer theorem
p = np.exp(features @ W.T)
p /= p.sum(axis=1, keepdims=True)
gradient = (p - np.eye(3)[species]).T @ features / 150 + 2 * 0.01 * W
assert abs(gradient).max() < 1e-6, "W is not at the minimum of the objective"
assert np.allclose(mine, points.alpha_, atol=1e-4), (
    "the alphas differ from the library's"
)
