"""
==================================
Case diagnostics of a linear model
==================================

Leverage, Cook's distance and studentized residuals of a classic data set: 21 days of a
plant that oxidises ammonia to nitric acid (Brownlee, 1960). The literature on robust
statistics identifies days 1, 3, 4 and 21 as outliers.
"""

# %%
# Fit a model
# -----------
#
# :func:`~skinfluence.case_diagnostics` takes a fitted model and the rows that it was
# fitted to.

import numpy as np
from sklearn.linear_model import LinearRegression

from skinfluence import case_diagnostics

names = ["air flow", "water temperature", "acid concentration"]
air = [80, 80, 75, 62, 62, 62, 62, 62, 58, 58, 58, 58, 58, 58, 50, 50, 50, 50, 50]
air += [56, 70]
water = [27, 27, 25, 24, 22, 23, 24, 24, 23, 18, 18, 17, 18, 19, 18, 18, 19, 19, 20]
water += [20, 20]
acid = [89, 88, 90, 87, 87, 87, 93, 93, 87, 80, 89, 88, 82, 93, 89, 86, 72, 79, 80]
acid += [82, 91]
loss = [42, 37, 37, 28, 18, 18, 19, 20, 15, 14, 14, 13, 11, 12, 8, 7, 8, 8, 9, 15, 15]

X = np.column_stack([air, water, acid]).astype(float)
y = np.array(loss, dtype=float)
day = np.arange(1, len(y) + 1)

model = LinearRegression().fit(X, y)
diagnostics = case_diagnostics(model, X, y)

# %%
# Cook's distance
# ---------------
#
# Cook's distance measures how far all predictions move when a row is removed. The line
# is the customary threshold 4/n above which a row should be inspected. The right panel
# shows why rows are influential: they are unusual (leverage) and badly predicted
# (residual). The areas of the points are Cook's distances.

import matplotlib.pyplot as plt

distance = diagnostics.cooks_distance
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.vlines(day, 0, distance)
left.axhline(4 / len(y), color="gray", linestyle="--", label="4/n")
left.set(xlabel="day", ylabel="Cook's distance", ylim=(0, None), xticks=day[::5])
left.legend(loc="upper left")

residual = diagnostics.resid_studentized_external
right.scatter(diagnostics.leverage, residual, s=20 + 600 * distance, alpha=0.6)
right.axhline(0, color="gray", linewidth=0.8)
for i in distance.argsort()[::-1][:4]:
    right.annotate(
        f"day {day[i]}",
        (diagnostics.leverage[i], residual[i]),
        xytext=(12, 8),
        textcoords="offset points",
    )
right.set(xlabel="leverage", ylabel="externally studentized residual", xlim=(0, 0.5))
right.margins(y=0.2)

# %%
# Effects on the coefficients
# ---------------------------
#
# DFBETAS is the number of standard errors by which the row raises each coefficient. Day
# 21 lowers the effect of the air by 1.6 standard errors and raises that of the water by
# as many, as a fit without this day confirms.

worst = distance.argmax()
kept = np.delete(np.arange(len(y)), worst)
without = LinearRegression().fit(X[kept], y[kept])
print(f"without day {day[worst]}:")
for j, name in enumerate(names):
    print(
        f"{name:>18}: {model.coef_[j]:6.3f} -> {without.coef_[j]:6.3f}, "
        f"DFBETAS {diagnostics.dfbetas[worst, j]:+.2f}"
    )
