"""Leave-one-out by retraining: seeds, workers, memory, classes that disappear."""

import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skinfluence import LeaveOneOutInfluence


@pytest.fixture
def iris():
    X, y = load_iris(return_X_y=True)
    return X[::4], y[::4], X[1::10], y[1::10]


class Counting(RegressorMixin, BaseEstimator):
    """Ridge regression that leaves a line in a file at every fit."""

    def __init__(self, log=None, fail_without=None):
        self.log = log
        self.fail_without = fail_without

    def fit(self, X, y):
        with open(self.log, "a") as log:
            log.write(f"{len(X)}\n")
        if self.fail_without is not None and not (X == self.fail_without).any():
            raise FloatingPointError("no such row")
        self.model_ = Ridge().fit(X, y)
        return self

    def predict(self, X):
        return self.model_.predict(X)


def fits(path):
    return len(path.read_text().splitlines())


def test_every_row_is_left_out_of_a_tree_of_its_own(iris):
    X, y, X_test, y_test = iris
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    loo = LeaveOneOutInfluence(tree, loss="brier").fit(X, y)
    assert loo.solver_ == "refit"
    truth = np.eye(3)[y_test]

    def loss(model):
        return ((model.predict_proba(X_test) - truth) ** 2).sum(axis=1)

    full = loss(clone(tree).fit(X, y))
    for i in (0, 5, 20, 37):
        without = clone(tree).fit(np.delete(X, i, axis=0), np.delete(y, i))
        np.testing.assert_allclose(
            loo.influence(X_test, y_test)[:, i], loss(without) - full, atol=1e-15
        )


def test_workers_and_backends_do_not_change_a_bit(iris):
    X, y, X_test, y_test = iris
    forest = RandomForestClassifier(5)
    options = {"random_state": 3}
    one = LeaveOneOutInfluence(forest, **options).fit(X, y).influence(X_test, y_test)
    two = LeaveOneOutInfluence(forest, n_jobs=2, **options).fit(X, y)
    np.testing.assert_array_equal(one, two.influence(X_test, y_test))
    with joblib.parallel_config("threading", n_jobs=2):
        threads = LeaveOneOutInfluence(forest, **options).fit(X, y)
    np.testing.assert_array_equal(one, threads.influence(X_test, y_test))


def test_retrainings_of_an_unseeded_estimator_have_seeds_of_their_own(iris):
    X, y, _, _ = iris
    loo = LeaveOneOutInfluence(RandomForestClassifier(3), random_state=0).fit(X, y)
    seeds = [model.random_state for model in loo._refits]
    assert len(set(seeds)) == len(seeds)
    fixed = RandomForestClassifier(3, random_state=7)
    loo = LeaveOneOutInfluence(fixed).fit(X, y)
    assert {model.random_state for model in loo._refits} == {7}


def test_memory_keeps_finished_retrainings(tmp_path):
    X, y = load_diabetes(return_X_y=True)
    X, y, log = X[:30], y[:30], tmp_path / "fits"
    options = {"memory": str(tmp_path / "memory")}
    first = LeaveOneOutInfluence(Counting(log), **options).fit(X, y)
    assert fits(log) == 31
    again = LeaveOneOutInfluence(Counting(log), **options).fit(X, y)
    assert fits(log) == 32  # the full model only
    np.testing.assert_array_equal(
        first.influence(X[:3], y[:3]), again.influence(X[:3], y[:3])
    )
    other = y.copy()
    other[0] += 1
    LeaveOneOutInfluence(Counting(log), **options).fit(X, other)
    assert fits(log) == 32 + 31


def test_models_finished_before_a_failure_are_not_trained_again(tmp_path):
    X, y = load_diabetes(return_X_y=True)
    X, y, log = X[:30], y[:30], tmp_path / "fits"
    options = {"memory": str(tmp_path / "memory")}
    X[20, 0] = 5.0
    broken = Counting(log, fail_without=5.0)
    with pytest.raises(FloatingPointError, match="no such row") as failure:
        LeaveOneOutInfluence(broken, **options).fit(X, y)
    assert "without rows [20] (29 rows left" in failure.value.__notes__[0]
    done = fits(log)
    with pytest.raises(FloatingPointError):
        LeaveOneOutInfluence(broken, **options).fit(X, y)
    assert fits(log) == done + 2  # the full model and the one that fails


