"""Neighbours lose rows exactly: every answer against scikit-learn's refits."""

import numpy as np
import pytest
import scipy.sparse as sp
from brute_force import brute_force, encode
from ids import short_name
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from sklearn.preprocessing import scale

from skinfluence import LeaveOneOutInfluence
from skinfluence._losses import LogLoss
from skinfluence.removal import UnsupportedEstimator, removal_model


def decay(distance):
    """Weights that fall, also as scikit-learn hands them over for a radius."""
    if distance.dtype != object:
        return np.exp(-distance)
    out = np.empty(len(distance), dtype=object)
    out[:] = [np.exp(-part) for part in distance]
    return out


def relative(distance):
    """Weights that depend on the farthest neighbour, so on the whole set."""
    return 1.5 - distance / distance.max(axis=1, keepdims=True)


def canberra_like(a, b):
    """Be a metric that no algorithm knows."""
    return np.abs(np.arctan(a) - np.arctan(b)).sum()


def shuffled(load, n, transform=scale):
    X, y = load(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(y))[:n]
    return transform(X)[rows], y[rows]


@pytest.fixture(scope="module")
def wine():
    return shuffled(load_wine, 110)


@pytest.fixture(scope="module")
def diabetes():
    return shuffled(load_diabetes, 110)


def some_masks(n, seed=0):
    """Sets of one row, of few and of nearly all."""
    shares = np.array([[0.03], [0.1], [0.5], [0.5], [0.85]])
    masks = np.random.default_rng(seed).random((5, n)) < shares
    masks[0] = np.arange(n) == 3
    return masks


def check(estimator, X, y, loss="auto", n_train=80, masks=None, rtol=1e-12):
    """Compare rows, a row on itself and sets with refits."""
    train, test = slice(0, n_train), slice(n_train, None)
    X_train, y_train = X[train], y[train]
    masks = some_masks(n_train) if masks is None else masks
    loo = LeaveOneOutInfluence(estimator, loss=loss, solver="exact")
    loo.fit(X_train, y_train)
    assert len(loo.refitted_rows_) == 0
    results = [
        loo.influence(X[test], y[test]),
        loo.self_influence(),
        loo.group_influence(X[test], y[test], groups=masks),
    ]
    data = estimator, X_train, y_train
    every = brute_force(*data, X, y, loss=loss)
    expected = [
        every[test],
        np.diag(every[train]),
        brute_force(*data, X[test], y[test], masks, loss=loss),
    ]
    for actual, desired in zip(results, expected, strict=True):
        assert np.isfinite(actual).all()
        atol = rtol * np.abs(desired).max(initial=0)
        np.testing.assert_allclose(actual, desired, rtol=0, atol=atol)
    weight = np.linspace(0, 1, len(y) - n_train)
    values = loo.sample_values(X[test], y[test], sample_weight=weight)
    atol = rtol * np.abs(expected[0]).max()
    mean = weight / weight.sum() @ expected[0]
    np.testing.assert_allclose(values, mean, rtol=0, atol=atol)
    return loo, results


# ---------------------------------------------------------------- K neighbours


@pytest.mark.parametrize("weights", ["uniform", "distance", decay, relative, None])
@pytest.mark.parametrize("loss", ["log_loss", "zero_one", "brier"])
def test_classifier(wine, weights, loss):
    loo, (rows, own, _) = check(KNeighborsClassifier(weights=weights), *wine, loss)
    assert (np.count_nonzero(rows, axis=1) <= 5).all()
    assert rows.any()
    assert own.any() or loss == "zero_one"
    assert loo.solver_ == "exact"


@pytest.mark.parametrize("weights", ["uniform", "distance", relative])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_regressor(diabetes, weights, loss):
    X, y = diabetes
    _, (rows, _, _) = check(KNeighborsRegressor(3, weights=weights), X, y, loss)
    count = np.count_nonzero(rows, axis=1)
    assert (count <= 3).all()  # fewer where targets are equal
    assert count.mean() > 2.8
    both = np.column_stack([y, np.sqrt(y)])
    check(KNeighborsRegressor(3, weights=weights), X, both, loss)


