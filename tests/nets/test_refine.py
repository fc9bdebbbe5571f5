"""EK-FAC refined by conjugate gradients, against projections on Krylov spaces."""

import pickle

import numpy as np
import pytest
import torch
from dense_nets import NETS, TEST, TRAIN, Dense, N, X, ask, close, fit
from sklearn.linear_model import Ridge

from skinfluence import InfluenceFunctions


def krylov_solutions(A, M, B, k):
    """Minimise the energy ``x A x / 2 - b x`` over the preconditioned Krylov space."""
    out = []
    for b in B:
        basis = [M @ b]
        for _ in range(k - 1):
            basis.append(M @ A @ basis[-1])
            basis[-1] /= np.linalg.norm(basis[-1])
        K, _ = np.linalg.qr(np.array(basis).T)
        out.append(K @ np.linalg.solve(K.T @ A @ K, K.T @ b))
    return np.array(out)


@pytest.mark.parametrize("name", ["softmax", "two outputs", "absolute"])
@pytest.mark.parametrize("k", [1, 3])
def test_iterations_are_the_best_of_the_krylov_space(name, k):
    damping = 0.01
    influence = fit(name, refine=k, damping=damping, checkpoints=1)
    dense = Dense(name, influence)
    p = len(dense.theta)
    (point,) = influence._model.points
    eye = torch.eye(p, dtype=torch.float64)
    M = point.curvature._preconditioner.solve(eye).numpy()
    A = dense.gauss_newton() + damping * np.eye(p)
    test, g = dense.gradients(TEST, evaluation=True), dense.gradients(TRAIN)
    close(ask(name, influence), krylov_solutions(A, M, test, k) @ g.T / N, 1e-7)


def test_iterations_go_from_ekfac_to_gauss_newton():
    options = {"damping": 0.01, "checkpoints": 1}
    end = ask("softmax", fit("softmax", hessian="gauss_newton", **options))
    errors = [
        np.abs(ask("softmax", fit("softmax", refine=k, **options)) - end).max()
        for k in (0, 2, 5, 60)
    ]
    assert errors[0] > 1.5 * errors[1] > 3 * errors[2] > 0
    assert errors[3] < 1e-8 * np.abs(end).max()


def test_damping_equals_gauss_newtons():
    refined = fit("softmax", refine=2, checkpoints=2)
    plain = fit("softmax", hessian="gauss_newton", checkpoints=2)
    close(refined.damping_, plain.damping_)


def test_groups_to_second_order():
    options = {"group_order": 2, "damping": 0.05, "checkpoints": 1}
    groups = np.arange(N) % 4
    y = NETS["softmax"][1]
    refined, plain = (
        fit("softmax", **options, **own).group_influence(
            X[TEST], y[TEST], groups=groups
        )
        for own in ({"refine": 60}, {"hessian": "gauss_newton"})
    )
    close(refined, plain, 1e-7)


def test_modules_that_cannot_be_batched_take_one_gradient_at_a_time():
    influence = fit("softmax", refine=3, damping=0.01, checkpoints=1)
    batched = ask("softmax", influence)
    influence._model.points[0].curvature._is_batched = False
    close(ask("softmax", influence), batched, 1e-10)


def test_pickled():
    influence = fit("softmax", refine=3, checkpoints=2)
    copy = pickle.loads(pickle.dumps(influence))
    close(ask("softmax", copy), ask("softmax", influence), 1e-12)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"refine": -1}, "'refine'"),
        ({"refine": 2, "hessian": "fisher"}, "'hessian' .* 'ekfac' if refine"),
    ],
    ids=["negative", "fisher"],
)
def test_errors(params, message):
    with pytest.raises(ValueError, match=message):
        fit("softmax", **params)


def test_linear_models_need_no_refinement():
    with pytest.raises(ValueError, match="'refine' parameter must be 0"):
        InfluenceFunctions(Ridge(), refine=1).fit(X, X[:, 0])
