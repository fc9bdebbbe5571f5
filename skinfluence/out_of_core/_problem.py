"""Which objectives can be minimised block by block, and their parts."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    TweedieRegressor,
)
from sklearn.utils import compute_sample_weight

from skinfluence.removal import UnsupportedEstimator
from skinfluence.removal._objective import objective
from skinfluence.removal.smooth._pointwise import Logistic, Squared, Tweedie

KNOWN = (
    LinearRegression,
    Ridge,
    RidgeClassifier,
    LogisticRegression,
    PoissonRegressor,
    GammaRegressor,
    TweedieRegressor,
)
_SAMPLE = 200  # rows that a scikit-learn estimator is set up with
# Attributes of its fit that concern these rows only.
OF_THE_SAMPLE = {"n_iter_", "rank_", "singular_"}


@dataclass(frozen=True)
class Problem:
    """``sum_j s_j l(x_j'w + b, y_j) + ridge |w|^2 / 2`` for every output.

    Attributes
    ----------
    pointwise : object or None
        The loss l, see `removal.smooth._pointwise`; None for the multinomial one, which
        is of all outputs together.
    ridge : float
        For GLMs the penalty per unit of weight.
    per_weight : bool
        Whether the ridge is multiplied by the sum of the weights, of which a row takes
        its share with it.
    intercept : bool
        Whether there is a b, which has no penalty.
    link : str
        How raw predictions become predictions.
    codes : callable
        Turns targets into an array of shape (n, n_outputs) that l takes.
    class_weight : ndarray of shape (n_classes,) or None
        Factors of the weights of rows.
    """

    pointwise: object
    ridge: float
    per_weight: bool
    intercept: bool
    link: str
    codes: object
    class_weight: np.ndarray | None = None

    def weights(self, block):
        """Return the weights s of the rows of a block."""
        if self.class_weight is None:
            return block.weight
        return block.weight * self.class_weight[self.codes.labels(block.y)]


def set_up(estimator, blocks):
    """Train a clone on a few rows, which gives it all attributes but the numbers.

    Returns
    -------
    estimator : estimator
        Its coefficients are to be replaced.
    classes : ndarray or None
        The labels of all rows.
    """
    if type(estimator) not in KNOWN:
        names = ", ".join(cls.__name__ for cls in KNOWN)
        raise UnsupportedEstimator(
            f"{type(estimator).__name__} cannot be fitted to dask collections. These "
            f"can: {names}. Use one of them, or pass arrays that fit into memory, a "
            "sample of the rows say."
        )
    classes = None
    few = blocks.map(_few, classifier=is_classifier(estimator))
    if is_classifier(estimator):
        check_labels(blocks.numbers, [y for _, y in few])
    X, y = (np.concatenate(part) for part in zip(*few, strict=True))
    if is_classifier(estimator):
        if y.ndim == 2:
            if y.shape[1] > 1:
                raise ValueError(
                    f"y must have one class label per row. Got {y.shape[1]}: fit one "
                    "estimator per output."
                )
            y = y[:, 0]
        classes, first = np.unique(y, return_index=True)
        X, y = X[first], y[first]
    else:
        X, y = X[:_SAMPLE], y[:_SAMPLE]
    if blocks.names is not None:
        import pandas as pd

        X = pd.DataFrame(X, columns=blocks.names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = clone(estimator).fit(X, y)
    for name in OF_THE_SAMPLE & vars(fitted).keys():
        delattr(fitted, name)
    return fitted, classes


def check_labels(numbers, labels):
    """Refuse labels that are texts in some partitions and numbers in others."""
    known = {}
    for number, own in zip(numbers, labels, strict=True):
        for value in own.ravel().tolist():
            known.setdefault(isinstance(value, str), (number, value))
    if len(known) == 2:
        (first, one), (other, two) = known.values()
        raise ValueError(
            f"y must hold texts or numbers in all partitions. Got {one!r} in partition "
            f"{first} and {two!r} in partition {other}."
        )


def _few(block, classifier):
    if not classifier:
        return block.X[:10], block.y[:10]
    y = block.y[:, 0] if block.y.shape[1:] == (1,) else block.y
    # Objects have no unique rows, not along one axis either in NumPy before 2.
    first = np.unique(y, return_index=True, axis=None if y.ndim == 1 else 0)[1]
    return block.X[first], block.y[first]


def problem_of(estimator, classes):
    """Return the `Problem` of an estimator that `set_up` returned."""
    goal = objective(estimator)
    for name, refused in (
        ("l1_ratio", np.any(goal.l1)),
        ("solver", bool(goal.constant) or _one_vs_rest(estimator, classes)),
        ("positive", getattr(estimator, "positive", False)),
        ("alpha", np.ptp(goal.l2) > 0),  # outputs share one Hessian
    ):
        if refused:
            raise UnsupportedEstimator(
                f"{type(estimator).__name__} with {name}={getattr(estimator, name)!r} "
                "cannot be fitted to dask collections: use another "
                f"{name}, or pass arrays that fit into memory."
            )
    ridge = float(np.max(goal.l2))
    if isinstance(estimator, LogisticRegression):
        pointwise, link = Logistic(), "logit"
        if len(classes) > 2:
            pointwise, link = None, "softmax"
    elif goal.per:
        power = {PoissonRegressor: 1, GammaRegressor: 2}.get(type(estimator))
        power = estimator.power if power is None else power
        if not 1 <= power <= 2 or getattr(estimator, "link", "log") == "identity":
            raise UnsupportedEstimator(
                "TweedieRegressor needs 1 <= power <= 2 and a log link here, with "
                f"which it is convex. Got {estimator}."
            )
        pointwise, link = Tweedie(power), "log"
    else:
        # scikit-learn's objective has no one half
        pointwise, ridge = Squared(), ridge / 2
        link = "margin" if is_classifier(estimator) else "identity"
    return Problem(
        pointwise,
        ridge,
        goal.per is not None,
        estimator.fit_intercept,
        link,
        _Codes(classes, link),
        _class_weight(estimator, classes),
    )


def _one_vs_rest(estimator, classes):
    """Tell whether several problems of two classes are fitted."""
    solver = getattr(estimator, "solver", None)
    return solver == "liblinear" and len(classes) > 2


def _class_weight(estimator, classes):
    """Return given class weights, (n_classes,); None for none, and balanced ones."""
    given = getattr(estimator, "class_weight", None)
    if given is None or isinstance(given, str):
        return None
    return compute_sample_weight(given, classes)


@dataclass(frozen=True)
class _Codes:
    """Targets as the loss takes them."""

    classes: np.ndarray | None
    link: str

    def labels(self, y):
        """Class indices, or floats of shape (n, n_outputs)."""
        if self.classes is None:
            return np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        return np.searchsorted(self.classes, y.reshape(len(y)))

    def __call__(self, y):
        labels = self.labels(y)
        if self.classes is None:
            return labels
        if self.link == "logit":
            return labels[:, None].astype(np.float64)
        if len(self.classes) == 2:
            return np.where(labels == 1, 1.0, -1.0)[:, None]
        others = 0.0 if self.link == "softmax" else -1.0
        return np.where(labels[:, None] == np.arange(len(self.classes)), 1.0, others)
