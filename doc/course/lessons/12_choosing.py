# %% [markdown]
# # Choosing a method
#
# **Level:** introductory. **Time:** 15 minutes of reading, 20 of exercises.
# **Before:** lessons 1 to 11.
#
# There are many definitions of influence, and many ways to compute each. That is a feature:
# different questions have different answers. This page puts the methods side by side and
# shows how to measure which one is good enough.

# %% [markdown]
# ## The methods side by side
#
# $n$ training rows, $p$ parameters, $T$ training steps, $K$ retrained models. The times are
# those of the textbook method; for many models the library is faster. The user guide's page
# {doc}`Time and memory <../../user_guide/complexity>` has measured exponents of both, and
# says where theory and machine differ.
#
# | method | what it answers | time once | time per test row | storage |
# |---|---|---|---|---|
# | leave-one-out | effect of a removal | $nT$ | $n$ | $np$ |
# | downsampling | expected effect, random training | $KT$ | $K$ | $Kp$ |
# | Shapley value | share in the performance | $2^n T$ | $2^n$ | $2^n p$ |
# | influence functions | first-order effect of a removal | $np$ | $np$ | $1$ |
# | representer points | term of the last layer | $n$ | $n$ | $1$ |
# | TracIn | share in the fall of the loss | $npT$ | $npT$ | $pT$ |
# | HyDRA | effect of a removal on this run | $npT$ | $np$ | $np$ |
#
# ## From the question to the method
#
# | your model and question | class |
# |---|---|
# | linear or nearest neighbours: effect of each row | {class}`~skinfluence.LeaveOneOutInfluence` |
# | forest or boosted trees | {class}`~skinfluence.TreeInfluence` |
# | anything with `fit`, random training, memorization | {class}`~skinfluence.DownsamplingInfluence` |
# | value of rows, copies must share | {class}`~skinfluence.ShapleyInfluence`, {class}`~skinfluence.KNNShapley` |
# | network: rows that a prediction depends on | {class}`~skinfluence.InfluenceFunctions`, {class}`~skinfluence.TRAK` |
# | network: effect of a row on this run | {class}`~skinfluence.HyDRA` |
# | find wrong labels in a table | {class}`~skinfluence.InfluenceCleaner` |
# | find the target of an attack | {class}`~skinfluence.TargetDetector` |
# | which few rows turn a result | {func}`~skinfluence.find_flip_set` |
# | a proof that few rows cannot turn it | {class}`~skinfluence.PredictionCertificate` |
#
# ## Three questions before you believe a number
#
# 1. **Is it above the noise?** Train the same rows again with another seed. If the loss
#    changes by more than the influence, the influence of one row means nothing.
# 2. **Does it predict removals?** Train on random subsets and compare the losses with the
#    sums of influences. This is the *linear datamodeling score* (LDS).
# 3. **Does a simple rule do as well?** For finding wrong labels, sort the rows by their
#    loss before you compute anything else.
#
# The picture answers the first question for small forests. The effects of single rows are as
# large as those of other seeds with the same rows: they are noise.

# %% alt="Two histograms of changes of the test loss that nearly coincide: one for other seeds with the same rows, one for the removal of single rows with other seeds."
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge

X, y = load_diabetes(return_X_y=True)
y = (y - y.mean()) / y.std()
X_train, y_train, X_test, y_test = X[:80], y[:80], X[80:140], y[80:140]


def forest_loss(rows, seed):
    """Mean squared error on the test rows of a small forest."""
    forest = RandomForestRegressor(5, max_features=2, random_state=seed)
    forest.fit(X_train[rows], y_train[rows])
    return np.mean((forest.predict(X_test) - y_test) ** 2)


everyone = np.arange(80)
base = forest_loss(everyone, 0)
seeds = [forest_loss(everyone, s) - base for s in range(1, 41)]
removed = [forest_loss(np.delete(everyone, i), 100 + i) - base for i in range(40)]
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.hist([seeds, removed], bins=12, label=["another seed", "one row less, another seed"])
ax.set(xlabel="change of the test loss", ylabel="models")
ax.legend()

