"""The shipped checks: third parties pass them, and what is wrong does not."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils import check_array
from sklearn.utils.estimator_checks import parametrize_with_checks

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator
from skinfluence.testing import check_influence, parametrize_with_influence_checks

EXAMPLES = Path(__file__).parents[1] / "doc" / "extending"


def load(name):
    """Import an example of the guide under its own name, so that it can be pickled."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GradientSimilarity = load("gradient_similarity").GradientSimilarity
KernelSmoother = load("kernel_smoother").KernelSmoother
THIRD_PARTY = [
    GradientSimilarity(Ridge()),
    GradientSimilarity(LinearRegression(), loss="absolute_error"),
    LeaveOneOutInfluence(KernelSmoother()),
]


@parametrize_with_influence_checks(THIRD_PARTY)
def test_third_party_estimator(influence_estimator, check):
    check(type(influence_estimator).__name__, influence_estimator)


@parametrize_with_checks([GradientSimilarity(Ridge())])
def test_third_party_estimator_is_of_scikit_learn(estimator, check):
    check(estimator)


def test_gradient_similarity_is_the_decrease_of_the_loss_by_a_step_of_descent():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    method = GradientSimilarity(Ridge()).fit(X[:15], y[:15])
    theta = np.r_[method.estimator_.coef_, method.estimator_.intercept_]
    A, rate = np.column_stack([X, np.ones(20)]), 1e-6
    for i in range(15):
        moved = theta + rate * 2 * (y[i] - A[i] @ theta) * A[i]
        gain = (y - A @ theta) ** 2 - (y - A @ moved) ** 2
        column = method.influence(X, y)[:, i]
        assert_allclose(column, gain / rate, rtol=1e-4, atol=1e-3)


def test_third_party_model_loses_rows_as_refits_do():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 2)), rng.normal(size=30)
    masks = rng.random((4, 30)) < [[0.0], [0.1], [0.5], [0.9]]
    exact = LeaveOneOutInfluence(KernelSmoother()).fit(X, y)
    assert exact.solver_ == "exact"
    refit = LeaveOneOutInfluence(KernelSmoother(), solver="refit").fit(X, y)
    for ask in (
        lambda loo: loo.influence(X, y),
        lambda loo: loo.self_influence(),
        lambda loo: loo.group_influence(X, y, groups=masks),
    ):
        assert_allclose(ask(exact), ask(refit), rtol=1e-10, atol=1e-12)
    with pytest.raises(UnsupportedEstimator, match="no influence functions"):
        InfluenceFunctions(KernelSmoother()).fit(X, y)


class Reversed(GradientSimilarity):
    """Calls good what is bad."""

    def _influence(self, X, y, loss):
        return -super()._influence(X, y, loss)


class Positional(GradientSimilarity):
    """Depends on where a row stands."""

    def _influence(self, X, y, loss):
        return super()._influence(X, y, loss) * (1 + np.arange(self.n_samples_fit_))


class Sorted(GradientSimilarity):
    """Mixes test rows up."""

    def _influence(self, X, y, loss):
        return np.sort(super()._influence(X, y, loss), axis=0)


class Unweighted(GradientSimilarity):
    """Forgets weights."""

    def _fit_influence(self, X, y, fit_params):
        super()._fit_influence(X, y, {})


class Halved(GradientSimilarity):
    """Groups in another unit than rows."""

    def _group_influence(self, X, y, loss, masks):
        return super()._group_influence(X, y, loss, masks) / 2


class LastStep(GradientSimilarity):
    """Forgets the steps before the model."""

    def _columns(self, X):
        return check_array(X, accept_sparse="csr", dtype=np.float64)


class Careless(GradientSimilarity):
    """Takes weights of any kind."""

    def _check_weight(self, sample_weight, n):
        weight = np.ones(n) if sample_weight is None else np.asarray(sample_weight)
        return weight / weight.sum()


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (Reversed, "sign"),
        (Positional, "order_of_training_rows"),
        (Sorted, "order_of_test_rows"),
        (Unweighted, "zero_weight"),
        (Halved, "groups"),
        (LastStep, "uses_whole_pipeline"),
        (Careless, "bad_lengths"),
    ],
)
def test_errors_name_the_violated_property(broken, name):
    with pytest.raises((AssertionError, IndexError)) as caught:
        check_influence(broken(Ridge()))
    notes = "\n".join(caught.value.__notes__)
    assert f"{broken.__name__} does not pass check_influence_{name}:" in notes


def test_a_method_that_samples_must_declare_it():
    with pytest.raises(AssertionError) as caught:
        check_influence(Positional(Ridge()))
    assert "order_of_training_rows" in "\n".join(caught.value.__notes__)
    marks = parametrize_with_influence_checks([Positional(Ridge())])
    fewer = parametrize_with_influence_checks(
        [Positional(Ridge())], deterministic=False
    )
    names = [
        {case.values[1].__name__ for case in mark.args[1]} for mark in (marks, fewer)
    ]
    left_out = {"order_of_training_rows", "duplicates", "zero_weight"}
    left_out |= {"weights_are_copies"}
    assert names[0] - names[1] == {f"check_influence_{name}" for name in left_out}


def test_checks_need_neither_pytest_nor_pandas():
    code = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("pytest", "pandas", "polars"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from sklearn.linear_model import LogisticRegression
from skinfluence import LeaveOneOutInfluence
from skinfluence.testing import check_influence, parametrize_with_influence_checks
loo = LeaveOneOutInfluence(LogisticRegression())
check_influence(loo)
try:
    parametrize_with_influence_checks([loo])
except ImportError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert 'pip install "pytest>=8"' in run.stdout
