"""The table of methods: one for every question and kind of model.

`suggest`, the page of the user guide and its figure all read this table.
"""

from dataclasses import dataclass

QUESTIONS = {
    "prediction": "Which training rows made this prediction?",
    "rows": "Which rows help the model on all test rows, and which hurt?",
    "labels": "Which labels or targets are wrong?",
    "worth": "What is each row worth?",
    "memorization": "Which rows does the model know by heart?",
    "groups": "What would the model be without one source, day or annotator?",
    "coefficients": "Which rows carry the coefficients?",
    "training": "Which rows did the training steps learn this prediction from?",
    "attack": "Which predictions were planted by an attacker?",
    "few rows": "Without how few rows would this prediction be another?",
    "proof": "How many rows can be missing without changing a prediction, by proof?",
}

# What a method costs. The name is the class or function that is imported.
COSTS = {
    "LeaveOneOutInfluence": (
        "about one fit, then O(n p) per test row, where the model without a row is "
        "known exactly; else {n} fits, which a warning announces"
    ),
    "InfluenceFunctions": "one fit and a factorisation of its curvature",
    "TreeInfluence": "20 fits, then O(n T) per test row and fit, for T trees",
    "OutOfBagInfluence": "the ensemble's own fit, nothing is trained again",
    "DownsamplingInfluence": "200 fits on half of the rows",
    "TracIn": "one training run, and the gradients of all rows at 10 checkpoints",
    "HyDRA": "one training run, and a backward pass through it per block of test rows",
    "KNNShapley": "no fit; O(n log n) per test row",
    "ShapleyInfluence": (
        "{many} fits on subsets of the rows, which a warning announces; none for "
        "models that can grow by a row, 2^k for k <= 16 rows or groups"
    ),
    "InfluenceCleaner": "two fits, and about as much as ten fits of a linear model",
    "case_diagnostics": "one fit, then O(n p^2)",
    "TargetDetector": "that of {inner}, for the influences of the training rows",
    "find_flip_set": "that of {inner}, and some refits to verify the set",
    "PredictionCertificate": (
        "one fit, then O(n p) per test row, and some refits to find the set that "
        "does change the prediction"
    ),
    "PartitionClassifier": "ten fits on a tenth of the rows each",
}

HELD = "the model without a row follows from its equations, so nothing is trained again"


@dataclass(frozen=True)
class Answer:
    """The method for a question and a kind of model.

    Attributes
    ----------
    name : str
        Class or function that answers.
    fit : str
        Expression that makes what is asked, from ``model``, ``X`` and ``y``.
    reason : str
        Why this one.
    inner : str
        A second class that ``fit`` needs, or "".
    """

    name: str
    fit: str
    reason: str
    inner: str = ""


def of_class(name, reason):
    """Return the `Answer` whose class wraps the model."""
    return Answer(name, f"{name}(model).fit(X, y)", reason)


EXACT = of_class("LeaveOneOutInfluence", HELD)
TREES = of_class(
    "TreeInfluence",
    "with the splits held fixed, the effect of a row on the leaf values is computed "
    "and averaged over several ensembles; retraining without a row would mostly "
    "measure chance",
)
MEMBERS = of_class(
    "OutOfBagInfluence",
    "each member has seen a part of the rows, so that members with and without a row "
    "are there already",
)
GRADIENTS = of_class(
    "InfluenceFunctions",
    "training a net without each row costs too much; the curvature of its loss "
    "predicts the effect",
)
STEPS = of_class(
    "TracIn",
    "its gradient steps are repeated and recorded; nothing is inverted",
)
RETRAINED = of_class(
    "DownsamplingInfluence",
    "it needs nothing but fit and predict: models with and without a row are compared",
)
FEW_ROWS = of_class(
    "LeaveOneOutInfluence",
    "for so few rows training once without each is cheaper than any other way",
)
BY_MODEL = {
    "linear": EXACT,
    "closed form": EXACT,
    "neighbours": EXACT,
    "trees": TREES,
    "forest": TREES,
    "bagging": MEMBERS,
    "perceptron": STEPS,
    "net": GRADIENTS,
    "other": RETRAINED,
}
KNN_SHAPLEY = Answer(
    "KNNShapley",
    "KNNShapley(model.n_neighbors).fit(X, y)",
    "for nearest neighbours Shapley values have a closed form",
)
CLEANER = of_class(
    "InfluenceCleaner",
    "one scorer of rows serves every model, and finds more wrong labels than the "
    "influence of any model does",
)
SHAPLEY = of_class(
    "ShapleyInfluence",
    "a row's effect is averaged over subsets of all sizes, so that duplicates share it "
    "and the values sum to what the whole table gains",
)
HALVES = of_class(
    "DownsamplingInfluence",
    "Shapley values need models of single rows, on which this one cannot search by "
    "cross-validation; models with and without a row are compared on halves instead",
)
MEMORY = of_class(
    "DownsamplingInfluence",
    "memorization is defined by models that have not seen the row",
)
BY_GROUP = Answer(
    "ShapleyInfluence",
    "ShapleyInfluence(model).fit(X, y, groups=groups)",
    "up to 16 groups are tried in all combinations, whatever the model",
)
CERTIFIED = of_class(
    "PredictionCertificate",
    "removals have a proven bound, beside a set that was found and verified",
)
VOTES = Answer(
    "PartitionClassifier",
    "PredictionCertificate(PartitionClassifier(model)).fit(X, y)",
    "nothing can be proven about this model itself; of a vote of ten such models, each "
    "trained on its own rows, it can, so that the certificate is about another model",
    inner="PredictionCertificate",
)


