"""
========================
Who poisoned the digits?
========================

Somebody plants training rows that look almost like one picture of a 1 but are labelled
4, so that the model takes this very picture for a 4. Influence shows which picture is
under attack, and which rows make the attack.
"""

# %%
# Plant the poison
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
# The detector knows nothing of the attack. A test row whose prediction a few training
# rows hold up scores low; -1 marks a target.

model = LogisticRegression(max_iter=1000)
detector = TargetDetector(LeaveOneOutInfluence(model)).fit(X_train, y_train)
print("predicted:", detector.influence_.predict(target)[0])
print("target?", detector.predict(target)[0])
print("others reported:", (detector.predict(X[1001:]) == -1).mean())

# %%
# Blame the rows
# --------------

(suspects,) = detector.suspects(target)
print(len(suspects), "suspects, planted:", planted[suspects].sum())

# %%
# What the model had to go by
# ---------------------------
#
# Helpful rows are blue, harmful ones vermilion: here they helped the wrong answer.

display = InfluenceDisplay.from_estimator(
    detector.influence_,
    target,
    labels=y_train,
    rows=X_train.reshape(-1, 8, 8),
    row=target.reshape(8, 8),
)

# %%
# On all other pictures the planted rows do little harm: many honest rows have lower
# values, so that cleaning would not find them.

display = SampleValuesDisplay.from_estimator(
    detector.influence_, X[1001:], y[1001:], labels=y_train, suspects=planted
)
