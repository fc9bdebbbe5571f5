# %% [markdown]
# # Groups of rows
#
# **Level:** intermediate. **Time:** 10 minutes of reading, 25 of exercises.
# **Before:** lesson 2.
#
# Most predictions depend on several training rows together. The effect of a group is not the
# sum of the effects of its rows: one copy of a thousand does not matter, all thousand do.

# %% [markdown]
# ## Four giants
#
# The cluster CYG OB1 has 47 stars. For most of them the light grows with the temperature.
# Four giants are cool and bright. They turn the slope of least squares, which is
# negative with all stars, and positive without the giants. The picture removes one giant
# after the other, in the order of the numbers beside them.

# %% alt="47 stars by temperature and light, four of them at the upper left. Five fitted lines: with all stars the line falls, and with each removed giant it turns until it rises steeply."
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LinearRegression

from skinfluence import LeaveOneOutInfluence
from skinfluence.datasets import load_cyg_ob1

X, y = load_cyg_ob1(return_X_y=True)
giants = [10, 19, 29, 33]
fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
ax.plot(X[:, 0], y, "o", color="gray", markersize=4)
ax.plot(X[giants, 0], y[giants], "o", color="red")
for k, i in enumerate(giants, 1):
    ax.annotate(k, (X[i, 0], y[i]), xytext=(8, -4), textcoords="offset points")
for k in range(5):
    rest = np.delete(np.arange(47), giants[:k])
    model = LinearRegression().fit(X[rest], y[rest])
    ax.plot(X[:, 0], model.predict(X), color=plt.cm.plasma(k / 5), label=f"{k} removed")
ax.set(xlabel="log temperature", ylabel="log light", ylim=(3.5, 6.7))
ax.legend(fontsize=8)

# %% [markdown]
# ## Why sums mislead
#
# While three giants remain, removing one of them changes little, as the others hold the
# line. So the sum of the four single effects is much smaller than the effect of removing all
# four. Talk and papers call this *supermodular*: the effect of a row is larger the fewer
# similar rows are left. Two rows that hide each other have almost no single effect at all.
#
# Three ways to search for a small set of rows that turns an answer:
#
# - **One shot:** compute all single effects once, sort them, and remove from the top. It is
#   fast, and predicts the size of the set by a sum that may be far off.
# - **Greedy:** remove the row of the largest effect, fit again, and compute all effects
#   anew. It sees the rows that were hidden.
# - **Exhaustive:** try all sets. It is exact, and possible only for very few rows.
#
# Whatever has been found is verified by a refit. {func}`~skinfluence.find_flip_set` does all
# of this and adds a lower bound where one can be proven.

# %%
from skinfluence import find_flip_set

loo = LeaveOneOutInfluence(LinearRegression()).fit(X, y)
found = find_flip_set(loo, target="coefficient", coefficient=0)
print(f"without rows {found.rows} the slope is {found.value_after:.3f}")
print(
    f"at least {found.lower_bound} rows are needed; sums predict {found.predicted_size}"
)

# %% [markdown]
# ## What it costs
#
# There are $\binom{n}{k}$ sets of $k$ rows, so an exhaustive search ends at two or three.
# Greedy search takes $k$ fits and $k$ times all single effects.
#
# ## Exercises

# %% [markdown]
# ### Exercise 1: remove a group
#
# Return the slope of least squares (with an intercept) after removing some rows of the table
# of stars. `rows` is a list of row numbers.


# %% tags=["exercise"]
def slope_without(X, y, rows):
    """Return the slope of least squares without some rows."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def slope_without(X, y, rows):
    """The intercept is missing: the line is forced through the origin."""
    x, target = np.delete(X[:, 0], rows), np.delete(y, rows)
    return x @ target / (x @ x)


# %% tags=["solution"]
def slope_without(X, y, rows):
    """Return the slope of least squares without some rows."""
    x, target = np.delete(X[:, 0], rows), np.delete(y, rows)
    x, target = x - x.mean(), target - target.mean()
    return x @ target / (x @ x)


# %% tags=["check"]
assert np.isclose(slope_without(X, y, []), -0.41330, atol=1e-5), (
    "with all stars -0.4133"
)
assert np.isclose(slope_without(X, y, giants), 2.0467, atol=1e-4), (
    "without giants 2.0467"
)
assert np.isclose(slope_without(X, y, found.rows), found.value_after), "library differs"

# %% [markdown]
# ### Exercise 2: single effects and the joint effect
#
# Return the change of the slope by removing each single row (47 numbers: slope without the
# row minus slope with all rows), and the change by removing the whole group `rows`.


# %% tags=["exercise"]
def single_and_joint(X, y, rows):
    """Return the changes of the slope without each row, and without the group."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def single_and_joint(X, y, rows):
    """The joint effect is taken to be the sum of the single ones."""
    full = slope_without(X, y, [])
    single = np.array([slope_without(X, y, [i]) - full for i in range(len(y))])
    return single, single[rows].sum()