def test_loss_of_the_user(wine):
    def floored(y_true, y_pred):
        return 1 - np.minimum(y_pred[np.arange(len(y_true)), y_true], 0.7)

    check(KNeighborsClassifier(4), *wine, floored)


@pytest.mark.parametrize(
    "params",
    [
        {"algorithm": "brute"},
        {"algorithm": "kd_tree", "leaf_size": 3},
        {"algorithm": "ball_tree", "metric": "chebyshev"},
        {"metric": "manhattan", "algorithm": "brute"},
        {"p": 3},
        {"metric": "minkowski", "metric_params": {"w": np.arange(1.0, 14)}},
        {"metric": "cosine"},
        {"metric": "correlation"},
        {"metric": "seuclidean", "metric_params": {"V": np.arange(1.0, 14)}},
        {"metric": canberra_like},
    ],
    ids=short_name,
)
def test_metrics_and_algorithms(wine, params):
    X, y = wine
    X = X + 1e-6 * np.random.default_rng(0).random(X.shape)  # no ties
    check(
        KNeighborsClassifier(weights="distance", **params), X[:70], y[:70], n_train=50
    )
    radius = 0.7 if params.get("metric") in ("cosine", "correlation") else 4.0
    radius_params = {"radius": radius, "outlier_label": 1, **params}
    masks = some_masks(50)
    check(
        RadiusNeighborsClassifier(**radius_params),
        X[:70],
        y[:70],
        n_train=50,
        masks=masks,
    )


def test_sparse_rows(wine):
    X, y = wine
    X = np.where(np.abs(X) > 0.3, X, 0)
    for estimator in (
        KNeighborsClassifier(weights="distance"),
        RadiusNeighborsClassifier(3.0, outlier_label=0),
    ):
        loo, results = check(estimator, sp.csr_array(X), y)
        dense = clone(loo).fit(X[:80], y[:80]).influence(X[80:], y[80:])
        np.testing.assert_allclose(results[0], dense, rtol=0, atol=1e-9)


def test_digits_and_missing_values():
    X, y = shuffled(load_digits, 260, transform=np.asarray)
    X = X + 1e-3 * np.random.default_rng(0).random(X.shape)  # no ties
    check(KNeighborsClassifier(), X, y, n_train=200)
    X[::3, 5] = np.nan
    check(KNeighborsClassifier(3, metric="nan_euclidean"), X[:90], y[:90], n_train=60)


def test_as_many_neighbours_as_stay(diabetes):
    X, y = diabetes
    n, k = 40, 37
    masks = np.zeros((3, n), dtype=bool)
    masks[0, :3] = masks[1, 10:13] = masks[2, 5] = True
    check(KNeighborsRegressor(k), X[:60], y[:60], n_train=n, masks=masks)
    check(KNeighborsRegressor(n - 1), X[:60], y[:60], n_train=n, masks=masks[2:])
    loo = LeaveOneOutInfluence(KNeighborsRegressor(k)).fit(X[:n], y[:n])
    masks[0, 30] = True
    with pytest.raises(ValueError, match=r"'groups'.*n_neighbors=37.*1 group"):
        loo.group_influence(X[n:], y[n:], groups=masks)
    masks[0] = True
    with pytest.raises(ValueError, match="at least one training row"):
        loo.group_influence(X[n:], y[n:], groups=masks)
    with pytest.raises(ValueError, match=r"n_neighbors=40\).*40 rows.*Use.*<= 39"):
        LeaveOneOutInfluence(KNeighborsRegressor(n)).fit(X[:n], y[:n])


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("n_copies", [2, 5])
def test_duplicates(wine, weights, n_copies):
    # distance zero takes all the weight
    X, y = wine
    copies = np.r_[np.arange(60), np.repeat([0, 7, 9], n_copies - 1)]
    test = np.r_[0, 7, 9, 70:110]
    loo = LeaveOneOutInfluence(KNeighborsClassifier(3, weights=weights))
    loo.fit(X[copies], y[copies])
    data = loo.estimator, X[copies], y[copies]
    masks = copies == np.array([[0], [7], [9], [20]])
    result = loo.group_influence(X[test], y[test], groups=masks)
    expected = brute_force(*data, X[test], y[test], masks)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)
    if n_copies == 5:  # more copies than neighbours: every one is replaceable
        rows = loo.influence(X[[0, 7, 9]], y[[0, 7, 9]])
        np.testing.assert_array_equal(rows, 0.0)
        np.testing.assert_array_equal(loo.self_influence()[[0, 7, 9]], 0.0)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_duplicates_with_other_labels(wine, weights):
    X, y = wine
    copies, k = np.r_[np.arange(60), 0, 7, 9], 3
    test = np.r_[0, 7, 9, 70:110]
    labels = (y[copies] + (np.arange(63) >= 60)) % 3
    loo = LeaveOneOutInfluence(KNeighborsClassifier(k, weights=weights))
    loo.fit(X[copies], labels)
    distance, _ = loo.estimator_.kneighbors(X[test], k + 2)
    apart = (np.diff(distance[:, k - 1 :]) > 0).all(axis=1)  # others are arbitrary
    assert apart[:3].all()
    result = loo.influence(X[test], y[test])[apart]
    expected = brute_force(loo.estimator, X[copies], labels, X[test], y[test])[apart]
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)
    assert result[:, 60:].any()


