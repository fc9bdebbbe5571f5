"""The retraining engine: subsets of rows -> fitted models -> losses of single rows."""

from skinfluence.retraining.engine._announcement import announce_training
from skinfluence.retraining.engine._coalitions import (
    RETRAINING_CONSTRAINTS,
    Coalitions,
    check_models,
)
from skinfluence.retraining.engine._deadline import Deadline
from skinfluence.retraining.engine._evaluation import (
    Evaluation,
    Evaluations,
    evaluate,
    losses_of,
    prior_margins,
)
from skinfluence.retraining.engine._retrain import (
    check_trainable,
    describe_retraining,
    prior_model,
    retrain,
    trainable,
)
