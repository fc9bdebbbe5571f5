"""The fast approximation of HyDRA against its recursion in forward mode."""

import numpy as np
import pytest
import torch
from hydra_runs import fitted
from nets_for_replay import OPTIMISERS, Perceptron, make_net, optimised_net
from numpy.testing import assert_allclose
from skorch.callbacks import GradientNormClipping
from torch import nn

from skinfluence.nets._device import random_state
from skinfluence.nets.run._adjoint import fast, takes_factors


def hessian_free(hydra, X, y, dropout):
    """The recursion of the paper without the Hessian, one vector per training row.

    Forward mode of torch through the optimiser's step, whose gradient's dependence on
    the parameters is left out.
    """
    replay = hydra._run.replay
    module = Perceptron(dropout)
    sizes, rule = replay.functions.sizes, replay.trajectory.optimiser

    def gradients(theta, X, y, random=None):
        for parameter, part in zip(
            module.parameters(), theta.split(sizes), strict=True
        ):
            parameter.data = part.reshape(parameter.shape)
        module.train(random is not None)
        with random_state(random, torch.device("cpu")):
            logits = module(torch.as_tensor(X))
        losses = nn.functional.cross_entropy(
            logits, torch.as_tensor(y), reduction="none"
        )
        rows = [
            torch.autograd.grad(loss, list(module.parameters()), retain_graph=True)
            for loss in losses
        ]
        return torch.stack([torch.cat([g.reshape(-1) for g in row]) for row in rows])

    zeros = torch.zeros(hydra.n_samples_fit_, sum(sizes), dtype=torch.float64)
    moved = tuple(zeros for _ in range(1 + len(rule.slots)))
    for k, state in replay.forward():
        step = replay.trajectory.steps[k]
        rows = gradients(
            state[0], replay.X[step.rows], replay.y[step.rows], step.random_state
        )
        own = zeros.index_add(0, step.rows, rows / len(rows))
        total, settings = rows.mean(dim=0), replay.trajectory.settings(k)

        def advance(*inputs, k=k, settings=settings):
            return rule.step(inputs[:-1], inputs[-1], settings, k)

        def tangent(*tangents, inputs=(*state, total), advance=advance):
            return torch.func.jvp(advance, inputs, tangents)[1]

        moved = torch.func.vmap(tangent)(*moved, own)
    tests = gradients(replay.functions.parameters, X, y)
    return -(tests @ moved[0].T).numpy()


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_fast_is_the_recursion_without_the_hessian(name, dropout):
    net = optimised_net(name, module__dropout=dropout)
    hydra, X, y = fitted(net, approximation="fast")
    expected = hessian_free(hydra, X, y, dropout)
    close = {"rtol": 1e-10, "atol": 1e-12 * np.abs(expected).max()}
    assert_allclose(hydra.influence(X, y), expected, **close)
    gradients = hydra._derivative.gradients((X, y), hydra._loss)
    assert_allclose(fast(hydra._run.replay, gradients), expected, **close)
    assert_allclose(hydra.sample_values(X, y), expected.mean(axis=0), **close)


@pytest.mark.parametrize("params", [{}, {"callbacks": [GradientNormClipping(0.3)]}])
def test_fast_on_factors_is_fast_on_gradients(params):
    groups = [("hidden.*", {"lr": 0.01})]
    net = make_net(
        optimizer__momentum=0.9,
        optimizer__weight_decay=0.02,
        optimizer__param_groups=groups,
        **params,
    )
    hydra, X, y = fitted(net, approximation="fast")
    assert takes_factors(hydra._run.replay)
    gradients = hydra._derivative.gradients((X, y), hydra._loss)
    expected = fast(hydra._run.replay, gradients)
    assert_allclose(hydra.influence(X, y), expected, rtol=1e-10, atol=1e-15)