def test_ties_follow_the_fitted_estimator():
    X = np.random.default_rng(0).integers(0, 3, (150, 3)).astype(float)
    y = np.random.default_rng(1).normal(size=150)
    X_test = X[100:]
    for algorithm in ("brute", "kd_tree"):
        estimator = KNeighborsRegressor(4, algorithm=algorithm).fit(X[:100], y[:100])
        model = removal_model(estimator, X[:100], y[:100])
        parts = list(model.changed_predictions(X_test, None, "predict", False))
        tests, removals, before, after = map(np.concatenate, zip(*parts, strict=True))
        distance, own = estimator.kneighbors(X_test)
        np.testing.assert_array_equal(
            np.sort(removals.reshape(50, 4)), np.sort(own, axis=1)
        )
        predicted = estimator.predict(X_test)
        np.testing.assert_allclose(before[:, 0], predicted[tests], rtol=1e-14)
        # what takes the place is another row at the smallest distance that is left
        entering = 4 * (after - before)[:, 0] + y[removals]
        for t, value in zip(tests, entering, strict=True):
            rest = np.delete(np.arange(100), own[t])
            far = np.linalg.norm(X[rest] - X_test[t], axis=1)
            assert np.abs(y[rest[far <= far.min() + 1e-12]] - value).min() < 1e-12
    labels = np.digitize(y, [-0.5, 0.5])
    loo = LeaveOneOutInfluence(KNeighborsClassifier(4)).fit(X[:100], labels[:100])
    assert np.isfinite(loo.influence(X_test, labels[100:])).all()
    masks = some_masks(100)
    assert np.isfinite(loo.group_influence(X_test, labels[100:], groups=masks)).all()


def test_sets_keep_the_fitted_neighbours_that_stay():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 3, (130, 3)).astype(float), rng.normal(size=130)
    X_test, k = X[100:], 4
    estimator = KNeighborsRegressor(k).fit(X[:100], y[:100])
    model = removal_model(estimator, X[:100], y[:100])
    masks = rng.random((20, 100)) < 0.7
    own = estimator.kneighbors(X_test, return_distance=False)
    n_pairs = 0
    for tests, removals, _, after in model.changed_predictions(
        X_test, masks, "predict", False
    ):
        for t, mask, value in zip(tests, masks[removals], after[:, 0], strict=True):
            stay = own[t][~mask[own[t]]]
            if len(stay) != k - 1:
                continue
            rest = np.setdiff1d(np.flatnonzero(~mask), stay)
            far = np.linalg.norm(X[rest] - X_test[t], axis=1)
            entering = k * value - y[stay].sum()
            assert np.abs(y[rest[far <= far.min() + 1e-12]] - entering).min() < 1e-12
            n_pairs += 1
    assert n_pairs > 20


