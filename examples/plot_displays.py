"""
========
Displays
========

The displays of this library for one model of handwritten digits and one regression.
Helpful rows are blue and harmful rows vermilion in all of them.
"""

# %%
# A model and its influences
# --------------------------
#
# Ten of the 300 training labels are wrong.

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from skinfluence import LeaveOneOutInfluence
from skinfluence.datasets import plant_label_flips

digits = load_digits()
X, y, images = digits.data / 16, digits.target, digits.images
X_train, y_train, wrong = plant_label_flips(
    X[:300], y[:300], fraction=10 / 300, random_state=0
)
X_val, y_val, X_test, y_test = X[300:800], y[300:800], X[800:], y[800:]

model = LogisticRegression(C=0.1, max_iter=1000)
loo = LeaveOneOutInfluence(model).fit(X_train, y_train)

# %%
# Influence on one test row
# -------------------------
#
# The most helpful and the most harmful training rows are shown as images, since
# ``rows`` holds images, with their position, label and influence.

from skinfluence import InfluenceDisplay

unsure = loo.predict_proba(X_val).max(axis=1).argmin()
display = InfluenceDisplay.from_estimator(
    loo,
    X_val[[unsure]],
    y_val[[unsure]],
    labels=y_train,
    rows=images[:300],
    row=images[300 + unsure],
)

# %%
# Without ``rows`` they are bars.

display = InfluenceDisplay.from_estimator(
    loo, X_val[[unsure]], y_val[[unsure]], labels=y_train
)

# %%
# Values of the training rows
# ---------------------------
#
# One value per training row, the mean influence on validation rows, by class. The wrong
# labels are marked; ``suspects=10`` would mark the lowest ten.

from skinfluence import SampleValuesDisplay

display = SampleValuesDisplay.from_estimator(
    loo, X_val, y_val, labels=y_train, suspects=wrong
)

# %%
# Scores after removing rows
# --------------------------
#
# The log loss on test rows, which were used neither in training nor for the values,
# after removing rows of low value, rows of high value, and random rows.

from skinfluence import RemovalCurveDisplay

display = RemovalCurveDisplay.from_estimator(
    model,
    loo.sample_values(X_val, y_val),
    X_train,
    y_train,
    X_test,
    y_test,
    fractions=[0.03, 0.06, 0.1, 0.15],
    n_random=5,
    scoring="neg_log_loss",
    score_name="Minus log loss",
    random_state=0,
)

# %%
# Memorization
# ------------
#
# The influence of each row on itself, against its largest influence on a validation
# row. The default thresholds are for the zero-one loss; the log loss needs others.

from skinfluence import MemorizationDisplay

display = MemorizationDisplay.from_estimator(
    loo, X_val, y_val, memorization_threshold=0.5, influence_threshold=0.1
)

# %%
# Diagnostics of a regression
# ---------------------------
#
# Residuals against leverage, with contours of Cook's distance. This display needs only
# the model and its training rows.

from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from skinfluence import InfluenceOutlierDisplay

X, y = load_diabetes(return_X_y=True)
display = InfluenceOutlierDisplay.from_estimator(LinearRegression().fit(X, y), X, y)
