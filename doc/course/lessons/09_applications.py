# %% [markdown]
# # Applications: cleaning, memorization, attacks
#
# **Level:** intermediate. **Time:** 20 minutes of reading, 35 of exercises.
# **Before:** lessons 2 and 3.
#
# Three things that one does with influences: find wrong rows, find out what a model had to
# memorize, and find rows that an attacker has planted.

# %% [markdown]
# ## Cleaning
#
# A row is *unhelpful* if the model is worse because of it: its label is wrong, or its
# features are. The basic procedure has three steps.
#
# 1. Train a model.
# 2. Compute the influence of all rows on a held-out set. Rows of negative mean influence, or
#    rows that are memorized, are suspects.
# 3. Remove the suspects, or better look at them, and train again.
#
# We flip a tenth of the labels of a medical table and sort the rows by their mean influence
# on held-out rows (`sample_values`). The wrong rows gather at the low end. Since some of the
# held-out labels may be wrong too, and since rare rows are low as well, not each of the
# lowest rows is a mistake. Do not remove rows because of their rank alone.

# %% alt="Training rows sorted by their value. Most flipped rows, in orange, are among the lowest fifty; most other rows have small positive values."
import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from skinfluence import LeaveOneOutInfluence
from skinfluence.datasets import plant_label_flips

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
X_val, y_val = X[300:], y[300:]
X_train, y_train, flipped = plant_label_flips(X[:300], y[:300], random_state=0)
loo = LeaveOneOutInfluence(LogisticRegression(C=0.01)).fit(X_train, y_train)
values = loo.sample_values(X_val, y_val)

order = values.argsort()
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
color = np.where(flipped[order], "tab:orange", "tab:blue")
ax.bar(range(300), values[order], color=color, width=1)
ax.set(xlabel="training row, sorted (flipped: orange)", ylabel="mean influence")

# %% [markdown]
# ## Memorization: a bug and a feature
#
# Memorization is the influence of a row on itself (lesson 3). The conventional
# view is that memorizing is bad. A wrong label can *only* be memorized, as no other row
# supports it. Feldman and Zhang (2020) showed the other half. In real data many kinds of
# examples are rare. A rare example must be memorized too, and it is then used to predict
# other rare examples like it. Without its memorized rows, an ImageNet model makes clearly
# more mistakes.
#
# The picture shows this for digits. We remove the most memorized rows, or as many random
# rows, and look at the accuracy on test rows. The data is clean, so memorized rows are rare
# examples, and removing them does more harm.

# %% alt="Test accuracy by the share of removed rows. It falls faster when the most memorized rows are removed than when random rows are removed."
from skinfluence import RemovalCurveDisplay, memorization_curve

digits, numbers = load_digits(return_X_y=True)
digits = digits / 16
D_train, n_train, D_test, n_test = (
    digits[:400],
    numbers[:400],
    digits[400:],
    numbers[400:],
)
knn = KNeighborsClassifier(1)
memorization = LeaveOneOutInfluence(knn, loss="zero_one").fit(D_train, n_train)
curve = memorization_curve(
    knn, memorization, D_train, n_train, D_test, n_test, random_state=0
)
RemovalCurveDisplay(curve, value_name="memorization").plot()

# %% [markdown]
# ## Attacks
#
# An attacker who can add rows to the training set wants to change a prediction. The rows
# must *influence* it, or the attack fails. So the attacker makes influential rows, and we
# look for test rows with a few exceptionally influential training rows.
#
# In a *backdoor* attack some rows get a trigger, such as a dark square in a corner of the
# image, and a label of the attacker's choice. The model learns that the trigger means this
# label. It works normally on clean images, and predicts the attacker's label when the
# trigger is there.

# %% alt="Left: a digit with a dark square in the upper left corner. Right: two histograms of the largest influence of a training row in robust standard deviations; images with the trigger have higher values than clean images."
from skinfluence.datasets import apply_trigger, plant_backdoor

trigger = np.full(64, np.nan)
trigger[[0, 1, 8, 9]] = 1.0
X_bad, y_bad, planted = plant_backdoor(
    D_train, n_train, trigger=trigger, label=4, fraction=0.02, random_state=0
)
victim = LeaveOneOutInfluence(LogisticRegression(C=1.0, max_iter=1000))
victim.fit(X_bad, y_bad)
clean = D_test[:100][n_test[:100] != 4]
attacked = apply_trigger(clean, trigger)
print(f"{planted.sum()} rows planted")
print(f"clean images classified as 4: {(victim.predict(clean) == 4).mean():.0%}")
print(f"with the trigger: {(victim.predict(attacked) == 4).mean():.0%}")


def robust_scores(influence):
    """Distance from the median in units of a robust standard deviation."""
    # Of normal numbers, 1.4826 times the median distance is the standard deviation.
    distance = influence - np.median(influence, axis=1, keepdims=True)
    return distance / (1.4826 * np.median(abs(distance), axis=1, keepdims=True))


