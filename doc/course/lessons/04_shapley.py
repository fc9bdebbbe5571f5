# %% [markdown]
# # Shapley values
#
# **Level:** intermediate. **Time:** 15 minutes of reading, 30 of exercises.
# **Before:** lessons 2 and 3, binomial coefficients.
#
# Leave-one-out asks what a row adds to *all* the other rows. A row that has a copy adds
# nothing. Yet the first of the two copies added something. The Shapley value asks what a
# row adds to every possible set of other rows, and takes the mean.

# %% [markdown]
# ## Rows as players
#
# In cooperative game theory several players together achieve a result, and the question is
# how to share it fairly. Here the players are training rows. The *utility* $U(S)$ of a set
# $S$ of rows is how good the model is that is trained on $S$. For one test row we take
# minus its loss, $U(S) = -\ell_t(\theta_S)$.
#
# What row $i$ adds to $S$ is $U(S \cup \{i\}) - U(S)$, its *marginal contribution*. The
# Shapley value takes the mean over all sets of one size, and then the mean over the sizes:
#
# $$ \phi_i = \frac{1}{n} \sum_{S \not\ni i} \binom{n - 1}{|S|}^{-1}
#    \left[ U(S \cup \{i\}) - U(S) \right]. $$
#
# An equivalent form is easier to remember. Let the rows come into an empty room in random
# order. Each row gets the change of the utility at the moment when it enters. The Shapley
# value is the mean of this over all $n!$ orders. So the values sum to what all rows
# achieve together:
#
# $$ \sum_i \phi_i = U(\text{all rows}) - U(\text{no row}). $$
#
# The picture shows all sets of three rows as boxes, with the loss of the model in each. The
# lines from left to right add one row. Each row has four lines in its own colour, and its
# Shapley value is the weighted mean of the falls along them: weight 1/3 for the line at the
# left, 1/6 for the two in the middle, 1/3 for the one at the right. (By the formula: there
# are three sizes, and two sets of the middle size.)

# %% alt="A lattice of the eight subsets of three rows, from the empty set at the left to all three rows at the right. Each box shows the loss of its model. Coloured lines, one colour per row, lead from each set to the sets with one row more."
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

X, y = load_diabetes(return_X_y=True)
X, y = X / X.std(axis=0), (y - y.mean()) / y.std()
x_test, y_test = X[200:201], y[200:201]


def loss(rows, X, y):
    """Squared error on the test row; without any row the mean target is predicted."""
    if not rows:
        return (y_test[0] - y.mean()) ** 2
    model = Ridge(1.0).fit(X[list(rows)], y[list(rows)])
    return (y_test[0] - model.predict(x_test)[0]) ** 2


fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
place = {}
for size in range(4):
    sets = list(combinations(range(3), size))
    for k, rows in enumerate(sets):
        place[rows] = (size, (len(sets) - 1) / 2 - k)
for rows, (x, height) in place.items():
    names = ", ".join(str(i) for i in rows) or "no row"
    text = f"{names}\nloss {loss(rows, X[:3], y[:3]):.2f}"
    ax.text(x, height, text, ha="center", va="center", bbox={"fc": "white"}, zorder=3)
    for i in set(range(3)) - set(rows):
        end = place[tuple(sorted((*rows, i)))]
        ax.plot([x, end[0]], [height, end[1]], color=f"C{i}", linewidth=2)
for i in range(3):
    ax.plot([], [], color=f"C{i}", linewidth=2, label=f"row {i} is added")
ax.legend(loc="upper left", fontsize=8)
ax.set(xlim=(-0.4, 3.4), ylim=(-1.5, 1.5))
ax.axis("off")

# %% [markdown]
# ## A copy is no longer worthless
#
# We add a copy of the most valuable row. The leave-one-out influence of each copy falls to
# about zero. The Shapley value falls as well, since the copies share what they achieve,
# but it stays clearly above zero.

# %%
from skinfluence import LeaveOneOutInfluence, ShapleyInfluence

X_six, y_six = X[:6], y[:6]
loo = LeaveOneOutInfluence(Ridge(1.0)).fit(X_six, y_six).influence(x_test, y_test)
best = int(loo.argmax())
X_seven, y_seven = np.vstack([X_six, X_six[best]]), np.append(y_six, y_six[best])
for method in (LeaveOneOutInfluence, ShapleyInfluence):
    alone = method(Ridge(1.0)).fit(X_six, y_six).influence(x_test, y_test)
    two = method(Ridge(1.0)).fit(X_seven, y_seven).influence(x_test, y_test)
    print(f"{method.__name__:22}{alone[0, best]:6.3f} alone")
    print(f"{'':22}{two[0, best]:6.3f} and {two[0, 6]:.3f} as two copies")

