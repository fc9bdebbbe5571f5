# %% [markdown]
# # What influence is
#
# **Level:** introductory. **Time:** 15 minutes of reading, 15 of exercises.
# **Before:** scikit-learn's `fit` and `predict`.
#
# A model is made from its training set. When a prediction is wrong, or surprisingly right,
# the reason is in the training rows. Yet we usually look at the model and hardly ever at
# the rows. This course is about one question:
#
# > What is the effect of each training row on the model?

# %% [markdown]
# ## Three questions about your data
#
# Think of the last model that you trained. Can you answer these questions?
#
# 1. Is this prediction well supported by the training data?
# 2. Which training rows made the prediction better, and which made it worse?
# 3. Has somebody manipulated the training data?
#
# In most projects nobody can. That matters, because a model also learns what it should
# not: features that go with the label by chance, mistakes of an annotator, or rows
# that an attacker has planted.
#
# ## Models can learn random labels
#
# Zhang and co-authors (2017) gave random labels to the images of a training set. A neural
# network learned them perfectly. On new images it was of course no better than chance.
# Nothing in the training accuracy says which of the two has happened.
#
# We repeat the experiment with handwritten digits. A growing share of the training labels
# is replaced by random ones. The nearest-neighbour model is right about every training
# row in all cases, because each row is its own nearest neighbour. The accuracy on
# test rows falls to that of a guess, one in ten.

# %% alt="Accuracy by the share of random labels. The accuracy on training rows stays at one. The accuracy on test rows falls nearly in a straight line from 0.9 to about 0.15."
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

X, y = load_digits(return_X_y=True)
X_train, y_train, X_test, y_test = X[:400], y[:400], X[400:800], y[400:800]

rng = np.random.default_rng(0)
shares, scores = np.linspace(0, 1, 6), []
for share in shares:
    labels = y_train.copy()
    replaced = rng.random(len(labels)) < share
    labels[replaced] = rng.integers(10, size=replaced.sum())
    model = KNeighborsClassifier(1).fit(X_train, labels)
    scores.append([model.score(X_train, labels), model.score(X_test, y_test)])

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(shares, scores, "o-", label=["training rows", "test rows"])
ax.set(xlabel="share of random labels", ylabel="accuracy")
ax.legend()

# %% [markdown]
# ## The effect depends on the question
#
# There is more than one definition of "effect", and all of them are useful.
#
# - **One prediction or all.** A row can be important for one test row, its
#   neighbour for instance, and have no effect on the mean over a test set.
# - **A change of the prediction or of its loss.** Removing a row may raise the
#   predicted probability of a cat. Whether this is good depends on whether it is a cat.
# - **Relative or absolute.** We may ask for the row of the largest effect, or for the size
#   of the effect.
# - **One row or a group.** The effect of ten rows is not the sum of ten effects
#   ({doc}`lesson 10 <10_groups>`).
#
# This course mostly uses *pointwise influence*: the effect of one training row on the
# loss of one test row. The *loss* is a number for how wrong a prediction is: zero if it is
# perfect, large if it is bad. For a classifier it is mostly the *log loss*, minus the
# logarithm of the probability that the model gives to the true class; for numbers the squared
# error. Removing a row changes the model, and with it the loss:
#
# $$ \text{influence} = \text{loss without the row} - \text{loss with the row}. $$
#
# The sign is the same everywhere, in the course and in the library:
#
# > A positive influence means that the training row made the test prediction better.
#
# All methods return a matrix of this kind, with one row per test row and one column per
# training row. Its mean over many test rows says what the training row does for
# the model as a whole; in the library this is `sample_values`.
#
# The picture shows what such a matrix can tell. We draw a test row, the training rows that
# helped its prediction most, and those that harmed it most. Rows that help have the same
# label and look alike. Rows that harm have other labels, and strokes in the same places.

# %% alt="A handwritten 5, beside it the three training rows that helped most, all fives, and the three that harmed most: two zeros and a two."
from sklearn.linear_model import LogisticRegression

from skinfluence import LeaveOneOutInfluence

loo = LeaveOneOutInfluence(LogisticRegression(C=0.01)).fit(X_train / 16, y_train)
fives = np.flatnonzero(y_test == 5)
influence = loo.influence(X_test[fives] / 16, y_test[fives])
hardest = int(np.ptp(influence, axis=1).argmax())
order = np.argsort(influence[hardest])

fig, axes = plt.subplots(1, 7, figsize=(8, 1.7), layout="constrained")
axes[0].imshow(X_test[fives[hardest]].reshape(8, 8), cmap="gray_r")
axes[0].set_title("test row: 5")
for k, i in enumerate([*order[::-1][:3], *order[:3]], 1):
    axes[k].imshow(X_train[i].reshape(8, 8), cmap="gray_r")
    axes[k].set_title(f"{'helps' if k < 4 else 'harms'}: {y_train[i]}")
for ax in axes:
    ax.axis("off")

# %% [markdown]
# ## The methods, and the course
#
# Influence can be measured by training again, or be estimated from gradients.
#
# | | method | lesson |
# |---|---|---|
# | training again | leave-one-out | 2 |
# | | downsampling | 3 |
# | | Shapley value | 4 |
# | gradients, of the final model | influence functions | 5 |
# | | representer points | 6 |
# | gradients, during training | TracIn | 7 |
# | | HyDRA | 8 |
#
# Lesson 9 uses influence to clean data, to understand memorization, and to find attacks.
# Lesson 10 removes groups of rows, lesson 11 proves that no few rows matter, and lesson
# 12 helps you to choose.
#
# Exact answers can be very expensive. For some models even finding the best fit is
# NP-complete, so all the methods make a compromise. For each we ask what it assumes, what
# it costs, and where it fails.
#
# ## Exercises
#
# The digits above are the table for all exercises.

