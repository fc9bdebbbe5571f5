# %% [markdown]
# # Certificates
#
# **Level:** advanced. **Time:** 15 minutes of reading, 25 of exercises.
# **Before:** lessons 2, 9 and 10.
#
# An estimate may be wrong. A search may overlook the rows that matter. A *certificate* is a
# proof: no change of at most $k$ training rows can change this prediction. The talk ended by
# asking for such guarantees; for some models they exist.

# %% [markdown]
# ## Two sides
#
# For each prediction we look for the smallest number of changes that turns it. A set of
# changes that turns it is an *upper* bound, and anyone can verify it by training again. A
# proof that $k$ changes do not turn it is a *lower* bound, and needs an argument about all
# sets. Where the two meet the answer is exact. In the library `lower` changes are
# harmless for sure, and `upper` changes are known to turn the prediction.
#
# ## Predictions that are sums
#
# Ridge regression predicts $\hat y(x) = \sum_i w_i(x)\, y_i$, and the weights do not depend
# on the labels. For classes we use $y_i = \pm 1$ and predict the sign. If one label is
# flipped, the prediction moves by $-2\, w_i(x)\, y_i$, whatever else is flipped: flips add
# up. So the worst $k$ flips are the $k$ largest moves, and counting them is exact.
#
# The picture shows the prediction for one test row while the worst labels are flipped.

# %% alt="The prediction for a test row falls with each flipped label in ever smaller steps, and crosses zero after some flips."
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)[:, :10]
X_train, y_train, X_test, y_test = X[:200], y[:200], X[200:230], y[200:230]
signs = np.where(y_train == 1, 1, -1)

S = X_train.T @ X_train + 10 * np.eye(10)
weights = X_test[8] @ np.linalg.solve(S, X_train.T)
prediction = weights @ signs
moves = np.sort(2 * weights * signs * np.sign(prediction))[::-1]
path = abs(prediction) - np.concatenate([[0], np.cumsum(moves[:20])])
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.step(range(21), path, where="post")
ax.axhline(0, color="black", linewidth=0.8)
turned = int(np.argmax(path < 0))
ax.annotate(
    f"{turned} flips turn it",
    (turned, path[turned]),
    xytext=(turned + 2, 0.08),
    arrowprops={"arrowstyle": "->"},
)
ax.set(xlabel="flipped labels", ylabel="lead of the predicted class")
ax.set_xticks(range(0, 21, 2))

# %% [markdown]
# ## Votes
#
# For any classifier there is a trick (Levine and Feizi 2021). Divide the rows into disjoint
# parts, train one model on each part, and let the models vote. A changed row is in one part,
# so it changes one vote at most. If the winner has $v_a$ votes and the next
# class $v_b$, at least $(v_a - v_b) / 2$ parts must be changed. The price is accuracy: each
# model sees only its own part.
#
# ## What certificates do not cover
#
# - They say how *many* changes a prediction survives, not whether it is right.
# - Rows that are added need another argument, except in partitions.
# - Bounds may be far from the truth: for logistic regression with few rows and a weak
#   penalty often no removal of two rows can be certified.
#
# ## Exercises

# %% [markdown]
# ### Exercise 1: neighbours
#
# The model is 5 nearest neighbours with two classes. Labels can be flipped. For each test
# row return the smallest number of flips that turns the vote.


