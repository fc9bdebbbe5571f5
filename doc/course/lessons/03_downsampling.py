# %% [markdown]
# # Downsampling and memorization
#
# **Level:** introductory. **Time:** 10 minutes of reading, 25 of exercises.
# **Before:** lesson 2.
#
# Leave-one-out trains one model for every training row. Downsampling (Feldman and Zhang
# 2020) removes this dependence on the number of rows. It trains a fixed number of models,
# each on a random half of the rows, and uses all of them for the influence of every row.

# %% [markdown]
# ## The idea
#
# Draw $K$ random subsets $S_1, \dots, S_K$ of the training rows, each with half of them,
# and train one model on each. A given training row $i$ is in about half of the subsets.
# Compare the models that have seen it with those that have not:
#
# $$ I(i, t) = \mathrm{mean}_{k:\, i \notin S_k}\, \ell_t(\theta_{S_k})
#    - \mathrm{mean}_{k:\, i \in S_k}\, \ell_t(\theta_{S_k}). $$
#
# This estimates the *expected* leave-one-out influence on a model of half of the rows. The
# expectation is taken over the other rows, and over the randomness of training.
#
# The picture shows eight training rows and eight subsets. A dark square means that the row
# is in the subset. For row 2 (framed) we compare the four models of the dark squares of its
# column with the four others.

# %% alt="A grid of eight subsets by eight training rows. Half of the squares of each line and each column are dark. The column of row 2 has a red frame."
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from skinfluence import DownsamplingInfluence

X, y = load_digits(return_X_y=True)
X = X / 16
small = DownsamplingInfluence(
    KNeighborsClassifier(1), n_retrainings=8, control_variate=False, random_state=2
)
small.fit(X[:8], y[:8])
fig, ax = plt.subplots(figsize=(4, 3.6), layout="constrained")
ax.imshow(small.masks_, cmap="Blues", vmin=-0.2, vmax=1.4)
ax.add_patch(plt.Rectangle((1.5, -0.5), 1, 8, fill=False, edgecolor="red", linewidth=3))
ax.set(xlabel="training row", ylabel="subset (one model each)")

# %% [markdown]
# ## What it costs
#
# $K$ models of $T$ steps: $O(KT)$ once, and $K$ forward passes per test row. $K$ does not
# depend on $n$; a few hundred models often suffice. The price is an error from
# sampling that shrinks only with $\sqrt K$. To halve it you need four times as many models.
#
# Compare each value with its standard error before you believe it. `return_std=True` gives
# standard errors. The picture shows the influence of 100 training rows on one
# test row, with bars of two standard errors. Most of them cannot be told from zero.

# %% alt="Influences of 100 training rows on one test row, sorted, with error bars. The bars of nearly all rows contain zero; a few rows on the right are clearly positive."
from sklearn.tree import DecisionTreeClassifier

X_train, y_train, X_test, y_test = X[:100], y[:100], X[100:130], y[100:130]
tree = DecisionTreeClassifier(max_depth=6)
pool = DownsamplingInfluence(tree, loss="brier", n_retrainings=300, random_state=0)
pool.fit(X_train, y_train)
influence, error = pool.influence(X_test[:1], y_test[:1], return_std=True)
order = influence[0].argsort()
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.errorbar(range(100), influence[0, order], 2 * error[0, order], fmt=".", capsize=2)
ax.axhline(0, color="black", linewidth=0.8)
ax.set(xlabel="training row, sorted", ylabel="influence")

# %% [markdown]
# ## Memorization
#
# The influence of a row on itself is called *memorization*:
#
# $$ \mathrm{mem}(i) = \Pr[\text{row } i \text{ is right} \mid i \in S]
#    - \Pr[\text{row } i \text{ is right} \mid i \notin S]. $$
#
# A row has the value 1 if the model predicts it only after having seen it. Such a
# row is memorized: the other rows do not tell its label. It may be a mistake of an
# annotator, or it may be a rare example. Lesson 9 returns to this difference.
#
# The pool of models that we have already trained answers this question as well: it is the
# same formula with the training row as the test row.

# %% alt="The ten digits of the highest memorization, from 1 down to 0.2, in the upper line, many of them untidy, and ten with memorization zero in the lower line, all of them clear."
knn = DownsamplingInfluence(
    KNeighborsClassifier(1), loss="zero_one", n_retrainings=60, random_state=0
)
memorization = knn.fit(X[:300], y[:300]).self_influence()
order = memorization.argsort()
fig, axes = plt.subplots(2, 10, figsize=(8, 2), layout="constrained")
for ax, i in zip(axes.flat, [*order[::-1][:10], *order[:10]], strict=True):
    ax.imshow(X[i].reshape(8, 8), cmap="gray_r")
    ax.set_title(f"{y[i]}: {memorization[i]:.1f}", fontsize=9)
    ax.axis("off")

# %% [markdown]
# ## Where it fails
#
# - The estimate is about models of half of the rows. In a smaller training set every row
#   matters more, so the values are larger than leave-one-out.
# - Copies share their effect, though less completely than in leave-one-out: many
#   subsets contain only one of the two.
# - The sampling error is the same for all rows, however small their influence is.
#
# ## Exercises
#
# The table has 60 rows of the diabetes data, and the model is ridge regression, so that
# 100 models are trained at once. The subsets are given, as a boolean matrix with one
# line per model.

# %%
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

X, y = load_diabetes(return_X_y=True)
X_train, y_train, X_test, y_test = X[:60], y[:60], X[60:70], y[60:70]
downsampling = DownsamplingInfluence(
    Ridge(0.1), n_retrainings=100, control_variate=False, random_state=0
)
downsampling.fit(X_train, y_train)
masks = downsampling.masks_
print(masks.shape, masks.sum(axis=1)[:5])

