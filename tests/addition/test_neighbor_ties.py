"""Which prefixes have ties for a place, against a count of every prefix."""

import numpy as np
import pytest

from skinfluence.addition import _neighbor_ties
from skinfluence.addition._neighbor_ties import RankedNeighbors


def competing(distance, target, k):
    """Whether rows at the k-th distance are too many, and of different targets."""
    if len(distance) <= k:
        return False
    last = np.sort(distance)[k - 1]
    here = distance == last
    room = k - (distance < last).sum()
    return here.sum() > room and len(set(target[here])) > 1


@pytest.mark.parametrize("chunk", [1, 100, 2**18])
@pytest.mark.parametrize(("levels", "k"), [(2, 1), (4, 3), (30, 3), (8, 20), (5, 40)])
def test_every_prefix(levels, k, chunk, monkeypatch):
    monkeypatch.setattr(_neighbor_ties, "CHUNK", chunk)
    rng = np.random.default_rng(levels)
    n, n_samples = 40, 9
    runs = rng.integers(0, levels, (n_samples, n))
    target, order = rng.integers(0, 3, n), rng.permutation(n)
    tied = np.arange(n_samples) != 4
    expected = {}
    for end in range(1, n + 1):
        kept = order[:end]
        tests = [
            t for t in np.flatnonzero(tied) if competing(runs[t, kept], target[kept], k)
        ]
        if tests:
            expected[end] = tests
    rows = RankedNeighbors(np.zeros((n_samples, 1)), runs, runs, tied)
    found = {end: list(tests) for end, tests in rows.undecided(order, target, k)}
    assert found == expected
    assert bool(expected) == (k < n)


def test_no_test_row_is_tied():
    runs = np.arange(5)[None]
    rows = RankedNeighbors(np.zeros((1, 1)), runs, runs, np.zeros(1, dtype=bool))
    assert not list(rows.undecided(np.arange(5), np.arange(5), 2))
