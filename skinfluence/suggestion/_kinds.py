"""Kinds of models, as far as the choice of a method depends on them."""

from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skinfluence._sklearn import final_estimator, samplers
from skinfluence._skorch import is_net
from skinfluence.removal import removal_model
from skinfluence.removal._objective import has_objective
from skinfluence.retraining import draws_rows
from skinfluence.trees import is_booster, is_tree_model

# Name -> which models these are, in the order of the table's columns.
KINDS = {
    "linear": "a linear model: least squares, ridge, lasso, logistic, Poisson, SVM",
    "closed form": "naive Bayes, a discriminant, a kernel machine and the like",
    "neighbours": "nearest neighbours, equally weighted",
    "trees": "boosted trees, or a single tree",
    "forest": "a random forest",
    "bagging": "any other bagged ensemble",
    "perceptron": "a multilayer perceptron of scikit-learn",
    "net": "a skorch net",
    "other": "anything else with fit and predict",
}


# Fitted by searching, by chance or by support vectors: their removals have no bound.
UNCERTIFIED = {"SGDClassifier", "SGDRegressor", "SVC", "SVR", "NuSVC", "NuSVR"}


def is_certified(estimator):
    """Whether removals of a linear or closed-form model have proven bounds."""
    name = type(final_estimator(estimator)).__name__
    return name not in UNCERTIFIED and not cross_validates(estimator)


def cross_validates(estimator):
    """Whether training splits the rows into folds, which very few rows do not fill."""
    return type(final_estimator(estimator)).__name__.endswith("CV")


def kind_of(estimator):
    """Return the name of an estimator's kind; that of a Pipeline is its last step's.

    Parameters
    ----------
    estimator : estimator
        Fitted or not.
    """
    model = final_estimator(estimator)
    if is_net(model):
        return "net"
    if samplers(estimator):  # its rows are not those of X: only retraining is left
        return "other"
    if isinstance(model, MLPClassifier | MLPRegressor):
        by_steps = model.solver != "lbfgs" and model.learning_rate != "adaptive"
        return "perceptron" if by_steps else "other"
    if isinstance(estimator, KNeighborsClassifier | KNeighborsRegressor):
        # `KNNShapley` takes no Pipeline and no weights; other methods do.
        return "neighbours" if model.weights == "uniform" else "closed form"
    if draws_rows(model):
        return "forest" if is_tree_model(model) else "bagging"
    if is_booster(model) or is_tree_model(model):
        return "trees"
    if has_objective(model):
        return "linear"
    unknown = removal_model.dispatch(object)
    return "other" if removal_model.dispatch(type(model)) is unknown else "closed form"
