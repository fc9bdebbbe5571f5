# %% [markdown]
# # Leave-one-out
#
# **Level:** introductory. **Time:** 10 minutes of reading, 25 of exercises.
# **Before:** lesson 1, least squares in matrix form.
#
# A training row can only affect a model if it is in the training set. So we train two
# models, one with the row and one without it, and compare their predictions. This is
# *leave-one-out influence*, the simplest definition of the influence of a row, and the
# one that most other methods approximate.

# %% [markdown]
# ## The definition
#
# Let $\theta$ be the model of all $n$ rows, $\theta_{-i}$ the model of all rows but row
# $i$, and $\ell_t$ the loss on test row $t$. The influence of training row $i$ on test
# row $t$ is
#
# $$ I(i, t) = \ell_t(\theta_{-i}) - \ell_t(\theta). $$
#
# It is positive if the loss is larger without the row, which means that the row *helped*.
# A negative influence means that the row did harm. With the loss that is 0 for a right
# prediction and 1 for a wrong one this is the difference of the accuracies that the talk
# shows, $\mathrm{Acc}_{\mathrm{with}} - \mathrm{Acc}_{\mathrm{without}}$.
#
# The picture shows eight training rows of two classes and a test row (the star), whose
# true class is "dog". The line separates the two classes according to the model. We leave
# out one row at a time and draw the new line. Only one of the eight rows decides about
# the star: without it the prediction is wrong.

# %% alt="Nine small panels with eight points of two classes. In the first all rows are used; in each of the others one is missing. The separating line moves most in the panel in which the dog beside the star is missing, and only there the star is on the wrong side."
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

X = np.array(
    [[0.5, 2.0], [1.0, 3.2], [1.6, 2.4], [0.9, 1.0]]
    + [[2.0, 1.4], [3.4, 1.0], [3.0, 2.0], [4.0, 2.6]]
)
y = np.array([0, 0, 0, 0, 1, 1, 1, 1])  # 0 is a cat, 1 a dog
star, star_label = np.array([[1.7, 1.3]]), np.array([1])


def draw(ax, kept):
    """Draw the kept rows, the model of these rows, and the test row."""
    model = LogisticRegression(C=10).fit(X[kept], y[kept])
    grid = np.stack(np.meshgrid(np.linspace(0, 4.5), np.linspace(0.5, 3.8)), axis=-1)
    score = model.decision_function(grid.reshape(-1, 2)).reshape(50, 50)
    ax.contourf(
        grid[..., 0], grid[..., 1], score > 0, levels=1, alpha=0.2, cmap="PuOr_r"
    )
    for label, marker in ((0, "o"), (1, "s")):
        rows = kept & (y == label)
        ax.plot(*X[rows].T, marker, color=("tab:blue", "tab:orange")[label])
    right = model.predict(star) == star_label
    ax.plot(*star[0], "*", color="black", markersize=12)
    ax.set(xticks=[], yticks=[], title="right" if right else "wrong")


fig, axes = plt.subplots(3, 3, figsize=(7, 6), layout="constrained")
for k, ax in enumerate(axes.flat):
    kept = np.ones(len(y), dtype=bool)
    if k > 0:
        kept[k - 1] = False
        ax.plot(*X[k - 1], "x", color="red", markersize=10)
    draw(ax, kept)

# %% [markdown]
# The library computes the same numbers. The row of the matrix belongs to our one test
# row, and its columns belong to the eight training rows.

# %%
from skinfluence import LeaveOneOutInfluence

loo = LeaveOneOutInfluence(LogisticRegression(C=10), loss="zero_one").fit(X, y)
print(loo.influence(star, star_label))

# %% [markdown]
# Accuracy is a coarse measure: seven of the rows have influence zero. The log loss tells
# them apart. It also shows that a row can do harm without changing the predicted class.

# %%
loo = LeaveOneOutInfluence(LogisticRegression(C=10), loss="log_loss").fit(X, y)
print(loo.influence(star, star_label).round(2))