def test_ties_of_votes_are_rounded_as_in_predict():
    rng = np.random.default_rng(1)
    X = rng.integers(0, 4, (300, 2)) + 0.5
    y = rng.integers(0, 2, 300)
    X_test = rng.integers(0, 4, (600, 2)) + rng.integers(0, 3, (600, 2)) / 3
    estimator = KNeighborsClassifier(30, weights="distance").fit(X, y)
    before = np.empty(600, dtype=int)
    parts = removal_model(estimator, X, y).changed_predictions(
        X_test, None, "predict", False
    )
    for tests, _, labels, _ in parts:
        before[tests] = labels[:, 0]
    predicted = estimator.predict(X_test)
    other = estimator.predict_proba(X_test).argmax(axis=1)  # rounded otherwise
    assert (before != predicted).sum() <= 2
    assert (other != predicted).sum() > 5


def test_test_rows_without_ties_among_tied_ones():
    X, y = shuffled(load_iris, 150, transform=np.asarray)
    k, n = 5, 110
    estimator = KNeighborsClassifier(k).fit(X[:n], y[:n])
    distance, _ = estimator.kneighbors(X[n:], k + 2)
    apart = (np.diff(distance[:, k - 1 :]) > 1e-9).all(axis=1)
    assert 5 < apart.sum() < len(apart) - 5
    loo = LeaveOneOutInfluence(KNeighborsClassifier(k)).fit(X[:n], y[:n])
    result = loo.influence(X[n:], y[n:])
    expected = brute_force(loo.estimator, X[:n], y[:n], X[n:], y[n:])
    np.testing.assert_array_equal(result[apart], expected[apart])


def test_no_pair_is_answered_by_the_first_search(wine):
    X, y = wine
    masks = np.arange(50) < np.array([[47], [45]])
    for estimator in (
        KNeighborsClassifier(3, weights="distance"),
        RadiusNeighborsClassifier(2.0, weights="distance", outlier_label=1),
    ):
        check(estimator, X[:65], y[:65], "zero_one", 50, masks)


def test_class_that_loses_its_only_row(wine):
    X, y = wine
    y = y.copy()
    y[4] = 5
    order = np.r_[:40, 4, 80:90]
    masks = np.eye(40, dtype=bool)[[4, 5]]
    masks[0, 8] = True
    for labels in (y, (y == 5).astype(int)):
        for estimator in (
            KNeighborsClassifier(3, weights="distance"),
            KNeighborsClassifier(1),
            RadiusNeighborsClassifier(4.0, outlier_label=0),
            RadiusNeighborsClassifier(0.5, outlier_label="most_frequent"),
            RadiusNeighborsClassifier(0.5, outlier_label=int(labels[4])),
        ):
            for loss in ("log_loss", "zero_one"):
                check(estimator, X[order], labels[order], loss, 40, masks)


def test_leave_one_out_error_of_regression(diabetes):
    # ((k + 1) / k)^2 times the training error of k + 1 neighbours
    X, y = diabetes
    for k in (1, 5, 20):
        loo = LeaveOneOutInfluence(KNeighborsRegressor(k)).fit(X, y)
        left_out = loo.self_influence() + (y - loo.predict(X)) ** 2
        wider = KNeighborsRegressor(k + 1).fit(X, y)
        factor = ((k + 1) / k) ** 2
        expected = factor * (y - wider.predict(X)) ** 2
        np.testing.assert_allclose(left_out, expected, rtol=1e-9)
        scores = cross_val_score(
            KNeighborsRegressor(k),
            X,
            y,
            cv=LeaveOneOut(),
            scoring="neg_mean_squared_error",
        )
        np.testing.assert_allclose(left_out, -scores, rtol=1e-9)


