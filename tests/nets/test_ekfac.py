"""EK-FAC against its definition, written with dense matrices."""

from functools import partial

import numpy as np
import pytest
import torch
from dense_nets import TEST, TRAIN, Dense, N, X, ask, close, fit, row_losses
from numpy.testing import assert_allclose
from torch.func import jacrev

torch.set_num_threads(1)


def layers(name, dense):
    """Yield slices of a layer's weight and bias, its eigenbases and eigenvalues."""
    weights = dense.params["hidden.weight"].numpy(), dense.params["hidden.bias"].numpy()
    first = X[TRAIN]
    second = np.tanh(first @ weights[0].T + weights[1])
    roots, J = [], []
    for x, y in zip(dense.x[TRAIN], dense.y[TRAIN], strict=True):
        z = dense.outputs(dense.theta, x)
        loss = partial(lambda y, z: row_losses(name)(z, y), y)
        H = torch.autograd.functional.hessian(loss, z).numpy()
        if name == "softmax":  # the columns whose rows are summed
            p = torch.softmax(z, 0).numpy()
            roots.append(np.diag(np.sqrt(p)) - np.outer(p, np.sqrt(p)))
            assert_allclose(roots[-1] @ roots[-1].T, H, atol=1e-12)
        else:
            roots.append(np.sqrt(H))
        J.append(jacrev(dense.outputs)(dense.theta, x).numpy())
    R = np.concatenate([L.T @ j for L, j in zip(roots, J, strict=True)])
    n_out = len(R) // N
    for start, shape, inputs in ((0, (5, 4), first), (25, (n_out, 5), second)):
        weight = slice(start, start + shape[0] * shape[1])
        bias = slice(weight.stop, weight.stop + shape[0])

        def matrices(rows, weight=weight, bias=bias, shape=shape):
            return np.concatenate(
                [rows[:, weight].reshape(-1, *shape), rows[:, bias, None]], axis=2
            )

        M = matrices(R)
        QA = np.linalg.eigh(sum(np.outer(a, a) for a in np.c_[inputs, np.ones(N)]))[1]
        QS = np.linalg.eigh(sum(np.outer(d, d) for d in M[:, :, -1]))[1]
        yield matrices, QA, QS, ((QS.T @ M @ QA) ** 2).sum(axis=0) / N


@pytest.mark.parametrize("name", ["softmax", "two outputs", "logistic"])
def test_ekfac_equals_its_definition(name):
    damping, expected = 0.02, 0.0
    influence = fit(name, hessian="ekfac", damping=damping, checkpoints=1)
    dense = Dense(name, influence)
    g, test = dense.gradients(TRAIN), dense.gradients(TEST, evaluation=True)
    for matrices, QA, QS, values in layers(name, dense):
        left, right = QS.T @ matrices(test) @ QA, QS.T @ matrices(g) @ QA
        expected = expected + np.einsum("tkl,ikl->ti", left / (values + damping), right)
    close(ask(name, influence), expected / N, 1e-10)
