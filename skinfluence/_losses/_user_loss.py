"""A loss given by the user."""

import numpy as np

from skinfluence._losses._loss import Loss


class UserLoss(Loss):
    """A callable ``(y_true, y_pred) -> (n_samples,)`` given by the user.

    ``y_true`` are the user's own labels; ``y_pred`` is ``predict_proba`` with
    columns in the order of ``classes_`` if the model has it, else ``predict``.
    """

    def __init__(self, function, response, classes):
        self.function, self.response, self.classes = function, response, classes
        self.name = getattr(function, "__name__", repr(function))

    def value(self, y, prediction):
        if self.classes is not None:
            y = self.classes[y]
            if self.response == "predict":
                prediction = self.classes[prediction]
        elif y.shape[-1] == 1:
            y = y[:, 0]
        middle = prediction.shape[1:-1]
        models = prediction.reshape(prediction.shape[0], -1, prediction.shape[-1])
        flat = self.response == "predict" and prediction.shape[-1] == 1
        columns = []
        for m in range(models.shape[1]):
            y_pred = models[:, m, 0] if flat else models[:, m]
            loss = np.asarray(self.function(y, y_pred), dtype=np.float64)
            if loss.shape != (len(y_pred),):
                raise ValueError(
                    "The 'loss' parameter must be a callable (y_true, y_pred) that "
                    f"returns one loss per row, shape ({len(y_pred)},). "
                    f"{self.name} returned shape {loss.shape}: do not average."
                )
            columns.append(loss)
        return np.stack(columns, axis=1).reshape((prediction.shape[0], *middle))
