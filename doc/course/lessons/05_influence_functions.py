# %% [markdown]
# # Influence functions
#
# **Level:** intermediate. **Time:** 20 minutes of reading, 35 of exercises.
# **Before:** lesson 2, gradients and Hessians, logistic regression.
#
# Training again is expensive. Influence functions (Hampel 1974; Koh and Liang 2017)
# estimate what leaving out a row would do, from the trained model alone. All they need is
# the gradient of each row's loss and the curvature of the training objective.

# %% [markdown]
# ## From a weight to a row
#
# Give row $i$ the weight $w$ in the training objective
#
# $$ J(\theta) = \sum_{j \ne i} \ell_j(\theta) + w\, \ell_i(\theta)
#    + \tfrac{1}{2C} |\theta|^2 . $$
#
# With $w = 1$ this is the usual training, and with $w = 0$ the row is left out. Let
# $\theta(w)$ be the minimum. At the minimum the gradient is zero, for every $w$.
# Differentiating this equation with respect to $w$ gives
#
# $$ \frac{d\theta}{dw} = -H^{-1} g_i, \qquad
#    g_i = \nabla \ell_i(\theta), \quad H = \nabla^2 J(\theta). $$
#
# The weight goes from 1 to 0, a change of $-1$. So to first order the model without the row
# is $\theta + H^{-1} g_i$, and the loss of test row $t$ changes by
#
# $$ I(i, t) = \nabla \ell_t(\theta)^\top H^{-1} g_i . $$
#
# This is the influence function. It is positive if the loss would rise without the row.
#
# ## The curve and its tangent
#
# The picture shows one coefficient of a logistic regression as a function of the weight
# of one row. The tangent at $w = 1$ is followed to $w = 0$. It ends short of the true value,
# because the curve is not a straight line. The *Newton step* does better. It uses the
# Hessian $H_{-i}$ of the other rows only:
#
# $$ \theta_{-i} \approx \theta + H_{-i}^{-1} g_i . $$

# %% alt="A coefficient as a function of the weight of one row from zero to one. The curve bends away from its tangent at weight one, which misses its value at weight zero; the Newton step misses it by less."
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)[:, [0, 1, 4, 8]]
X_train, y_train, X_test, y_test = X[:60], y[:60], X[60:80], y[60:80]
settings = {"C": 10.0, "fit_intercept": False, "tol": 1e-10, "max_iter": 1000}
model = LogisticRegression(**settings).fit(X_train, y_train)


def sigmoid(z):
    """Probability of class 1."""
    return 1 / (1 + np.exp(-z))


p = sigmoid(X_train @ model.coef_[0])
row = int(abs(y_train - p).argmax())
weights = np.ones(60)
curve = []
for w in np.linspace(0, 1, 21):
    weights[row] = w
    curve.append(model.fit(X_train, y_train, sample_weight=weights).coef_[0, 0])
theta = model.coef_[0]
g = (p[row] - y_train[row]) * X_train[row]
H = X_train.T @ (X_train * (p * (1 - p))[:, None]) + np.eye(4) / 10
H_rest = H - p[row] * (1 - p[row]) * np.outer(X_train[row], X_train[row])
tangent, newton = (np.linalg.solve(h, g)[0] for h in (H, H_rest))

fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.plot(np.linspace(0, 1, 21), curve, label="trained with this weight")
ax.plot([1, 0], [theta[0], theta[0] + tangent], "--o", label="influence function")
ax.plot([1, 0], [theta[0], theta[0] + newton], ":s", label="Newton step")
ax.set(xlabel="weight of the row", ylabel="first coefficient")
ax.legend()

# %% [markdown]
# ## What is assumed
#
# 1. **A minimum.** The gradient of the objective is zero. A network that is stopped after
#    ten epochs has not arrived at one.
# 2. **Strict convexity.** There is one minimum, and $H$ can be inverted. A deep network has
#    many minima, and its Hessian is singular or has negative eigenvalues.
# 3. **A small step.** The model without the row is close to the model with it. Rows of high
#    leverage and large groups violate this.
#
# For logistic regression with a penalty, the first two hold exactly, and for most rows the
# third one does as well. For a deep network none of them holds. Influence functions there
# "are fragile" (Basu, Pope and Feizi 2021): the numbers depend on the depth, on the damping
# and on the test row. They answer at best a different question (Bae and co-authors 2022).
#
# ## What it costs
#
# With $p$ parameters, forming $H$ takes $O(np^2)$ and inverting it $O(p^3)$ operations. For
# a scikit-learn model this is cheap, and for a network of millions of parameters impossible.
# There $H^{-1} v$ is approximated from Hessian-vector products, $O(np)$ for each test row,
# and the result is often inaccurate. Nothing has to be stored but the model.
#
# ## Underestimation
#
# For least squares the Newton step is exact, and you know its formula from
# {doc}`lesson 2 <02_leave_one_out>`. It divides by one minus the leverage. The influence
# function leaves out this factor, so its numbers are too small, most of all for the rows
# that matter most. The next picture shows the rows of our example whose influence is not
# tiny.

