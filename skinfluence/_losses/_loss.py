"""The base class of losses of single rows."""

import numpy as np

from skinfluence._other_methods import OTHER_METHODS
from skinfluence._predictions import link_prediction


class Loss:
    """A loss of single rows.

    Losses that have a slope can also be applied to tensors, which torch differentiates:
    by `value` for losses of numeric predictions, and by `of_log_probabilities` for
    losses of probabilities.

    Attributes
    ----------
    response : {"predict_proba", "decision_function", "predict"}
        The estimator's method whose result the loss takes.
    """

    response = "predict"

    def value(self, y, prediction):
        """Loss of each row, shape ``prediction.shape[:-1]``."""
        raise NotImplementedError

    def of_log_probabilities(self, y, log_probabilities):
        """Return `value` for tensors with logarithms of probabilities, (n, k)."""
        return self.value(y, log_probabilities.exp())

    def change(self, y, raw, delta, link):
        """Growth of the loss when ``raw`` (n, k) moves by ``delta`` (n, m, k)."""
        before = self.value(y, link_prediction(raw, link, self.response))
        after = self.value(
            y, link_prediction(raw[:, None] + delta, link, self.response)
        )
        return after - before[:, None]

    def slope(self, y, raw, link):
        """Derivative of the loss with respect to ``raw``, shape (n, k)."""
        self.need_slope()

    def expansion(self, y, raw, link):
        """Return the expansion that approximates sums of `change` over many rows.

        Returns
        -------
        slope, curvature : ndarray of shape (n, k)
            First and second derivatives with respect to each column of ``raw``; NaN for
            rows whose loss has no others around it.
        bend : float
            The absolute third derivatives are at most ``bend`` times the second ones.
            None is returned for losses without such a bound, or with mixed derivatives.
        """
        return None

    @property
    def has_slope(self):
        """Whether there is a derivative."""
        return type(self).slope is not Loss.slope

    def need_slope(self):
        """Raise if the loss has no slope."""
        if not self.has_slope:
            raise TypeError(
                f"loss={self.name!r} has no gradient, which this method needs. Use "
                "one of 'auto', 'log_loss', 'brier' (classifiers with "
                "predict_proba), 'squared_error' or 'absolute_error' (regressors); or "
                f"a method that needs none. {OTHER_METHODS}"
            )


def pick(prediction, y):
    """Select ``prediction[t, ..., y[t]]``; of a tensor ``prediction[t, y[t]]``."""
    if not isinstance(prediction, np.ndarray):
        return prediction.gather(1, y.reshape(-1, 1).long())[:, 0]
    return np.take_along_axis(
        prediction, y.reshape((-1,) + (1,) * (prediction.ndim - 1)), axis=-1
    )[..., 0]


def indicator(y, prediction):
    """Return 1.0 in the column of each row's class, else 0.0, in the last axis."""
    n_classes = prediction.shape[-1]
    if isinstance(prediction, np.ndarray):
        return (y[:, None] == np.arange(n_classes)) * 1.0
    zeros = prediction.new_zeros((len(y), n_classes))
    return zeros.scatter(1, y.reshape(-1, 1).long(), 1.0)


def spread(y, ndim):
    """Insert axes after the first, so that ``y`` broadcasts over removed rows."""
    return y.reshape(y.shape[:1] + (1,) * (ndim - y.ndim) + y.shape[1:])