# --------------------------------------------------------------------- a radius


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
    for estimator, fix in (
        (RadiusNeighborsClassifier(2.6), "larger radius or set outlier_label"),
        (RadiusNeighborsRegressor(2.6), "larger radius, or leave"),
    ):
        y = y * 1.0 if estimator.__class__.__name__.endswith("Regressor") else y
        loo = LeaveOneOutInfluence(estimator, solver="exact").fit(X[:80], y[:80])
        with pytest.raises(ValueError, match=rf"radius=2\.6.*already with.*{fix}"):
            loo.influence(X[80:], y[80:])
        with pytest.raises(ValueError, match=rf"radius=2\.6.*row\(s\) \[\d+\].*{fix}"):
            loo.self_influence()
        found = loo.estimator_.radius_neighbors(X[80:], return_distance=False)
        some = X[80:][[len(rows) > 1 for rows in found]]
        assert np.isfinite(loo.influence(some)).all()


# -------------------------------------------------------------------- the limits


def test_outlier_label_of_brute_force_search(wine):
    X, y = wine
    options = {"radius": 6.0, "metric": "manhattan", "algorithm": "brute"}
    X, y = X[:70], y[:70]
    check(RadiusNeighborsClassifier(outlier_label=1, **options), X, y, n_train=50)
    names = np.array(["a", "b", "c"])[y]
    for label, targets in (("b", names), ("most_frequent", y), ([1], y)):
        estimator = RadiusNeighborsClassifier(outlier_label=label, **options)
        loo = LeaveOneOutInfluence(estimator, solver="exact")
        with pytest.raises(UnsupportedEstimator, match="outlier_label="):
            loo.fit(X, targets)
        # other weights and metrics take another way through scikit-learn
        near = {"metric": "cosine", "radius": 0.4}
        check(clone(estimator).set_params(**near), X, targets, n_train=50)
        weighted = clone(estimator).set_params(weights="distance")
        check(weighted, X, targets, n_train=50)
    loo = LeaveOneOutInfluence(estimator).fit(X[:30], y[:30])
    assert loo.solver_ == "refit"


@pytest.mark.parametrize(
    "family",
    [
        KNeighborsClassifier,
        KNeighborsRegressor,
        RadiusNeighborsClassifier,
        RadiusNeighborsRegressor,
    ],
)
def test_metrics_that_depend_on_all_rows(wine, family):
    X, y = wine
    for metric in ("seuclidean", "mahalanobis"):
        loo = LeaveOneOutInfluence(
            family(metric=metric, algorithm="brute"), solver="exact"
        )
        with pytest.raises(UnsupportedEstimator, match=f"metric='{metric}'.*metric_pa"):
            loo.fit(X, y)
    square = np.abs(X[:, [0]] - X[:, 0])
    loo = LeaveOneOutInfluence(family(metric="precomputed"))
    with pytest.raises(ValueError, match="metric='precomputed'.*Pass the rows"):
        loo.fit(square, y)


def test_several_outputs_of_a_classifier(wine):
    X, y = wine
    targets = np.column_stack([y, y])
    estimator = KNeighborsClassifier().fit(X, targets)
    with pytest.raises(ValueError, match="several outputs.*one estimator per output"):
        removal_model(estimator, X, targets)


def test_weights_of_zero(wine):
    X, y = wine

    def near(distance):
        return (distance < 2.5) * 1.0

    for family in (KNeighborsClassifier, KNeighborsRegressor):
        loo = LeaveOneOutInfluence(family(weights=near), solver="exact").fit(X, y)
        with pytest.raises(ValueError, match="'weights'.*Got only zeros"):
            loo.self_influence()


def test_infinitesimal_steps_are_refused(wine):
    X, y = wine
    model = removal_model(KNeighborsClassifier().fit(X, y), X, y)
    with pytest.raises(UnsupportedEstimator, match="LeaveOneOutInfluence"):
        model.without_rows("infinitesimal")


def test_mean_influence_without_the_matrix(wine):
    X, y = wine
    estimator = KNeighborsClassifier().fit(X[:80], y[:80])
    removals = removal_model(estimator, X[:80], y[:80]).without_rows()
    weight, target = np.linspace(0, 1, 30), encode(estimator, y[80:])
    matrix = removals.influence(X[80:], target, LogLoss())
    values = removals.mean_influence(X[80:], target, LogLoss(), weight)
    np.testing.assert_allclose(values, weight @ matrix, rtol=0, atol=1e-14)