# %% alt="Two scatter plots against exact leave-one-out influence. Influence functions keep the order but are too small for large influences. Newton steps lie on the diagonal."
from skinfluence import InfluenceFunctions, LeaveOneOutInfluence

logistic = LogisticRegression(C=10.0, fit_intercept=False)
exact = LeaveOneOutInfluence(logistic).fit(X_train, y_train).self_influence()
fig, axes = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True, layout="constrained")
for ax, step in zip(axes, ("infinitesimal", "newton"), strict=True):
    method = InfluenceFunctions(logistic, step=step).fit(X_train, y_train)
    ax.loglog(exact, method.self_influence(), ".")
    ax.plot(exact, exact, color="gray", linewidth=0.8)
    ax.set(xlabel="leave-one-out", title=step, xlim=(1e-3, 2), ylim=(1e-3, 2))
axes[0].set_ylabel("estimate of self-influence")

# %% [markdown]
# ## Exercises
#
# The data and the function `sigmoid` are those from above. All exercises are about logistic
# regression of two classes without intercept, whose objective in scikit-learn is, up to a
# factor, $\sum_i \ell_i(\theta) + \frac{1}{2C} |\theta|^2$ with
#
# $$ \ell_i = -y_i \log p_i - (1 - y_i) \log (1 - p_i), \qquad p_i = \sigma(x_i^\top\theta). $$

# %%
theta = LogisticRegression(**settings).fit(X_train, y_train).coef_[0]
print(theta.round(3))

# %% [markdown]
# ### Exercise 1: gradients and Hessian
#
# Return the gradients of the rows' losses (a row each) and the Hessian of the *whole*
# objective, penalty included. The gradient of the sigmoid is $\sigma' = \sigma (1 - \sigma)$.


# %% tags=["exercise"]
def gradients_and_hessian(theta, X, y, C):
    """Return the gradient of each row's loss, and the Hessian of the objective."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def gradients_and_hessian(theta, X, y, C):
    """The penalty is missing in the Hessian."""
    p = sigmoid(X @ theta)
    return (p - y)[:, None] * X, X.T @ (X * (p * (1 - p))[:, None])


# %% tags=["solution"]
def gradients_and_hessian(theta, X, y, C):
    """Return the gradient of each row's loss, and the Hessian of the objective."""
    p = sigmoid(X @ theta)
    hessian = X.T @ (X * (p * (1 - p))[:, None]) + np.eye(len(theta)) / C
    return (p - y)[:, None] * X, hessian


# %% tags=["check"]
def total_gradient(theta):
    """Gradient of the objective, from your gradients."""
    return (
        gradients_and_hessian(theta, X_train, y_train, 10.0)[0].sum(axis=0) + theta / 10
    )


g, H = gradients_and_hessian(theta, X_train, y_train, 10.0)
assert g.shape == (60, 4), "one gradient per row is expected"
assert H.shape == (4, 4), "the Hessian is a matrix of 4 by 4"
assert abs(total_gradient(theta)).max() < 1e-5, (
    "the gradient at the minimum is not zero"
)
for k in range(4):  # each column of the Hessian by finite differences
    step = np.eye(4)[k] * 1e-5
    column = (total_gradient(theta + step) - total_gradient(theta - step)) / 2e-5
    assert np.allclose(H[k], column, atol=1e-6), f"column {k} of the Hessian differs"

# %% [markdown]
# ### Exercise 2: the influence function
#
# Compute $\nabla \ell_t^\top H^{-1} g_i$ for all test rows and training rows. Do not invert
# the Hessian; use `np.linalg.solve`.


# %% tags=["exercise"]
def influence_function(theta, X_train, y_train, X_test, y_test, C):
    """Return the influence matrix, test rows by training rows."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def influence_function(theta, X_train, y_train, X_test, y_test, C):
    """The sign is that of the change of the weight from 0 to 1."""
    g, H = gradients_and_hessian(theta, X_train, y_train, C)
    g_test, _ = gradients_and_hessian(theta, X_test, y_test, C)
    return -g_test @ np.linalg.solve(H, g.T)


# %% tags=["solution"]
def influence_function(theta, X_train, y_train, X_test, y_test, C):
    """Return the influence matrix, test rows by training rows."""
    g, H = gradients_and_hessian(theta, X_train, y_train, C)
    g_test, _ = gradients_and_hessian(theta, X_test, y_test, C)
    return g_test @ np.linalg.solve(H, g.T)


# %% tags=["check"]
mine = influence_function(theta, X_train, y_train, X_test, y_test, 10.0)
assert np.shape(mine) == (20, 60), "test rows by training rows are expected"
method = InfluenceFunctions(LogisticRegression(**settings)).fit(X_train, y_train)
assert np.allclose(mine, method.influence(X_test, y_test), atol=1e-6), "they differ"

# %% [markdown]
# ### Exercise 3: the Newton step
#
# Return the coefficients after one Newton step for each training row:
# $\theta + (H - H_i)^{-1} g_i$ with $H_i = p_i (1 - p_i) x_i x_i^\top$. A loop over the
# rows is fine.


# %% tags=["exercise"]
def newton_steps(theta, X, y, C):
    """Return the estimated coefficients without row i in row i."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def newton_steps(theta, X, y, C):
    """The Hessian still contains the row: this is the influence function."""
    g, H = gradients_and_hessian(theta, X, y, C)
    return theta + np.linalg.solve(H, g.T).T


