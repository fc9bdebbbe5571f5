"""Signs of an attack on influences whose answer is known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skinfluence.attacks import _signs
from skinfluence.attacks._scale import Scale
from skinfluence.attacks._signs import Signs
from skinfluence.attacks._supporters import (
    largest_gap,
    standardised,
    support,
    support_without,
    supporters,
)
from skinfluence.attacks._upper_group import upper_group

VALUES = np.array([[4.0, 3.0, 1.0, 0.0, -9.0, 9.0]])
SAME = np.array([[True, True, True, True, False, False]])


def test_numbers_worked_out_by_hand():
    # The steps of 4, 3, 1, 0 are 1, 2 and 1.
    assert_allclose(largest_gap(VALUES, SAME, 3), -np.log(1 - 0.99 * 2 / 4))
    assert_allclose(largest_gap(VALUES, SAME, 1), -np.log(1 - 0.99 * 1 / 4))
    # Mean 2, over the root of (16 + 9 + 1 + 0 + 81 + 81) / 6.
    everything = np.ones_like(SAME)
    assert_allclose(support(VALUES, SAME, everything), 2 / np.sqrt(188 / 6))
    # Deviations 2, 1, -1, -2 from the mean are 10 / 4 in the square.
    z = standardised(VALUES, SAME)
    assert_allclose(z, np.array([[2, 1, -1, -2, 0, 0]]) / np.sqrt(2.5))
    # Only the first row is more than one deviation above the mean.
    beyond = supporters(z).toarray()
    assert_allclose(beyond, [[2 / np.sqrt(2.5) - 1, 0, 0, 0, 0, 0]])
    # Without it the mean is 4 / 3, without the first two 1 / 2, without all of them 0.
    sets = csr_array(np.triu(np.ones((6, 6))).T[[0, 1, 3]])
    alone = support_without(VALUES, SAME, everything, sets)
    assert_allclose(alone, np.array([[4 / 3], [1 / 2], [0]]) / np.sqrt(188 / 6))


def test_equal_influences_have_no_sign():
    equal = np.full((1, 6), 2.0)
    assert_array_equal(standardised(equal, SAME), np.zeros((1, 6)))
    assert supporters(np.zeros((1, 6))).nnz == 0
    assert largest_gap(equal, SAME, 3) == 0
    assert largest_gap(-np.abs(VALUES), SAME, 3) == 0  # none supports the prediction
    assert_array_equal(Scale(np.array([1.0, 1.0, np.nan])).distance([0.0, 5.0]), [0, 0])
    assert upper_group(np.full(5, 2.0), 3) == 0
    # Two rows are one deviation from their mean: neither is a supporter.
    two = standardised(np.array([[0.3, 0.1]]), np.ones((1, 2), dtype=bool))
    assert supporters(two).nnz == 0


@pytest.mark.parametrize("size", [1, 3, 10])
def test_the_upper_group_is_the_one_that_was_drawn(size):
    rng = np.random.default_rng(size)
    numbers = np.concatenate([rng.normal(0, 1, 60), rng.normal(9, 1, size)])
    ordered = np.sort(numbers)[::-1]
    assert upper_group(ordered, 20) == size
    assert upper_group(1e-9 * ordered, 20) == size
    assert upper_group(ordered, 2) == min(size, 2)


def planted_influences(size, likeness, height):
    """Return influences of 200 rows of two classes on themselves and on a target.

    The planted rows and the target are labelled as the second class. They are like it
    by ``likeness`` and else like the first one, and like each other by ``height``.
    """
    rng = np.random.default_rng(0)
    centres = np.repeat([[1.0, 0.0], [0.0, 1.0]], [100, 101], axis=0)
    X = centres + 0.4 * rng.normal(size=(201, 2))
    own = np.zeros((201, 1))
    planted = np.r_[np.arange(100, 100 + size), 200]  # the last row is the target
    X[planted] = [1.0 - likeness, likeness] + 0.05 * rng.normal(size=(size + 1, 2))
    own[planted] = height
    gradients = np.c_[X, own]
    label = np.repeat([1.0, -1.0], [100, 101])
    values = (gradients @ gradients.T) * label * label[:, None]
    return values[:, :200], label[:200] > 0, planted[:-1]


@pytest.mark.parametrize(
    ("size", "likeness", "height", "sign"), [(30, 0.0, 0.0, 0), (10, 1.0, 2.0, 1)]
)
def test_each_kind_of_attack_has_its_sign(size, likeness, height, sign):
    """Rows of the other class, and near-duplicates that resemble their class."""
    values, label, planted = planted_influences(size, likeness, height)
    counted = ~np.eye(200, dtype=bool)
    same = label == np.r_[label, False][:, None]
    blocks = [(np.arange(200), (values[:200], same[:200] & counted, counted))]
    signs = Signs(lambda rows: blocks, label, np.zeros(200, dtype=bool), 40)
    target = [(values[200:], same[200:], np.ones((1, 200), dtype=bool))]
    score = signs.scores(target, lambda rows: blocks)
    honest = np.delete(signs.training_scores, planted)
    assert score < np.quantile(honest, 0.01)
    mean_support, gap = signs._signs(target, lambda rows: blocks)
    distances = [
        signs._scales[0].distance(mean_support),
        -signs._scales[1].distance(gap) / 2.5,
    ]
    assert distances[sign] < -2
    reasons = signs.reasons(values[200:], same[200:])[0]
    reasons[~same[200]] = -np.inf
    order = np.argsort(-reasons)
    found = order[: upper_group(reasons[order][:100], 40)]
    assert set(planted) <= set(found)


def test_mean_support_follows_its_definition_and_stays_within_classes(monkeypatch):
    """Three classes, some rows predicted as others; predictions in two blocks."""
    rng = np.random.default_rng(1)
    n, m = 90, 7
    label, predicted = rng.integers(0, 3, size=(2, n))
    predicted = np.where(rng.random(n) < 0.8, label, predicted)
    values = rng.normal(size=(n + m, n)) + rng.exponential(size=n)
    counted = np.r_[~np.eye(n, dtype=bool), np.ones((m, n), dtype=bool)]
    of_all = np.r_[predicted, rng.integers(0, 3, size=m)]
    same = (of_all[:, None] == label) & counted
    seen = []

    def recorded(values, comparable, counted, left_out):
        seen.append((comparable.any(axis=0), (left_out.toarray() != 0).any(axis=0)))
        return support_without(values, comparable, counted, left_out)

    monkeypatch.setattr(_signs, "support_without", recorded)

    def blocks(rows):
        for part in np.array_split(rows, 2):
            yield part, (values[part], same[part], counted[part])

    signs = Signs(blocks, label, predicted != label, 20)
    tests = np.arange(n, n + m)
    found, _ = signs._signs((block for _, block in blocks(tests)), blocks)
    for t, c in zip(tests, found, strict=True):
        mine = values[t, same[t]]
        weight = np.zeros(n)
        weight[same[t]] = np.maximum((mine - mine.mean()) / mine.std() - 1, 0)
        total = 0.0
        for i in np.flatnonzero((weight > 0) & (predicted == label)):
            size = np.sqrt((values[i, counted[i]] ** 2).mean())
            others = same[i] & (weight == 0)
            s = values[i, same[i]].mean() / size, values[i, others].mean() / size
            total += weight[i] * sum(s) / 2
        assert_allclose(c, total / weight.sum(), rtol=1e-9)
    for comparable, members in seen:
        assert members.any()
        assert len(set(label[comparable])) == 1
        assert set(label[members]) == set(label[comparable])
