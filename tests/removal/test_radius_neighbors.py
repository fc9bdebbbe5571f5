"""Neighbours within a radius without rows, against refits."""

import warnings

import numpy as np
import pytest
from checks.neighbor_refits import check, decay, some_masks
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.neighbors import RadiusNeighborsClassifier, RadiusNeighborsRegressor

from skinfluence import LeaveOneOutInfluence


@pytest.mark.parametrize("weights", ["uniform", "distance", decay])
@pytest.mark.parametrize(
    ("loss", "outlier_label"),
    [
        ("log_loss", 1),
        ("log_loss", "most_frequent"),
        ("zero_one", [2]),
        ("zero_one", "most_frequent"),
        ("brier", 0),
    ],
)
def test_radius_classifier(wine, weights, loss, outlier_label):
    estimator = RadiusNeighborsClassifier(
        2.6, weights=weights, outlier_label=outlier_label
    )
    loo, (rows, _, _) = check(estimator, *wine, loss)
    found = loo.estimator_.radius_neighbors(wine[0][80:], return_distance=False)
    sizes = np.array([len(part) for part in found])
    assert (sizes == 0).any()  # already without neighbours
    assert (sizes == 1).any()  # without neighbours once a row has left
    if loss == "log_loss":
        assert rows[sizes == 1].any(axis=1).any()


@pytest.mark.parametrize("weights", ["uniform", "distance", decay])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_radius_regressor(diabetes, weights, loss):
    X, y = diabetes
    both = np.column_stack([y, np.sqrt(y)])
    estimator = RadiusNeighborsRegressor(9.0, weights=weights)
    masks = some_masks(80)[:3]
    targets = y if loss == "squared_error" else both
    check(estimator, X, targets, loss, masks=masks, rtol=1e-11)


def test_radius_duplicates(wine):
    # at distance zero one copy, or all of them, take all the weight
    X, y = wine
    copies = np.r_[np.arange(60), 0, 7, 7]
    y = (y[copies] + (np.arange(63) >= 60)) % 3
    order = np.r_[:63, 0, 7, 20:40]
    estimator = RadiusNeighborsClassifier(2.6, weights="distance", outlier_label=0)
    masks = copies == np.array([[0], [7], [20]])
    check(estimator, X[copies][order], y[order], n_train=63, masks=masks)


def test_most_frequent_class_changes_with_a_row():
    X = np.array([[0.0], [0.1], [5.0], [5.1], [5.2], [0.2]])
    y = np.array([0, 0, 1, 1, 1, 0])
    X_test, y_test = np.array([[100.0], [0.05], [-50.0]]), np.array([0, 1, 1])
    X_all, y_all = np.r_[X, X_test], np.r_[y, y_test]
    estimator = RadiusNeighborsClassifier(1.0, outlier_label="most_frequent")
    for loss in ("log_loss", "zero_one"):
        masks = np.eye(6, dtype=bool)[:3] | np.eye(6, dtype=bool)[3:]
        _, (rows, _, _) = check(estimator, X_all, y_all, loss, n_train=6, masks=masks)
        assert np.all(rows[0, [0, 1, 5]] > 0)  # each keeps class 0 in front
        assert np.all(rows[2, [0, 1, 5]] < 0)


def test_metric_that_keeps_a_row_away_from_itself():
    def apart(a, b):
        return 1 + np.abs(a - b).sum()

    X, y = np.arange(9.0)[:, None], np.array([0, 0, 0, 1, 1, 1, 0, 0, 1])
    estimator = RadiusNeighborsClassifier(
        0.5, metric=apart, algorithm="brute", outlier_label="most_frequent"
    )
    masks = np.eye(6, dtype=bool)
    _, (_, own, _) = check(estimator, X, y, "zero_one", n_train=6, masks=masks)
    np.testing.assert_array_equal(own, [1, 1, 1, 0, 0, 0])