# %% tags=["solution"]
def single_and_joint(X, y, rows):
    """Return the changes of the slope without each row, and without the group."""
    full = slope_without(X, y, [])
    single = np.array([slope_without(X, y, [i]) - full for i in range(len(y))])
    return single, slope_without(X, y, rows) - full


# %% tags=["check"]
from skinfluence import case_diagnostics

single, joint = single_and_joint(X, y, giants)
dfbeta = np.asarray(case_diagnostics(LinearRegression().fit(X, y), X, y).dfbeta)
assert np.shape(single) == (47,), "one change per row is expected"
# DFBETA is the slope with the row minus that without it
same = [np.allclose(single, -column) for column in dfbeta.reshape(47, -1).T]
assert any(same), "the single effects differ from the library's"
expected = (
    LinearRegression().fit(np.delete(X, giants, 0), np.delete(y, giants)).coef_[0]
)
assert np.isclose(joint, expected + 0.4133038606), "the joint effect is that of a refit"
print(
    f"sum of the four single effects {single[giants].sum():.3f}, together {joint:.3f}"
)

# %% [markdown]
# ### Exercise 3: greedy search
#
# Remove rows one after the other until the slope changes its sign. In every step remove the
# row after whose removal the slope of the *remaining* rows is largest. Return the list of the
# removed rows, as numbers of the full table.


# %% tags=["exercise"]
def greedy_flip(X, y):
    """Return rows without which the slope is positive."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def greedy_flip(X, y):
    """The row of the largest residual goes, but the giants pull the line to themselves."""
    removed = []
    while slope_without(X, y, removed) < 0 and len(removed) < 40:
        left = np.delete(np.arange(len(y)), removed)
        model = LinearRegression().fit(X[left], y[left])
        removed.append(int(left[abs(y[left] - model.predict(X[left])).argmax()]))
    return removed


# %% tags=["solution"]
def greedy_flip(X, y):
    """Return rows without which the slope is positive."""
    removed = []
    while slope_without(X, y, removed) < 0:
        left = [i for i in range(len(y)) if i not in removed]
        slopes = [slope_without(X, y, [*removed, i]) for i in left]
        removed.append(left[int(np.argmax(slopes))])
    return removed


# %% tags=["check"]
rows = greedy_flip(X, y)
assert slope_without(X, y, rows) > 0, "the slope has not turned"
assert len(rows) == found.size, f"{found.size} rows are enough, you removed {len(rows)}"
assert set(rows) == set(found.rows), "greedy search finds other rows"

# %% [markdown]
# ### Exercise 4: many copies
#
# Put `m` copies of row `i` into the table of stars (so the row is there `m` times). Return
# the change of the slope by removing one of the copies, and by removing all of them.


# %% tags=["exercise"]
def one_and_all_copies(X, y, i, m):
    """Return the change of the slope without one copy, and without all copies."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def one_and_all_copies(X, y, i, m):
    """All copies are taken to have m times the effect of one."""
    X_many, y_many = np.vstack([X, *[X[i]] * (m - 1)]), np.append(y, [y[i]] * (m - 1))
    one = slope_without(X_many, y_many, [i]) - slope_without(X_many, y_many, [])
    return one, m * one


# %% tags=["solution"]
def one_and_all_copies(X, y, i, m):
    """Return the change of the slope without one copy, and without all copies."""
    X_many, y_many = np.vstack([X, *[X[i]] * (m - 1)]), np.append(y, [y[i]] * (m - 1))
    full = slope_without(X_many, y_many, [])
    one = slope_without(X_many, y_many, [i]) - full
    return one, slope_without(X, y, [i]) - full


# %% tags=["check"]
weights = np.ones(47)
one, every = one_and_all_copies(X, y, 33, 1000)
slopes = []
for copies in (1000, 999, 0):
    weights[33] = copies
    slopes.append(LinearRegression().fit(X, y, sample_weight=weights).coef_[0])
assert np.isclose(one, slopes[1] - slopes[0], atol=1e-8), (
    "the effect of one copy differs"
)
assert np.isclose(every, slopes[2] - slopes[0]), "the effect of all copies differs"
print(f"one of 1000 copies: {one:.1e}, all of them: {every:.2f}")
