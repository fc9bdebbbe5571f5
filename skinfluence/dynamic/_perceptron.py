"""scikit-learn's iteratively trained models as layers, trained epoch by epoch.

SGDClassifier and SGDRegressor are one linear layer, MLPClassifier and MLPRegressor
several. The gradient of a row with respect to a layer is the outer product of the
layer's input (a, 1) and its error d, so that inner products of rows are
:math:`(a^\\top a' + 1) \\, d^\\top d'`, summed over layers. The penalty is not a part
of any row's loss and is left out.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from scipy.special import expit
from sklearn.base import clone, is_classifier
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import column_or_1d
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import validate_data

from skinfluence._losses import (
    LARGEST_LOG_LOSS,
    MarginLoss,
    SquaredError,
    log_loss_of_probability,
    log_loss_slope,
    unclipped_log_loss_of_raw,
)
from skinfluence._other_methods import OTHER_METHODS
from skinfluence._sklearn import final_estimator
from skinfluence.nets.run._training_run import TrainingRun, checkpoint_epochs
from skinfluence.removal._objective import objective
from skinfluence.removal.families._sgd import (
    CLASSIFICATION_SLOPES,
    REGRESSION_SLOPES,
    residual,
)

_SLOPES = {  # of MLP activations, from the activated values
    "identity": lambda h: np.ones_like(h),
    "logistic": lambda h: h * (1 - h),
    "tanh": lambda h: 1 - h**2,
    "relu": lambda h: (h > 0) * 1.0,
}
_ACTIVATIONS = {
    "identity": lambda z: z,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
}


@dataclass
class PerceptronCheckpoint:
    """Parameters after an epoch, and the learning rate spent on a row up to it."""

    epoch: int
    spent: float
    rows: np.ndarray
    weights: list  # per layer (n_in, n_out)
    biases: list


class PerceptronRun(TrainingRun):
    """A model trained through ``partial_fit``, one epoch at a time, and recorded.

    Parameters
    ----------
    estimator : estimator
        The user's estimator, not fitted; alone or at the end of a Pipeline.
    checkpoints : int or list of int
        As for `checkpoint_epochs`.
    """

    def __init__(self, estimator, checkpoints):
        super().__init__(clone(estimator))
        self.last = final_estimator(self.model)
        self._refuse()
        self._wanted, self._kept = checkpoints, []

    @property
    def checkpoints(self):
        """The recorded `PerceptronCheckpoint` objects."""
        return self._kept

    def _refuse(self):
        model = self.last
        supported = SGDClassifier | SGDRegressor | MLPClassifier | MLPRegressor
        if not isinstance(model, supported):
            raise TypeError(
                "TracIn needs an estimator trained by gradient steps: a skorch net, "
                "SGDClassifier, SGDRegressor, MLPClassifier or MLPRegressor. Got "
                f"{type(model).__name__}: use LeaveOneOutInfluence. {OTHER_METHODS}"
            )
        if getattr(model, "solver", None) == "lbfgs":
            raise ValueError(
                "TracIn needs solver='sgd' or 'adam'. Got solver='lbfgs'. "
                f"{OTHER_METHODS}"
            )
        losses = {
            SGDClassifier: CLASSIFICATION_SLOPES.keys(),
            SGDRegressor: REGRESSION_SLOPES.keys(),
            MLPClassifier: {"log_loss"},
            MLPRegressor: {"squared_error"},
        }
        for kind, names in losses.items():
            given = getattr(model, "loss", None)
            if isinstance(model, kind) and given is not None and given not in names:
                raise ValueError(
                    f"TracIn takes {kind.__name__} with loss in {sorted(names)}. Got "
                    f"loss={given!r}."
                )
        if getattr(model, "learning_rate", None) in ("adaptive", "pa1", "pa2"):
            raise ValueError(
                "TracIn needs a learning rate that is known in advance: 'constant', "
                f"'invscaling' or 'optimal'. Got {model.learning_rate!r}."
            )

    def _train(self, X, y, fit_params):
        if fit_params:
            raise TypeError(
                f"TracIn trains {type(self.last).__name__} through partial_fit and "
                f"takes no fit parameters. Got {sorted(fit_params)}."
            )
        if isinstance(self.model, Pipeline):
            for index in range(len(self.model.steps) - 1):
                step = self.model.steps[index][1]
                if step not in (None, "passthrough"):
                    X = step.fit_transform(X, y)
        self._sparse = issparse(X)
        self.partial_fit(X, y)

    def partial_fit(self, X, y):
        """Train for ``max_iter`` epochs, from the start or after earlier ones."""
        model, start = self.last, self._kept[-1].epoch if self._kept else 0
        n_epochs = model.max_iter
        chosen = checkpoint_epochs(self._wanted, start, n_epochs) | {start + n_epochs}
        arguments = {}
        if is_classifier(model) and start == 0:
            arguments["classes"] = np.unique(column_or_1d(y, warn=True))
        spent = 0.0
        for epoch in range(start + 1, start + n_epochs + 1):
            model.partial_fit(X, y, **arguments)
            arguments = {}
            n = np.asarray(y).shape[0]
            spent += self._rate(epoch, n)
            if epoch in chosen:
                weights, biases = self._parameters()
                self._kept.append(
                    PerceptronCheckpoint(epoch, spent, np.arange(n), weights, biases)
                )
                spent = 0.0

    def _rate(self, epoch, n):
        """Learning rate spent on one row in an epoch, divided by the batch size."""
        model = self.last
        if isinstance(model, MLPClassifier | MLPRegressor):
            batch = min(200, n) if model.batch_size == "auto" else model.batch_size
            rate = model.learning_rate_init
            if model.solver == "sgd" and model.learning_rate == "invscaling":
                rate /= (max(model.t_, 1)) ** model.power_t
            return rate / min(batch, n)
        steps = np.arange((epoch - 1) * n + 1, epoch * n + 1)
        if model.learning_rate == "constant":
            return model.eta0
        if model.learning_rate == "invscaling":
            return float(np.mean(model.eta0 / steps**model.power_t))
        # "optimal": 1 / (alpha (t0 + t - 1)), where 1 / (alpha t0) is the typical size
        # of a coefficient, alpha**(-1/4).
        first = 1.0 / (np.sqrt(1.0 / np.sqrt(model.alpha)) * model.alpha)
        return float(np.mean(1.0 / (model.alpha * (first + steps - 1))))

    def _parameters(self):
        model = self.last
        if isinstance(model, MLPClassifier | MLPRegressor):
            return [w.copy() for w in model.coefs_], [
                b.copy() for b in model.intercepts_
            ]
        coef = np.atleast_2d(model.coef_).T.copy()
        return [coef], [np.atleast_1d(model.intercept_).copy()]

    # Errors and inner products.

    def rows(self, X, y):
        """Return rows as the last step takes them, and encoded targets."""
        if isinstance(self.model, Pipeline) and len(self.model.steps) > 1:
            X = self.model[:-1].transform(X)
        X = validate_data(
            self.last, X, accept_sparse="csr", dtype=np.float64, reset=False
        )
        return X, y

    def _link(self):
        model = self.last
        if not is_classifier(model):
            return "identity"
        if isinstance(model, SGDClassifier):
            if model.loss != "log_loss":
                return "margin"
            return "logit" if len(model.classes_) == 2 else "ovr"
        return "logit" if len(model.classes_) == 2 else "softmax"

    def _training_slope(self, y, raw):
        if isinstance(self.last, SGDClassifier | SGDRegressor):
            return objective(self.last).slope(y, raw)
        slope = log_loss_slope if is_classifier(self.last) else residual
        return slope(y, raw)

    def _test_slope(self, y, raw, loss):
        link = self._link()
        if link != "ovr":
            return loss.slope(y, raw, link)
        if loss.name != "log_loss":
            raise ValueError(
                f"loss={loss.name!r} of a one-vs-rest SGDClassifier is not supported: "
                "use 'log_loss'."
            )
        p = expit(raw)  # predict_proba is p divided by its sum
        own = y[:, None] == np.arange(raw.shape[1])
        total = np.maximum(p.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        slope = p * (1 - p) / total - own * (1 - p)
        probability = p[own] / total[:, 0]
        slope[log_loss_of_probability(probability) >= LARGEST_LOG_LOSS] = 0.0
        return slope

    def _factors(self, checkpoint, X, y, slope):
        """Return the inputs and the errors of every layer."""
        activation = getattr(self.last, "activation", "identity")
        inputs = [X]
        for depth, (w, b) in enumerate(
            zip(checkpoint.weights, checkpoint.biases, strict=True)
        ):
            z = safe_sparse_dot(inputs[-1], w, dense_output=True) + b
            if depth < len(checkpoint.weights) - 1:
                inputs.append(_ACTIVATIONS[activation](z))
        errors = [slope(y, z)]
        for depth in range(len(inputs) - 1, 0, -1):
            back = errors[0] @ checkpoint.weights[depth].T
            errors.insert(0, back * _SLOPES[activation](inputs[depth]))
        return inputs, errors

    @property
    def _bias(self):
        if not getattr(self.last, "fit_intercept", True):
            return 0.0
        # With sparse rows scikit-learn's SGD multiplies steps of the intercept by 0.01.
        slow = self._sparse and isinstance(self.last, SGDClassifier | SGDRegressor)
        return 0.01 if slow else 1.0

    def _norms(self, inputs, errors):
        return sum(
            (_row_squares(a) + self._bias) * (d**2).sum(axis=1)
            for a, d in zip(inputs, errors, strict=True)
        )

    def influence(self, train, test, loss, cosine):
        """Sum over checkpoints of weighted products, shape (n_test, n_train)."""
        (X, y), (X_test, y_test) = self.rows(*train), self.rows(*test)
        out = np.zeros((X_test.shape[0], X.shape[0]))
        for checkpoint in self.checkpoints:
            mine = self._factors(checkpoint, X, y, self._training_slope)
            theirs = self._factors(
                checkpoint, X_test, y_test, lambda t, z: self._test_slope(t, z, loss)
            )
            product = np.zeros_like(out)
            for a, d, a2, d2 in zip(*mine, *theirs, strict=True):
                inner = safe_sparse_dot(a2, a.T, dense_output=True) + self._bias
                product += inner * (d2 @ d.T)
            if cosine:
                norms = self._norms(*theirs)[:, None] * self._norms(*mine)
                product /= np.sqrt(np.maximum(norms, 1e-300))
            out += checkpoint.spent * product
        return out

    def self_influence(self, train, loss, cosine):
        """Diagonal of the matrix between the training rows, in O(n)."""
        X, y = self.rows(*train)
        out = np.zeros(X.shape[0])
        for checkpoint in self.checkpoints:
            inputs, errors = self._factors(checkpoint, X, y, self._training_slope)
            same, test = self._factors(
                checkpoint, X, y, lambda t, z: self._test_slope(t, z, loss)
            )
            dots = sum(
                (_row_squares(a) + self._bias) * (d * d2).sum(axis=1)
                for a, d, d2 in zip(inputs, errors, test, strict=True)
            )
            if cosine:
                norms = self._norms(inputs, errors) * self._norms(same, test)
                dots = dots / np.sqrt(np.maximum(norms, 1e-300))
            out += checkpoint.spent * dots
        return out

    def values(self, train, test, loss, weight):
        """Weighted sum of the matrix over its test rows, in O(n_train + n_test)."""
        (X, y), (X_test, y_test) = self.rows(*train), self.rows(*test)
        out = np.zeros(X.shape[0])
        for checkpoint in self.checkpoints:
            mine = self._factors(checkpoint, X, y, self._training_slope)
            theirs = self._factors(
                checkpoint, X_test, y_test, lambda t, z: self._test_slope(t, z, loss)
            )
            for a, d, a2, d2 in zip(*mine, *theirs, strict=True):
                weighted = weight[:, None] * d2
                gradient = safe_sparse_dot(a2.T, weighted, dense_output=True)
                moved = safe_sparse_dot(a, gradient, dense_output=True)
                moved = moved + self._bias * weighted.sum(axis=0)
                out += checkpoint.spent * (moved * d).sum(axis=1)
        return out

    def mean_loss(self, train):
        """Mean log loss, hinge or squared error of each row over the checkpoints."""
        X, y = self.rows(*train)
        out = np.zeros(X.shape[0])
        for checkpoint in self.checkpoints:
            raw = {}

            def keep(t, z, raw=raw):
                raw["z"] = z
                return np.zeros_like(z)

            self._factors(checkpoint, X, y, keep)
            out += self._losses(y, raw["z"])
        return out / len(self.checkpoints)

    def _losses(self, y, raw):
        link = self._link()
        if link == "identity":
            return SquaredError().value(y, raw)
        if link == "margin":
            return MarginLoss(self.last.loss).value(y, raw)
        if link == "ovr":  # a separate binary problem for each class
            own = y[:, None] == np.arange(raw.shape[1])
            return np.logaddexp(0, np.where(own, -raw, raw)).sum(axis=1)
        return unclipped_log_loss_of_raw(y, raw)


def _row_squares(a):
    if hasattr(a, "multiply"):
        return np.asarray(a.multiply(a).sum(axis=1)).ravel()
    return (a**2).sum(axis=1)
