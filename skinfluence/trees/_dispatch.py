"""Dispatch on the type of a tree ensemble to the reader of its library."""

from abc import ABC
from functools import singledispatch
from importlib import import_module

from skinfluence.removal import UnsupportedEstimator

# Top-level module of a class: the reader that registers the classes of the library.
READERS = {"lightgbm": "_lightgbm", "xgboost": "_xgboost", "catboost": "_catboost"}


def _unsupported(model):
    return UnsupportedEstimator(
        f"{type(model).__name__} is not a boosted ensemble whose leaves can be read. "
        "Known are the GradientBoosting and HistGradientBoosting models of "
        "scikit-learn, and classifiers and regressors of the scikit-learn interfaces "
        "of LightGBM, XGBoost and CatBoost. TreeInfluence takes forests and decision "
        "trees of scikit-learn as well."
    )


@singledispatch
def tree_structure(model, X, y, sample_weight=None):
    """Return a fitted boosted ensemble as a function of the weights of its rows.

    Third parties register a type of their own with ``tree_structure.register``.

    Parameters
    ----------
    model : fitted estimator
        Its type decides the reader.
    X : array-like of shape (n_samples, n_features)
        The rows it was trained on.
    y : array-like of shape (n_samples,)
        Their targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Their weights.

    Returns
    -------
    trees : BoostedTrees
        It reproduces the raw predictions of the model.

    Raises
    ------
    UnsupportedEstimator
        Names the parameter that prevents reading the model.
    """
    raise _unsupported(model)


def is_booster(model):
    """Tell whether `tree_structure` knows the type of a model."""
    return tree_structure.dispatch(type(model)) is not tree_structure.dispatch(object)


class _OtherLibrary(ABC):  # noqa: B024  its only purpose is __subclasshook__
    """Estimators of libraries that are imported only when a model of theirs is read."""

    @classmethod
    def __subclasshook__(cls, kind):
        return cls is _OtherLibrary and _root(kind) in READERS


def _root(kind):
    return kind.__module__.partition(".")[0]


@tree_structure.register
def _read_with_other_library(model: _OtherLibrary, X, y, sample_weight=None):
    # The model exists, so its library is installed.
    import_module(f"skinfluence.trees.readers.{READERS[_root(type(model))]}")
    reader = tree_structure.dispatch(type(model))
    if reader is _read_with_other_library:
        raise _unsupported(model)
    return reader(model, X, y, sample_weight)