# %% [markdown]
# ## What it costs
#
# There are $2^n$ subsets, each of which needs a model: $O(2^n T)$ if one training takes $T$
# steps. The exact problem is \#P-complete: as hard as counting the solutions of a puzzle of
# which already finding one is hard. So no fast algorithm for all models is to be expected.
# Three ways out:
#
# - **Sampling.** Draw orders at random. The error falls with the square root of their number.
# - **Special models.** For nearest neighbours a sum over all subsets has a closed form
#   that costs no more than sorting (exercise 4).
# - **Other weights.** The Banzhaf value gives all subsets the same weight. It can be
#   estimated from one pool of subsets, as in lesson 3.
#
# ## Where it fails
#
# - It is a mean over models that nobody would use, such as models of three rows. Under
#   log loss these small models have huge losses, which outweigh everything else.
# - "Fair" is defined by axioms, not by your problem: rows that do the same get the same,
#   rows that do nothing get nothing, everything is shared out, and the value for two test
#   rows is the sum of the values for each. The values depend on the utility, on
#   the test rows and on the weights of the sizes. Do not call them the price of a row.
#
# ## Exercises
#
# Six training rows, one test row, ridge regression. The function `loss(rows, X, y)` from
# above returns the loss of the model of some rows; `rows` is a tuple such as `(0, 2, 5)`.

# %% [markdown]
# ### Exercise 1: the game
#
# Return a dictionary with the loss of every subset of `n` rows. Its keys are sorted tuples,
# from `()` to `(0, 1, ..., n - 1)`.


# %% tags=["exercise"]
def game(n, X, y):
    """Return the loss of the model of every subset of n rows."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def game(n, X, y):
    """The set of all rows is missing: range(n) ends at n - 1."""
    return {s: loss(s, X, y) for size in range(n) for s in combinations(range(n), size)}


# %% tags=["solution"]
def game(n, X, y):
    """Return the loss of the model of every subset of n rows."""
    return {
        s: loss(s, X, y) for size in range(n + 1) for s in combinations(range(n), size)
    }


# %% tags=["check"]
losses = game(6, X_six, y_six)
assert len(losses) == 64, f"six rows have 64 subsets, not {len(losses)}"
model = Ridge(1.0).fit(X_six, y_six)
error = (y_test[0] - model.predict(x_test)[0]) ** 2
assert np.isclose(losses[(0, 1, 2, 3, 4, 5)], error), "the loss of all rows differs"
assert np.isclose(losses[()], (y_test[0] - y_six.mean()) ** 2), "the empty set differs"

# %% [markdown]
# ### Exercise 2: exact Shapley values of six rows
#
# From such a dictionary compute the Shapley value of each row by the formula. A row that
# lowers the loss has a positive value.


# %% tags=["exercise"]
def shapley_values(n, losses):
    """Return the Shapley value of each of n rows."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def shapley_values(n, losses):
    """All subsets have the same weight: this is the Banzhaf value."""
    values = np.zeros(n)
    for rows in losses:
        for i in set(range(n)) - set(rows):
            gain = losses[rows] - losses[tuple(sorted((*rows, i)))]
            values[i] += gain / 2 ** (n - 1)
    return values


# %% tags=["solution"]
from math import comb


def shapley_values(n, losses):
    """Return the Shapley value of each of n rows."""
    values = np.zeros(n)
    for rows in losses:
        for i in set(range(n)) - set(rows):
            gain = losses[rows] - losses[tuple(sorted((*rows, i)))]
            values[i] += gain / (n * comb(n - 1, len(rows)))
    return values


# %% tags=["check"]
mine = shapley_values(6, losses)
total = losses[()] - losses[(0, 1, 2, 3, 4, 5)]
assert np.shape(mine) == (6,), "one value per row is expected"
assert np.isclose(sum(mine), total), f"the values must sum to {total:.4f}"
theirs = ShapleyInfluence(Ridge(1.0)).fit(X_six, y_six).influence(x_test, y_test)[0]
assert np.allclose(mine, theirs), "the values differ from the library's"