fig, axes = plt.subplots(
    1, 2, figsize=(7, 3), layout="constrained", width_ratios=[1, 2]
)
axes[0].imshow(attacked[0].reshape(8, 8), cmap="gray_r")
axes[0].axis("off")
for rows, name in ((clean, "clean"), (attacked, "with trigger")):
    fours = y_bad == 4
    predicted = rows[victim.predict(rows) == 4] if name != "clean" else rows
    top = robust_scores(victim.influence(predicted)[:, fours]).max(axis=1)
    weights = np.full(len(top), 1 / len(top))  # shares of the images
    axes[1].hist(top, np.geomspace(2, 300, 25), weights=weights, alpha=0.6, label=name)
axes[1].set(xlabel="largest score among the fours", ylabel="share of images")
axes[1].set(xscale="log", xticks=[3, 10, 30, 100], xticklabels=[3, 10, 30, 100])
axes[1].legend()

# %% [markdown]
# Ranking the rows by their harm to *all* predictions would not find them: planted rows do
# hardly any harm to clean images. The question must be asked for one prediction.
#
# ## Exercises

# %% [markdown]
# ### Exercise 1: find and remove
#
# From an influence matrix (held-out rows by training rows) choose the `k` training rows that
# harm the held-out rows most in the mean. Train a copy of the model (`clone`) without them.
# Return the numbers of the rows (in any order) and the model.


# %% tags=["exercise"]
def clean_table(estimator, influence, X_train, y_train, k):
    """Return k suspects, and the model that is trained without them."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def clean_table(estimator, influence, X_train, y_train, k):
    """The rows of least effect are removed, not those that do harm."""
    rows = abs(influence).mean(axis=0).argsort()[:k]
    rest = np.delete(X_train, rows, axis=0), np.delete(y_train, rows)
    return rows, clone(estimator).fit(*rest)


# %% tags=["solution"]
def clean_table(estimator, influence, X_train, y_train, k):
    """Return k suspects, and the model that is trained without them."""
    rows = influence.mean(axis=0).argsort()[:k]
    rest = np.delete(X_train, rows, axis=0), np.delete(y_train, rows)
    return rows, clone(estimator).fit(*rest)


# %% tags=["check"]
logistic = LogisticRegression(C=0.01)
rows, cleaned = clean_table(
    logistic, loo.influence(X_val[:150], y_val[:150]), X_train, y_train, 30
)
theirs = loo.sample_values(X_val[:150], y_val[:150]).argsort()[:30]
assert set(rows) == set(theirs), "these are not the rows of the lowest mean influence"
assert np.shape(cleaned.coef_) == (1, 30), "return the trained model as well"
expected = LogisticRegression(C=0.01).fit(
    np.delete(X_train, theirs, 0), np.delete(y_train, theirs)
)
assert np.allclose(cleaned.coef_, expected.coef_), "the model is not that of the rest"
print(f"{flipped[rows].sum()} of 30 suspects are flipped labels")

# %% [markdown]
# ### Exercise 2: what memorized rows are good for
#
# Return two accuracies on test rows: that of the model without the `k` most
# memorized rows, and that of the model of all rows. `scores` has the memorization of
# each training row.


# %% tags=["exercise"]
def without_memorized(estimator, scores, k, X_train, y_train, X_test, y_test):
    """Return the test accuracy without the k most memorized rows, and with all."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def without_memorized(estimator, scores, k, X_train, y_train, X_test, y_test):
    """The least memorized rows are removed."""
    kept = np.argsort(scores, kind="stable")[k:]
    rest = clone(estimator).fit(X_train[kept], y_train[kept])
    full = clone(estimator).fit(X_train, y_train)
    return rest.score(X_test, y_test), full.score(X_test, y_test)


# %% tags=["solution"]
def without_memorized(estimator, scores, k, X_train, y_train, X_test, y_test):
    """Return the test accuracy without the k most memorized rows, and with all."""
    kept = np.argsort(scores)[: len(scores) - k]
    rest = clone(estimator).fit(X_train[kept], y_train[kept])
    full = clone(estimator).fit(X_train, y_train)
    return rest.score(X_test, y_test), full.score(X_test, y_test)


# %% tags=["check"]
rng = np.random.default_rng(0)
scores = memorization.self_influence() + 1e-6 * rng.random(400)  # no two are equal
theirs = memorization_curve(
    knn, scores, D_train, n_train, D_test, n_test, fractions=[0.05], n_random=2
)
without, full = without_memorized(knn, scores, 20, D_train, n_train, D_test, n_test)
assert np.isclose(full, theirs.all_rows), (
    "the accuracy of the model of all rows differs"
)
assert np.isclose(without, theirs.highest[0]), (
    "the accuracy without memorized rows differs"
)

