"""The cell that the rest of a row contradicts most."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2, norm

from skinfluence.cleaning.reasons._blamed_cells import (
    QUANTILE,
    RIDGE,
    contradictions,
    distances,
)
from skinfluence.cleaning.reasons._scores_of_columns import (
    ScoresOfColumns,
    scores_of_columns,
)

N = 300


NUMBERS = np.zeros(5, dtype=bool)


def correlated(seed=0, of_other_rows=NUMBERS):
    """Five columns, of which the third and fourth are one block, and a target."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(6, 6))
    scores = rng.normal(size=(N + 4, 6)) @ mix
    blocks = [slice(0, 1), slice(1, 2), slice(2, 4), slice(4, 5), slice(5, 6)]
    return ScoresOfColumns(scores, blocks, np.arange(4), of_other_rows)


def test_the_blame_is_the_distance_that_a_free_block_saves():
    table = correlated(of_other_rows=np.array([True, False, True, False, False]))
    reference, asked = table.scores[:N], table.scores[N:]
    covariance = np.cov(reference.T, bias=True)
    covariance += np.diag(RIDGE * np.diag(covariance) + 1 / N)
    away = table.scores - reference.mean(axis=0)

    def distance(columns):
        part = np.linalg.solve(covariance[np.ix_(columns, columns)], away[:, columns].T)
        return (away[:, columns].T * part).sum(axis=0)

    blame, expected, precision = contradictions(table, N)
    for j, block in enumerate(table.blocks):
        own = np.arange(6)[block]
        rest = np.setdiff1d(np.arange(6), own)
        saved = distance(np.arange(6)) - distance(rest)
        usual = np.quantile(saved[:N], QUANTILE) / chi2.ppf(QUANTILE, len(own))
        if table.of_other_rows[j]:
            right = saved[N:] - distance(own)[N:]
        else:
            right = saved[N:] / max(usual, 1.0) - len(own)
        np.testing.assert_allclose(blame[:, j], right, rtol=1e-8)
        slopes = np.linalg.solve(
            covariance[np.ix_(rest, rest)], covariance[np.ix_(rest, own)]
        )
        np.testing.assert_allclose(
            expected[:, block],
            reference.mean(axis=0)[own] + away[N:][:, rest] @ slopes,
            rtol=1e-8,
        )
    np.testing.assert_allclose(expected.shape, asked.shape)
    np.testing.assert_allclose(precision @ covariance, np.eye(6), atol=1e-9)


def test_a_column_with_heavy_tails_is_blamed_less():
    table = correlated()
    usual = contradictions(table, N)[0]
    scores = table.scores.copy()
    often = np.arange(0, N, 25)
    scores[often, 0] += 20.0
    scores[N, 0] += 20.0
    heavy = contradictions(replace(table, scores=scores), N)[0]
    # One row in 25 is so far away: such a cell is not surprising.
    assert heavy[0, 0] < chi2.ppf(0.999, 1)
    assert usual[:, 0].max() < chi2.ppf(0.999, 1)


def test_distances_do_not_look_at_the_target():
    table = correlated()
    far = distances(table, N)
    scores = table.scores.copy()
    scores[:, 5] = 0.0
    other = replace(table, scores=scores)
    np.testing.assert_allclose(distances(other, N), far)
    reference = table.scores[:N, :5]
    covariance = np.cov(reference.T, bias=True)
    covariance += np.diag(RIDGE * np.diag(covariance) + 1 / N)
    away = table.scores[:, :5] - reference.mean(axis=0)
    expected = [a @ np.linalg.solve(covariance, a) for a in away]
    np.testing.assert_allclose(far, expected)


