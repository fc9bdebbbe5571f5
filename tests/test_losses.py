"""Losses of single rows: against scikit-learn's metrics and exact arithmetic."""

from inspect import signature

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import (
    GammaRegressor,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    TweedieRegressor,
)
from sklearn.metrics import (
    brier_score_loss,
    hinge_loss,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    mean_tweedie_deviance,
    zero_one_loss,
)
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence._losses import (
    AbsoluteError,
    Brier,
    Deviance,
    LogLoss,
    MarginLoss,
    MinusPrediction,
    SquaredError,
    ZeroOne,
    resolve_loss,
)

POWERS = [0, 1, 1.5, 2, 3]
MARGINS = ["hinge", "squared_hinge", "squared_margin"]


def probabilities(n, n_classes, seed=0):
    p = np.random.default_rng(seed).dirichlet(np.ones(n_classes), size=n)
    return p, np.random.default_rng(seed + 1).integers(n_classes, size=n)


def each_row(metric, y, prediction, **kwargs):
    rows = range(len(y))
    return [metric(y[[t]], prediction[[t]], **kwargs) for t in rows]


# --------------------------------------------------------------------- the values


@pytest.mark.parametrize("n_classes", [2, 5])
def test_log_loss_and_brier_are_those_of_scikit_learn(n_classes):
    p, y = probabilities(30, n_classes)
    labels = np.arange(n_classes)
    assert_allclose(LogLoss().value(y, p), each_row(log_loss, y, p, labels=labels))
    if "labels" in signature(brier_score_loss).parameters:
        brier = each_row(brier_score_loss, y, p, labels=labels)
    elif n_classes == 2:  # before scikit-learn 1.7
        brier = each_row(brier_score_loss, y, p[:, 1], pos_label=1)
    else:
        brier = ((np.eye(n_classes)[y] - p) ** 2).sum(axis=1)
    assert_allclose(Brier().value(y, p), brier)


def test_log_loss_of_an_impossible_class_equals_scikit_learns():
    p = np.array([[1.0, 0.0], [0.0, 1.0]])
    y = np.array([1, 1])
    expected = each_row(log_loss, y, p, labels=[0, 1])
    assert_allclose(LogLoss().value(y, p), expected, atol=1e-15)


def test_zero_one_is_the_error_rate():
    y = np.array([0, 1, 2, 1])
    guess = np.array([0, 2, 2, 1])
    value = ZeroOne().value(y, guess[:, None])
    assert value.mean() == zero_one_loss(y, guess)
    assert value.tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_squared_and_absolute_error_average_over_outputs(n_outputs):
    rng = np.random.default_rng(0)
    y, prediction = rng.normal(size=(2, 20, n_outputs))
    assert_allclose(
        SquaredError().value(y, prediction), each_row(mean_squared_error, y, prediction)
    )
    assert_allclose(
        AbsoluteError().value(y, prediction),
        each_row(mean_absolute_error, y, prediction),
    )


@pytest.mark.parametrize("power", POWERS)
def test_deviance_equals_scikit_learns(power):
    rng = np.random.default_rng(0)
    y, prediction = np.exp(rng.normal(size=(2, 20)))
    if 1 <= power < 2:
        y[:3] = 0.0
    expected = each_row(mean_tweedie_deviance, y, prediction, power=power)
    value = Deviance(power).value(y[:, None], prediction[:, None])
    assert_allclose(value, expected, rtol=1e-12, atol=1e-14)
    assert (value >= 0).all()


def test_hinge_losses_of_two_classes():
    rng = np.random.default_rng(0)
    y, margin = rng.integers(2, size=20), 2 * rng.normal(size=20)
    value = MarginLoss("hinge").value(y, margin[:, None])
    assert_allclose(value.mean(), hinge_loss(y, margin))
    assert_allclose(MarginLoss("squared_hinge").value(y, margin[:, None]), value**2)
    squared = each_row(mean_squared_error, 2.0 * y - 1, margin)
    assert_allclose(MarginLoss("squared_margin").value(y, margin[:, None]), squared)


@pytest.mark.parametrize("name", MARGINS)
def test_margin_losses_of_several_classes_are_sums_over_one_vs_rest(name):
    rng = np.random.default_rng(0)
    y, margin = rng.integers(3, size=20), rng.normal(size=(20, 3))
    loss = MarginLoss(name)
    expected = sum(loss.value((y == c).astype(int), margin[:, [c]]) for c in range(3))
    assert_allclose(loss.value(y, margin), expected)


def test_minus_prediction_averages_over_outputs():
    prediction = np.arange(6.0).reshape(3, 2)
    assert_allclose(MinusPrediction().value(None, prediction), [-0.5, -2.5, -4.5])


@pytest.mark.parametrize("loss", [LogLoss(), Brier(), ZeroOne(), MarginLoss("hinge")])
def test_values_broadcast_over_models(loss):
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=6)
    prediction = rng.dirichlet(np.ones(3), size=(6, 4))
    if loss.response == "predict":
        prediction = prediction.argmax(axis=-1)[..., None]
    columns = [loss.value(y, prediction[:, m]) for m in range(4)]
    assert_allclose(loss.value(y, prediction), np.stack(columns, axis=1))


