"""Representer points: a prediction as a sum over training rows."""

from numbers import Real

import numpy as np
from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.validation import validate_data

from skinfluence._base import BaseInfluence
from skinfluence._losses import MarginLoss, refuse_without_slope
from skinfluence._memory import check_memory
from skinfluence._sklearn import (
    Interval,
    final_estimator,
    final_sample_weight,
    n_rows,
    preprocess,
)
from skinfluence._skorch import is_net
from skinfluence.nets.run._training_run import seeded
from skinfluence.removal import UnsupportedEstimator, refuse_samplers
from skinfluence.static._representations import represent

# Largest error of a reconstructed raw prediction, relative to the largest of them.
TOLERANCE = 1e-8


class RepresenterPoints(BaseInfluence):
    r"""Raw predictions written as sums over training rows.

    .. math:: z_t = b + \sum_i \alpha_i \, k(x_i, x_t), \qquad
        I(i, t) = -\Big\langle \frac{\partial \ell_t}{\partial z_t},
        \alpha_i \Big\rangle \, k(x_i, x_t)

    A model with an L2 penalty is such a sum (the representer theorem), with
    :math:`\alpha_i = -\frac{1}{\rho} s_i \, \partial \ell_i / \partial z_i` for a
    penalty :math:`\rho |w|^2 / 2` beside a sum of losses. For a net, k is the inner
    product of the inputs of its last Linear layer, which is fitted again with
    ``l2``: :math:`\frac1n \sum_i \ell_i + \mathrm{l2} \, |W|^2`, so that
    :math:`\alpha_i = -\frac{1}{2 n \, \mathrm{l2}} \, \partial \ell_i / \partial z_i`.
    A net with two softmax outputs has one raw prediction, the difference of the two.

    Positive: taking the row's term out of the sum raises the test loss, to first
    order. Unit: the loss of one test row. The estimand is this term, *not* a
    removal: the other rows are not fitted again.

    **Cost.** One exact fit of the (last) layer; per test row O(n p).

    **When it fails.** It ignores that the other rows partly compensate for a removed
    one (as `InfluenceFunctions` does not) and, on nets, all layers but the last, where
    it explains the refitted layer (see ``refit_correlation_``). Use it to show which
    rows a prediction is composed of, and ``alpha_`` to find mislabelled rows.

    Parameters
    ----------
    estimator : estimator
        LogisticRegression (L2), Ridge, RidgeClassifier and their CV versions,
        LinearSVC and LinearSVR with a squared loss, SVC of two classes, SVR,
        KernelRidge; a skorch net; or a Pipeline that ends in one, whose fitted steps
        are held fixed.
    l2 : float, default=1e-2
        For nets: the penalty of the refitted layer. Other models have their own.
    loss : str, default="auto"
        Evaluation loss, which needs a gradient. On a net it takes the outputs of the
        last layer as raw predictions: logits, or a regressor's output.
    random_state : int, RandomState or None, default=None
        Seed of the training. None: a net draws from torch's global generator.

    Attributes
    ----------
    estimator_ : estimator
        Trained on all rows.
    n_samples_fit_ : int
        Number of training rows.
    alpha_ : ndarray of shape (n_samples_fit_, n_raw)
        One column for a binary model, else one per class or output.
    bias_ : ndarray of shape (n_raw,)
        The intercept if it is not penalised, else zero.
    reconstruction_error_ : float
        Largest difference between the raw predictions of training rows and their
        sums; above 1e-8 of the largest raw prediction, `fit` raises.
    optimum_distance_ : float
        Largest distance between the raw predictions that scikit-learn's solver
        returned and those at the exact optimum, which are the ones represented.
    refit_score_, net_score_ : float
        On nets: accuracy (R^2 for regressors) on the training rows of the refitted
        layer, and of the net.
    refit_correlation_ : float
        On nets: correlation of the layer's outputs before and after refitting.

    See Also
    --------
    InfluenceFunctions : The effect of removing a row.

    References
    ----------
    .. [1] C.-K. Yeh, J. Kim, I. Yen, P. Ravikumar, "Representer Point Selection for
       Explaining Deep Neural Networks", NeurIPS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from skinfluence import RepresenterPoints
    >>> X, y = load_diabetes(return_X_y=True)
    >>> points = RepresenterPoints(Ridge()).fit(X[:400], y[:400])
    >>> terms = points.representer_values(X[400:])
    >>> terms.shape
    (42, 400, 1)
    >>> prediction = terms.sum(axis=1)[:, 0] + points.bias_
    >>> bool(np.allclose(prediction, points.predict(X[400:])))
    True
    """

    _parameter_constraints: dict = {
        **BaseInfluence._parameter_constraints,
        "l2": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(self, estimator, *, l2=1e-2, loss="auto", random_state=None):
        self.estimator = estimator
        self.l2 = l2
        self.loss = loss
        self.random_state = random_state

    def _fit_clone(self, X, y, fit_params, seed):
        refuse_samplers(self.estimator)
        refuse_without_slope(self.loss)
        if not is_net(final_estimator(self.estimator)):
            return super()._fit_clone(X, y, fit_params, seed)
        from skinfluence.nets.net._model import net_model

        model = net_model(self.estimator)
        with seeded(model, seed, self.random_state):
            return model.fit(X, y, **fit_params)

    _estimand = "the part of the row in the prediction, which is not its removal"

    def _path(self):
        where = "the refitted last layer" if self._on_net else "the optimum"
        return f"the prediction as a sum over training rows, at {where}"

    def _fit_influence(self, X, y, fit_params):
        self._loss.need_slope()
        self._on_net = hasattr(final_estimator(self.estimator_), "net_")
        rows = self._transformed(X)
        if self._on_net:
            self._points = self._represent_net(rows)
        else:
            weight, others = final_sample_weight(self.estimator_, fit_params)
            if others:
                raise UnsupportedEstimator(
                    "RepresenterPoints does not support the fit parameters "
                    f"{others}: leave them out."
                )
            model = final_estimator(self.estimator_)
            self._points = represent(model, rows, y, self._fit_y, weight)
        points = self._points
        if points.link == "margin" and not isinstance(self._loss, MarginLoss):
            raise UnsupportedEstimator(
                f"loss={self._loss.name!r} is not a function of the decision function "
                f"of {type(final_estimator(self.estimator_)).__name__}: use "
                "loss='auto' and probability=False."
            )
        self.alpha_, self.bias_ = points.alpha, points.bias
        self.optimum_distance_ = points.optimum_distance
        error = np.abs(points.predict(rows) - points.raw).max(initial=0.0)
        self.reconstruction_error_ = float(error)
        if not error <= TOLERANCE * max(1.0, np.abs(points.raw).max(initial=0.0)):
            raise RuntimeError(
                "The sums over training rows differ from the raw predictions by "
                f"{error:.1e}: the optimum was not reached to rounding precision. "
                "Raise the penalty ('l2' for nets), or scale the features."
            )

    def _represent_net(self, features):
        from skinfluence.nets.net._last_layer import has_bias, last_layer_features

        target = self._target()
        outputs = last_layer_features(target, preprocess(self.estimator_, self._fit_X))
        outputs = outputs[1]
        y, n = self._fit_y, len(features)
        if is_classifier(self.estimator_):
            # Of two outputs the optimum is (-w/2, w/2), for which |W|^2 is |w|^2 / 2.
            two = outputs.shape[1] == 2
            head = LogisticRegression(
                C=(2.0 if two else 1.0) / (2.0 * n * self.l2),
                fit_intercept=has_bias(target),
                tol=1e-8,
                max_iter=10_000,
            )
        else:
            head = Ridge(  # the loss is a mean over rows and outputs
                alpha=n * self.l2 * y.shape[1], fit_intercept=has_bias(target)
            )
        head.fit(features, y)
        points = represent(head, features, y, y)
        self.refit_score_ = float(head.score(features, y))
        self.net_score_ = float(self.estimator_.score(self._fit_X, self._targets()))
        self.refit_correlation_ = _correlation(points.raw, outputs)
        return points

    def _targets(self):
        if is_classifier(self.estimator_):
            return self.estimator_.classes_[self._fit_y]
        return self._fit_y

    def _target(self):
        from skinfluence.nets.net._target import NetTarget

        return NetTarget(final_estimator(self.estimator_).net_)

    def _transformed(self, X):
        """Return rows as the representation takes them."""
        if not self._on_net:
            X = preprocess(self.estimator_, X)
            model = final_estimator(self.estimator_)
            validate_data(model, X, reset=False, skip_check_array=True)
            return X
        from skinfluence.nets.net._last_layer import last_layer_features
        from skinfluence.nets.net._model import net_rows

        return last_layer_features(self._target(), net_rows(self.estimator_, X))[0]

    def representer_values(self, X):
        """Return the terms of each raw prediction as a sum over training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.

        Returns
        -------
        values : ndarray of shape (n_samples, n_samples_fit_, n_raw)
            ``alpha_[i] * k(x_i, x_t)``, in units of the raw prediction (logit,
            margin, value): ``values.sum(axis=1) + bias_`` is the raw prediction.
            Positive: the row raises it.
        """
        X, _, _ = self._check_test(X, None)
        k = self.alpha_.shape[1]
        check_memory(
            8 * n_rows(X) * self.n_samples_fit_ * k,
            f"The terms of {n_rows(X)} x {self.n_samples_fit_} pairs of rows",
            "Pass fewer test rows at a time.",
        )
        kernel = self._points.kernel(self._transformed(X))
        return kernel[:, :, None] * self.alpha_

    def _influence(self, X, y, loss):
        kernel = self._points.kernel(self._transformed(X))
        raw = kernel @ self.alpha_ + self.bias_
        slope = loss.slope(y, raw, self._points.link)
        return -(slope @ self.alpha_.T) * kernel


def _correlation(refit, outputs):
    """Return the correlation over rows and outputs, centred over classes."""
    if outputs.shape[1] == 2 and refit.shape[1] == 1:
        outputs = outputs[:, 1:] - outputs[:, :1]
    if outputs.shape[1] > 1 and outputs.shape == refit.shape:
        outputs = outputs - outputs.mean(axis=1, keepdims=True)
        refit = refit - refit.mean(axis=1, keepdims=True)
    return float(np.corrcoef(refit.ravel(), outputs.ravel())[0, 1])
