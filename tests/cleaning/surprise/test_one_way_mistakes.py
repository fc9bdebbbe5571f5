"""Mistakes of one direction: counted by hand, by integrals, and found in tables."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.metrics import average_precision_score

from skinfluence.cleaning.surprise import _scorer
from skinfluence.cleaning.surprise._jackknife import replicated_values
from skinfluence.cleaning.surprise._one_way_mistakes import frequency_of_mistakes
from skinfluence.cleaning.surprise._scorer import score_rows
from skinfluence.cleaning.surprise._wrong_rows import wrong_rows

MISTAKES = {(0, 1): 30, (1, 0): 1, (0, 2): 0, (2, 0): 8, (1, 2): 2, (2, 1): 3}
RIGHT = [60, 40, 50]


def counted():
    """Rows at the same distance from every border, with these labels."""
    true, labels = [], []
    for j, n in enumerate(RIGHT):
        true += [j] * n
        labels += [j] * n
    for (j, c), n in MISTAKES.items():
        true += [j] * n
        labels += [c] * n
    log_q = np.log(np.where(np.array(true)[:, None] == np.arange(3), 0.8, 0.1))
    return log_q, np.array(labels)


def integral(pair, s, p, power=0):
    """Likelihood of one pair of classes, times the probability to this power."""
    one, other = MISTAKES[pair], MISTAKES[pair[::-1]]
    a, b = s * p, s * (1 - p)
    found, _ = quad(
        lambda x: x ** (one + power) * (1 - x) ** other,
        *(0, 1),
        weight="alg",
        wvar=(a - 1, b - 1),
        epsabs=0,
    )
    return found / quad(lambda x: 1, 0, 1, weight="alg", wvar=(a - 1, b - 1))[0]


def test_frequencies_are_those_of_integrals():
    p = {(j, c): (RIGHT[j] + 1) / (RIGHT[j] + RIGHT[c] + 2) for j, c in MISTAKES}
    pairs = [(0, 1), (0, 2), (1, 2)]
    likelihood = {
        s: np.prod([integral(k, s, p[k]) for k in pairs]) for s in (0.5, 1, 10)
    }
    equal = np.prod([p[pair] ** n for pair, n in MISTAKES.items()])
    one_way = (likelihood[0.5] + likelihood[1]) / 2
    assert one_way > np.exp(2) * max(equal, likelihood[10])
    frequency = frequency_of_mistakes(*counted())
    for j, c in pairs:
        mean = np.average(
            [
                integral((j, c), s, p[j, c], 1) / integral((j, c), s, p[j, c])
                for s in (0.5, 1)
            ],
            weights=[likelihood[0.5], likelihood[1]],
        )
        assert frequency[j, c] == pytest.approx(mean / p[j, c], rel=1e-6)
        assert frequency[c, j] == pytest.approx((1 - mean) / p[c, j], rel=1e-6)
    assert (np.diag(frequency) == 1).all()


@pytest.mark.parametrize(
    ("one", "other", "believed"),
    # Both directions; one of them more often, as of a class that is harder; one way.
    [(20, 20, False), (25, 68, False), (2, 40, True), (0, 5, False), (0, 12, True)],
)
def test_accepted_explanations_for_two_classes(one, other, believed):
    true = np.repeat([0, 1], 200)
    log_q = np.log(np.where(true[:, None] == [0, 1], 0.9, 0.1))
    labels = true.copy()
    labels[:one] = 1
    labels[200 : 200 + other] = 0
    assert (frequency_of_mistakes(log_q, labels) is not None) == believed


def test_rows_near_the_border_are_not_counted():
    # Class 0 far from the border has no mistake, near to it as many as class 1 far off.
    log_odds = np.concatenate([np.linspace(0.1, 4, 200), -np.linspace(0.1, 4, 200)])
    log_q = -np.logaddexp(0, np.column_stack([-log_odds, log_odds]))
    labels = (log_odds < 0).astype(int)
    labels[:40] = 1
    labels[-40:] = 0
    frequency = frequency_of_mistakes(log_q, labels)
    assert frequency[1, 0] > 1.9
    assert frequency[0, 1] < 0.1
    assert frequency_of_mistakes(log_q, (log_odds < 0).astype(int)) is None
    # Both far off: no direction.
    labels = (log_odds < 0).astype(int)
    labels[160:200] = 1
    labels[-40:] = 0
    assert frequency_of_mistakes(log_q, labels) is None


@pytest.mark.parametrize("n_classes", [9, 15, 30])
@pytest.mark.parametrize("seed", range(2))
def test_useless_predictions_of_many_classes_tell_no_direction(n_classes, seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(300, 5)), rng.integers(0, n_classes, 300)
    scores = score_rows(X, y, classification=True)
    assert scores.columns[0].frequency is None
    assert wrong_rows(scores).probability.max() < 0.5


def one_way(y, share, seed):
    """Labels of every second class replaced by the next, and which these are."""
    rng = np.random.default_rng(seed)
    k = y.max() + 1
    wrong = (y % 2 == 1) & (rng.random(len(y)) < share)
    return np.where(wrong, (y + 1) % k, y), wrong


def precision(scores, wrong):
    return average_precision_score(wrong, -scores.values)


@pytest.mark.parametrize(
    ("load", "least"), [(load_breast_cancer, 0.97), (load_digits, 0.90)]
)
def test_mistakes_of_one_direction_are_found(load, least):
    X, y = (part[:600] for part in load(return_X_y=True))
    found, before = [], []
    for seed in range(2):
        noisy, wrong = one_way(y, 0.25, seed)
        scores = score_rows(X, noisy, classification=True)
        found.append(precision(scores, wrong))
        before.append(precision(replace(scores, values=scores.log_losses[0]), wrong))
    assert np.mean(found) > least
    assert np.mean(found) > np.mean(before) + 0.03


def test_values_are_log_losses_with_the_frequencies():
    X, y = load_breast_cancer(return_X_y=True)
    noisy, _ = one_way(y, 0.25, 0)
    scores = score_rows(X, noisy, classification=True)
    (scored,) = scores.columns
    logits = scored.temperature * scored.predictions
    q = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for i, label in enumerate(noisy):
        w = scored.frequency[:, label]
        assert scores.values[i] == pytest.approx(np.log(q[i, label] / (w @ q[i])))
        assert scores.probability[i] == pytest.approx(q[i, label])
        assert scores.log_losses[0][i] == pytest.approx(np.log(q[i, label]))
    # Mistakes of class 1 are labelled 0.
    assert scored.frequency[1, 0] > 1.5 > 0.5 > scored.frequency[0, 1]
    rows = scores.values.argsort()[:5]
    assert (
        abs(replicated_values(scored, rows).mean(axis=0) - scores.values[rows]).max()
        < 1
    )


def test_the_probability_to_be_wrong_ignores_the_direction_of_mistakes(monkeypatch):
    X, y = load_breast_cancer(return_X_y=True)
    noisy, _ = one_way(y, 0.25, 0)
    scores = score_rows(X, noisy, classification=True)
    assert scores.log_losses is not None
    monkeypatch.setattr(_scorer, "frequency_of_mistakes", lambda *_: None)
    plain = score_rows(X, noisy, classification=True)
    assert plain.log_losses is None
    one, other = wrong_rows(scores), wrong_rows(plain)
    for name in ("floor", "probability", "ceiling"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, load_digits])
def test_other_tables_have_plain_log_losses(load):
    X, y = (part[:600] for part in load(return_X_y=True))
    rng = np.random.default_rng(0)
    wrong = rng.random(len(y)) < 0.15
    k = y.max() + 1
    for labels in (y, np.where(wrong, (y + rng.integers(1, k, len(y))) % k, y)):
        scores = score_rows(X, labels, classification=True)
        assert scores.log_losses is None
        assert scores.columns[0].frequency is None


def test_several_columns_of_labels_and_folds():
    X, y = load_breast_cancer(return_X_y=True)
    noisy, _ = one_way(y, 0.25, 0)
    apart = [score_rows(X, labels, classification=True) for labels in (noisy, y)]
    both = score_rows(X, np.column_stack([noisy, y]), classification=True)
    np.testing.assert_allclose(both.values, apart[0].values + apart[1].values)
    np.testing.assert_allclose(
        both.log_losses[0], apart[0].log_losses[0] + apart[1].values
    )
    half = np.arange(len(y)) < 300
    folds = [(np.flatnonzero(half), np.flatnonzero(~half))]
    scores = score_rows(X, noisy, classification=True, folds=folds)
    np.testing.assert_array_equal(np.isnan(scores.values), half)
