"""The one loop that minimises convex problems, on problems of known minimisers."""

import numpy as np
import pytest

from skinfluence.removal._minimisation import Problems, minimise, newton_steps


class Exponentials(Problems):
    """``sum_a exp(x_a) - c_a x_a``: x = log(c); nothing is below c = 0."""

    def __init__(self, c):
        self.c = c

    def evaluate(self, which, x):
        with np.errstate(over="ignore"):
            e = np.exp(x)
        return e - self.c[which], e

    def step(self, which, x, state):
        return newton_steps(np.eye(x.shape[1]) * state[1][:, None], state[0])

    def left(self, which, x, state, step, decrement):
        return np.where(np.abs(step).max(axis=1) < 0.1, decrement, np.inf)


@pytest.mark.parametrize("start", [-30.0, -3.0, 0.0, 5.0, 100.0])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_steps_of_all_lengths_end_at_the_minimiser(k, start):
    c = np.random.default_rng(0).gamma(1.0, size=(k, 4)) + 0.01
    x, left = minimise(Exponentials(c), np.full((k, 4), start), max_iter=300)
    np.testing.assert_allclose(x, np.log(c), rtol=0, atol=1e-12)
    assert (left < 1e-9).all()


def test_problems_without_a_minimiser_are_given_up_and_others_are_not():
    c = np.array([[1.0, 2.0], [1.0, 0.0], [3.0, 4.0]])
    x, left = minimise(Exponentials(c), np.zeros((3, 2)))
    np.testing.assert_array_equal(left == np.inf, [False, True, False])
    np.testing.assert_allclose(x[[0, 2]], np.log(c[[0, 2]]), atol=1e-12)


@pytest.mark.parametrize("k", [1, 7, 8, 30])
def test_steps_say_which_hessians_are_positive_definite(k):
    rng = np.random.default_rng(k)
    root = rng.normal(size=(k, 3, 3))
    hessian, gradient = root @ root.transpose(0, 2, 1), rng.normal(size=(k, 3))
    hessian *= 10.0 ** rng.uniform(-6, 6, size=(k, 1, 1))
    bad = np.arange(k) % 5 == 2
    hessian[bad, 0, 0] *= -1
    step, usable = newton_steps(hessian, gradient)
    np.testing.assert_array_equal(usable, ~bad)
    good = np.linalg.solve(hessian[~bad], -gradient[~bad][..., None])[..., 0]
    np.testing.assert_allclose(step[~bad], good, rtol=1e-6)
    assert not newton_steps(hessian, gradient, least=1.0)[1].any()
