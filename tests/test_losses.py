"""Losses of single rows: against scikit-learn's metrics and exact arithmetic."""

from decimal import Decimal, localcontext
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
from skinfluence._predictions import link_prediction

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


def test_log_loss_of_an_impossible_class_is_that_of_scikit_learn():
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
def test_deviance_is_that_of_scikit_learn(power):
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


# ------------------------------------------------- growth, against exact arithmetic


def exact_log_loss(y, raw):
    """Log loss of the logits of a row, at most -log eps; one logit for two classes."""
    logits = [Decimal(0), raw[0]] if len(raw) == 1 else raw
    loss = sum((z - logits[y]).exp() for z in logits).ln()
    return min(loss, 52 * Decimal(2).ln())


def exact_brier(y, raw):
    logits = [Decimal(0), raw[0]] if len(raw) == 1 else raw
    total = sum(z.exp() for z in logits)
    p = [z.exp() / total for z in logits]
    square = sum((p_c - (c == y)) ** 2 for c, p_c in enumerate(p))
    return square / 2 if len(p) == 2 else square


def exact_deviance(power):
    def loss(y, raw):
        y, mu, q = Decimal(float(y[0])), raw[0].exp(), Decimal(power)
        if q == 1:
            return 2 * ((y * (y.ln() - raw[0]) if y else 0) - y + mu)
        if q == 2:
            return 2 * (raw[0] - y.ln() + y / mu - 1)
        first, second = 2 - q, 1 - q
        rest = y**first / (first * second) if y else 0
        up, down = (first * raw[0]).exp(), (second * raw[0]).exp()
        return 2 * (rest - y * down / second + up / first)

    return loss


def exact_squared_error(y, raw):
    squares = ((z - Decimal(float(t))) ** 2 for z, t in zip(raw, y, strict=True))
    return sum(squares) / len(raw)


def exact_absolute_error(y, raw):
    errors = (abs(z - Decimal(float(t))) for z, t in zip(raw, y, strict=True))
    return sum(errors) / len(raw)


def exact_margin(name):
    def loss(y, raw):
        if len(raw) == 1:
            codes = [2 * int(y) - 1]
        else:
            codes = [1 if c == y else -1 for c in range(len(raw))]
        violation = [1 - code * z for code, z in zip(codes, raw, strict=True)]
        if name != "squared_margin":
            violation = [max(v, Decimal(0)) for v in violation]
        return sum(v if name == "hinge" else v * v for v in violation)

    return loss


def exact_change(exact_loss, y, raw, delta, digits=30):
    """The growth of a loss, with this many decimal digits."""
    out = np.empty(delta.shape[:2])
    with localcontext(prec=digits):
        for t, m in np.ndindex(*out.shape):
            before = [Decimal(float(z)) for z in raw[t]]
            moves = [Decimal(float(z)) for z in delta[t, m]]
            after = [z + move for z, move in zip(before, moves, strict=True)]
            out[t, m] = float(exact_loss(y[t], after) - exact_loss(y[t], before))
    return out


MOVES = np.array([1e-12, 1e-6, 1e-3, 0.1, 0.9, 3.0, 20.0, 40.0, 90.0])
MOVES = np.concatenate([-MOVES[::-1], [0.0], MOVES])


@pytest.mark.parametrize("size", [0.0, 1.0, 10.0, 30.0, 40.0, 90.0])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_log_loss_change_keeps_all_digits(n_classes, size):
    rng = np.random.default_rng(0)
    k = 1 if n_classes == 2 else n_classes
    raw = size * np.sign(rng.normal(size=(4, k))) + 0.1 * rng.normal(size=(4, k))
    delta = MOVES[None, :, None] * np.sign(rng.normal(size=(4, 1, k)))
    y = np.arange(4) % n_classes
    expected = exact_change(exact_log_loss, y, raw, delta, digits=100)
    link = "logit" if k == 1 else "softmax"
    change = LogLoss().change(y, raw, delta.copy(), link)
    # A move of logits of this size is itself rounded, and so is a loss that stays.
    before = LogLoss().value(y, link_prediction(raw, link, "predict_proba"))[:, None]
    error = np.abs(change - expected)
    limit = 1e-11 * (1 + size) * np.abs(expected) + 1e-15 * np.abs(before)
    assert (error <= limit).all()


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(
    ("loss", "exact"), [(LogLoss(), exact_log_loss), (Brier(), exact_brier)]
)
def test_extreme_logits_give_finite_and_right_changes(loss, exact, k):
    extremes = np.array([-800.0, -40.0, 0.0, 800.0])
    raw = np.array(np.meshgrid(*[extremes] * k)).reshape(k, -1).T
    steps = np.array([-1600.0, -800.0, -30.0, -1e-3, 0.0, 30.0, 800.0, 1600.0])
    delta = np.zeros((len(raw), len(steps), k))
    delta[:, :, -1] = steps
    for label in range(max(2, k)):
        y = np.full(len(raw), label)
        link = "logit" if k == 1 else "softmax"
        change = loss.change(y, raw, delta.copy(), link)
        assert np.isfinite(change).all()
        expected = exact_change(exact, y, raw, delta)
        assert_allclose(change, expected, rtol=1e-9, atol=1e-12)
        assert np.isfinite(loss.slope(y, raw, link)).all()


