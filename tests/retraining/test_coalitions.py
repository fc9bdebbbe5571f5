"""The engine: any backend, killed processes, damaged files, failures, progress."""

import builtins
import os
import signal
import time
from itertools import chain, repeat
from pathlib import Path

import joblib
import numpy as np
import pytest
from checks.coalition_tasks import evaluation, subsets_of
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import (
    LogisticRegression,
    Ridge,
    RidgeClassifier,
    RidgeCV,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_info, threadpool_limits

from skinfluence import LeaveOneOutInfluence, ShapleyInfluence
from skinfluence._losses import LogLoss, MarginLoss, SquaredError
from skinfluence.retraining.engine import _coalitions
from skinfluence.retraining.engine._coalitions import Coalitions
from skinfluence.retraining.engine._evaluation import Evaluation, Evaluations

TREE = DecisionTreeRegressor(max_features=2)  # random: its seed matters


def tree_losses(table, **options):
    X, y = table
    coalitions = Coalitions(TREE, X, y, {}, seed=3, **options)
    return coalitions.losses(subsets_of(len(X)), range(12), evaluation(X, y))


# --------------------------------------------------------------------- retraining


def test_losses_and_models_by_hand(table):
    X, y = table
    subsets = subsets_of(len(X))
    weight = np.linspace(0.1, 2, len(X))
    coalitions = Coalitions(Ridge(), X, y, {"sample_weight": weight}, seed=0)
    losses = coalitions.losses(subsets, range(12), evaluation(X, y))
    models = coalitions.models(subsets, range(12))
    for subset, row, model in zip(subsets, losses, models, strict=True):
        alone = Ridge().fit(X[subset], y[subset], sample_weight=weight[subset])
        assert_array_equal(row, (alone.predict(X) - y) ** 2)
        assert_array_equal(model.coef_, alone.coef_)


def test_several_evaluations_stand_side_by_side(table):
    X, y = table
    first, second = evaluation(X[:5], y[:5]), evaluation(X[5:9], y[5:9])
    both = Evaluations(first, second)
    coalitions = Coalitions(Ridge(), X, y, {}, seed=0)
    losses = coalitions.losses(subsets_of(40), range(12), both)
    assert losses.shape == (12, len(both)) == (12, 9)
    assert_array_equal(
        losses[:, :5], coalitions.losses(subsets_of(40), range(12), first)
    )


def test_the_empty_subset_is_the_prior_prediction():
    X, y = load_iris(return_X_y=True)
    y = y + 7
    code = np.searchsorted(np.unique(y), y)
    share = np.bincount(code[30:]) / 120
    empty = [np.array([], dtype=int)]
    classifier = Coalitions(LogisticRegression(), X[30:], y[30:], {}, seed=0)
    log_loss = Evaluation(X, code, LogLoss(), np.unique(y))
    assert_array_equal(classifier.losses(empty, [0], log_loss)[0], -np.log(share[code]))
    margin = Evaluation(X, code, MarginLoss("hinge"), np.unique(y))
    expected = np.maximum(0, 1 - np.where(np.eye(3)[code], 1, -1) * (2 * share - 1))
    losses = Coalitions(RidgeClassifier(), X[30:], y[30:], {}, seed=0)
    np.testing.assert_allclose(
        losses.losses(empty, [0], margin)[0], expected.sum(axis=1), rtol=1e-15
    )
    regressor = Coalitions(Ridge(), X, X[:, 0], {}, seed=0)
    squared = Evaluation(X, X[:, :1], SquaredError(), None)
    np.testing.assert_allclose(
        regressor.losses(empty, [0], squared)[0], (X[:, 0] - X[:, 0].mean()) ** 2
    )


def test_a_subset_of_one_class_predicts_that_class():
    X, y = load_iris(return_X_y=True)
    coalitions = Coalitions(LogisticRegression(), X, y, {}, seed=0)
    loss = Evaluation(X, y, LogLoss(), np.unique(y))
    row = coalitions.losses([np.arange(50, 60)], [0], loss)[0]
    assert_array_equal(row, np.where(y == 1, 0, -np.log(np.finfo(float).eps)))


# ----------------------------------------------------------------------- backends


def test_backends_do_not_change_a_bit(table):
    alone = tree_losses(table)
    assert len(np.unique(alone, axis=0)) == 12
    assert_array_equal(tree_losses(table, n_jobs=2), alone)
    for backend in ("loky", "threading"):
        with joblib.parallel_config(backend, n_jobs=2):
            assert_array_equal(tree_losses(table), alone)


def test_order_does_not_change_a_bit(table):
    X, y = table
    alone = tree_losses(table)
    order = np.random.default_rng(0).permutation(12)
    subsets = subsets_of(40)
    coalitions = Coalitions(TREE, X, y, {}, seed=3)
    losses = coalitions.losses([subsets[k] for k in order], order, evaluation(X, y))
    assert_array_equal(losses, alone[order])


def test_large_tables_are_read_only_where_they_are_shared():
    X = np.random.default_rng(0).normal(size=(3000, 60))  # above joblib's 1 MB
    y = X[:, 0]
    tree = DecisionTreeRegressor(max_depth=2, random_state=0)
    rows = [np.arange(k, 3000) for k in range(4)]
    results = [
        Coalitions(tree, X, y, {}, seed=0, n_jobs=n_jobs).losses(
            rows, range(4), evaluation(X[:5], y[:5])
        )
        for n_jobs in (1, 2)
    ]
    assert_array_equal(*results)


def test_workers_may_come_and_go(monkeypatch, table):
    workers = chain([1, 2, 2, 3], repeat(1))  # slow machines take more rounds
    monkeypatch.setattr(_coalitions, "effective_n_jobs", lambda n_jobs: next(workers))
    opened = []

    class Opened(_coalitions.Parallel):
        def __enter__(self):
            opened.append(self)
            return super().__enter__()

    monkeypatch.setattr(_coalitions, "Parallel", Opened)
    losses = tree_losses(table, n_jobs=2)
    assert len(opened) == 3
    monkeypatch.undo()
    assert_array_equal(losses, tree_losses(table))


class Sleepy(RegressorMixin, BaseEstimator):
    """Ridge regression that takes longest on the fewest rows."""

    def fit(self, X, y):
        time.sleep(0.4 / len(X))
        self.model_ = Ridge().fit(X, y)
        return self

    def predict(self, X):
        return self.model_.predict(X)


def test_threads_leave_the_limits_of_linear_algebra_alone(table):
    X, y = table
    rows = [np.arange(k) for k in (20, 3, 10, 2, 40, 4)]  # they end out of order
    with threadpool_limits(2):
        before = [part["num_threads"] for part in threadpool_info()]
        with joblib.parallel_config("threading", n_jobs=3):
            Coalitions(Sleepy(), X, y, {}, seed=0).models(rows, range(6))
        assert [part["num_threads"] for part in threadpool_info()] == before
    assert 2 in before


@pytest.mark.filterwarnings("ignore")
def test_ray_does_not_change_a_bit(table, monkeypatch):
    # ray replaces print for good, by which skorch knows whether a net is to be silent
    monkeypatch.setattr(builtins, "print", builtins.print)
    ray = pytest.importorskip("ray")
    register_ray = pytest.importorskip("ray.util.joblib").register_ray
    register_ray()
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        with joblib.parallel_config("ray"):
            losses = tree_losses(table)
    finally:
        ray.shutdown()
    assert_array_equal(losses, tree_losses(table, n_jobs=1))


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        with distributed.Client(cluster) as client:
            yield client


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_dask_does_not_change_a_bit(client, table):
    with joblib.parallel_config("dask"):
        assert_array_equal(tree_losses(table), tree_losses(table, n_jobs=1))


class Suicidal(RegressorMixin, BaseEstimator):
    """Ridge regression that kills its own process, once in a lifetime of a file."""

    def __init__(self, path=None):
        self.path = path

    def fit(self, X, y):
        if len(X) == 13 and not os.path.exists(self.path):
            Path(self.path).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        self.model_ = Ridge().fit(X, y)
        return self

    def predict(self, X):
        return self.model_.predict(X)


def with_a_killed_worker(path, table):
    X, y = table
    subsets = [np.arange(k) for k in range(2, 40)]
    coalitions = Coalitions(Suicidal(str(path)), X, y, {}, seed=0)
    losses = coalitions.losses(subsets, range(len(subsets)), evaluation(X, y))
    expected = [(Ridge().fit(X[s], y[s]).predict(X) - y) ** 2 for s in subsets]
    assert path.exists(), "nobody died"
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_a_killed_worker_process_is_survived(tmp_path, table):
    with joblib.parallel_config("loky", n_jobs=2):
        with pytest.warns(RuntimeWarning, match="Workers were lost"):
            with_a_killed_worker(tmp_path / "died", table)


@pytest.mark.filterwarnings("ignore")
def test_a_killed_dask_worker_is_survived(client, tmp_path, table):
    with joblib.parallel_config("dask"):
        with_a_killed_worker(tmp_path / "died", table)


# ----------------------------------------------------------------------- failures


class Fragile(RegressorMixin, BaseEstimator):
    """Cannot be fitted without the first row."""

    def __init__(self, first=None):
        self.first = first

    def fit(self, X, y):
        if X[0, 0] != self.first:
            raise FloatingPointError("no such row")
        self.model_ = Ridge().fit(X, y)
        return self

    def predict(self, X):
        return self.model_.predict(X)


def test_the_error_of_a_failed_fit_names_the_subset(table):
    X, y = table
    coalitions = Coalitions(Fragile(X[0, 0]), X, y, {}, seed=5)
    subsets = [np.arange(40), np.arange(1, 21)]
    with pytest.raises(FloatingPointError, match="no such row") as failure:
        coalitions.losses(subsets, [7, 8], evaluation(X, y))
    note = failure.value.__notes__[0]
    assert "Fragile on 20 of 40 rows (the first are [1, 2," in note
    assert "seed 5, number 8)" in note
    assert not any("Shapley" in note for note in failure.value.__notes__)


def test_an_estimator_that_needs_more_rows_is_told_so(table):
    X, y = table
    shapley = ShapleyInfluence(RidgeCV(cv=5), max_retrainings=80, random_state=0)
    with pytest.raises(ValueError, match="n_splits=5") as failure:
        shapley.fit(X, y)
    notes = " ".join(failure.value.__notes__)
    assert "on 1 of 40 rows" in notes
    assert "best_estimator_" in notes
    assert "DownsamplingInfluence" in notes


def test_a_failed_fit_can_have_a_loss(table):
    X, y = table
    loo = LeaveOneOutInfluence(Fragile(X[0, 0]), error_score=np.nan)
    with pytest.warns(FitFailedWarning, match=r"(?s)no such row.*rows \[0\].*nan"):
        loo.fit(X, y)
    influence = loo.influence(X[:3], y[:3])
    assert np.isnan(influence[:, 0]).all()
    assert np.isfinite(influence[:, 1:]).all()


# ----------------------------------------------------------------------- progress


class Listener:
    """A scikit-learn callback that counts."""

    def __init__(self):
        self.events = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def on_fit_task_begin(self, estimator, context):
        if context.max_subtasks:
            self.events.append((context.task_name, context.max_subtasks))

    def on_fit_task_end(self, estimator, context):
        if context.max_subtasks == 0:
            self.events.append("done")

    def teardown(self, estimator, context):
        self.events.append("teardown")


def test_callbacks_see_every_retraining(table):
    pytest.importorskip("sklearn.callback")
    X, y = table
    listener = Listener()
    loo = LeaveOneOutInfluence(DecisionTreeRegressor(max_depth=2, random_state=0))
    loo.set_callbacks(listener).fit(X, y)
    assert listener.events == ["setup", ("retrainings", 40), *["done"] * 40, "teardown"]
    loo.group_influence(X, y, groups=np.arange(40) % 3)  # after fit: not reported
    assert len(listener.events) == 43
    assert clone(loo) is not loo


def test_callbacks_end_where_a_fit_fails(table):
    pytest.importorskip("sklearn.callback")
    X, y = table
    listener = Listener()
    loo = LeaveOneOutInfluence(Fragile(X[0, 0])).set_callbacks(listener)
    with pytest.raises(FloatingPointError):
        loo.fit(X, y)
    assert listener.events[-1] == "teardown"
    assert loo._callbacks is None


def test_verbose_prints_the_time_left(table, capsys):
    tree_losses(table, verbose=1)
    assert "12/12 retrainings" in capsys.readouterr().out
    tree_losses(table)
    assert capsys.readouterr().out == ""


def test_a_tree_of_many_classes_keeps_its_columns():
    X, y = load_iris(return_X_y=True)
    coalitions = Coalitions(DecisionTreeClassifier(random_state=0), X, y, {}, seed=0)
    loss = Evaluation(X, y, LogLoss(), np.unique(y))
    row = coalitions.losses([np.arange(100)], [0], loss)[0]
    assert_array_equal(row[100:], -np.log(np.finfo(float).eps))
    assert row[:100].max() < 1e-9
