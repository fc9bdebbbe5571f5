"""Kernel ridge and Gaussian processes lose rows exactly: against refits."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from tables import shuffled
from truth.brute_force import brute_force

from skinfluence import LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator, removal_model

N = 80


@pytest.fixture(scope="module")
def diabetes():
    return shuffled("diabetes", N + 25)


def some_masks(n):
    """Sets of one row, of few, of nearly all, and of none."""
    shares = np.array([[0], [0.03], [0.1], [0.5], [0.95], [0]])
    masks = np.random.default_rng(0).random((6, n)) < shares
    masks[0, 3] = True
    return masks


def check(estimator, X, y, loss="auto", weight=None, rtol=1e-10, n=N):
    """Compare rows, a row on itself and sets with refits."""
    data, test = (X[:n], y[:n]), (X[n:], y[n:])
    params = {} if weight is None else {"sample_weight": weight}
    loo = LeaveOneOutInfluence(estimator, loss=loss).fit(*data, **params)
    assert loo.solver_ == "exact"
    assert len(loo.refitted_rows_) == 0
    assert loo.optimum_distance_ < 1e-7
    options = {"loss": loss, "weight": weight}
    every = brute_force(estimator, *data, X, y, **options)
    groups = brute_force(estimator, *data, *test, some_masks(n), **options)
    for actual, desired in (
        (loo.influence(*test), every[n:]),
        (loo.self_influence(), np.diag(every[:n])),
        (loo.group_influence(*test, groups=some_masks(n)), groups),
    ):
        np.testing.assert_allclose(
            actual, desired, rtol=0, atol=rtol * np.abs(desired).max()
        )
    return loo


@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly", "laplacian", "cosine"])
@pytest.mark.parametrize("weighted", [False, True])
def test_kernel_ridge(diabetes, kernel, weighted):
    X, y = diabetes
    weight = np.random.default_rng(1).integers(0, 4, N) / 2 if weighted else None
    estimator = KernelRidge(alpha=0.3, kernel=kernel, gamma=0.1 if weighted else None)
    loo = check(estimator, X, y, "absolute_error", weight)
    if weighted:
        matrix = loo.influence(X[N:], y[N:])
        np.testing.assert_array_equal(matrix[:, weight == 0], 0.0)
    both = np.column_stack([y, np.sqrt(y)])
    check(KernelRidge(alpha=0.3, kernel=kernel), X, both, weight=weight)


@pytest.mark.parametrize("alpha", [[0.3, 2.0, 0.3], [1.0], np.array([2.0, 2.0, 2.0])])
def test_penalty_per_output(diabetes, alpha):
    X, y = diabetes
    targets = np.column_stack([y, np.sqrt(y), X[:, 0]])
    loo = check(KernelRidge(alpha=alpha, kernel="rbf"), X, targets)
    assert len(loo._model.inverses) == len(np.unique(alpha))


def near(a, b, power=1):
    """Be a kernel that scikit-learn does not know."""
    return np.exp(-(np.abs(a - b).sum() ** power) / 5)


def test_callable_kernel_and_sparse_rows(diabetes):
    X, y = diabetes
    params = {"power": 0.5}
    check(KernelRidge(kernel=near, kernel_params=params), X[:30], y[:30], n=20)
    X = np.where(np.abs(X) > 0.5, X, 0)
    check(KernelRidge(kernel="rbf"), sp.csr_array(X), y)


def test_linear_kernel_is_ridge(diabetes):
    X, y = diabetes
    kernel = LeaveOneOutInfluence(KernelRidge(alpha=2.0)).fit(X[:N], y[:N])
    ridge = LeaveOneOutInfluence(Ridge(alpha=2.0, fit_intercept=False))
    expected = ridge.fit(X[:N], y[:N]).influence(X[N:], y[N:])
    np.testing.assert_allclose(
        kernel.influence(X[N:], y[N:]), expected, rtol=0, atol=1e-9 * expected.max()
    )


def test_explained_prediction(diabetes):
    X, y = diabetes
    loo = LeaveOneOutInfluence(KernelRidge(kernel="rbf")).fit(X[:N], y[:N])
    moved = loo.influence(X[N:])
    for i in (0, 17):
        kept = np.arange(N) != i
        without = KernelRidge(kernel="rbf").fit(X[:N][kept], y[:N][kept])
        expected = loo.predict(X[N:]) - without.predict(X[N:])
        np.testing.assert_allclose(moved[:, i], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("normalize_y", [False, True])
@pytest.mark.parametrize(
    "kernel",
    [
        RBF(3.0) + WhiteKernel(0.3),
        ConstantKernel(4.0) * Matern(4.0, nu=1.5) + WhiteKernel(0.05),
    ],
    ids=str,
)
def test_gaussian_process(diabetes, kernel, normalize_y):
    X, y = diabetes
    options = {"kernel": kernel, "normalize_y": normalize_y, "optimizer": None}
    check(GaussianProcessRegressor(**options), X, y, "absolute_error")
    both = np.column_stack([y, 1e4 * np.sqrt(y)])
    check(GaussianProcessRegressor(alpha=0.2, **options), X, both)


def test_fixed_kernel_needs_no_optimizer(diabetes):
    X, y = diabetes
    kernel = RBF(3.0, "fixed") + WhiteKernel(0.3, "fixed")
    check(GaussianProcessRegressor(kernel), X, y)


def test_constant_targets_keep_their_mean(diabetes):
    X, y = diabetes
    y = np.full(len(y), 7.0)
    y[N:] = 1.0
    estimator = GaussianProcessRegressor(
        RBF(3.0), alpha=0.1, optimizer=None, normalize_y=True
    )
    loo = LeaveOneOutInfluence(estimator).fit(X[:N], y[:N])
    np.testing.assert_allclose(loo.influence(X[N:], y[N:]), 0, atol=1e-10)


def test_noise_of_each_row_goes_with_the_row(diabetes):
    # scikit-learn's refits would need the array cut as well
    X, y = diabetes
    alpha = np.linspace(0.1, 1, N)
    options = {"kernel": RBF(3.0), "optimizer": None, "normalize_y": True}
    estimator = GaussianProcessRegressor(alpha=alpha, **options)
    loo = LeaveOneOutInfluence(estimator).fit(X[:N], y[:N])
    result = loo.influence(X[N:])
    for i in (0, 40, 79):
        kept = np.arange(N) != i
        model = GaussianProcessRegressor(alpha=alpha[kept], **options)
        without = model.fit(X[:N][kept], y[:N][kept]).predict(X[N:])
        expected = loo.predict(X[N:]) - without
        np.testing.assert_allclose(result[:, i], expected, rtol=0, atol=1e-9)


def test_optimised_kernel_is_held_fixed_or_refitted(diabetes):
    X, y = diabetes[0][:20, :2], diabetes[1][:20]
    estimator = GaussianProcessRegressor(
        RBF(3.0) + WhiteKernel(0.3), random_state=0, normalize_y=True
    )
    loo = LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
    assert loo.fixed_steps_ == ["kernel_ of GaussianProcessRegressor"]
    fixed = GaussianProcessRegressor(
        loo.estimator_.kernel_, optimizer=None, normalize_y=True
    )
    expected = brute_force(fixed, X, y, X, y)
    np.testing.assert_allclose(
        loo.influence(X, y), expected, rtol=0, atol=1e-9 * np.abs(expected).max()
    )
    loo.set_params(solver="auto").fit(X[:8], y[:8])
    assert loo.solver_ == "refit"


def test_duplicates(diabetes):
    X, y = diabetes
    copies = np.r_[: N - 3, 0, 5, 5, N : len(y)]
    y = y[copies]
    y[N - 2] += 100
    check(KernelRidge(kernel="rbf", alpha=0.01), X[copies], y)
    options = {"optimizer": None, "normalize_y": True}
    check(GaussianProcessRegressor(RBF(3.0), alpha=0.01, **options), X[copies], y)


def test_singular_kernels_are_refused(diabetes):
    X, y = diabetes[0][:15], diabetes[1][:15]
    estimator = KernelRidge(alpha=0.0)  # linear, 10 columns
    loo = LeaveOneOutInfluence(estimator, solver="exact")
    with (
        pytest.raises(
            UnsupportedEstimator, match=r"alpha=0\.0.*singular.*larger alpha"
        ),
        pytest.warns(UserWarning, match="Singular"),
    ):
        loo.fit(X, y)
    with pytest.warns(UserWarning, match="Singular"):
        loo.set_params(solver="auto").fit(X, y)
    assert loo.solver_ == "refit"
    assert np.isfinite(loo.influence(X, y)).all()


def test_precomputed_kernels_are_refused(diabetes):
    X, y = diabetes
    loo = LeaveOneOutInfluence(KernelRidge(kernel="precomputed"))
    with pytest.raises(ValueError, match="kernel='precomputed'.*Pass the rows"):
        loo.fit(X @ X.T, y)


def test_infinitesimal_steps_are_refused(diabetes):
    X, y = diabetes
    model = removal_model(KernelRidge().fit(X, y), X, y)
    with pytest.raises(UnsupportedEstimator, match="KernelRidge.*LeaveOneOut"):
        model.first_order()


def test_pickle(diabetes):
    X, y = diabetes
    for estimator in (KernelRidge(), GaussianProcessRegressor(alpha=1, optimizer=None)):
        loo = LeaveOneOutInfluence(estimator).fit(X[:N], y[:N])
        again = pickle.loads(pickle.dumps(loo))
        np.testing.assert_array_equal(again.influence(X[N:]), loo.influence(X[N:]))