def test_a_subset_of_one_class_predicts_it():
    X = np.array([[0.0], [1.0], [2.0], [3.0]])
    y = np.array(["a", "a", "a", "b"])
    for estimator in (LogisticRegression(), SVC(), RidgeLike()):
        loo = LeaveOneOutInfluence(estimator, solver="refit").fit(X, y)
        influence = loo.influence(X, y)
        assert np.isfinite(influence).all()
        assert influence[3, 3] > 0  # without it no neighbour has the label "b"


class RidgeLike(ClassifierMixin, BaseEstimator):
    """A classifier without probabilities or margins."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError("one class")
        self.border_ = X[y == self.classes_[1]].min()
        return self

    def predict(self, X):
        return self.classes_[(X[:, 0] >= self.border_).astype(int)]


def test_a_class_that_disappears_of_three_costs_a_probability_of_zero():
    X, y = load_wine(return_X_y=True)
    keep = np.r_[:20, 60:80, 140]  # one row of the third class
    loo = LeaveOneOutInfluence(DecisionTreeClassifier(random_state=0))
    loo.fit(X[keep], y[keep])
    own = loo.influence(X[[140]], y[[140]])[0, -1]
    assert own == pytest.approx(-np.log(np.finfo(float).eps))


def test_exact_refuses_by_name_what_auto_refits():
    X, y = load_diabetes(return_X_y=True)
    median = DummyRegressor(strategy="median")
    with pytest.raises(TypeError, match="known for DummyRegressor.*Supported"):
        LeaveOneOutInfluence(median, solver="exact").fit(X[:20], y[:20])
    assert LeaveOneOutInfluence(median).fit(X[:20], y[:20]).solver_ == "refit"


def test_long_retraining_is_announced_with_its_reason(monkeypatch):
    X, y = load_iris(return_X_y=True)
    X, y = X[::4], y[::4]
    few = LeaveOneOutInfluence(DummyClassifier())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        few.fit(X, y)  # takes a moment
    monkeypatch.setattr("skinfluence.retraining.engine._announcement.LONG", 0.0)
    message = (
        "38 models.*: about .*, as one took .* s.*known for DummyClassifier.*n_jobs"
    )
    with pytest.warns(UserWarning, match=message) as record:
        few.fit(X, y)
    assert record[0].filename == __file__
    reduced = make_pipeline(StandardScaler(), PCA(2), LogisticRegression())
    message = (
        "38 models.*without a row: standardscaler, pca. solver='exact' holds them fixed"
    )
    with pytest.warns(UserWarning, match=message):
        LeaveOneOutInfluence(reduced).fit(X, y)
    with pytest.warns(UserWarning, match="38 models.*solver='refit' was set"):
        LeaveOneOutInfluence(LogisticRegression(), solver="refit").fit(X, y)
    alone = np.append(X, [[9.0] * 4], axis=0), np.append(y, 7)
    with pytest.warns(UserWarning, match="1 model .*the other rows need no retraining"):
        LeaveOneOutInfluence(LogisticRegression()).fit(*alone)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LeaveOneOutInfluence(LogisticRegression(tol=1e-9, max_iter=10_000)).fit(X, y)


def test_long_groups_of_retrainings_are_announced(monkeypatch):
    X, y = load_iris(return_X_y=True)
    loo = LeaveOneOutInfluence(LogisticRegression(max_iter=1000), solver="refit")
    loo.fit(X[::5], y[::5])
    monkeypatch.setattr("skinfluence.retraining.engine._announcement.LONG", 0.0)
    with pytest.warns(UserWarning, match="3 models are to be trained"):
        loo.group_influence(X[:2], y[:2], groups=np.arange(30) % 3)


def test_a_group_of_all_rows_is_refused(iris):
    X, y, X_test, y_test = iris
    loo = LeaveOneOutInfluence(LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match="must leave at least one"):
        loo.group_influence(X_test, y_test, groups=np.zeros(len(y)))


def test_refits_of_boosters_are_announced_as_noise():
    X, y = load_diabetes(return_X_y=True)
    booster = GradientBoostingRegressor(n_estimators=2, max_depth=1, random_state=0)
    with pytest.warns(UserWarning, match="mostly noise.*TreeInfluence") as caught:
        loo = LeaveOneOutInfluence(booster).fit(X[:20], y[:20])
    assert caught[0].filename == __file__
    assert loo.solver_ == "refit"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LeaveOneOutInfluence(booster, solver="refit").fit(X[:20], y[:20])
        exact = LeaveOneOutInfluence(booster, solver="exact").fit(X[:20], y[:20])
    assert exact.fixed_steps_ == ["tree structure"]
