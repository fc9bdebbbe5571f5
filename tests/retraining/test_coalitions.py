"""The engine: any backend, killed processes, damaged files, failures, progress."""

import os
import signal
import subprocess
import sys
import time
from itertools import chain, repeat
from pathlib import Path

import joblib
import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tables import first
from threadpoolctl import threadpool_info, threadpool_limits

import skinfluence
from skinfluence import LeaveOneOutInfluence
from skinfluence._losses import LogLoss, MarginLoss, SquaredError
from skinfluence.retraining.engine import _coalitions
from skinfluence.retraining.engine._coalitions import Coalitions
from skinfluence.retraining.engine._evaluation import Evaluation, Evaluations


@pytest.fixture
def table():
    return first("diabetes", 40)


def subsets_of(n, count=12, seed=0):
    rng = np.random.default_rng(seed)
    return [np.flatnonzero(rng.random(n) < 0.6) for _ in range(count)]


def evaluation(X, y):
    return Evaluation(X, y[:, None], SquaredError(), None)


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
def test_ray_does_not_change_a_bit(table):
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


# ------------------------------------------------------------------------- memory


class Counting(RegressorMixin, BaseEstimator):
    """Ridge regression that leaves a line in a file at every fit, slowly."""

    def __init__(self, log=None, seconds=0.0):
        self.log = log
        self.seconds = seconds

    def fit(self, X, y):
        time.sleep(self.seconds)
        with open(self.log, "a") as log:
            log.write(f"{len(X)}\n")
        self.model_ = Ridge().fit(X, y)
        return self

    def predict(self, X):
        return self.model_.predict(X)


def fits(path):
    return len(path.read_text().splitlines()) if path.exists() else 0


def run_counting(tmp_path, table, count=12, **options):
    X, y = table
    coalitions = Coalitions(
        Counting(tmp_path / "fits"), X, y, {}, seed=0, memory=tmp_path / "m", **options
    )
    return coalitions.losses(subsets_of(40)[:count], range(count), evaluation(X, y))


def test_a_larger_budget_reuses_the_smaller_one(tmp_path, table):
    few = run_counting(tmp_path, table, 5)
    assert fits(tmp_path / "fits") == 5
    many = run_counting(tmp_path, table, 12, n_jobs=2)
    assert fits(tmp_path / "fits") == 12
    assert_array_equal(many[:5], few)
    assert_array_equal(run_counting(tmp_path, table), many)
    assert fits(tmp_path / "fits") == 12
    # Other data, another estimator, other rows to evaluate: other retrainings.
    X, y = table
    run_counting(tmp_path, (X, y + 1))
    assert fits(tmp_path / "fits") == 24


def test_another_scikit_learn_trains_again(tmp_path, table, monkeypatch):
    run_counting(tmp_path, table, 2)
    monkeypatch.setattr(sklearn, "__version__", "another")
    run_counting(tmp_path, table, 2)
    assert fits(tmp_path / "fits") == 4


def test_what_has_no_name_on_disk_is_refused_before_training(tmp_path, table):
    X, y = table
    log = tmp_path / "fits"
    counting = Counting(log)
    counting.seconds = lambda: 0
    with pytest.raises(ValueError, match=r"(?s)'memory' parameter.*lambda"):
        Coalitions(counting, X, y, {}, seed=0, memory=tmp_path)
    coalitions = Coalitions(Counting(log), X, y, {}, seed=0, memory=tmp_path)
    with pytest.raises(ValueError, match=r"(?s)'memory' parameter.*lambda"):
        coalitions.losses([np.arange(9)], [0], lambda model: np.zeros(1))
    assert fits(log) == 0


SCRIPT = """
import sys
sys.path[:0] = {path!r}
from sklearn.datasets import load_diabetes
from test_coalitions import *
X, y = load_diabetes(return_X_y=True)
X, y = X[:40], y[:40]
coalitions = Coalitions(
    Counting({log!r}, 0.1), X, y, {{}}, seed=0, memory={memory!r}, n_jobs={n_jobs}
)
losses = coalitions.losses(subsets_of(40), range(12), evaluation(X, y))
np.save({losses!r}, losses)
"""