# %% [markdown]
# ## What it costs
#
# We train $n + 1$ models. If training takes $T$ steps this is $O(nT)$ time once. After
# that each new test row takes only $n$ forward passes, if all $n + 1$ models of $p$
# parameters are stored: $O(np)$ storage.
#
# For many models there is a shortcut. For least squares and ridge regression the model
# without a row has a closed form, and all $n$ of them cost about as much as one fit. You
# will derive this formula in the exercises. The library uses such formulas wherever they
# exist ({doc}`list of models <../../user_guide/exact_models>`) and trains again
# elsewhere.
#
# ## Where it fails
#
# - **Copies.** If a row is in the training set twice, removing one of the two copies
#   changes almost nothing. Both get an influence near zero, however important they are
#   together.
# - **Random training.** A neural network that is trained twice with two seeds gives two
#   different losses. That difference is usually larger than the influence of a row.
#   {doc}`The next lesson <03_downsampling>` averages over this randomness.
# - **Cost.** For a large model even two trainings are expensive.
#
# ## Exercises
#
# The table for all exercises has the savings of 50 countries ({func}`~skinfluence.datasets.load_life_cycle_savings`). We use 40 countries for training and ten for testing.

# %%
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from skinfluence.datasets import load_life_cycle_savings

savings = load_life_cycle_savings()
features = StandardScaler().fit_transform(savings.data)
X_train, X_test = features[:40], features[40:]
y_train, y_test = savings.target[:40], savings.target[40:]

# %% [markdown]
# ### Exercise 1: train again without each row
#
# Write the definition as a loop over the training rows. `estimator` is any scikit-learn
# regressor; use `sklearn.base.clone` to get an untrained copy of it. The loss is the
# squared error. The result has one row per test row and one column per training row.


# %% tags=["exercise"]
def leave_one_out(estimator, X_train, y_train, X_test, y_test):
    """Return the influence of each training row on each test row."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
from sklearn.base import clone


def leave_one_out(estimator, X_train, y_train, X_test, y_test):
    """The sign is wrong: this is the loss with the row minus the loss without it."""
    full = clone(estimator).fit(X_train, y_train)
    with_row = (y_test - full.predict(X_test)) ** 2
    influence = np.empty((len(X_test), len(X_train)))
    for i in range(len(X_train)):
        X_rest, y_rest = np.delete(X_train, i, axis=0), np.delete(y_train, i)
        model = clone(estimator).fit(X_rest, y_rest)
        influence[:, i] = with_row - (y_test - model.predict(X_test)) ** 2
    return influence


# %% tags=["solution"]
from sklearn.base import clone


def leave_one_out(estimator, X_train, y_train, X_test, y_test):
    """Return the influence of each training row on each test row."""
    full = clone(estimator).fit(X_train, y_train)
    with_row = (y_test - full.predict(X_test)) ** 2
    influence = np.empty((len(X_test), len(X_train)))
    for i in range(len(X_train)):
        X_rest, y_rest = np.delete(X_train, i, axis=0), np.delete(y_train, i)
        model = clone(estimator).fit(X_rest, y_rest)
        influence[:, i] = (y_test - model.predict(X_test)) ** 2 - with_row
    return influence


# %% tags=["check"]
mine = leave_one_out(Ridge(), X_train, y_train, X_test, y_test)
theirs = LeaveOneOutInfluence(Ridge()).fit(X_train, y_train).influence(X_test, y_test)
assert mine.shape == (10, 40), f"one row per test row is expected, not {mine.shape}"
assert np.allclose(mine, theirs), "the influences differ from the library's"

# %% [markdown]
# ### Exercise 2: the hat matrix
#
# Ridge regression without an intercept predicts $\hat y = X w$ with
# $w = (X^\top X + \alpha I)^{-1} X^\top y$. The predictions are linear in the targets:
# $\hat y = H y$ with the *hat matrix*
#
# $$ H = X (X^\top X + \alpha I)^{-1} X^\top. $$
#
# Its diagonal entry $h_i$ is the *leverage* of row $i$: the derivative of the row's
# prediction with respect to its own target. Write a function that returns all $h_i$.


# %% tags=["exercise"]
def leverages(X, alpha):
    """Return the diagonal of the hat matrix of ridge regression."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def leverages(X, alpha):
    """The penalty is missing: this is the hat matrix of least squares."""
    return np.diag(X @ np.linalg.solve(X.T @ X, X.T))


# %% tags=["solution"]
def leverages(X, alpha):
    """Return the diagonal of the hat matrix of ridge regression."""
    return np.diag(X @ np.linalg.solve(X.T @ X + alpha * np.eye(X.shape[1]), X.T))


# %% tags=["check"]
from skinfluence import case_diagnostics

