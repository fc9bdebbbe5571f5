"""The sentence that refusals end with: where to look for a method that does serve."""

OTHER_METHODS = (
    "skinfluence.suggest(estimator, question) names a method for every estimator."
)
