"""
============================
Detect an attack on a target
============================

An attacker plants training rows that look almost like one picture of a 1 but are
labelled 4, so that the model classifies this picture as a 4. Influence shows which
picture is the target of the attack, and which rows were planted.
"""

# %%
# Plant the attack
# ----------------
#
# Two percent of the training rows move most of the way towards the target.

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from skinfluence import (
    InfluenceDisplay,
    LeaveOneOutInfluence,
    SampleValuesDisplay,
    TargetDetector,
)
from skinfluence.datasets import plant_feature_collision

X, y = load_digits(return_X_y=True)
X = X / 16
target = X[1000:1001]
X_train, y_train, planted = plant_feature_collision(
    X[:400], y[:400], target[0], label=4, strength=0.9, random_state=0
)
print(planted.sum(), "rows planted;", "the target is a", y[1000])

# %%
# Find the target
# ---------------
#
# The detector has no information on the attack. A test row whose prediction depends on
# a few training rows has a low score; -1 marks a target.

model = LogisticRegression(max_iter=1000)
detector = TargetDetector(LeaveOneOutInfluence(model)).fit(X_train, y_train)
print("predicted:", detector.influence_.predict(target)[0])
print("target?", detector.predict(target)[0])
print("others reported:", (detector.predict(X[1001:]) == -1).mean())

# %%
# Find the planted rows
# ---------------------

(suspects,) = detector.suspects(target)
print(len(suspects), "suspects, planted:", planted[suspects].sum())

# %%
# The most influential rows
# -------------------------
#
# Helpful rows are blue and harmful ones vermilion. Here the helpful rows support the
# wrong prediction.

display = InfluenceDisplay.from_estimator(
    detector.influence_,
    target,
    labels=y_train,
    rows=X_train.reshape(-1, 8, 8),
    row=target.reshape(8, 8),
)

# %%
# The planted rows do little harm to all other pictures: many honest rows have lower
# values, so that cleaning would not find the planted ones.

display = SampleValuesDisplay.from_estimator(
    detector.influence_, X[1001:], y[1001:], labels=y_train, suspects=planted
)
