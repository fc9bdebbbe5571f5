"""Optimiser steps as functions: torch's own steps, and autograd's derivatives."""

import pytest
import torch
from nets_for_replay import OPTIMISERS

from skinfluence.nets.run._optimisers import (
    clip,
    clip_product,
    pull,
    push,
    replayable,
)

P = 7


def rule_and_settings(name):
    optimizer, settings = OPTIMISERS[name]
    parameter = torch.nn.Parameter(torch.zeros(P, dtype=torch.float64))
    optimiser = optimizer([parameter], lr=0.05, **settings)
    rule = replayable(optimiser)
    (group,) = optimiser.param_groups
    return rule, {key: group[key] for key in rule.numbers}


def random_state(rule, seed=0):
    generator = torch.Generator().manual_seed(seed)
    parts = [
        torch.randn(P, generator=generator, dtype=torch.float64)
        for _ in range(len(rule.slots) + 2)
    ]
    state = [
        part.abs() if slot in ("exp_avg_sq", "square_avg") else part
        for slot, part in zip(("", *rule.slots), parts, strict=False)
    ]
    return tuple(state), parts[-1]


@pytest.mark.parametrize("name", OPTIMISERS)
def test_step_equals_torchs_bitwise(name):
    optimizer, settings = OPTIMISERS[name]
    start = torch.randn(P, generator=torch.Generator().manual_seed(1)).double()
    parameter = torch.nn.Parameter(start.clone())
    optimiser = optimizer([parameter], lr=0.05, **settings)
    rule = replayable(optimiser)
    numbers = {key: optimiser.param_groups[0][key] for key in rule.numbers}
    state = (start, *(torch.zeros_like(start) for _ in rule.slots))
    for k in range(4):
        gradient = torch.sin(3 * parameter.detach() + k)
        parameter.grad = gradient.clone()
        optimiser.step()
        state = rule.step(state, gradient, numbers, k)
        assert torch.equal(state[0], parameter)
        for slot, part in zip(rule.slots, state[1:], strict=True):
            assert torch.equal(part, optimiser.state[parameter][slot])


@pytest.mark.parametrize("k", [0, 3])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_jacobian_equals_derivatives_of_the_step(name, k):
    rule, settings = rule_and_settings(name)
    state, gradient = random_state(rule)
    jacobian = rule.jacobian(state, gradient, settings, k)

    def step(*inputs):
        return rule.step(inputs[:-1], inputs[-1], settings, k)

    _, vjp = torch.func.vjp(step, *state, gradient)
    cotangents, _ = random_state(rule, seed=5)
    expected = vjp(cotangents)
    before, by_gradient = pull(jacobian, cotangents)
    for actual, truth in zip((*before, by_gradient), expected, strict=True):
        actual = torch.zeros(P).double() if actual is None else actual
        torch.testing.assert_close(actual, truth, rtol=1e-12, atol=1e-14)
    tangents, tangent = random_state(rule, seed=6)
    after = push(jacobian, tangents, tangent)
    forwards = sum(c @ t for c, t in zip(cotangents, after, strict=True))
    backwards = sum(c @ t for c, t in zip(expected, (*tangents, tangent), strict=True))
    torch.testing.assert_close(forwards, backwards, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "RMSprop-momentum"])
def test_frozen_jacobian_holds_the_preconditioner(name):
    rule, settings = rule_and_settings(name)
    state, gradient = random_state(rule)
    frozen = rule.jacobian(state, gradient, settings, 3, frozen=True)
    (_, *slots), _ = pull(frozen, (torch.ones(P).double(), *[None] * len(rule.slots)))
    place = [slot in ("exp_avg_sq", "square_avg") for slot in rule.slots].index(True)
    assert slots[place] is None or not slots[place].any()


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "RMSprop-momentum"])
def test_dead_units_have_a_finite_slope(name):
    rule, settings = rule_and_settings(name)
    settings["weight_decay"] = 0.0
    zero = torch.zeros(P, dtype=torch.float64)
    jacobian = rule.jacobian((zero,) * (len(rule.slots) + 1), zero, settings, 0)
    for coefficient in jacobian.values():
        assert torch.isfinite(torch.as_tensor(coefficient)).all()


@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clipping_and_its_derivative(max_norm):
    gradient = torch.linspace(-1, 2, P, dtype=torch.float64)
    parameter = torch.nn.Parameter(torch.zeros(P, dtype=torch.float64))
    parameter.grad = gradient.clone()
    torch.nn.utils.clip_grad_norm_([parameter], max_norm)
    clipped, _ = clip(gradient, max_norm)
    torch.testing.assert_close(clipped, parameter.grad, rtol=1e-14, atol=0)
    vectors = torch.eye(P, dtype=torch.float64)
    jacobian = torch.func.jacrev(lambda g: clip(g, max_norm)[0])(gradient)
    torch.testing.assert_close(clip_product(gradient, vectors, max_norm), jacobian)


@pytest.mark.parametrize(
    ("optimizer", "settings", "match"),
    [
        (torch.optim.LBFGS, {}, "Got LBFGS"),
        (torch.optim.Adagrad, {}, "Adam, AdamW, RMSprop, SGD. Got Adagrad"),
        (torch.optim.Adam, {"amsgrad": True}, "Adam with amsgrad"),
        (torch.optim.RMSprop, {"centered": True}, "RMSprop with centered"),
        (torch.optim.SGD, {"maximize": True}, "SGD with maximize"),
    ],
)
def test_other_optimisers_are_refused_by_name(optimizer, settings, match):
    parameter = torch.nn.Parameter(torch.zeros(P))
    with pytest.raises(TypeError, match=match):
        replayable(optimizer([parameter], lr=0.1, **settings))


def test_groups_that_differ_in_more_than_rates_are_refused():
    groups = [{"params": [torch.nn.Parameter(torch.zeros(2))]} for _ in range(2)]
    groups[0]["betas"] = (0.5, 0.9)
    with pytest.raises(TypeError, match="'betas'"):
        replayable(torch.optim.Adam(groups))
