"""Scores before and after cleaning, against scikit-learn's own of the same refits."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    log_loss,
    mean_squared_error,
    r2_score,
    recall_score,
)

from skinfluence.cleaning.surprise._wrong_rows import WrongRows
from skinfluence.cli._held_out_scores import (
    CLEAR,
    HeldOut,
    paired_mean,
    remaining_mistakes,
)


def labelled(n=400, seed=0, groups=None):
    rng = np.random.default_rng(seed)
    y = rng.choice(["a", "b", "c"], n, p=[0.7, 0.2, 0.1])
    probability = rng.dirichlet(np.ones(3), size=(2, n))
    own = np.searchsorted(["a", "b", "c"], y)
    losses = -np.log(probability[:, np.arange(n), own])
    predicted = np.array(["a", "b", "c"])[probability.argmax(axis=2)]
    fold = rng.integers(0, 4, n)
    fold[:20] = -1
    losses[:, :20] = np.nan
    return HeldOut(y, True, groups, fold, losses, predicted), probability


def test_scores_are_those_of_scikit_learn():
    held_out, probability = labelled()
    rows = held_out.fold >= 0
    y, predicted = held_out.y[rows], held_out.predicted[:, rows]
    scores = held_out.scores()
    assert list(scores) == ["log loss", "balanced accuracy", "accuracy"]
    for k, when in enumerate(["before", "after"]):
        for name, expected in {
            "log loss": log_loss(y, probability[k][rows]),
            "balanced accuracy": balanced_accuracy_score(y, predicted[k]),
            "accuracy": accuracy_score(y, predicted[k]),
        }.items():
            assert getattr(scores[name], when) == pytest.approx(expected)
        recall = recall_score(y, predicted[k], average=None)
        for label, value in zip("abc", recall, strict=True):
            count, loss, right = held_out.classes()[label]
            assert getattr(right, when) == pytest.approx(value)
            assert count == (y == label).sum()
            own = probability[k][rows][y == label, "abc".index(label)]
            assert getattr(loss, when) == pytest.approx(-np.log(own).mean())
    assert scores["log loss"].gain == pytest.approx(
        scores["log loss"].before - scores["log loss"].after
    )
    assert scores["accuracy"].gain == pytest.approx(
        scores["accuracy"].after - scores["accuracy"].before
    )


def test_scores_of_numbers_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    predicted = y + rng.normal(size=(2, 200)) * [[0.5], [0.7]]
    held_out = HeldOut(
        y, False, None, np.arange(200) % 5, (y - predicted) ** 2, predicted
    )
    scores = held_out.scores()
    for k, when in enumerate(["before", "after"]):
        error = getattr(scores["mean squared error"], when)
        assert error == pytest.approx(mean_squared_error(y, predicted[k]))
        assert getattr(scores["R2"], when) == pytest.approx(r2_score(y, predicted[k]))
        of_fold = [mean_squared_error(y[f::5], predicted[k][f::5]) for f in range(5)]
        np.testing.assert_allclose(held_out.by_fold()[k], of_fold)
    assert "clearly worse on held-out rows (mean squared error)" in held_out.harm()


def test_the_error_of_balanced_accuracy_is_that_of_new_samples():
    def gain(seed):
        return labelled(seed=seed)[0].scores()["balanced accuracy"]

    gains = [gain(seed) for seed in range(200)]
    spread = np.std([score.gain for score in gains], ddof=1)
    assert np.mean([score.error for score in gains]) == pytest.approx(spread, rel=0.15)


def test_rows_of_a_group_count_as_one():
    rng = np.random.default_rng(0)
    x = rng.normal(size=50)
    mean, error = paired_mean(np.repeat(x, 4), np.repeat(np.arange(50), 4))
    assert mean == pytest.approx(x.mean())
    assert error == pytest.approx(x.std(ddof=1) / np.sqrt(50))
    assert np.isnan(paired_mean(x[:1])[1])
    assert np.isnan(paired_mean(x, np.zeros(50))[1])


def before_and_after(y, p_before, p_after):
    """A model of two classes whose probability of class 1 is given."""
    y, losses = np.asarray(y), []
    p = np.array([p_before, p_after])
    losses = -np.log(np.where(y == 1, p, 1 - p))
    predicted = (p > 0.5).astype(int)
    return HeldOut(y, True, None, np.arange(len(y)) % 5, losses, predicted)


def test_a_step_towards_the_majority_is_no_gain():
    # 970 of one class, 30 of the other: after cleaning the model forgets the rare one.
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [970, 30])
    p = np.where(y == 1, rng.uniform(0.3, 0.6, 1000), rng.uniform(0.2, 0.53, 1000))
    held_out = before_and_after(y, p, 0.8 * p)
    scores = held_out.scores()
    assert scores["accuracy"].clearly_better
    assert scores["balanced accuracy"].clearly_worse
    assert "clearly worse on held-out rows (balanced accuracy)" in held_out.harm()
    assert "better" not in held_out.verdict()


def test_a_loss_for_one_class_is_harm_even_if_others_gain_more():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [970, 30])
    p = rng.uniform(0.02, 0.04, 1000)
    held_out = before_and_after(y, p, 0.7 * p)
    scores = held_out.scores()
    assert not scores["log loss"].clearly_worse
    assert scores["balanced accuracy"].gain == 0
    assert "at the cost of 1 of 2" in held_out.harm()
    assert held_out.verdict().startswith(
        "After cleaning the model favours other classes"
    )


def test_gains_and_changes_too_small_to_detect():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 500)
    p = np.where(y == 1, 0.6, 0.4) + rng.uniform(-0.05, 0.05, 500)
    better = before_and_after(y, p, np.where(y == 1, 0.8, 0.2))
    assert better.harm() is None
    assert better.verdict() == (
        "After cleaning the model is clearly better on held-out rows (log loss)."
    )
    same = before_and_after(y, p, p + rng.uniform(-0.01, 0.01, 500))
    assert same.harm() is None
    assert "do not show whether cleaning helps" in same.verdict()
    score = same.scores()["log loss"]
    assert abs(score.gain) < CLEAR * score.error


def test_mistakes_that_cleaning_took_away():
    transition = np.array([[0.9, 0.1], [0.3, 0.7]])
    probability = np.array([0.8, 0.6, 0.4, 0.2])
    wrong = WrongRows(*[probability] * 3, 0.5, 0.5, transition)
    kept = np.array([False, True, False, True])
    # 1.2 of the 2 wrong rows that are expected went.
    np.testing.assert_allclose(
        remaining_mistakes(wrong, kept), 0.4 * np.eye(2) + 0.6 * transition
    )
    none = WrongRows(0 * probability, 0 * probability, probability, 0.0, 0.5, np.eye(2))
    assert remaining_mistakes(none, kept) is None
    numbers = WrongRows(*[probability] * 3, 0.5, 0.5, None)
    assert remaining_mistakes(numbers, kept) is None


def test_log_loss_does_not_punish_a_model_that_repeats_no_mistakes():
    # Truth: the label is clear, and 20% of the labels as given are flipped.
    rng = np.random.default_rng(0)
    clear = rng.integers(0, 2, 2000)
    y = np.where(rng.random(2000) < 0.2, 1 - clear, clear)
    mistakes = np.array([[0.8, 0.2], [0.2, 0.8]])
    knows_given = np.where(clear == 1, 0.78, 0.22)
    knows_right = np.where(clear == 1, 0.999, 0.001)
    blind = before_and_after(y, knows_given, knows_right)
    assert blind.scores()["log loss"].clearly_worse
    q = np.column_stack([1 - knows_right, knows_right]) @ mistakes
    aware = before_and_after(y, knows_given, q[:, 1])
    assert aware.harm() is None