# %% [markdown]
# ### Exercise 1: the pool of models
#
# Train a copy of the estimator on each subset. Return the squared errors on the test
# rows, as a matrix with one line per model and one column per test row.


# %% tags=["exercise"]
def pool_losses(estimator, masks, X_train, y_train, X_test, y_test):
    """Return the loss of every model on every test row."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
from sklearn.base import clone


def pool_losses(estimator, masks, X_train, y_train, X_test, y_test):
    """The models are of the rows outside of the subsets."""
    models = [clone(estimator).fit(X_train[~m], y_train[~m]) for m in masks]
    return np.array([(y_test - model.predict(X_test)) ** 2 for model in models])


# %% tags=["solution"]
from sklearn.base import clone


def pool_losses(estimator, masks, X_train, y_train, X_test, y_test):
    """Return the loss of every model on every test row."""
    models = [clone(estimator).fit(X_train[m], y_train[m]) for m in masks]
    return np.array([(y_test - model.predict(X_test)) ** 2 for model in models])


# %% tags=["check"]
losses = pool_losses(Ridge(0.1), masks, X_train, y_train, X_test, y_test)
assert losses.shape == (100, 10), f"one line per model, not {losses.shape}"
theirs = downsampling.subset_losses(X_test, y_test).losses
assert np.allclose(losses, theirs), "the losses differ from the library's"

# %% [markdown]
# ### Exercise 2: influence from the pool
#
# Compute the influence matrix (test rows by training rows) from masks and losses alone,
# without training anything. Two matrix products are enough.


# %% tags=["exercise"]
def influence_from_pool(masks, losses):
    """Return mean loss without the row minus mean loss with it."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def influence_from_pool(masks, losses):
    """Without the row is compared with all models, not with those that have it."""
    out = ~masks
    return losses.T @ out / out.sum(axis=0) - losses.mean(axis=0)[:, None]


# %% tags=["solution"]
def influence_from_pool(masks, losses):
    """Return mean loss without the row minus mean loss with it."""
    out = ~masks
    return losses.T @ out / out.sum(axis=0) - losses.T @ masks / masks.sum(axis=0)


# %% tags=["check"]
mine = influence_from_pool(masks, losses)
assert np.shape(mine) == (10, 60), "test rows by training rows are expected"
theirs = downsampling.influence(X_test, y_test)
assert np.allclose(mine, theirs), "the influences differ from the library's"

# %% [markdown]
# ### Exercise 3: memorization
#
# Return the memorization of every training row: its influence on its own squared error.
# Use the functions of exercises 1 and 2.


# %% tags=["exercise"]
def memorization_scores(estimator, masks, X_train, y_train):
    """Return the influence of every training row on itself."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def memorization_scores(estimator, masks, X_train, y_train):
    """This is the mean influence of a row on all rows, not on itself."""
    losses = pool_losses(estimator, masks, X_train, y_train, X_train, y_train)
    return influence_from_pool(masks, losses).mean(axis=0)


# %% tags=["solution"]
def memorization_scores(estimator, masks, X_train, y_train):
    """Return the influence of every training row on itself."""
    losses = pool_losses(estimator, masks, X_train, y_train, X_train, y_train)
    return np.diag(influence_from_pool(masks, losses))


# %% tags=["check"]
mine = memorization_scores(Ridge(0.1), masks, X_train, y_train)
assert np.shape(mine) == (60,), "one score per training row is expected"
assert np.allclose(mine, downsampling.self_influence()), "the scores differ"

# %% [markdown]
# ### Exercise 4: how sure are we?
#
# The influence is a difference of two means of independent models. Estimate its standard
# error by $\sqrt{s_\mathrm{out}^2 / k_\mathrm{out} + s_\mathrm{in}^2 / k_\mathrm{in}}$,
# where $k$ counts the models and $s$ is the sample standard deviation (`ddof=1`) of their
# losses. The check compares your numbers with the spread of the estimate over
# 60 other pools of the same size, which agrees up to sampling error.


# %% tags=["exercise"]
def standard_errors(masks, losses):
    """Return the standard error of every entry of the influence matrix."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def standard_errors(masks, losses):
    """This is the spread of the losses; the means vary less."""
    spread = [
        losses[~m].std(axis=0, ddof=1) + losses[m].std(axis=0, ddof=1) for m in masks.T
    ]
    return np.transpose(spread)


# %% tags=["solution"]
def standard_errors(masks, losses):
    """Return the standard error of every entry of the influence matrix."""
    variances = [
        losses[m].var(axis=0, ddof=1) / m.sum()
        + losses[~m].var(axis=0, ddof=1) / (~m).sum()
        for m in masks.T
    ]
    return np.sqrt(np.transpose(variances))


# %% tags=["check"]
mine = standard_errors(masks, losses)
assert np.shape(mine) == (10, 60), "test rows by training rows are expected"
rng = np.random.default_rng(0)
estimates = []
for _ in range(60):
    drawn = rng.random((100, 60)).argsort(axis=1) < 30  # random halves
    models = []
    for m in drawn:
        A, b = X_train[m] - X_train[m].mean(axis=0), y_train[m] - y_train[m].mean()
        w = np.linalg.solve(A.T @ A + 0.1 * np.eye(10), A.T @ b)
        models.append((X_test - X_train[m].mean(axis=0)) @ w + y_train[m].mean())
    estimates.append(influence_from_pool(drawn, (y_test - np.array(models)) ** 2))
spread = np.std(estimates, axis=0)
ratio = np.median(mine / spread)
assert 0.85 < ratio < 1.15, f"your errors are {ratio:.2f} times the observed spread"