# %% [markdown]
# ### Exercise 1: learn noise
#
# Shuffle the training labels with `np.random.default_rng(seed).permutation`, and train the
# model on them. Return its accuracy on the training rows *with the labels that it was
# trained on*, and its accuracy on the test rows with their true labels.


# %% tags=["exercise"]
def train_on_noise(estimator, X_train, y_train, X_test, y_test, seed):
    """Return training accuracy and test accuracy of a model of shuffled labels."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def train_on_noise(estimator, X_train, y_train, X_test, y_test, seed):
    """The training accuracy is that for the true labels, which the model never saw."""
    noise = np.random.default_rng(seed).permutation(y_train)
    model = estimator.fit(X_train, noise)
    return model.score(X_train, y_train), model.score(X_test, y_test)


# %% tags=["solution"]
def train_on_noise(estimator, X_train, y_train, X_test, y_test, seed):
    """Return training accuracy and test accuracy of a model of shuffled labels."""
    noise = np.random.default_rng(seed).permutation(y_train)
    model = estimator.fit(X_train, noise)
    return model.score(X_train, noise), model.score(X_test, y_test)


# %% tags=["check"]
seen, unseen = train_on_noise(
    KNeighborsClassifier(1), X_train, y_train, X_test, y_test, seed=0
)
assert seen == 1, f"each row is its own nearest neighbour, but you return {seen}"
assert 0.05 < unseen < 0.15, f"about a tenth of the guesses are right, not {unseen}"

# %% [markdown]
# ### Exercise 2: is a prediction well supported?
#
# The nearest-neighbour model predicts the label of the nearest training row. How many
# training rows must be removed until the prediction changes? We have to remove the
# nearest row, then the next one, and so on, until a row with another label is the nearest.
# If the labels from the nearest row on are 3, 3, 7, 3, the number is 2.
# Of two rows at the same distance the
# earlier one counts as nearer (`np.argsort(..., kind="stable")`). Return this number for
# every test row. A prediction with the number 1 depends on a single
# training row.


# %% tags=["exercise"]
def support(X_train, y_train, X_test):
    """Return how many removals change each prediction of the 1-nearest neighbour."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def support(X_train, y_train, X_test):
    """All rows of the predicted label are counted, however far away they are."""
    predicted = KNeighborsClassifier(1).fit(X_train, y_train).predict(X_test)
    return (y_train == predicted[:, None]).sum(axis=1)


# %% tags=["solution"]
def support(X_train, y_train, X_test):
    """Return how many removals change each prediction of the 1-nearest neighbour."""
    squares = ((X_test[:, None] - X_train) ** 2).sum(axis=2)
    labels = y_train[np.argsort(squares, axis=1, kind="stable")]
    return (labels != labels[:, :1]).argmax(axis=1)


# %% tags=["check"]
from skinfluence import PredictionCertificate

mine = support(X_train[:200], y_train[:200], X_test[:50])
certificate = PredictionCertificate(KNeighborsClassifier(1))
certificate.fit(X_train[:200], y_train[:200])
theirs = certificate.robustness(X_test[:50]).upper
assert np.shape(mine) == (50,), "one number per test row is expected"
known = theirs <= certificate.max_rows_  # the library looks no further
assert np.array_equal(np.asarray(mine)[known], theirs[known]), "the numbers differ"
print(f"{np.mean(mine == 1):.0%} of the predictions depend on a single row")

# %% [markdown]
# ### Exercise 3: read an influence matrix
#
# Given a matrix with one row per test row and one column per training row, return three
# column numbers: of the training row that *helped* test row `t` most, of the row that
# *harmed* test row `t` most, and of the row that harms the test set as a whole most.


# %% tags=["exercise"]
def read_matrix(influence, t):
    """Return the best row for t, the worst row for t, and the worst row for all."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def read_matrix(influence, t):
    """A positive influence is taken for harm."""
    return influence[t].argmin(), influence[t].argmax(), influence.mean(axis=0).argmax()


# %% tags=["solution"]
def read_matrix(influence, t):
    """Return the best row for t, the worst row for t, and the worst row for all."""
    return influence[t].argmax(), influence[t].argmin(), influence.mean(axis=0).argmin()


# %% tags=["check"]
matrix = loo.influence(X_test[:100] / 16, y_test[:100])
best, worst, worst_for_all = read_matrix(matrix, 7)
rest = LeaveOneOutInfluence(LogisticRegression(C=0.01))  # train without the best row
rest.fit(np.delete(X_train, best, axis=0) / 16, np.delete(y_train, best))
column = list(loo.classes_).index(y_test[7])
now, before = (m.predict_proba(X_test[7:8] / 16)[0, column] for m in (rest, loo))
assert now < before, "without the best row the true class must be less probable"
assert best == matrix[7].argmax(), "another row helped test row 7 more"
assert worst == matrix[7].argmin(), "another row harmed test row 7 more"
values = loo.sample_values(X_test[:100] / 16, y_test[:100])
assert worst_for_all == values.argmin(), "another row harms the test set more"