# %% [markdown]
# ### Exercise 3: sampled orders
#
# Estimate the values from random orders. In each order add one row after the other, and
# give to each row the fall of the loss when it enters. Return the matrix of these falls
# (orders by rows), so that its mean is the estimate and its spread gives the
# standard error. Use `rng.permutation(n)` for an order.


# %% tags=["exercise"]
def sampled_contributions(n, losses, n_orders, rng):
    """Return the contribution of each row in each of the random orders."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def sampled_contributions(n, losses, n_orders, rng):
    """Contributions are stored by the place in the order, not by the row."""
    falls = np.zeros((n_orders, n))
    for k in range(n_orders):
        order = rng.permutation(n)
        for j in range(n):
            before, after = sorted(order[:j]), sorted(order[: j + 1])
            falls[k, j] = losses[tuple(before)] - losses[tuple(after)]
    return falls


# %% tags=["solution"]
def sampled_contributions(n, losses, n_orders, rng):
    """Return the contribution of each row in each of the random orders."""
    falls = np.zeros((n_orders, n))
    for k in range(n_orders):
        order = rng.permutation(n)
        for j in range(n):
            before, after = sorted(order[:j]), sorted(order[: j + 1])
            falls[k, order[j]] = losses[tuple(before)] - losses[tuple(after)]
    return falls


# %% tags=["check"]
falls = sampled_contributions(6, losses, 500, np.random.default_rng(0))
assert np.shape(falls) == (500, 6), "orders by rows are expected"
assert np.allclose(falls.sum(axis=1), total), "every order shares out the whole fall"
error = falls.std(axis=0, ddof=1) / np.sqrt(500)
z = (falls.mean(axis=0) - theirs) / error
assert abs(z).max() < 4, f"an estimate is {abs(z).max():.0f} standard errors off"

# %% [markdown]
# ### Exercise 4: nearest neighbours in closed form
#
# For $K$ nearest neighbours Jia and co-authors (2019) found the exact values without a sum
# over subsets. The utility is the number of the $K$ nearest rows with the right label,
# divided by $K$. Sort the training rows by their distance from the test row, the nearest
# first (with `kind="stable"`, as there are ties), and let $c_j$ be 1 if the label of the $j$-th row is right, else 0. Then
#
# $$ \phi_n = \frac{c_n}{n} \cdot \frac{\min(K, n)}{K}, \qquad
#    \phi_j = \phi_{j+1} + \frac{c_j - c_{j+1}}{K} \cdot \frac{\min(K, j)}{j}. $$
#
# Compute the values for one test row, from the farthest row ($j = n$) to the nearest
# ($j = 1$). Return them in the order of the training set, not in that of the distances.


# %% tags=["exercise"]
def knn_shapley(X_train, y_train, x, label, n_neighbors):
    """Return the Shapley value of each training row for one test row."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def knn_shapley(X_train, y_train, x, label, n_neighbors):
    """The values are left in the order of the distances."""
    order = np.argsort(((X_train - x) ** 2).sum(axis=1), kind="stable")
    c, n, K = (y_train[order] == label).astype(float), len(y_train), n_neighbors
    values = np.empty(n)
    values[-1] = c[-1] / n * min(K, n) / K
    for j in range(n - 1, 0, -1):
        values[j - 1] = values[j] + (c[j - 1] - c[j]) / K * min(K, j) / j
    return values


# %% tags=["solution"]
def knn_shapley(X_train, y_train, x, label, n_neighbors):
    """Return the Shapley value of each training row for one test row."""
    order = np.argsort(((X_train - x) ** 2).sum(axis=1), kind="stable")
    c, n, K = (y_train[order] == label).astype(float), len(y_train), n_neighbors
    values = np.empty(n)
    values[order[-1]] = c[-1] / n * min(K, n) / K
    for j in range(n - 1, 0, -1):  # j counts from 1, as in the formula
        step = (c[j - 1] - c[j]) / K * min(K, j) / j
        values[order[j - 1]] = values[order[j]] + step
    return values


# %% tags=["check"]
from sklearn.datasets import load_iris

from skinfluence import KNNShapley

flowers, species = load_iris(return_X_y=True)
knn = KNNShapley(n_neighbors=3, utility="hard").fit(flowers[::2], species[::2])
for t in (1, 71, 133):
    mine = knn_shapley(flowers[::2], species[::2], flowers[t], species[t], 3)
    theirs = knn.influence(flowers[t : t + 1], species[t : t + 1])[0]
    assert np.shape(mine) == (75,), "one value per training row is expected"
    assert np.allclose(mine, theirs), f"the values for flower {t} differ"
