"""Per-row losses: of predictions, of raw predictions that move, and their slopes.

Every influence is a difference of losses. Each loss has three methods, some
have a fourth.

``value(y, prediction)``
    the loss of each row at the estimator's prediction. Methods that retrain use only
    this.
``change(y, raw, delta, link)``
    the change of the loss when the *raw* prediction (linear predictor, logit,
    margin) moves from ``raw`` to ``raw + delta``, in a closed form that avoids the
    cancellation of two nearly equal losses.
``slope(y, raw, link)``
    the derivative of the loss with respect to the raw prediction.
``expansion(y, raw, link)``
    two derivatives and a bound of the third, by which sums over many rows are computed.

For nets `value` or `of_log_probabilities` is applied to tensors and differentiated by
torch.

Targets are encoded once by `BaseInfluence`: class indices for classifiers,
floats of shape (n_samples, n_outputs) for regressors. Predictions always have a
last axis of length n_classes or n_outputs; axes between the first and the last
(one model per removed row) broadcast.
"""

from skinfluence._losses._classification import Brier, MarginLoss, ZeroOne
from skinfluence._losses._deviance import Deviance
from skinfluence._losses._log_loss import (
    LARGEST_LOG_LOSS,
    SMALLEST_PROBABILITY,
    LogLoss,
    clip_log_loss,
    log_loss_of_probability,
    log_loss_of_raw,
    log_loss_slope,
    unclipped_log_loss_of_raw,
)
from skinfluence._losses._loss import Loss
from skinfluence._losses._regression import (
    AbsoluteError,
    MinusPrediction,
    SquaredError,
)
from skinfluence._losses._resolve import LOSS_NAMES, refuse_without_slope, resolve_loss
from skinfluence._losses._user_loss import UserLoss
