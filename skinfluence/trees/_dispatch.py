"""Which fitted tree ensembles can be read, by type."""

from functools import singledispatch
from importlib import import_module

from skinfluence.removal._dispatch import UnsupportedEstimator

# The first part of the module of a class, and the reader that registers it. A fitted
# booster of such a library means that the library is installed.
READERS = {
    "sklearn": "_gradient_boosting _hist_gradient_boosting",
    "lightgbm": "_lightgbm",
    "xgboost": "_xgboost",
    "catboost": "_catboost",
}


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
        With the parameter that prevents it.
    """
    known = len(tree_structure.registry)
    load_readers(model)
    if len(tree_structure.registry) > known:
        return tree_structure(model, X, y, sample_weight)
    raise UnsupportedEstimator(
        f"{type(model).__name__} is not a boosted ensemble that can be read. Known: "
        "GradientBoosting and HistGradientBoosting models of scikit-learn, and the "
        "scikit-learn classes of LightGBM, XGBoost and CatBoost."
    )


def load_readers(model):
    """Import the readers of the library that a model's class comes from."""
    for cls in type(model).__mro__:
        for reader in READERS.get(cls.__module__.partition(".")[0], "").split():
            import_module(f"skinfluence.trees.readers.{reader}")
