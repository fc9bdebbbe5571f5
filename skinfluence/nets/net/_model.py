"""Estimators around a skorch net: labels are encoded, rows are checked before training.

A net needs class indices of one integer type, float32 rows and targets in the shape of
its outputs. Other input leads to errors from inside torch, or to wrong results without
an error. `net_model` wraps the net at the end of an estimator so that such input raises
an error that names the problem.
"""

import warnings

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor

from skinfluence._counts import counted
from skinfluence._predictions import check_probabilities
from skinfluence._sklearn import final_estimator, n_rows, preprocess, take_rows
from skinfluence._skorch import refuse_diverged, refuse_trained_module
from skinfluence.nets.net._rows import (
    check_finite,
    check_rows,
    check_width,
    count,
    refuse_rows,
    row_shapes,
)
from skinfluence.nets.net._target import NetTarget


def net_model(estimator, y=None):
    """Return an unfitted copy of ``estimator`` whose net encodes and checks.

    Parameters
    ----------
    estimator : skorch.NeuralNet or Pipeline
        A net, or a Pipeline that ends in one.
    y : array-like, default=None
        All targets, if the net is to be trained on subsets of the rows: a subset may
        lack a class, for which the net has an output nevertheless.
    """
    estimator = clone(estimator)
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        estimator.steps[-1] = (name, net_model(last, y))
        return estimator
    refuse_trained_module(estimator)
    if isinstance(estimator, NeuralNetClassifier | NeuralNetBinaryClassifier):
        kind = NetClassifier
    elif isinstance(estimator, NeuralNetRegressor):
        kind = NetRegressor
    else:
        raise TypeError(
            "The 'estimator' parameter must be a NeuralNetClassifier, a "
            "NeuralNetBinaryClassifier or a NeuralNetRegressor of skorch, or a "
            f"subclass. Got {type(estimator).__name__}, which does not define whether "
            "it is a classifier or a regressor."
        )
    if estimator.train_split is not None:
        warnings.warn(
            "The net trains with train_split on (the default of skorch): the rows it "
            "holds out are not trained on, and gradient-based methods give them "
            "influence 0. Pass train_split=None to train on all rows.",
            UserWarning,
            stacklevel=5,
        )
    if kind is NetRegressor or y is None:
        return kind(estimator)
    return NetClassifier(estimator, classes=np.unique(labels_of(y)))


def labels_of(y):
    """Return labels in one dimension; raise for NaN."""
    y = y.cpu().numpy() if isinstance(y, torch.Tensor) else np.asarray(y)
    check_finite(y, "y")
    return column_or_1d(y)


def fitted_net(estimator):
    """Return the net inside a fitted result of `net_model`."""
    return final_estimator(estimator).net_


def net_rows(estimator, X):
    """Preprocess and check rows for the net inside a fitted result of `net_model`."""
    X = preprocess(estimator, X)
    final_estimator(estimator).check_rows(X)
    return X


class _NetModel(BaseEstimator):
    """A net that is trained on, and predicts, the user's own labels.

    Parameters
    ----------
    net : skorch.NeuralNet
        Trained in place.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The same, trained.
    """

    def __init__(self, net):
        self.net = net

    def fit(self, X, y, **fit_params):
        """Train the net from fresh weights."""
        self.check(X, y)
        self.net_.partial_fit(X, self.encode(y), **fit_params)
        return self._check_trained(X)

    def check(self, X, y):
        """Initialise the net, and raise for data that it cannot be trained on."""
        n = count(X)
        if y is None:
            raise ValueError("y must hold a target for each row of X. Got None.")
        if n_rows(y) != n:
            raise ValueError(
                f"X and y must have as many rows. Got {n} and {n_rows(y)}."
            )
        self._learn_targets(y)
        self.net.initialize()
        self.net_ = self.net
        check_rows(X, self._target.dtype)
        self._row_shapes = row_shapes(X)
        if getattr(X, "ndim", None) == 2:
            self.n_features_in_ = X.shape[1]
        self._check_rows_and_targets(X, self.encode(y))

    def partial_fit(self, X, y, **fit_params):
        """Train the net further, for ``max_epochs`` more epochs."""
        check_is_fitted(self)
        targets = self.encode(y)
        self._check_rows_and_targets(X, targets)
        self.net_.partial_fit(X, targets, **fit_params)
        return self._check_trained(X)

    def _check_rows_and_targets(self, X, targets):
        self.check_rows(X)
        self._check_output(X, targets)
        self._check_criterion(X, targets)

    def _check_trained(self, X):
        refuse_diverged(self.net_)
        if not torch.isfinite(self._first_outputs(X)).all():
            raise ValueError(
                "The net's training diverged: its outputs are not finite after fit. "
                "Lower the learning rate ('lr')."
            )
        return self

    def predict(self, X):
        """Predict in the user's own labels."""
        check_is_fitted(self)
        self.check_rows(X)
        return self._decode(self.net_.predict(X))

    @property
    def _target(self):
        return NetTarget(self.net_)

    def check_rows(self, X):
        """Raise for rows that the net cannot take or that do not match those of fit."""
        check_rows(X, self._target.dtype)
        check_width(X, self._row_shapes, type(self.net).__name__)
        self._first_outputs(X)

    def _first_outputs(self, X):
        """Return the outputs for two rows, which also initialises lazy layers."""
        rows = take_rows(X, np.arange(min(2, n_rows(X))))
        target = self._target
        # The generator is restored, so that training is that of the unwrapped net.
        with torch.random.fork_rng(devices=[]), target.at(), torch.no_grad():
            try:
                return target.output(target.batch(rows, np.zeros(1))[0])
            except (RuntimeError, IndexError, TypeError, ValueError) as error:
                refuse_rows(X, target, error)

    def _check_criterion(self, X, targets):
        """Compute the loss of two rows to name outputs and targets if that fails."""
        few = np.arange(min(2, len(targets)))
        output, target = self._first_outputs(X), self._target
        inputs, truth = target.batch(take_rows(X, few), targets[few])
        # The generator is restored, so that training is that of the unwrapped net.
        with torch.random.fork_rng(devices=[]), target.at(), torch.no_grad():
            try:
                self.net_.get_loss(output, truth, X=inputs, training=False)
            except (RuntimeError, IndexError, TypeError, ValueError) as error:
                said = str(error).strip().splitlines() or [type(error).__name__]
                raise ValueError(
                    f"The criterion {type(self.net_.criterion_).__name__} of the net "
                    f"does not take these targets. Got outputs of shape "
                    f"{tuple(output.shape)} and targets of shape {tuple(truth.shape)} "
                    f"and dtype {str(truth.dtype).removeprefix('torch.')} for two "
                    f"rows: {said[0]}. {self._criteria}"
                ) from error


