"""The fast products of EK-FAC against dense algebra in float64, over shapes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from skinfluence.nets.curvature import _rotated
from skinfluence.nets.curvature._preconditioned import product_dtype
from skinfluence.nets.curvature._rotated import Diagonal, Kronecker
from skinfluence.nets.gradients._blocks import Dense, Lookup, Outer

torch.set_num_threads(1)
DAMPING = 0.3


def blocks_of(rng, n, shape, names, count=1):
    """Blocks with common inputs, in float64."""
    positions, n_in, n_out = shape
    a = torch.from_numpy(rng.normal(size=(n, positions, n_in)))
    return [
        Outer(*names, a, torch.from_numpy(rng.normal(size=(n, positions, n_out))))
        for _ in range(count)
    ]


def matrices(block):
    """Gradients by the sum over positions, one row at a time, (n, out, in (+ 1))."""
    out = []
    for a, d in zip(block.a.numpy(), block.d.numpy(), strict=True):
        parts = [d.T @ a] if block.weight else []
        if block.bias:
            parts.append(d.sum(axis=0)[:, None])
        out.append(np.concatenate(parts, axis=1))
    return np.array(out)


def fitted(part, columns, n):
    """Add the rows in two batches, as a pass over them does."""
    batches = [slice(0, n // 2), slice(n // 2, n)]
    for rows in batches:
        part.add_moments([block.rows(rows) for block in columns])
    part.finish()
    for rows in batches:
        part.add_squares([block.rows(rows) for block in columns])
    part.values /= n
    return part


def expected(columns, test, train, n):
    """Products through eigenvectors and eigenvalues by numpy."""
    with_one = [
        np.concatenate(
            [c.a.numpy()] * bool(c.weight)
            + [np.ones((*c.a.shape[:2], 1))] * bool(c.bias),
            axis=2,
        )
        for c in columns
    ]
    A = np.einsum("itk,itl->kl", with_one[0], with_one[0])
    S = sum(np.einsum("itk,itl->kl", c.d.numpy(), c.d.numpy()) for c in columns)
    QA, QS = np.linalg.eigh(A)[1], np.linalg.eigh(S)[1]
    values = sum(((QS.T @ matrices(c) @ QA) ** 2).sum(axis=0) for c in columns) / n
    left, right = QS.T @ matrices(test) @ QA, QS.T @ matrices(train) @ QA
    return np.einsum("tkl,ikl->ti", left / (values + DAMPING), right)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(2, 9),
    st.integers(1, 5),
    st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 5)),
    st.sampled_from([("w", "b"), ("w", None), (None, "b")]),
    st.integers(1, 3),
    st.sampled_from([1, 2**21]),
)
def test_products_over_shapes(n, m, shape, names, count, tile):
    rng = np.random.default_rng(0)
    columns = blocks_of(rng, n, shape, names, count)
    (train,), (test,) = blocks_of(rng, n, shape, names), blocks_of(rng, m, shape, names)
    part = fitted(Kronecker(), columns, n)
    truth = expected(columns, test, train, n)
    atol = 1e-10 * np.abs(truth).max()
    kept, _rotated._NUMBERS = _rotated._NUMBERS, tile
    try:
        got = part.product(test, train, DAMPING, torch.float64)
        assert_allclose(got, truth, rtol=1e-10, atol=atol)
        own = part.dot(train, train, DAMPING, torch.float64)
        diagonal = expected(columns, train, train, n).diagonal()
        assert_allclose(own, diagonal, rtol=1e-10, atol=atol)
        rough = part.product(test, train, DAMPING, torch.float32)
        assert rough.dtype == torch.float32
        assert_allclose(rough, truth, atol=1e-5 * np.abs(truth).max())
    finally:
        _rotated._NUMBERS = kept
    solved = part.multiply(test.dense(), 1 / (part.values + DAMPING))
    dots = sum(g @ train.dense()[k].T for k, g in solved.items())
    assert_allclose(dots, truth, rtol=1e-10, atol=atol)


@pytest.mark.parametrize("tile", [1, 2**21])
def test_products_of_a_diagonal(tile, monkeypatch):
    monkeypatch.setattr(_rotated, "_NUMBERS", tile)
    rng, n = np.random.default_rng(1), 40
    rows = [torch.from_numpy(rng.normal(size=(n, 7))) for _ in range(3)]
    first, second, test = (Dense({"u": g[:, :4], "v": g[:, 4:]}) for g in rows)
    part = fitted(Diagonal(), [first, second], n)
    values = (rows[0] ** 2 + rows[1] ** 2).mean(dim=0)
    truth = (rows[2] / (values + DAMPING)) @ rows[0].T
    assert_allclose(part.product(test, first, DAMPING, torch.float64), truth, 1e-12)
    own = part.dot(test, first, DAMPING, torch.float64)
    assert_allclose(own, truth.diagonal(), 1e-12)


def test_the_error_in_float32_is_below_its_bound():
    """Rows that are large where the curvature is small: the condition matters."""
    rng, n, scale = np.random.default_rng(2), 200, np.logspace(0, -4, 12)
    names, shape = ("w", "b"), (1, 12, 6)
    (columns,) = blocks_of(rng, n, shape, names)
    columns = Outer(*names, columns.a * torch.from_numpy(scale), columns.d)
    part = fitted(Kronecker(), [columns], n)
    (test,), (train,) = (
        blocks_of(rng, 30, shape, names),
        blocks_of(rng, n, shape, names),
    )
    floats = [Outer(*names, b.a.float(), b.d.float()) for b in (test, train)]
    exact = [Outer(*names, b.a.double(), b.d.double()) for b in floats]
    largest = float(part.values.max())
    for damping in (1e-2 * largest, 1e-5 * largest):
        truth = part.product(*exact, damping, torch.float64)
        got = part.product(*floats, damping, torch.float32).double()
        own = [part.dot(b, b, damping, torch.float64) for b in exact]
        size = (own[0][:, None] * own[1]).sqrt()
        rounding = torch.finfo(torch.float32).eps * math.sqrt(1 + largest / damping)
        worst = float(((got - truth).abs() / size).max())
        assert worst < 2 * rounding
        chosen = product_dtype(torch.float32, largest, damping)
        assert chosen == (torch.float32 if rounding <= 1e-5 else torch.float64)
    assert product_dtype(torch.float16, 1.0, 1.0) == torch.float32
    assert product_dtype(torch.float64, 1.0, 1e-9) == torch.float64
    assert product_dtype(torch.float32, math.inf, 1.0) == torch.float64


def test_some_rows_of_a_block_are_rows_of_its_gradients():
    rng = np.random.default_rng(3)
    tokens = torch.from_numpy(rng.integers(0, 5, size=(9, 4)))
    d = torch.from_numpy(rng.normal(size=(9, 4, 2)))
    (outer,) = blocks_of(rng, 9, (2, 3, 2), ("w", "b"))
    for block in (Lookup("w", tokens, d, 5), outer, Dense(outer.dense())):
        some = block.rows(slice(2, 7))
        assert len(some) == 5
        for name, g in some.dense().items():
            assert torch.equal(g, block.dense()[name][2:7])
