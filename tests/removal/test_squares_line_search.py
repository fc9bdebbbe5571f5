"""Lengths of steps of squares beyond a kink, against the objective along the step."""

import numpy as np
import pytest

from skinfluence.removal.kinked._kinked_squares import Hinge, SquaresProblems, Tube


def hinge(raw, y):
    return np.maximum(1 - y * raw, 0) ** 2


def tube(raw, y):
    return np.maximum(np.abs(y - raw) - 0.2, 0) ** 2


@pytest.mark.parametrize("kind", ["hinge", "tube"])
def test_steps_end_next_to_the_minimum_along_them(kind):
    rng = np.random.default_rng(0)
    n, p, k = 40, 8, 60
    X = rng.standard_normal((n, p))
    y = np.sign(rng.standard_normal(n)) if kind == "hinge" else rng.standard_normal(n)
    cost, penalty = rng.uniform(0, 50, (k, n)), rng.uniform(0.1, 1, p)
    loss, value = (Hinge(y), hinge) if kind == "hinge" else (Tube(y, 0.2), tube)
    problems = SquaresProblems(X, loss, cost, penalty)
    which = rng.permutation(k)[: k - 5]
    x = rng.standard_normal((len(which), p))
    x *= np.where(np.arange(len(which)) % 2, 3.0, 0.1)[:, None]
    step, usable = problems.step(which, x, problems.evaluate(which, x))
    assert usable.all()
    lengths = problems.longest(which, x, step)

    def slope(j, length, width=1e-6):
        def objective(t):
            theta = x[j] + t * step[j]
            return cost[which[j]] @ value(X @ theta, y) + 0.5 * penalty @ theta**2

        return (objective(length + width) - objective(length - width)) / (2 * width)

    shortened = lengths < 1
    assert shortened.any()
    assert not shortened.all()
    assert np.all(lengths > 0)
    for j, length in enumerate(lengths):
        most = -0.1 * slope(j, 0.0)
        beyond = slope(j, 1.0) > most
        assert shortened[j] == beyond
        assert slope(j, length) <= most * (1 + 1e-4)
        if beyond:
            assert slope(j, length) >= -most * (1 + 1e-4)