def test_scores_of_numbers_are_normal_scores_of_the_reference():
    values = np.array([1.0, 2.0, 2.0, 50.0, np.nan, 2.0, 1e6, -1e6])
    rows = np.arange(5), np.array([5, 6, 7])
    y = np.arange(8.0)
    table = scores_of_columns(values[:, None], y, False, *rows)
    first = table.scores[:, 0]
    ranks = np.array([1.0, 2.5, 2.5, 4.0, 2.5, 2.5])
    np.testing.assert_allclose(first[:6], norm.ppf(ranks / 5))
    assert first[6] == pytest.approx(norm.ppf(4.5 / 5) + 4)
    assert first[7] == pytest.approx(norm.ppf(0.5 / 5) - 4)
    assert table.n_features == 1


def test_columns_that_are_left_out_keep_the_places_of_the_others():
    pandas = pytest.importorskip("pandas")
    n = 40
    frame = pandas.DataFrame(
        {
            "id": np.arange(n),
            "kind": np.array(["a", "b", "c", "a"])[np.arange(n) % 4],
            "size": np.random.default_rng(0).normal(size=n),
        }
    )
    y = np.arange(n) % 2
    table = scores_of_columns(frame, y, True, np.arange(30), np.arange(30, n))
    assert table.positions.tolist() == [1, 2]
    assert [block.stop - block.start for block in table.blocks] == [2, 1, 1]
    np.testing.assert_array_equal(table.scores[:, 0], frame["kind"] == "a")
    np.testing.assert_array_equal(table.scores[:, 1], frame["kind"] == "b")
    assert table.of_other_rows.tolist() == [True, False, True]


def test_a_rare_category_is_not_blamed_for_being_rare():
    rng = np.random.default_rng(0)
    colour = rng.choice(["red", "green"], 400)
    heat = np.where(colour == "red", 2.0, 0.0) + rng.normal(size=400)
    colour[::100] = "rare"
    y = (heat + rng.normal(size=400) > 1).astype(int)
    colour[398:] = "rare", "red"
    heat[398:] = 1.0, -1.5
    y[398:] = 1, 0
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"colour": colour, "heat": heat})
    table = scores_of_columns(frame, y, True, np.arange(398), np.arange(398, 400))
    rare, wrong = contradictions(table, 398)[0][:, 0]
    assert rare < 1 < wrong


def test_a_text_of_another_row_is_blamed_and_rare_words_are_not():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    kind = rng.integers(2, size=200)
    words = "oak steel small large old new plain heavy".split()
    goods = ("table", "desk", "bench"), ("lamp", "lantern", "bulb")
    text = [
        f"{rng.choice(words)} {rng.choice(words)} {rng.choice(goods[k])}" for k in kind
    ]
    price = np.where(kind == 1, 2.0, 0.0) + rng.normal(size=200)
    kind[193:], price[193:] = 1, 2.0
    text[193:] = [
        *["brass old bulb", "brass small lantern"] * 2,
        *["old small table", "small old lamp", "brass heavy lamp"],
    ]
    frame = pandas.DataFrame({"text": text, "price": price})
    table = scores_of_columns(frame, kind, True, np.arange(197), np.arange(197, 200))
    of_text = contradictions(table, 197)[0][:, 0]
    assert of_text[0] > 5
    assert of_text[1:].max() < 1


def test_two_columns_that_contradict_each_other_are_blamed_equally():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(N, 3)) @ rng.normal(size=(3, 3))
    both = np.array([True, True])
    blocks = [slice(0, 2), slice(2, 3)]
    table = ScoresOfColumns(scores, blocks, np.arange(1), both)
    blame = contradictions(table, N - 4)[0]
    np.testing.assert_allclose(blame[:, 0], blame[:, 1])


@pytest.mark.parametrize("what", ["texts", "wide", "categories"])
def test_tables_without_columns_to_speak_of(what):
    X = {
        "texts": ["a b", "c d"] * 20,
        "wide": np.ones((40, 300)),
        # Twenty values of each column, and 90 columns.
        "categories": np.array(
            [[f"v{i // 2 + j}" for j in range(90)] for i in range(40)]
        ),
    }[what]
    assert scores_of_columns(X, np.arange(40), True, np.arange(30), [35]) is None