# %% tags=["exercise"]
def flips_of_neighbors(X_train, y_train, X_test):
    """Return how many label flips turn each vote of the 5 nearest neighbours."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def flips_of_neighbors(X_train, y_train, X_test):
    """The whole lead is counted, but a flip takes one vote and gives one."""
    squares = ((X_test[:, None] - X_train) ** 2).sum(axis=2)
    ones = y_train[np.argsort(squares, axis=1)[:, :5]].sum(axis=1)
    return abs(5 - 2 * ones)


# %% tags=["solution"]
def flips_of_neighbors(X_train, y_train, X_test):
    """Return how many label flips turn each vote of the 5 nearest neighbours."""
    squares = ((X_test[:, None] - X_train) ** 2).sum(axis=2)
    ones = y_train[np.argsort(squares, axis=1)[:, :5]].sum(axis=1)
    return np.maximum(ones, 5 - ones) - 2


# %% tags=["check"]
from sklearn.neighbors import KNeighborsClassifier

from skinfluence import PredictionCertificate

mine = flips_of_neighbors(X_train, y_train, X_test)
certificate = PredictionCertificate(KNeighborsClassifier(5), change="label_flip")
theirs = certificate.fit(X_train, y_train).robustness(X_test)
assert np.shape(mine) == (30,), "one number per test row is expected"
assert np.array_equal(mine, theirs.upper), "the library needs other numbers of flips"
assert np.array_equal(mine, theirs.lower + 1), "the library proves another bound"

# %% [markdown]
# ### Exercise 2: a flip certificate for ridge
#
# The same question for ridge regression of $y_i = \pm 1$ without intercept, which is
# `RidgeClassifier(alpha, fit_intercept=False)`: the smallest number of label flips that
# changes the sign of the prediction, for each test row. The weights are
# $w(x) = X (X^\top X + \alpha I)^{-1} x$.


# %% tags=["exercise"]
def flips_of_ridge(X_train, signs, X_test, alpha):
    """Return how many label flips turn each prediction."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def flips_of_ridge(X_train, signs, X_test, alpha):
    """A flip from 1 to -1 moves the prediction by twice its weight, not once."""
    S = X_train.T @ X_train + alpha * np.eye(X_train.shape[1])
    weights = X_test @ np.linalg.solve(S, X_train.T)
    predictions = weights @ signs
    moves = weights * signs * np.sign(predictions)[:, None]
    lead = abs(predictions)[:, None] - np.cumsum(-np.sort(-moves, axis=1), axis=1)
    return (lead < 0).argmax(axis=1) + 1


# %% tags=["solution"]
def flips_of_ridge(X_train, signs, X_test, alpha):
    """Return how many label flips turn each prediction."""
    S = X_train.T @ X_train + alpha * np.eye(X_train.shape[1])
    weights = X_test @ np.linalg.solve(S, X_train.T)
    predictions = weights @ signs
    moves = 2 * weights * signs * np.sign(predictions)[:, None]
    lead = abs(predictions)[:, None] - np.cumsum(-np.sort(-moves, axis=1), axis=1)
    return (lead < 0).argmax(axis=1) + 1


# %% tags=["check"]
mine = flips_of_ridge(X_train, signs, X_test, 10.0)
ridge = RidgeClassifier(10.0, fit_intercept=False)
certificate = PredictionCertificate(ridge, change="label_flip").fit(X_train, y_train)
theirs = certificate.robustness(X_test)
assert np.shape(mine) == (30,), "one number per test row is expected"
assert np.array_equal(mine, theirs.upper), "the library needs other numbers of flips"
assert np.array_equal(mine, theirs.lower + 1), "the library proves another bound"

# %% [markdown]
# ### Exercise 3: partitions
#
# `part` says for each training row to which of `n_parts` parts it belongs. Train a copy of
# the classifier on each part and let them vote on classes 0 and 1 (there is an odd number of
# parts, so no tie). Return the predictions, and for each test row the least number of parts
# that have to change until the vote turns.


# %% tags=["exercise"]
def partition_votes(estimator, part, n_parts, X_train, y_train, X_test):
    """Return the predictions, and how many parts must change to turn each."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
from sklearn.base import clone


def partition_votes(estimator, part, n_parts, X_train, y_train, X_test):
    """Each model is trained on all rows but one part, so a row is in many models."""
    models = [
        clone(estimator).fit(X_train[part != k], y_train[part != k])
        for k in range(n_parts)
    ]
    ones = sum(model.predict(X_test) for model in models)
    most = np.maximum(ones, n_parts - ones)
    return (2 * ones > n_parts).astype(int), most - n_parts // 2


# %% tags=["solution"]
from sklearn.base import clone


def partition_votes(estimator, part, n_parts, X_train, y_train, X_test):
    """Return the predictions, and how many parts must change to turn each."""
    models = [
        clone(estimator).fit(X_train[part == k], y_train[part == k])
        for k in range(n_parts)
    ]
    ones = sum(model.predict(X_test) for model in models)
    most = np.maximum(ones, n_parts - ones)
    return (2 * ones > n_parts).astype(int), most - n_parts // 2


# %% tags=["check"]
from sklearn.tree import DecisionTreeClassifier

from skinfluence import PartitionClassifier

tree = DecisionTreeClassifier(random_state=0)
library = PartitionClassifier(tree, n_partitions=15).fit(X_train, y_train)
predicted, needed = partition_votes(
    tree, library.partition_, 15, X_train, y_train, X_test
)
assert np.array_equal(predicted, library.predict(X_test)), "the predictions differ"
counts = np.array([np.bincount(v, minlength=2) for v in library.votes(X_test).T])
lead = abs(counts[:, 0] - counts[:, 1])
assert np.array_equal(needed, (lead + 1) // 2), "the numbers of parts differ"