# %% [markdown]
# ## Exercises

# %% [markdown]
# ### Exercise 1: choose
#
# Fill in the name of a class or function of the library for each situation. Use the second
# table of this page.
#
# - `"ridge"`: a ridge regression; you want the effect of each of 10,000 rows.
# - `"price"`: several clinics give rows, and copies must share their value.
# - `"run"`: a network has been trained once; what would a row have changed in this run?
# - `"proof"`: a decision must not depend on the labels of three rows.
# - `"slope"`: which few firms turn the sign of a coefficient?


# %% tags=["exercise"]
def choices():
    """Return the name of a class or function for each of the five situations."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def choices():
    """TracIn tells who did the work in a run, not what would have been different."""
    return {
        "ridge": "LeaveOneOutInfluence",
        "price": "ShapleyInfluence",
        "run": "TracIn",
        "proof": "PredictionCertificate",
        "slope": "find_flip_set",
    }


# %% tags=["solution"]
def choices():
    """Return the name of a class or function for each of the five situations."""
    return {
        "ridge": "LeaveOneOutInfluence",
        "price": "ShapleyInfluence",
        "run": "HyDRA",
        "proof": "PredictionCertificate",
        "slope": "find_flip_set",
    }


# %% tags=["check"]
accepted = {
    "ridge": {"LeaveOneOutInfluence"},
    "price": {"ShapleyInfluence", "KNNShapley"},
    "run": {"HyDRA"},
    "proof": {"PredictionCertificate"},
    "slope": {"find_flip_set"},
}
for situation, name in choices().items():
    assert name in accepted[situation], f"{name} does not answer {situation!r}"
assert set(choices()) == set(accepted), "all five situations need an answer"

# %% [markdown]
# ### Exercise 2: the linear datamodeling score
#
# A pool of models was trained on random subsets, with masks (models by training rows) and
# losses (models by test rows). An influence matrix (test rows by training rows) predicts
# that a model has a *low* loss if the influences of its rows have a *large* sum. Return,
# for each test row, Spearman's rank correlation (`scipy.stats.spearmanr`) between minus this
# sum and the loss.


# %% tags=["exercise"]
def datamodeling_scores(influence, masks, losses):
    """Return the rank correlation for each test row."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
from scipy.stats import spearmanr


def datamodeling_scores(influence, masks, losses):
    """The sign is wrong: rows of positive influence lower the loss."""
    sums = masks @ influence.T
    return np.array([spearmanr(s, z)[0] for s, z in zip(sums.T, losses.T, strict=True)])


# %% tags=["solution"]
from scipy.stats import spearmanr


def datamodeling_scores(influence, masks, losses):
    """Return the rank correlation for each test row."""
    sums = -masks @ influence.T
    return np.array([spearmanr(s, z)[0] for s, z in zip(sums.T, losses.T, strict=True)])


# %% tags=["check"]
from skinfluence import DownsamplingInfluence, InfluenceFunctions, RepresenterPoints
from skinfluence.metrics import linear_datamodeling_score

pool = DownsamplingInfluence(Ridge(0.1), n_retrainings=100, random_state=0)
pool = pool.fit(X_train, y_train).subset_losses(X_test, y_test)
for method in (InfluenceFunctions, RepresenterPoints):
    influence = method(Ridge(0.1)).fit(X_train, y_train).influence(X_test, y_test)
    mine = datamodeling_scores(influence, pool.masks * 1.0, pool.losses)
    theirs = linear_datamodeling_score(
        influence, pool.masks, pool.losses, average=False
    )
    assert np.shape(mine) == (60,), "one score per test row is expected"
    assert np.allclose(mine, theirs), "the scores differ from the library's"
    print(f"{method.__name__}: mean score {np.mean(mine):.2f}")