# ------------------------------------------------------- which loss an estimator has


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (LogisticRegression(), "log_loss"),
        (KNeighborsClassifier(2), "log_loss"),
        (DummyClassifier(), "log_loss"),
        (SGDClassifier(loss="log_loss"), "log_loss"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "log_loss"),
        (LinearSVC(), "squared_hinge"),
        (LinearSVC(loss="hinge"), "hinge"),
        (SGDClassifier(), "hinge"),
        (make_pipeline(StandardScaler(), LinearSVC()), "squared_hinge"),
        (RidgeClassifier(), "squared_margin"),
        (Ridge(), "squared_error"),
        (PoissonRegressor(), "deviance"),
        (make_pipeline(StandardScaler(), GammaRegressor()), "deviance"),
        (TweedieRegressor(power=1.5), "deviance"),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:60],
)
def test_auto_is_the_loss_of_the_estimator(estimator, name):
    X = np.array([[0.0], [1.0], [3.0], [4.0]])
    y = np.array([1, 1, 2, 2])
    loss = resolve_loss("auto", estimator.fit(X, y))
    assert loss.name == name


def test_auto_of_a_classifier_without_scores_is_zero_one():
    class OnlyPredict(NearestCentroid):
        predict_proba = decision_function = property()

    X, y = np.array([[0.0], [1.0]]), np.array([0, 1])
    assert resolve_loss("auto", OnlyPredict().fit(X, y)).name == "zero_one"


def test_auto_power_is_the_regressors():
    X, y = np.array([[0.0], [1.0], [3.0]]), np.array([1.0, 1.5, 2.0])
    for estimator, power in [
        (PoissonRegressor(), 1),
        (GammaRegressor(), 2),
        (TweedieRegressor(power=1.7), 1.7),
    ]:
        assert resolve_loss("auto", estimator.fit(X, y)).power == power


@pytest.mark.parametrize("loss", ["log_loss", "brier"])
def test_losses_of_probabilities_need_predict_proba(loss):
    X, y = np.array([[0.0], [1.0], [2.0]]), np.array([0, 1, 1])
    influence = LeaveOneOutInfluence(RidgeClassifier(), loss=loss)
    with pytest.raises(ValueError, match=f"'{loss}' needs predict_proba.*'zero_one'"):
        influence.fit(X, y)


@pytest.mark.parametrize("loss", ["zero_one", lambda y, p: p[:, 0]])
def test_gradient_methods_refuse_losses_without_one(loss):
    X, y = np.array([[0.0], [1.0], [2.0]]), np.array([0, 1, 1])
    influence = InfluenceFunctions(LogisticRegression(), loss=loss)
    with pytest.raises(TypeError, match="no gradient.*'log_loss', 'brier'"):
        influence.fit(X, y).influence(X, y)


# ----------------------------------------------------------------- the user's losses


def confidence(y, proba):
    """Minus the probability of the true class; labels are 'no' and 'yes'."""
    assert set(y) <= {"no", "yes"}
    return -np.where(np.asarray(y) == "yes", proba[:, 1], proba[:, 0])


@pytest.mark.parametrize("solver", ["exact", "refit"])
def test_callable_sees_the_users_labels_and_probabilities(solver):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    y = np.where(X[:, 0] + rng.normal(size=30) > 0, "yes", "no")
    model = LogisticRegression(tol=1e-10)
    influence = LeaveOneOutInfluence(model, loss=confidence, solver=solver)
    matrix = influence.fit(X, y).influence(X[:5], y[:5])
    full = model.fit(X, y).predict_proba(X[:5])
    for i in (0, 7, 29):
        kept = np.arange(30) != i
        without = model.fit(X[kept], y[kept]).predict_proba(X[:5])
        expected = confidence(y[:5], without) - confidence(y[:5], full)
        assert_allclose(matrix[:, i], expected, atol=1e-8)


def test_callable_of_margin_classifier_sees_predicted_labels():
    def cost(y, predicted):
        assert set(predicted) <= {"a", "b"}
        return np.where(y == predicted, 0.0, np.where(y == "a", 5.0, 1.0))

    X = np.array([[-2.0], [-1.0], [-0.1], [0.1], [1.0], [2.0]])
    y = np.array(["a", "a", "b", "a", "b", "b"])
    exact = LeaveOneOutInfluence(RidgeClassifier(), loss=cost).fit(X, y)
    refit = LeaveOneOutInfluence(RidgeClassifier(), loss=cost, solver="refit").fit(X, y)
    assert exact.solver_ == "exact"
    assert_allclose(exact.influence(X, y), refit.influence(X, y))


def test_callable_of_regressor_sees_flat_targets_of_one_output():
    def loss(y, prediction):
        assert y.shape == prediction.shape == (3,)
        return np.abs(y - prediction) ** 1.5

    X, y = np.arange(6.0)[:, None] ** 2, np.arange(6.0)
    LeaveOneOutInfluence(Ridge(), loss=loss).fit(X, y).influence(X[:3], y[:3])


def test_callable_that_averages_is_refused():
    def mean(y, prediction):
        return np.mean((y - prediction) ** 2)

    X, y = np.arange(6.0)[:, None] ** 2, np.arange(6.0)
    influence = LeaveOneOutInfluence(Ridge(), loss=mean).fit(X, y)
    with pytest.raises(ValueError, match=r"'loss'.*\(6,\).*mean returned shape \(\)"):
        influence.influence(X, y)