@pytest.mark.parametrize("power", [1, 1.5, 1.9, 2])
def test_deviance_change_keeps_digits(power):
    raw = np.linspace(-5, 5, 7)[:, None]
    y = np.exp(np.linspace(3, -3, 7))[:, None]
    if power < 2:
        y[2] = 0.0
    delta = np.concatenate([MOVES[np.abs(MOVES) < 5], [8.0, -8.0]])[None, :, None]
    delta = np.repeat(delta, 7, axis=0)
    expected = exact_change(exact_deviance(power), y, raw, delta)
    change = Deviance(power).change(y, raw, delta.copy(), "log")
    # Its two parts have this size and may cancel near the optimum.
    parts = np.abs(np.exp((2 - power) * raw)) + y * np.exp((1 - power) * raw)
    scale = parts * np.abs(delta[..., 0])
    limit = 1e-11 * np.abs(expected) + 1e-14 * scale + 1e-20
    assert (np.abs(change - expected) <= limit).all()


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(
    ("loss", "link", "exact"),
    [
        (SquaredError(), "identity", exact_squared_error),
        (AbsoluteError(), "identity", exact_absolute_error),
        *((MarginLoss(name), "margin", exact_margin(name)) for name in MARGINS),
    ],
)
def test_change_of_polynomial_losses(loss, link, exact, k):
    rng = np.random.default_rng(0)
    raw, delta = rng.normal(size=(9, k)), rng.normal(size=(9, 5, k))
    delta *= 10.0 ** -np.arange(5)[:, None]
    if link == "margin":
        y = rng.integers(max(2, k), size=9)
    else:
        y = rng.normal(size=(9, k))
    change = loss.change(y, raw, delta.copy(), link)
    expected = exact_change(exact, y, raw, delta)
    assert_allclose(change, expected, rtol=1e-10, atol=1e-14)


def test_squared_error_change_does_not_cancel():
    y, raw = np.array([[3.0]]), np.array([[1e6]])
    delta = np.full((1, 1, 1), 1e-9)
    expected = exact_change(exact_squared_error, y, raw, delta)
    change = SquaredError().change(y, raw, delta.copy(), "identity")
    assert_allclose(change, expected, rtol=1e-12)


def test_zero_one_change_counts_flips_of_the_class():
    y = np.array([0, 1])
    raw = np.array([[-1.0], [-1.0]])
    delta = np.array([[[0.5], [1.5]], [[0.5], [1.5]]])
    assert ZeroOne().change(y, raw, delta, "logit").tolist() == [[0, 1], [0, -1]]
    raw = np.array([[0.0, 1.0, 0.5]])
    delta = np.array([[[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 2.0]]])
    for link in ("softmax", "margin"):
        change = ZeroOne().change(np.array([0]), raw, delta, link)
        assert change.tolist() == [[0, -1, 0]]


# --------------------------------------------------------------------- the slopes


@pytest.mark.parametrize(
    ("loss", "link", "k"),
    [
        (LogLoss(), "logit", 1),
        (LogLoss(), "softmax", 3),
        (Brier(), "logit", 1),
        (Brier(), "softmax", 2),
        (Brier(), "softmax", 3),
        (SquaredError(), "identity", 1),
        (SquaredError(), "identity", 3),
        (SquaredError(), "log", 1),
        (AbsoluteError(), "identity", 1),
        (AbsoluteError(), "identity", 3),
        (AbsoluteError(), "log", 1),
        (MinusPrediction(), "identity", 3),
        (MinusPrediction(), "log", 1),
        *((Deviance(power), "log", 1) for power in POWERS),
        *((MarginLoss(name), "margin", k) for name in MARGINS for k in (1, 3)),
    ],
    ids=lambda v: (
        f"{v.name}{getattr(v, 'power', '')}" if hasattr(v, "name") else str(v)
    ),
)
def test_slope_is_the_derivative_of_the_value(loss, link, k):
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(25, k))
    if link in ("identity", "log"):
        y = np.exp(rng.normal(size=(25, k)))
    else:
        y = rng.integers(max(2, k), size=25)

    def value(raw):
        return loss.value(y, link_prediction(raw, link, loss.response))

    h = 1e-6
    slope = loss.slope(y, raw, link)
    assert slope.shape == raw.shape
    for c in range(k):
        step = h * (np.arange(k) == c)
        difference = (value(raw + step) - value(raw - step)) / (2 * h)
        assert_allclose(slope[:, c], difference, rtol=1e-7, atol=1e-8)


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


def test_auto_power_is_that_of_the_regressor():
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
