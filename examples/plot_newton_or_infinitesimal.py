"""
===================================
A Newton step or a derivative only?
===================================

Influence functions estimate what the removal of rows does, without a refit. Of the two
estimates, the derivative (``step="infinitesimal"``) needs one Hessian for all removals,
and the Newton step (``step="newton"``) the Hessian of the rows that are left. We
measure how far each is off, and compare with a law: for k of n rows and d columns of
random data the Newton step is off by about :math:`k d / n^2`, and the derivative
differs from it by :math:`(k + d) \\sqrt{k d} / n^2` (Rubinstein and Hopkins,
arXiv:2512.12572).
"""

# %%
# The errors of both steps
# ------------------------
#
# Logistic regression on normal rows. We remove random sets of rows, exactly by
# :class:`~skinfluence.LeaveOneOutInfluence` and by both steps of
# :class:`~skinfluence.InfluenceFunctions`, and look at the loss of new rows.

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence


def errors(n, k, d, seed, n_sets=100, n_new=100):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n + n_new, d))
    y = rng.random(n + n_new) < expit(X.sum(axis=1) / np.sqrt(d))
    sets = rng.permuted(np.tile(np.arange(n) < k, (n_sets, 1)), axis=1)
    model = LogisticRegression(fit_intercept=False)
    exact, newton, infinitesimal = (
        method.fit(X[:n], y[:n]).group_influence(X[n:], y[n:], groups=sets)
        for method in (
            LeaveOneOutInfluence(model),
            InfluenceFunctions(model, step="newton"),
            InfluenceFunctions(model),
        )
    )
    return [
        np.sqrt((error**2).mean(axis=0)).mean()
        for error in (exact - newton, newton - infinitesimal)
    ]


def law(n, k, d):
    return np.array([k * d / n**2, (k + d) * np.sqrt(k * d) / n**2])


# %%
# Slopes in n, k and d
# --------------------
#
# We vary one number at a time. In the law a power is a straight line of a log-log plot,
# and its exponent is the slope. Few columns and many removed rows make the second
# error grow as :math:`k^{3/2}`, one removed row and many columns as :math:`d^{3/2}`.

settings = {
    "n": ([500, 1000, 2000, 4000], {"k": 8, "d": 8}),
    "k": ([20, 40, 80, 160], {"n": 4000, "d": 2}),
    "d": ([8, 16, 32], {"n": 1000, "k": 1}),
}
names = ["Newton step", "derivative from Newton step"]
measured, expected = {}, {}
for name, (sizes, held) in settings.items():
    several = [[errors(**held, **{name: s}, seed=i) for s in sizes] for i in range(3)]
    measured[name] = np.exp(np.log(several).mean(axis=0))
    expected[name] = np.array([law(**held, **{name: s}) for s in sizes])
    for j, what in enumerate(names):
        found, by_law = (
            np.polyfit(np.log(sizes), np.log(values[name][:, j]), 1)[0]
            for values in (measured, expected)
        )
        print(f"slope in {name}, {what:<27}: {found:5.2f}, by the law {by_law:5.2f}")

# %%
# The lines are the law, each times one constant for all three plots.

import matplotlib.pyplot as plt

ratio = [np.log(measured[name] / expected[name]) for name in settings]
constant = np.exp(np.concatenate(ratio).mean(axis=0))
fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained", sharey=True)
for ax, (name, (sizes, held)) in zip(axes, settings.items(), strict=True):
    for j, what in enumerate(names):
        ax.loglog(sizes, measured[name][:, j], "os"[j], color=f"C{j}", label=what)
        ax.loglog(sizes, constant[j] * expected[name][:, j], color=f"C{j}")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set(xlabel=name, title=", ".join(f"{key} = {v}" for key, v in held.items()))
axes[0].set_ylabel("error of the loss change")
axes[0].legend()

# %%
# Which step to take
# ------------------
#
# The influence itself is of size :math:`\sqrt{k d} / n`. So the derivative is off by
# the share :math:`(k + d) / n` of it and the Newton step by :math:`\sqrt{k d} / n`. For
# a single row the derivative is the less accurate the more columns there are, for a
# whole group the larger the group is: prefer the Newton step, or
# :class:`~skinfluence.LeaveOneOutInfluence`, which is exact and starts with this step.