def detector(answer):
    """Return the answer that looks for attacks by the influences of another."""
    inner = answer.fit.removesuffix(".fit(X, y)")
    return Answer(
        "TargetDetector",
        f"TargetDetector({inner}).fit(X, y)",
        "a prediction that an attacker planted hangs on few rows of its class",
        inner=answer.name,
    )


def flip_set(answer):
    """Return the answer that searches for rows by the influences of another."""
    way = "" if answer is EXACT else ', method="one_shot"'
    return Answer(
        "find_flip_set",
        f"find_flip_set({answer.fit}, X_test[:1]{way})",
        "it removes the rows of the largest influence and verifies the set by a refit",
        inner=answer.name,
    )


# Question -> kind of model -> answer. A kind that is missing has none.
ANSWERS = {
    "prediction": BY_MODEL,
    "rows": BY_MODEL | {"neighbours": KNN_SHAPLEY, "forest": MEMBERS},
    "labels": dict.fromkeys(BY_MODEL, CLEANER),
    "worth": dict.fromkeys(BY_MODEL, SHAPLEY) | {"neighbours": KNN_SHAPLEY},
    "memorization": dict.fromkeys(BY_MODEL, MEMORY)
    | {"forest": MEMBERS, "bagging": MEMBERS},
    "groups": {
        kind: EXACT if answer is EXACT else BY_GROUP
        for kind, answer in BY_MODEL.items()
    }
    | {"net": GRADIENTS},
    "coefficients": {
        "linear": Answer(
            "case_diagnostics",
            "case_diagnostics(model.fit(X, y), X, y)",
            "leverage, Cook's distance and DFBETAS are exact, in standard errors",
        )
    },
    "training": {
        "perceptron": STEPS,
        "net": of_class(
            "HyDRA", "the derivative goes back through every step of the training run"
        ),
    },
    "attack": {kind: detector(answer) for kind, answer in BY_MODEL.items()},
    "few rows": {kind: flip_set(answer) for kind, answer in BY_MODEL.items()},
    "proof": dict.fromkeys(BY_MODEL, VOTES)
    | dict.fromkeys(["linear", "closed form", "neighbours"], CERTIFIED),
}

# The last line of the code: what is asked of the fitted object.
LINES = {
    "prediction": "values, rows = method.influential_rows(X_test[:1])",
    "rows": "worst = method.sample_values(X_test, y_test).argsort()[:20]",
    "labels": "suspects = method.suspects_.row  # the worst first, often none",
    "worth": "values = method.sample_values(X_test, y_test)",
    "memorization": "rows = method.self_influence().argsort()[::-1][:20]",
    "groups": "effect = method.group_influence(X_test, y_test, groups=groups)",
    "coefficients": "rows = abs(method.dfbetas).reshape(len(X), -1).max(1)"
    ".argsort()[::-1]",
    "training": "values, rows = method.influential_rows(X_test[:1])",
    "attack": "targets = method.predict(X_test) == -1",
    "few rows": "rows = method.rows  # verified by a refit without them",
    "proof": "rows = method.robustness(X_test).lower",
}
