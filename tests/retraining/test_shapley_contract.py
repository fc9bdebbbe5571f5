"""ShapleyInfluence as an estimator: parameters, workers, seeds, disk, memory."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from truth.games import TREE, by_definition, fit_subset, table

from skinfluence import ShapleyInfluence


def test_models_that_were_let_go_cannot_be_asked():
    X, y, train, test = table(8, True)
    shapley = ShapleyInfluence(TREE).fit(X[train], y[train], X[test], y[test])
    assert shapley.estimators_ == []
    with pytest.raises(ValueError, match="leave X and y out"):
        shapley.influence(X[test], y[test])
    with pytest.raises(ValueError, match="X_val.*discarded"):
        shapley.self_influence()
    with pytest.raises(ValueError, match="'sample_weight'.*X_val"):
        shapley.sample_values(sample_weight=[1, 2, 3, 4], return_std=True)
    weighted = shapley.sample_values(sample_weight=[1, 2, 3, 4])
    assert_allclose(
        weighted, np.average(shapley.influence(), axis=0, weights=[1, 2, 3, 4])
    )
    values, rows = shapley.influential_rows(n_rows=2)
    assert values.shape == rows.shape == (4, 2)


def test_fit_parameters_and_pipelines_are_retrained():
    X, y, train, test = table(5, False)
    weighted = ShapleyInfluence(Ridge()).fit(
        X[train], y[train], sample_weight=np.ones(5)
    )
    plain = ShapleyInfluence(Ridge()).fit(X[train], y[train], sample_weight=None)
    assert plain.solver_ == "incremental"
    assert weighted.solver_ == "refit"
    expected = plain.influence(X[test], y[test])
    assert_allclose(weighted.influence(X[test], y[test]), expected, atol=1e-10)
    piped = ShapleyInfluence(make_pipeline(StandardScaler(), Ridge()))
    assert piped.fit(X[train], y[train]).solver_ == "refit"


@pytest.mark.slow
def test_workers_are_processes_too():
    X, y, train, test = table(18, True)
    results = []
    for n_jobs in (None, 2):
        for validation in ((), (X[test], y[test])):
            shapley = ShapleyInfluence(
                DecisionTreeClassifier(max_features=1),
                max_retrainings=72,
                n_jobs=n_jobs,
                random_state=0,
            )
            shapley.fit(X[train], y[train], *validation)
            question = () if validation else (X[test], y[test])
            results.append(shapley.influence(*question))
    for result in results[1:]:
        assert_array_equal(result, results[0])


def test_neighbours_are_as_many_as_there_are():
    X, y, train, test = table(5, False)
    shapley = ShapleyInfluence(KNeighborsRegressor(3)).fit(X[train], y[train])
    assert shapley.solver_ == "incremental"
    losses = {}
    for size in range(6):
        for subset in combinations(range(5), size):
            kept = list(subset)
            model = fit_subset(
                KNeighborsRegressor(min(3, size)), X[train], y[train], kept
            )
            losses[subset] = (y[test] - model.predict(X[test])) ** 2
    truth = by_definition(losses, 5, "shapley")
    assert_allclose(shapley.influence(X[test], y[test]), truth, atol=1e-10)


@pytest.mark.parametrize(("n", "budget"), [(6, None), (18, 72)])
def test_random_estimators_are_seeded_by_the_retraining(n, budget):
    X, y, train, test = table(n, True)
    shapley = ShapleyInfluence(
        DecisionTreeClassifier(max_features=1), max_retrainings=budget, random_state=0
    )
    one = shapley.fit(X[train], y[train]).influence(X[test], y[test])
    seeds = [m.random_state for m in np.ravel(shapley.estimators_[0]) if is_tree(m)]
    assert len(set(seeds)) == len(seeds)
    again = shapley.fit(X[train], y[train], X[test], y[test]).influence()
    assert_allclose(one, again, atol=1e-12)
    shapley.set_params(random_state=1).fit(X[train], y[train])
    assert (shapley.influence(X[test], y[test]) != one).any()


def is_tree(model):
    """Tell a tree from a model of one class."""
    return isinstance(model, DecisionTreeClassifier)


def test_nets_are_seeded_too():
    torch, skorch = pytest.importorskip("torch"), pytest.importorskip("skorch")
    X, y, train, test = table(18, False)
    X, y = X.astype(np.float32), y.astype(np.float32)[:, None]
    net = skorch.NeuralNetRegressor(
        torch.nn.Linear,
        module__in_features=2,
        module__out_features=1,
        max_epochs=2,
        train_split=None,
        verbose=0,
    )
    shapley = ShapleyInfluence(net, max_retrainings=36, random_state=0)
    one = shapley.fit(X[train], y[train], X[test], y[test]).influence()
    other = shapley.fit(X[train], y[train]).influence(X[test], y[test])
    assert_array_equal(one, other)


def test_a_single_row():
    X, y, _, _ = table(2, False)
    shapley = ShapleyInfluence(Ridge()).fit(X[:1], y[:1])
    assert_allclose(shapley.influence(X[1:3], y[1:3]), 0.0, atol=1e-12)


def test_memory_keeps_finished_retrainings(tmp_path):
    X, y, train, test = table(6, True)
    shapley = ShapleyInfluence(TREE, memory=tmp_path)
    one = shapley.fit(X[train], y[train]).influence(X[test], y[test])
    files = set(tmp_path.rglob("output.pkl"))
    assert len(files) == 2**6 - 2
    again = shapley.fit(X[train], y[train]).influence(X[test], y[test])
    assert_array_equal(one, again)
    assert set(tmp_path.rglob("output.pkl")) == files


def test_a_larger_budget_finds_the_smaller_one_on_disk(tmp_path):
    X, y, train, test = table(18, True)
    for budget, draws in ((36, 1), (108, 3)):
        shapley = ShapleyInfluence(TREE, max_retrainings=budget, memory=tmp_path)
        shapley.fit(X[train], y[train], X[test], y[test])
        files = list(tmp_path.rglob("output.pkl"))
        assert len(files) == shapley.n_retrainings_ == draws * 2 * 17


def test_models_that_do_not_fit_into_memory(monkeypatch):
    X, y, train, _ = table(6, True)

    def refuse(n_bytes, what, instead):
        if "models" in what:
            raise MemoryError(f"{what}. {instead}")

    monkeypatch.setattr(
        "skinfluence.retraining.engine._coalitions.check_memory", refuse
    )
    with pytest.raises(MemoryError, match="Keeping 62 models.*Pass X_val"):
        ShapleyInfluence(TREE).fit(X[train], y[train])