ridge = Ridge(alpha=5.0, fit_intercept=False).fit(X_train, y_train)
theirs = case_diagnostics(ridge, X_train, y_train).leverage
mine = leverages(X_train, 5.0)
assert np.shape(mine) == (40,), "one leverage per row is expected"
assert np.allclose(mine, theirs), "the leverages differ from the library's"

# %% [markdown]
# ### Exercise 3: leave-one-out without training again
#
# By the Sherman-Morrison formula the coefficients of ridge regression without row $i$ are
#
# $$ w_{-i} = w - \frac{e_i}{1 - h_i} (X^\top X + \alpha I)^{-1} x_i, \qquad
#    e_i = y_i - x_i^\top w . $$
#
# The factor $1 / (1 - h_i)$ is large for rows of high leverage: such a row pulls the
# model so close to itself that its residual $e_i$ is small. Return the coefficients of
# all $n$ models as the rows of a matrix, without a loop of fits.


# %% tags=["exercise"]
def coefficients_without(X, y, alpha):
    """Return w without row i in row i, for ridge regression without intercept."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def coefficients_without(X, y, alpha):
    """The leverage is forgotten: this is the first-order estimate."""
    inverse = np.linalg.inv(X.T @ X + alpha * np.eye(X.shape[1]))
    w = inverse @ X.T @ y
    return w - (y - X @ w)[:, None] * (X @ inverse)


# %% tags=["solution"]
def coefficients_without(X, y, alpha):
    """Return w without row i in row i, for ridge regression without intercept."""
    inverse = np.linalg.inv(X.T @ X + alpha * np.eye(X.shape[1]))
    w = inverse @ X.T @ y
    shrunk = (y - X @ w) / (1 - leverages(X, alpha))
    return w - shrunk[:, None] * (X @ inverse)


# %% tags=["check"]
ridge = Ridge(alpha=5.0, fit_intercept=False)
mine = coefficients_without(X_train, y_train, 5.0)
assert np.shape(mine) == (40, 4), "one row of four coefficients per training row"
for i in range(40):
    ridge.fit(np.delete(X_train, i, axis=0), np.delete(y_train, i))
    assert np.allclose(mine[i], ridge.coef_), f"coefficients without row {i} differ"

# %% [markdown]
# ### Exercise 4: a copy hides a row
#
# Add a copy of training row `i` to the training set. Return the self-influence of row
# `i` (the influence on its own loss) before and after, for `Ridge(alpha)`. You may use
# your function from exercise 1. The second number is much smaller: the copy remains
# and takes over.


# %% tags=["exercise"]
def before_and_after_copy(X, y, i, alpha):
    """Return the self-influence of row i without and with a copy of it."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def before_and_after_copy(X, y, i, alpha):
    """Both copies are removed from the second table, not one of them."""
    before = leave_one_out(Ridge(alpha=alpha), X, y, X[[i]], y[[i]])[0, i]
    X_two, y_two = np.vstack([X, X[i]]), np.append(y, y[i])
    full = Ridge(alpha=alpha).fit(X_two, y_two)
    rest = Ridge(alpha=alpha).fit(np.delete(X, i, axis=0), np.delete(y, i))
    losses = [(y[i] - model.predict(X[[i]])[0]) ** 2 for model in (rest, full)]
    return before, losses[0] - losses[1]


# %% tags=["solution"]
def before_and_after_copy(X, y, i, alpha):
    """Return the self-influence of row i without and with a copy of it."""
    before = leave_one_out(Ridge(alpha=alpha), X, y, X[[i]], y[[i]])[0, i]
    X_two, y_two = np.vstack([X, X[i]]), np.append(y, y[i])
    after = leave_one_out(Ridge(alpha=alpha), X_two, y_two, X[[i]], y[[i]])[0, i]
    return before, after


# %% tags=["check"]
outlier = int(
    LeaveOneOutInfluence(Ridge()).fit(X_train, y_train).self_influence().argmax()
)
before, after = before_and_after_copy(X_train, y_train, outlier, 1.0)
X_two, y_two = (
    np.vstack([X_train, X_train[outlier]]),
    np.append(y_train, y_train[outlier]),
)
library = [
    LeaveOneOutInfluence(Ridge()).fit(X_train, y_train).self_influence()[outlier],
    LeaveOneOutInfluence(Ridge()).fit(X_two, y_two).self_influence()[outlier],
]
assert np.allclose([before, after], library), "the self-influences differ"
print(f"{savings.row_names[outlier]}: {before:.2f} alone, {after:.2f} with a copy")
