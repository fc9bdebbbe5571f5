"""Replays, leaf space and adjoints against boosting written as loops."""

from dataclasses import replace

import numpy as np
import pytest
from checks.random_trees import OBJECTIVES, random_trees
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from truth.naive_boosting import boost

from skinfluence.trees._adjoint import adjoint_of_weights
from skinfluence.trees._base_values import ConstantBase
from skinfluence.trees._forward import leaf_changes, replayed_leaf_changes
from skinfluence.trees._replay import raw_prediction, replay

SHAPES = {
    "seed": st.integers(0, 10_000),
    "n": st.integers(8, 40),
    "n_trees": st.integers(1, 7),
    "n_leaves": st.integers(1, 6),
    "rate": st.floats(0.05, 1.0),
    "lam": st.sampled_from([0.0, 0.3, 5.0]),
    "steps": st.sampled_from([1, 1, 3]),
}
LOSSES = sorted(OBJECTIVES)


def naive(loss, trees, settings_, weight):
    """Raw predictions of the training rows under other weights."""
    ids = trees.leaf_ids
    return boost(loss, trees.y, weight, ids, ids, **settings_)


@pytest.mark.parametrize("loss", LOSSES)
@settings(max_examples=15, deadline=None)
@given(shape=st.fixed_dictionaries(SHAPES))
def test_replay_is_boosting(loss, shape):
    trees, settings_ = random_trees(loss, **shape)
    run = replay(trees)
    expected = naive(loss, trees, settings_, trees.weight)
    assert_allclose(raw_prediction(trees, run, trees.leaves), expected, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(shape=st.fixed_dictionaries(SHAPES))
def test_leaf_space_is_exact_for_squared_loss(shape):
    trees, settings_ = random_trees("squared", **shape)
    run = replay(trees)
    changes, base = leaf_changes(trees, run)
    before = naive("squared", trees, settings_, trees.weight)
    for i in range(0, len(trees.y), 3):
        weight = trees.weight.copy()
        weight[i] = 0.0
        expected = naive("squared", trees, settings_, weight) - before
        moves = base[i] + changes[trees.leaves, i].sum(axis=1)[:, None]
        assert_allclose(moves, expected, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_groups_are_replays_with_zero_weights(loss):
    trees, settings_ = random_trees(loss, 3, steps=2)
    run = replay(trees)
    mask = np.zeros(len(trees.y), dtype=bool)
    mask[5:12] = True
    changes, base = replayed_leaf_changes(trees, run, [mask])
    moved = naive(loss, trees, settings_, np.where(mask, 0.0, trees.weight))
    moved -= naive(loss, trees, settings_, trees.weight)
    columns = changes[trees.leaves, 0].reshape(len(mask), -1, trees.n_outputs)
    assert_allclose(base[0] + columns.sum(axis=1), moved, atol=1e-10)
    near, near_base = leaf_changes(trees, run, mask[None])
    assert_allclose(near_base, base, atol=1e-12)
    tol = 1e-10 if loss == "squared" else 0.2 * np.abs(changes).max()
    assert_allclose(near, changes, atol=tol)


NOT_SQUARED = [loss for loss in LOSSES if loss != "squared"]


def leaf_space_error(loss, **shape):
    """Largest error of the changes of ten removals, and the largest change."""
    trees, settings_ = random_trees(loss, 5, **shape)
    changes, base = leaf_changes(trees, replay(trees))
    before = naive(loss, trees, settings_, trees.weight)
    errors, sizes = [], []
    for i in range(10):
        weight = trees.weight.copy()
        weight[i] = 0.0
        exact = naive(loss, trees, settings_, weight) - before
        columns = changes[trees.leaves, i].reshape(len(weight), -1, trees.n_outputs)
        errors.append(np.abs(base[i] + columns.sum(axis=1) - exact).max())
        sizes.append(np.abs(exact).max())
    return max(errors), max(sizes)


@pytest.mark.parametrize("loss", NOT_SQUARED)
def test_leaf_space_error_is_of_second_order(loss):
    few, size = leaf_space_error(loss, n=40, n_trees=4, n_leaves=2)
    many, _ = leaf_space_error(loss, n=640, n_trees=4, n_leaves=2)
    assert few < 0.1 * size
    # With 16 times the rows a change of first order would fall to 1/16.
    assert many < few / 64


@pytest.mark.parametrize("loss", NOT_SQUARED)
def test_leaf_space_removes_the_own_row_exactly(loss):
    # No two rows share a leaf, and the first prediction stays: no other row moves.
    trees, settings_ = random_trees(loss, 5, n=12)
    ids = np.tile(np.arange(12)[:, None, None], (1, *trees.leaf_ids.shape[1:]))
    start = ConstantBase(trees.base.value(trees.y, trees.weight))
    same = {"leaf_ids": ids, "base": start, "regularization": 0.5}
    trees = replace(trees, **same)
    run = replay(trees)
    changes, _ = leaf_changes(trees, run)
    alone = trees.leaves[4]
    assert_allclose(changes[alone, 4], -run.values[alone], atol=1e-14)
    ids[5] = ids[4]  # now two rows share all leaves
    trees = replace(trees, **same)
    run = replay(trees)
    changes, _ = leaf_changes(trees, run)
    left = replay(trees, np.where(np.arange(12) == 4, 0.0, trees.weight))
    first = trees.leaves[4][: trees.n_outputs]  # later the other one has moved
    assert_allclose(changes[first, 4], (left.values - run.values)[first], atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@settings(max_examples=10, deadline=None)
@given(shape=st.fixed_dictionaries(SHAPES))
def test_adjoint_is_the_derivative_of_boosting(loss, shape):
    trees, settings_ = random_trees(loss, **shape)
    n = len(trees.y)
    rng = np.random.default_rng(shape["seed"])
    seeds = rng.normal(size=(n, trees.n_outputs))
    influence = adjoint_of_weights(trees, replay(trees)).influence(seeds, trees.leaves)
    step = 1e-5
    for i in range(0, n, 7):
        weight = np.stack([trees.weight, trees.weight])
        weight[:, i] += [step, -step]
        up, down = (naive(loss, trees, settings_, w) for w in weight)
        slope = ((up - down) * seeds).sum(axis=1) / (2 * step)
        scale = max(1.0, np.abs(slope).max())
        assert_allclose(influence[:, i], -trees.weight[i] * slope, atol=1e-6 * scale)


@pytest.mark.parametrize("loss", ["squared", "multinomial"])
@pytest.mark.parametrize("own", ["derivative", "removal"])
def test_leaf_space_and_row_sums_agree(loss, own):
    trees, _ = random_trees(loss, 1, n=60, n_trees=6, steps=2)
    adjoint = adjoint_of_weights(trees, replay(trees), own)
    seeds = np.random.default_rng(0).normal(size=(60, trees.n_outputs))
    many = adjoint.influence(seeds, trees.leaves)  # through leaves
    one = adjoint.influence(seeds[:1], trees.leaves[:1])  # through rows
    assert_allclose(one, many[:1], rtol=0, atol=1e-12)
    mean = adjoint.mean_influence(seeds, trees.leaves)
    assert_allclose(mean, many.sum(axis=0), rtol=0, atol=1e-12)
    assert_allclose(adjoint.own_influence(seeds, 7), np.diag(many), rtol=0, atol=1e-12)
