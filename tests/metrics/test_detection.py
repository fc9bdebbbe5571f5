"""Measures without retraining, against matrices computed by hand and loops."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import auc, precision_recall_curve

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.datasets import apply_trigger, plant_backdoor
from skinfluence.metrics import (
    class_detection,
    model_randomization,
    planted_detection,
    top_k_cardinality,
    top_k_overlap,
)

MODEL = LogisticRegression(max_iter=1000)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300] / 16, y[:300], X[300:360] / 16, y[300:360]


# ---------------------------------------------------------------------- classes

TRAIN = np.array(["a", "a", "b", "b", "c"])
MATRIX = np.array(
    [
        # Top: row 2 of class b. Means: a 1, b 1.5, c 0.
        [1.0, 1.0, 4.0, -1.0, 0.0],
        # Top: row 4 of class c. Means: a 2, b 1, c 5.
        [4.0, 0.0, 1.0, 1.0, 5.0],
        # Top: row 1 of class a. Means: a 0, b 2, c -1.
        [-3.0, 3.0, 2.0, 2.0, -1.0],
    ]
)


@pytest.mark.parametrize(
    ("test", "top", "mean", "area"),
    [
        # Of the 6 pairs of a row of the class and another one, in the right order:
        # b: 4 beats all three others, -1 none; c: 4 of 4.
        (["b", "c", "a"], 3 / 3, 2 / 3, (3 / 6 + 4 / 4 + 3 / 6) / 3),
        (["a", "a", "b"], 0 / 3, 1 / 3, (4 / 6 + 2 / 6 + 4 / 6) / 3),
    ],
    ids=["same", "other"],
)
def test_classes_by_hand(test, top, mean, area):
    found = class_detection(MATRIX, TRAIN, test)
    assert found.top == pytest.approx(top)
    assert found.mean == pytest.approx(mean)
    assert found.roc_auc == pytest.approx(area)
    assert found.base_rate == pytest.approx(
        np.mean([(c == TRAIN).mean() for c in test])
    )


def test_equal_influences_count_as_chance():
    found = class_detection(np.zeros((2, 5)), TRAIN, ["a", "c"])
    assert found.top == pytest.approx((2 / 5 + 1 / 5) / 2)
    assert found.top == pytest.approx(found.base_rate)
    assert found.mean == pytest.approx(1 / 3)
    assert found.roc_auc == 0.5
    assert class_detection([[0.0, 5, 5, 1, 1]], TRAIN, ["a"]).top == 0.5


def test_rows_of_the_own_class_and_subclass_are_found(digits):
    X, y, X_test, y_test = digits
    loo = LeaveOneOutInfluence(MODEL).fit(X, y)
    found = class_detection(loo, y, y_test, X=X_test, y=y_test)
    assert found.top > 0.95
    assert found.roc_auc > 0.8
    opposite = class_detection(-loo.influence(X_test, y_test), y, y_test)
    assert opposite.mean < found.base_rate
    assert opposite.roc_auc == pytest.approx(1 - found.roc_auc)
    # Even or odd is all that the model is told.
    merged = LeaveOneOutInfluence(MODEL).fit(X, y % 2)
    found = class_detection(merged, y, y_test, X=X_test, y=y_test % 2)
    assert found.top > 0.35  # by chance 0.1, and 0.2 among rows of the merged class
    assert found.base_rate == pytest.approx(0.1, abs=0.01)


# --------------------------------------------------------------------- planted


def test_planted_rows_by_hand():
    matrix = np.array([[5.0, 1.0, 4.0, 3.0], [1.0, 2.0, 3.0, 4.0]])
    found = planted_detection(matrix, np.array([True, False, False, True]))
    # Ranks 1 and 3; ranks 4 and 1.
    by_hand = [(1 / 1 + 2 / 3) / 2, (1 / 1 + 2 / 4) / 2]
    assert_allclose(found.average_precisions, by_hand)
    assert found.average_precision == pytest.approx(np.mean(by_hand))
    assert found.roc_auc == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert found.base_rate == 0.5


def test_average_precision_is_the_area_under_the_curve():
    rng = np.random.default_rng(0)
    matrix, planted = rng.normal(size=(3, 3000)), rng.random(3000) < 0.1
    matrix += planted
    found = planted_detection(matrix, planted)
    areas = [
        auc(*precision_recall_curve(planted, row)[1::-1])  # trapezoids
        for row in matrix
    ]
    assert_allclose(found.average_precisions, areas, atol=0.005)


def test_rows_with_a_shortcut_are_found(digits):
    X, y, X_test, y_test = digits
    trigger = np.full(64, np.nan)
    trigger[[0, 7, 56, 63]] = 1.0
    P, p, planted = plant_backdoor(
        X, y, trigger=trigger, label=1, fraction=0.05, random_state=0
    )
    loo = LeaveOneOutInfluence(MODEL).fit(P, p)
    T = apply_trigger(X_test, trigger)
    T = T[(y_test != 1) & (loo.predict(T) == 1)]
    assert len(T) > 20
    found = planted_detection(loo, planted, X=T)
    assert found.average_precision > 0.5
    assert found.base_rate == 0.05
    # On the loss of the right class the same rows are harmful.
    right = planted_detection(-loo.influence(T, np.ones(len(T))), planted)
    assert right.average_precision < 0.1


# ------------------------------------------------------------------ randomised


def test_randomisation_is_spearman_by_hand():
    # Ranks 1 2 3 4 and 1 3 2 4: 1 - 6 * 2 / (4 * 15); the opposite order; constant.
    trained = [[0.0, 1.0, 5.0, 9.0], [1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 1.0]]
    random = [[1.0, 3.0, 2.0, 4.0], [8.0, 4.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]]
    by_row = model_randomization(trained, random, average=False)
    assert_allclose(by_row, [0.8, -1.0, 0.0])
    assert model_randomization(trained, random) == pytest.approx(-0.2 / 3)


def test_an_untrained_net_has_other_influences(digits):
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")
    X, y, X_test, y_test = digits
    X, X_test = X.astype("float32"), X_test.astype("float32")

    class Net(torch.nn.Sequential):
        def __init__(self):
            layers = torch.nn.Linear(64, 8), torch.nn.Tanh(), torch.nn.Linear(8, 10)
            super().__init__(*layers)

    def influences(**params):
        net = skorch.NeuralNetClassifier(
            Net,
            criterion=torch.nn.CrossEntropyLoss,
            train_split=None,
            verbose=0,
            **{"lr": 0.5, "max_epochs": 30, **params},
        )
        return InfluenceFunctions(net, hessian="ekfac", random_state=0).fit(X, y)

    trained = influences()
    untrained = influences(lr=1e-12)
    longer = influences(max_epochs=33)
    low = model_randomization(trained, untrained, X=X_test[:20], y=y_test[:20])
    high = model_randomization(trained, longer, X=X_test[:20], y=y_test[:20])
    assert low < 0.6 < 0.9 < high


# ------------------------------------------------------------------------ top k


def test_overlap_by_hand():
    one = [[5.0, 4.0, 3.0, 0.0], [0.0, 1.0, 2.0, 3.0]]
    other = [[0.0, 9.0, 1.0, 8.0], [1.0, 2.0, 3.0, 4.0]]
    # Top 2: {0, 1} and {1, 3}; {3, 2} twice. Top 3: {0, 1, 2} and {1, 3, 2}.
    assert_allclose(top_k_overlap(one, other, k=2, average=False), [1 / 2, 1])
    assert_allclose(top_k_overlap(one, other, k=3, average=False), [2 / 3, 1])
    assert top_k_overlap(one, other, k=2) == 0.75
    assert top_k_overlap(one, other, k=4) == 1
    assert top_k_overlap([[1.0, 1.0, 1.0]], [[0.0, 1.0, 2.0]], k=1) == 0


def test_overlap_of_random_orders_is_k_over_n():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 2000, 40))
    assert top_k_overlap(one, other, k=8) == pytest.approx(8 / 40, abs=0.006)


def test_cardinality_by_hand():
    matrix = [[3.0, 2.0, 1.0], [5.0, 1.0, 0.0], [0.0, 1.0, 2.0]]
    assert top_k_cardinality(matrix) == pytest.approx(2 / 3)  # rows 0, 0, 2
    assert top_k_cardinality(matrix, k=2) == pytest.approx(3 / 6)
    assert top_k_cardinality(np.eye(4)) == 1


def test_estimators_and_their_matrices_give_the_same(digits):
    X, y, X_test, y_test = digits
    exact = LeaveOneOutInfluence(MODEL).fit(X, y)
    first_order = InfluenceFunctions(MODEL).fit(X, y)
    pair = [clf.influence(X_test, y_test) for clf in (exact, first_order)]
    rows = {"X": X_test, "y": y_test}
    overlap = top_k_overlap(exact, first_order, **rows)
    assert overlap == top_k_overlap(*pair) > 0.5
    correlation = model_randomization(exact, first_order, **rows)
    assert correlation == model_randomization(*pair) > 0.9
    assert top_k_cardinality(exact, **rows) == top_k_cardinality(pair[0])
    planted = y == 3
    assert (
        planted_detection(exact, planted, **rows).average_precision
        == planted_detection(pair[0], planted).average_precision
    )
    assert class_detection(exact, y, y_test, **rows) == class_detection(
        pair[0], y, y_test
    )


# ----------------------------------------------------------------------- errors

GOOD = {
    class_detection: {
        "influence": MATRIX,
        "train_classes": TRAIN,
        "test_classes": ["a", "b", "c"],
    },
    planted_detection: {
        "influence": MATRIX,
        "is_planted": np.array([True, False, False, True, False]),
    },
    model_randomization: {"influence": MATRIX, "randomized": -MATRIX},
    top_k_overlap: {"influence": MATRIX, "other": -MATRIX, "k": 2},
    top_k_cardinality: {"influence": MATRIX},
}


@pytest.mark.parametrize(
    ("measure", "change", "message"),
    [
        (class_detection, {"influence": MATRIX[0]}, r"'influence'.*influence\[None\]"),
        (class_detection, {"influence": LeaveOneOutInfluence(MODEL)}, "X=None"),
        (class_detection, {"train_classes": TRAIN[:3]}, "'train_classes'.*5.*Got 3"),
        (class_detection, {"test_classes": TRAIN[:2]}, "'test_classes'.*3.*Got 2"),
        (class_detection, {"test_classes": list("abz")}, r"'test_classes'.*\['z'\]"),
        (
            class_detection,
            {"train_classes": ["a"] * 5, "test_classes": ["a"] * 3},
            "'train_classes'.*two classes",
        ),
        (planted_detection, {"is_planted": [0, 3]}, "'is_planted'.*mask"),
        (planted_detection, {"is_planted": [True, False]}, "'is_planted'.*Got 2"),
        (planted_detection, {"is_planted": [False] * 5}, "0 planted rows of 5"),
        (planted_detection, {"influence": MATRIX * np.nan}, "NaN"),
        (model_randomization, {"randomized": MATRIX.T}, "'randomized'.*same shape"),
        (top_k_overlap, {"other": MATRIX[:2]}, "'other'.*same shape"),
        (top_k_overlap, {"k": 6}, "'k'.*1 to n_train=5.*Got 6"),
        (top_k_cardinality, {"k": 0}, "'k'.*Got 0"),
        (top_k_cardinality, {"k": 1.5}, "'k'.*Got 1.5"),
    ],
)
def test_bad_input_is_named(measure, change, message):
    measure(**GOOD[measure])
    with pytest.raises(ValueError, match=message):
        measure(**{**GOOD[measure], **change})
