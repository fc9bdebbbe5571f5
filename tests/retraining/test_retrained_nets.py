"""Nets that the engine retrains: seeds, workers, and what is refused."""

import numpy as np
import pytest
from checks.coalition_tasks import evaluation, subsets_of
from numpy.testing import assert_array_equal
from sklearn.datasets import load_breast_cancer

from skinfluence import LeaveOneOutInfluence
from skinfluence.retraining.engine._coalitions import Coalitions


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