def _is_proba(self):
    return hasattr(self.net, "predict_proba")


class NetClassifier(ClassifierMixin, _NetModel):
    """A classifier of skorch with arbitrary labels, for instance strings.

    Parameters
    ----------
    net : skorch.NeuralNet
        Trained in place.
    classes : ndarray of shape (n_classes,), default=None
        All labels, sorted. None: those of ``fit``.
    """

    _criteria = (
        "Labels take CrossEntropyLoss, two of them BCEWithLogitsLoss in a "
        "NeuralNetBinaryClassifier."
    )

    def __init__(self, net, classes=None):
        super().__init__(net)
        self.classes = classes

    def _learn_targets(self, y):
        labels = labels_of(y)
        self.classes_ = np.unique(labels) if self.classes is None else self.classes
        k = len(self.classes_)
        if isinstance(self.net, NeuralNetBinaryClassifier) and k != 2:
            raise ValueError(
                f"A NeuralNetBinaryClassifier takes two classes. y has {k}: use a "
                f"NeuralNetClassifier, CrossEntropyLoss and {k} outputs."
            )

    def encode(self, y):
        """Return class indices in the integer or float type the criterion takes."""
        y = labels_of(y)
        unknown = np.setdiff1d(y, self.classes_)
        if unknown.size:
            raise ValueError(
                f"y must hold the classes seen during fit, {self.classes_.tolist()}. "
                f"Got {unknown[:10].tolist()} as well."
            )
        index = np.searchsorted(self.classes_, y)
        if isinstance(self.net, NeuralNetBinaryClassifier):
            return index.astype(str(self._target.dtype).removeprefix("torch."))
        return index.astype(np.int64)

    def _check_output(self, X, targets):
        k, output = len(self.classes_), self._first_outputs(X)
        if isinstance(self.net, NeuralNetBinaryClassifier):
            if output.numel() != len(output):
                raise ValueError(
                    "The module of a NeuralNetBinaryClassifier must return one number "
                    f"per row. Got outputs of shape {tuple(output.shape)} for two "
                    "rows: give the last layer 1 output."
                )
            return
        if output.ndim != 2 or output.shape[1] != k:
            raise ValueError(
                "The module must return one column per class. Got outputs of shape "
                f"{tuple(output.shape)} for two rows, and {k} classes in y: give the "
                f"last layer {k} outputs."
            )
        with torch.random.fork_rng(devices=[]):  # a loader draws a seed
            few = take_rows(X, np.arange(min(2, n_rows(X))))
            check_probabilities(type(self.net).__name__, self.net_.predict_proba(few))

    def _decode(self, index):
        return self.classes_[np.asarray(index).astype(np.int64)]

    @available_if(_is_proba)
    def predict_proba(self, X):
        """Return the net's probabilities, with columns in the order of classes_."""
        check_is_fitted(self)
        self.check_rows(X)
        return self.net_.predict_proba(X)


class NetRegressor(RegressorMixin, _NetModel):
    """A regressor of skorch whose targets are cast and whose shapes are checked."""

    _criteria = "Numbers take MSELoss or another loss of differences."

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _learn_targets(self, y):
        self._one_dimensional = getattr(y, "ndim", np.ndim(y)) == 1

    def encode(self, y):
        """Cast the targets to the type of the net's parameters."""
        y = y.cpu().numpy() if isinstance(y, torch.Tensor) else np.asarray(y)
        dtype = str(self._target.dtype).removeprefix("torch.")
        with np.errstate(over="ignore"):  # infinite values raise below
            y = y.astype(dtype)
        check_finite(y, "y")
        if self._one_dimensional:
            return column_or_1d(y)
        return y.reshape(len(y), -1)

    def _check_output(self, X, targets):
        output = self._first_outputs(X)
        if output.shape[1:] != targets.shape[1:]:
            raise ValueError(
                "y must have the shape of the module's output. Got y of shape "
                f"{targets.shape} and outputs of shape {tuple(output.shape)} for two "
                "rows, which torch would broadcast to all pairs of rows: "
                + (
                    "pass y.reshape(-1, 1)."
                    if targets.ndim == 1
                    else f"give the last layer {counted(targets.shape[1], 'output')}."
                )
            )

    def _decode(self, prediction):
        return prediction