# %% [markdown]
# ### Exercise 3: plant a backdoor
#
# Write the trigger into the rows with the numbers `rows`, and give them the label. The
# trigger is an array of the length of a row, NaN where the row keeps its value. Do not
# change the arrays that you are given: return copies.


# %% tags=["exercise"]
def plant(X, y, rows, trigger, label):
    """Return copies of X and y with the trigger and the label in some rows."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def plant(X, y, rows, trigger, label):
    """The label stays: the model learns nothing about the trigger."""
    X = X.copy()
    written = ~np.isnan(trigger)
    X[np.ix_(rows, written)] = trigger[written]
    return X, y.copy()


# %% tags=["solution"]
def plant(X, y, rows, trigger, label):
    """Return copies of X and y with the trigger and the label in some rows."""
    X, y = X.copy(), y.copy()
    written = ~np.isnan(trigger)
    X[np.ix_(rows, written)] = trigger[written]
    y[rows] = label
    return X, y


# %% tags=["check"]
rows = np.flatnonzero(planted)
before = D_train.copy()
X_mine, y_mine = plant(D_train, n_train, rows, trigger, 4)
assert np.array_equal(D_train, before), "the given array has been changed"
assert np.array_equal(X_mine, X_bad), "the rows differ from the library's"
assert np.array_equal(y_mine, y_bad), "the labels differ from the library's"

# %% [markdown]
# ### Exercise 4: find the backdoor
#
# Hammoudeh and Lowd (2022) compare influences only after dividing them by the norm of the
# training row's gradient, since otherwise rows of large loss are at the top everywhere. With
# $I(i, i)$ the self-influence of training row $i$, let $v_{ti} = I(t, i) / \sqrt{|I(i, i)|}$.
# For each test row, keep only the training rows with the predicted label, and turn $v$ into
# `robust_scores` among them. The *heaviness* of the test row is the geometric mean of its
# two largest scores (the library's detector measures two other signs, which tell more
# attacks apart). Return the heaviness of all test rows, and for each of
# them the number of the training row with the largest score.
#
# `influence` is the matrix for the model's own predictions (the library's `influence(X)`
# without labels, as whoever looks for attacks does not know them), `self_influence` the
# vector for the training rows, and `predicted` the predicted labels of the test rows. A row
# of a matrix is passed to `robust_scores` as `v[None, :]`.


# %% tags=["exercise"]
def heaviness(influence, self_influence, y_train, predicted):
    """Return the heaviness of each test row, and its most suspicious training row."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def heaviness(influence, self_influence, y_train, predicted):
    """Influences are not divided by the norm of the training row's gradient."""
    heavy, suspects = [], []
    for row, label in zip(influence, predicted, strict=True):
        same = np.flatnonzero(y_train == label)
        scores = robust_scores(row[None, same])[0]
        heavy.append(np.sqrt(np.prod(np.sort(scores)[-2:])))
        suspects.append(same[scores.argmax()])
    return np.array(heavy), np.array(suspects)


# %% tags=["solution"]
def heaviness(influence, self_influence, y_train, predicted):
    """Return the heaviness of each test row, and its most suspicious training row."""
    v = influence / np.sqrt(abs(self_influence))
    heavy, suspects = [], []
    for row, label in zip(v, predicted, strict=True):
        same = np.flatnonzero(y_train == label)
        scores = robust_scores(row[None, same])[0]
        heavy.append(np.sqrt(np.prod(np.sort(scores)[-2:])))
        suspects.append(same[scores.argmax()])
    return np.array(heavy), np.array(suspects)


# %% tags=["check"]
from skinfluence import TargetDetector

turned = attacked[victim.predict(attacked) == 4]
rows = np.vstack([clean, turned])
mine, suspects = heaviness(
    victim.influence(rows),
    LeaveOneOutInfluence(LogisticRegression(C=1.0, max_iter=1000))
    .fit(X_bad, y_bad)
    .self_influence(),
    y_bad,
    victim.predict(rows),
)
detector = TargetDetector(
    LeaveOneOutInfluence(LogisticRegression(C=1.0, max_iter=1000))
)
score = detector.fit(X_bad, y_bad).score_samples(rows)
assert np.shape(mine) == (len(rows),), "one number per test row is expected"
expected = [2.266, 3.507, 6.406, 1.736]
assert np.allclose(mine[:4], expected, rtol=0.01), "the first heaviness is not right"
higher = np.mean(mine[len(clean) :, None] > mine[: len(clean)])
lower = np.mean(score[len(clean) :, None] < score[: len(clean)])
print(f"pairs in which the attacked image is the heavier one: {higher:.0%}")
print(f"pairs in which the library's detector is right: {lower:.0%}")
found = planted[suspects[len(clean) :]].mean()
print(f"the top suspect of an attacked image is a planted row in {found:.0%} of cases")
assert found > 0.8, "the top suspects should be planted rows"