@pytest.mark.parametrize(
    ("how", "n_jobs"),
    [(signal.SIGKILL, 1), (signal.SIGKILL, 2), (signal.SIGINT, 1), (signal.SIGINT, 2)],
)
def test_a_killed_run_resumes(tmp_path, table, how, n_jobs):
    X, y = table
    log, memory, losses = tmp_path / "fits", tmp_path / "m", tmp_path / "losses.npy"
    package = Path(skinfluence.__file__).parents[1]
    command = SCRIPT.format(
        path=[*map(str, Path(__file__).parents[:2]), str(package)],
        log=str(log),
        memory=str(memory),
        losses=str(losses),
        n_jobs=n_jobs,
    )
    run = [sys.executable, "-c", command]
    process = subprocess.Popen(run, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while fits(log) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, how)
    process.wait(60)
    started = fits(log)
    finished = len(list(memory.rglob("output.pkl")))
    assert 4 <= started < 12
    assert finished >= started - n_jobs - 1  # but what was being trained or written
    subprocess.run(run, check=True, timeout=60)
    assert fits(log) - started == 12 - finished
    expected = [(Ridge().fit(X[s], y[s]).predict(X) - y) ** 2 for s in subsets_of(40)]
    np.testing.assert_allclose(np.load(losses), expected, rtol=1e-12)


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


def test_a_failed_fit_says_which(table):
    X, y = table
    coalitions = Coalitions(Fragile(X[0, 0]), X, y, {}, seed=5)
    subsets = [np.arange(40), np.arange(1, 21)]
    with pytest.raises(FloatingPointError, match="no such row") as failure:
        coalitions.losses(subsets, [7, 8], evaluation(X, y))
    note = failure.value.__notes__[0]
    assert "Fragile on 20 of 40 rows (the first are [1, 2," in note
    assert "seed 5, number 8)" in note


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
    loo.group_influence(X, y, groups=np.arange(40) % 3)  # after fit: nobody listens
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


# --------------------------------------------------------------------------- nets


def test_nets_are_seeded_each_and_leave_torch_alone():
    torch, skorch = pytest.importorskip("torch"), pytest.importorskip("skorch")

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(
                torch.nn.Linear(30, 2), torch.nn.Softmax(dim=-1)
            )

        def forward(self, X):
            return self.layers(X)

    net = skorch.NeuralNetClassifier(
        Module, max_epochs=1, train_split=None, verbose=0, lr=1e-6
    )
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X[:60].astype(np.float32), y[:60]
    subset = np.arange(50)
    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    coalitions = Coalitions(net, X, y, {}, seed=0)
    one, two = coalitions.models([subset, subset], [1, 2])
    (again,) = coalitions.models([subset], [1])
    assert torch.equal(torch.random.get_rng_state(), state)
    assert_array_equal(one.predict_proba(X), again.predict_proba(X))
    assert (one.predict_proba(X) != two.predict_proba(X)).any()


def test_nets_do_not_depend_on_workers_and_are_kept_on_disk(tmp_path, table):
    torch, skorch = pytest.importorskip("torch"), pytest.importorskip("skorch")
    X, y = (part.astype(np.float32) for part in table)
    net = skorch.NeuralNetRegressor(
        torch.nn.Linear,
        module__in_features=10,
        module__out_features=1,
        max_epochs=2,
        train_split=None,
        verbose=0,
    )

    def losses(count, **options):
        coalitions = Coalitions(net, X, y[:, None], {}, seed=0, **options)
        return coalitions.losses(subsets_of(40)[:count], range(count), evaluation(X, y))

    alone = losses(5)
    assert len(np.unique(alone, axis=0)) == 5
    assert_array_equal(losses(5, n_jobs=2, memory=tmp_path), alone)
    assert_array_equal(losses(6, memory=tmp_path)[:5], alone)
    assert len(list(tmp_path.rglob("output.pkl"))) == 6


def test_a_module_instance_is_refused_before_training():
    torch, skorch = pytest.importorskip("torch"), pytest.importorskip("skorch")
    net = skorch.NeuralNetRegressor(torch.nn.Linear(2, 1))
    X = np.zeros((4, 2), dtype=np.float32)
    with pytest.raises(ValueError, match="'module' of a net must be a class.*Linear"):
        LeaveOneOutInfluence(net).fit(X, X[:, :1])
    assert not hasattr(net, "module_")


def test_a_tree_of_many_classes_keeps_its_columns():
    X, y = load_iris(return_X_y=True)
    coalitions = Coalitions(DecisionTreeClassifier(random_state=0), X, y, {}, seed=0)
    loss = Evaluation(X, y, LogLoss(), np.unique(y))
    row = coalitions.losses([np.arange(100)], [0], loss)[0]
    assert_array_equal(row[100:], -np.log(np.finfo(float).eps))
    assert row[:100].max() < 1e-9