# %% tags=["solution"]
def newton_steps(theta, X, y, C):
    """Return the estimated coefficients without row i in row i."""
    g, H = gradients_and_hessian(theta, X, y, C)
    p = sigmoid(X @ theta)
    steps = np.empty_like(X)
    for i in range(len(X)):
        rest = H - p[i] * (1 - p[i]) * np.outer(X[i], X[i])
        steps[i] = np.linalg.solve(rest, g[i])
    return theta + steps


# %% tags=["check"]
mine = newton_steps(theta, X_train, y_train, 10.0)
assert np.shape(mine) == (60, 4), "four coefficients for each training row are expected"
z_test = X_test @ mine.T
log_losses = np.logaddexp(0, np.where(y_test[:, None] == 1, -z_test, z_test))
now = np.logaddexp(0, np.where(y_test == 1, -1, 1) * (X_test @ theta))
method = InfluenceFunctions(LogisticRegression(**settings), step="newton")
theirs = method.fit(X_train, y_train).influence(X_test, y_test)
assert np.allclose(log_losses - now[:, None], theirs, atol=1e-6), "they differ"

# %% [markdown]
# ### Exercise 4: how fast do the errors fall?
#
# The change of $\theta$ by one row is of order $1/n$. Measure how the errors of both
# estimates depend on $n$ and on the number of columns. Given two matrices of estimated
# and exact coefficients, return the mean over the rows of the distance
# $|\hat\theta_{-i} - \theta_{-i}|$, and the slope of the logarithm of these errors against
# the logarithm of the sizes.


# %% tags=["exercise"]
def mean_distance(estimated, exact):
    """Return the mean Euclidean distance of the rows of two matrices."""
    # your code here
    raise NotImplementedError


def slope(sizes, errors):
    """Return the slope of log(errors) as a straight line of log(sizes)."""
    # your code here
    raise NotImplementedError


# %% tags=["wrong"]
def mean_distance(estimated, exact):
    """Return the mean Euclidean distance of the rows of two matrices."""
    return np.linalg.norm(estimated - exact, axis=1).mean()


def slope(sizes, errors):
    """Only the errors are on a logarithmic scale."""
    return np.polyfit(sizes, np.log(errors), 1)[0]


# %% tags=["solution"]
def mean_distance(estimated, exact):
    """Return the mean Euclidean distance of the rows of two matrices."""
    return np.linalg.norm(estimated - exact, axis=1).mean()


def slope(sizes, errors):
    """Return the slope of log(errors) as a straight line of log(sizes)."""
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]


# %% tags=["check"]
def errors_of_both(n, d, seed=0):
    """Errors of influence functions and Newton steps for n random rows of d columns."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n, d))
    b = (rng.random(n) < sigmoid(A.sum(axis=1) / np.sqrt(d))).astype(int)
    full = minimum(A, b, np.zeros(d))
    few = range(25)
    exact = np.array([minimum(np.delete(A, i, 0), np.delete(b, i), full) for i in few])
    g, H = gradients_and_hessian(full, A, b, 1.0)
    first = full + np.linalg.solve(H, g[few].T).T
    newton = newton_steps(full, A, b, 1.0)[few]
    return mean_distance(first, exact), mean_distance(newton, exact)


def minimum(A, b, theta):
    """Minimise the objective with C=1 by Newton's method."""
    for _ in range(8):
        p = sigmoid(A @ theta)
        H = (A.T * (p * (1 - p))) @ A + np.eye(A.shape[1])
        theta = theta - np.linalg.solve(H, A.T @ (p - b) + theta)
    return theta


rows, columns = [100, 200, 400, 800], [5, 10, 20, 40]
in_n = [slope(rows, e) for e in np.transpose([errors_of_both(n, 5) for n in rows])]
in_d = [
    slope(columns, e) for e in np.transpose([errors_of_both(400, d) for d in columns])
]
print(f"slopes in n: influence function {in_n[0]:.2f}, Newton step {in_n[1]:.2f}")
print(f"slopes in d: influence function {in_d[0]:.2f}, Newton step {in_d[1]:.2f}")
assert np.isclose(slope([1, 10, 100], [5, 50, 500]), 1), "a line has slope 1"
assert mean_distance(np.zeros((2, 2)), np.array([[3, 4], [0, 0]])) == 2.5, "not 2.5"
assert all(-2.6 < s < -1.6 for s in in_n), "both errors fall like 1 / n^2"
assert in_d[0] > in_d[1] + 0.15, "with more columns the influence function gets worse"