def test_outlier_label_that_is_no_class(wine):
    X, y = wine
    estimator = RadiusNeighborsClassifier(2.6, outlier_label=-7)
    check(estimator, X, y)
    # a label that is no class is wrong for every row
    loo = LeaveOneOutInfluence(estimator, loss="zero_one").fit(X[:80], y[:80])
    result = loo.influence(X[80:], y[80:])
    with pytest.warns(UserWarning, match="Outlier label"):
        before = loo.estimator_.predict(X[80:]) != y[80:]
    for i in range(0, 80, 5):
        kept = np.arange(80) != i
        model = clone(estimator).fit(X[:80][kept], y[:80][kept])
        with pytest.warns(UserWarning, match="Outlier label"):
            after = model.predict(X[80:]) != y[80:]
        np.testing.assert_array_equal(result[:, i], after * 1.0 - before)


def test_without_neighbours_or_outlier_label(wine):
    X, y = wine
    for estimator, fix, reason in (
        (
            RadiusNeighborsClassifier(2.6),
            "larger radius or set outlier_label",
            "No neighbors found",
        ),
        (RadiusNeighborsRegressor(2.6), "larger radius, or leave", "must be finite"),
    ):
        y = y * 1.0 if estimator.__class__.__name__.endswith("Regressor") else y
        loo = LeaveOneOutInfluence(estimator, solver="exact").fit(X[:80], y[:80])
        with pytest.raises(ValueError, match=rf"radius=2\.6.*even with all.*{fix}"):
            loo.influence(X[80:], y[80:])
        found = loo.estimator_.radius_neighbors(X[80:], return_distance=False)
        some = X[80:][[len(rows) > 1 for rows in found]]
        assert np.isfinite(loo.influence(some)).all()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "One or more samples have no neighbors")
            with pytest.raises(ValueError, match=reason) as error:
                loo.self_influence()
        assert "without rows [" in error.value.__notes__[0]


@pytest.mark.parametrize("error_score", [np.nan, 7.0])
def test_only_rows_that_leave_no_neighbour_get_the_error_score(wine, error_score):
    X, y = wine
    for estimator in (RadiusNeighborsClassifier(2.6), RadiusNeighborsRegressor(2.6)):
        every = LeaveOneOutInfluence(estimator).fit(X, y).estimator_
        found = every.radius_neighbors(X[:80], return_distance=False)
        test = [t for t, rows in enumerate(found) if (rows >= 80).sum() > 0]
        train = slice(80, None)
        given = {"solver": "refit", "error_score": error_score}
        slow = LeaveOneOutInfluence(estimator, **given).fit(X[train], y[train])
        given["solver"] = "exact"
        loo = LeaveOneOutInfluence(estimator, **given).fit(X[train], y[train])
        masks = np.eye(len(y) - 80, dtype=bool)[::7] | (np.arange(len(y) - 80) == 3)
        with warnings.catch_warnings():
            # targets are integers: scikit-learn predicts NaN as one of them
            warnings.filterwarnings("ignore", "invalid value encountered in cast")
            warnings.filterwarnings("ignore", "One or more samples have no neighbors")
            warnings.simplefilter("ignore", FitFailedWarning)
            answers = [
                (
                    model.influence(X[test], y[test]),
                    model.sample_values(X[test], y[test]),
                    model.self_influence(),
                    model.group_influence(X[test], y[test], groups=masks),
                )
                for model in (loo, slow)
            ]
        for result, expected in zip(*answers, strict=True):
            np.testing.assert_allclose(result, expected, rtol=0, atol=1e-11)
        own = [rows[rows >= 80] - 80 for rows in found]
        missing = [rows[0] for rows in own if len(rows) == 1]
        assert missing
        assert np.isnan(answers[0][0]).all(axis=0).sum() < len(y) - 85
        if np.isnan(error_score):
            assert np.isnan(answers[0][0][:, missing]).all()
