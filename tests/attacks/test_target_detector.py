"""Target detection, against formulas by loops, refits, and planted attacks."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skinfluence import (
    InfluenceFunctions,
    LeaveOneOutInfluence,
    TargetDetector,
    TracIn,
)
from skinfluence.attacks import _target_detector
from skinfluence.attacks._turning_rows import TurningRows
from skinfluence.datasets import (
    apply_trigger,
    plant_backdoor,
    plant_feature_collision,
    plant_label_flips,
)

MODEL = LogisticRegression(max_iter=1000)
LOO = LeaveOneOutInfluence(MODEL)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, train_size=500, random_state=0, stratify=y)


@pytest.fixture(scope="module")
def attacked(digits):
    """Return the poisoned table, its mask and the target of a feature collision."""
    A, B, a, b = digits
    target = B[b == 7][2]
    X, y, planted = plant_feature_collision(
        A, a, target, label=4, fraction=0.02, strength=0.9, random_state=0
    )
    return X, y, planted, target[None]


@pytest.fixture(scope="module")
def detector(attacked):
    return TargetDetector(LOO).fit(*attacked[:2])


def masked(matrix, own, y, said, leave_out, share=1.0):
    """Yield renormalised influences, those of the class, and all that count."""
    for t, row in enumerate(matrix):
        v = np.array([row[i] / abs(own[i]) ** (share / 2) for i in range(len(own))])
        counted = np.arange(len(own)) != (t if leave_out else -1)
        yield v, (y == said[t]) & counted, counted


def two_signs(rows, training, row_support, wrong, most):
    """Return the mean support of supporters and the largest gap, by loops."""
    signs = []
    for v, same, _ in rows:
        mean, deviation = np.mean(v[same]), np.std(v[same])
        weight = {
            i: (v[i] - mean) / deviation - 1
            for i in np.flatnonzero(same)
            if v[i] > mean + (1 + 1e-9) * deviation
        }
        support = 0
        for i, w in weight.items():
            u, own_class, all_ = training[i]
            alone = [u[j] for j in np.flatnonzero(own_class) if j not in weight]
            alone = 0 if wrong[i] else np.mean(alone) / np.sqrt(np.mean(u[all_] ** 2))
            support += w * (row_support[i] + alone) / 2
        total = sum(weight.values())
        ordered = sorted(v[same], reverse=True)
        gaps = [ordered[k] - ordered[k + 1] for k in range(min(most, len(ordered) - 1))]
        share = min(max(gaps) / ordered[0], 1) if ordered[0] > 0 else 0
        mean_support = support / total if total else np.nan
        signs.append((mean_support, -np.log(1 - 0.99 * share)))
    return np.transpose(signs)


def robust(values, sample):
    """Return distances from the median, in robust standard deviations."""
    centre = np.nanmedian(sample)
    return (values - centre) / (1.4826 * np.nanmedian(np.abs(sample - centre)))


def by_definition(A, a, B, share=1.0, most=12):
    """Return the scores of the training rows and of the others, and row support."""
    model = clone(LOO).fit(A, a)
    own, said = model.self_influence(), model.predict(A)
    known = list(masked(model.influence(A), own, a, said, True, share))
    row_support = np.array(
        [np.mean(v[same]) / np.sqrt(np.mean(v[all_] ** 2)) for v, same, all_ in known]
    )
    row_support[said != a] = 0
    training = two_signs(known, known, row_support, said != a, most)
    rows = masked(model.influence(B), own, a, model.predict(B), False, share)
    test = two_signs(rows, known, row_support, said != a, most)
    scores = [
        np.nan_to_num(robust(c, training[0])) - robust(g, training[1]) / 5
        for c, g in (training, test)
    ]
    return *scores, row_support


@pytest.mark.parametrize("share", [0, 0.8, 1.0])
def test_scores_by_definition(digits, share):
    A, B, a, _ = digits
    A, a, B = A[:120], a[:120], B[:30]
    detector = TargetDetector(LOO, renormalize=share, contamination=0.2).fit(A, a)
    training, test, _ = by_definition(A, a, B, share)
    assert_allclose(detector.score_samples(B), test, rtol=1e-8)
    assert_allclose(detector.offset_, np.quantile(training, 0.2), rtol=1e-8)


def test_predictions_follow_the_scores(detector, digits):
    B = digits[1]
    scores = detector.score_samples(B)
    assert_allclose(detector.decision_function(B), scores - detector.offset_)
    assert_array_equal(detector.predict(B), np.where(scores < detector.offset_, -1, 1))


def test_training_rows_are_judged_without_their_own_influence(digits):
    A, _, a, _ = digits
    A, a = A[:120], a[:120]
    detector = TargetDetector(LOO, contamination=0.1)
    found = detector.fit_predict(A, a)
    training, _, _ = by_definition(A, a, A[:1])
    assert_array_equal(np.flatnonzero(found == -1), np.sort(np.argsort(training)[:12]))
    assert_array_equal(np.unique(found), [-1, 1])
    # A fit before does not matter, and predictions of other rows are as ever.
    assert_array_equal(detector.fit_predict(A, a), found)
    assert (found != detector.predict(A)).any()


def test_the_target_and_the_poison_are_found(detector, attacked, digits):
    _, _, planted, target = attacked
    assert_array_equal(detector.influence_.predict(target), [4])
    scores = detector.score_samples(digits[1])
    assert (scores < detector.score_samples(target)).mean() < 0.01
    assert detector.predict(target) == -1
    (suspects,) = detector.suspects(target)
    assert planted[suspects].mean() > 0.9
    assert planted[suspects].sum() >= 0.8 * planted.sum()


def upper_group_by_loops(q, most):
    """Return the size of the upper of two normal groups of greatest likelihood."""
    q, best = np.sort(q)[::-1], {}
    for size in range(1, min(most, len(q) - 1) + 1):
        likelihood = 0.0
        for group in (q[:size], q[size:]):
            variance = max(np.var(group), 0.1 * np.var(q))
            share = len(group) / len(q)
            likelihood += len(group) * (np.log(share) - np.log(variance) / 2)
        best[size] = likelihood
    return max(best, key=best.get)


def test_suspects_are_the_upper_group_and_rows_that_turn(detector, attacked, digits):
    X, y, _, target = attacked
    fitted = detector.influence_
    own = fitted.self_influence()
    doubt = np.clip(-robust(*[by_definition(X, y, target, most=50)[2]] * 2), -3, 3)
    order = MODEL.fit(X, y).predict_proba(digits[1]).max(axis=1).argsort()
    beyond = []
    for row in (target, *digits[1][order[[0, 3, 30]], None]):
        (suspects,) = detector.suspects(row)
        before = fitted.predict(row)
        v = fitted.influence(row)[0] / np.sqrt(np.abs(own))
        same = np.flatnonzero(y == before)
        q = (v[same] - v[same].mean()) / v[same].std() + doubt[same] / 2
        order, size = same[np.argsort(-q)], upper_group_by_loops(q, 50)
        kept = np.delete(np.arange(len(y)), order[:size])
        while clone(MODEL).fit(X[kept], y[kept]).predict(row) == before:
            size += 1
            kept = np.delete(np.arange(len(y)), order[:size])
            beyond.append(size)
        assert_array_equal(suspects, order[:size])
    assert beyond  # some prediction does not turn without the upper group


def test_the_shortest_head_from_the_least_length_on():
    """A prediction that turns without 5 rows, in the order of 20."""
    X, y = np.zeros((20, 1)), np.repeat([0, 1], 10)
    turning = TurningRows(clone(MODEL).fit(X, y), X, y, {}, 0)
    turning._turns = lambda x, before, removed: len(removed) >= 5
    found = [
        turning.head_that_turns(X[:1], np.arange(20), least, most)
        for least, most in ((0, 20), (4, 20), (5, 20), (7, 20), (0, 4), (0, 0), (4, 5))
    ]
    assert found == [5, 5, 5, 7, None, None, 5]


def test_predictions_supported_by_many_rows_have_no_suspects(digits):
    A, B, a, _ = digits
    detector = TargetDetector(LOO, max_removed=0.02).fit(A, a)
    sure = clone(MODEL).fit(A, a).predict_proba(B).max(axis=1).argsort()[-3:]
    assert [len(rows) for rows in detector.suspects(B[sure])] == [0, 0, 0]


@pytest.mark.parametrize(
    ("load", "contamination"), [(load_digits, 0.02), (load_breast_cancer, 0.1)]
)
def test_clean_rows_are_reported_at_the_configured_rate(load, contamination):
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    tight = LogisticRegression(C=0.1, solver="newton-cholesky", tol=1e-8)
    rates = []
    for seed in range(3):
        A, B, a, _ = train_test_split(X, y, test_size=0.5, random_state=seed)
        fast = TargetDetector(InfluenceFunctions(tight), contamination=contamination)
        rates.append((fast.fit(A, a).predict(B) == -1).mean())
    deviation = np.sqrt(contamination * (1 - contamination) / len(B))
    assert abs(np.mean(rates) - contamination) < 3 * deviation


def test_a_backdoor_is_found():
    X, y = load_digits(return_X_y=True)
    A, B, a, b = train_test_split(X / 16, y, train_size=700, random_state=3)
    trigger = np.full(64, np.nan)
    trigger[[0, 7, 56, 63]] = 1.0
    P, p, planted = plant_backdoor(
        A, a, trigger=trigger, label=1, fraction=0.03, random_state=3
    )
    detector = TargetDetector(InfluenceFunctions(MODEL)).fit(P, p)
    T = apply_trigger(B[b != 1], trigger)
    hit = (detector.influence_.predict(T) == 1) & (MODEL.fit(A, a).predict(T) != 1)
    scores = detector.score_samples(np.concatenate([B, T[hit]]))
    assert hit.sum() > 100
    assert roc_auc_score(np.arange(len(scores)) < len(B), scores) > 0.95
    suspects = np.unique(np.concatenate(detector.suspects(T[hit][:8])))
    assert planted[suspects].sum() > 0.8 * planted.sum()


def test_any_model_and_blocks_give_the_same(digits):
    A, B, a, _ = digits
    knn = LeaveOneOutInfluence(KNeighborsClassifier(5), loss="brier")
    detector = TargetDetector(knn).fit(A[:100], a[:100])
    scores = detector.score_samples(B[:20])
    assert np.isfinite(scores).all()
    with sklearn.config_context(working_memory=0.01):
        assert_allclose(detector.score_samples(B[:20]), scores, rtol=1e-9)
        blocks = TargetDetector(knn).fit(A[:100], a[:100])
    assert_allclose(blocks.score_samples(B[:20]), scores, rtol=1e-9)


def test_label_encodings_do_not_matter(digits):
    A, B, a, _ = digits
    A, a, B = A[:150], a[:150], B[:20]
    names = np.array(list("abcdefghij"))
    number = TargetDetector(LOO).fit(A, a)
    name = TargetDetector(LOO).fit(A, names[a])
    assert_array_equal(number.score_samples(B), name.score_samples(B))
    for one, other in zip(number.suspects(B[:3]), name.suspects(B[:3]), strict=True):
        assert_array_equal(one, other)


def test_weights_reach_the_model_and_its_refits(digits, monkeypatch):
    A, B, a, _ = digits
    A, a = A[:150], a[:150]
    weight = np.where(np.arange(150) < 140, 1.0, 2.0)
    weighted = TargetDetector(LOO, max_removed=0.5).fit(A, a, sample_weight=weight)
    doubtful = MODEL.fit(A, a).predict_proba(B).max(axis=1).argsort()[:1]
    before = MODEL.fit(A, a, sample_weight=weight).predict(B[doubtful])
    assert_array_equal(weighted.influence_.predict(B[doubtful]), before)
    monkeypatch.setattr(_target_detector, "upper_group", lambda reasons, most: 0)
    (rows,) = weighted.suspects(B[doubtful])
    assert rows.size
    for removed, turned in ((rows, True), (rows[:-1], False)):
        kept = np.delete(np.arange(150), removed)
        model = clone(MODEL).fit(A[kept], a[kept], sample_weight=weight[kept])
        assert (model.predict(B[doubtful]) != before)[0] == turned


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"influence": MODEL}, "'influence'.*influence estimator around a classifier"),
        (
            {"influence": LeaveOneOutInfluence(Ridge())},
            "'influence'.*around a classifier",
        ),
        ({"renormalize": True}, r"'renormalize'.*\[0, 1\], not a bool.*Got True"),
        ({"renormalize": -0.1}, "'renormalize'.*Got -0.1"),
        ({"renormalize": 1.5}, "'renormalize'.*Got 1.5"),
        ({"renormalize": "all"}, "'renormalize'.*Got 'all'"),
        ({"contamination": 0.6}, r"'contamination'.*\(0, 0.5\]. Got 0.6"),
        ({"contamination": 0}, "'contamination'"),
        ({"max_removed": 1.2}, "'max_removed'"),
    ],
)
def test_parameters_are_checked_before_training(options, message):
    detector = TargetDetector(**{"influence": LOO, **options})
    with pytest.raises(ValueError, match=message):
        detector.fit(None, None)


@parametrize_with_checks([TargetDetector(LeaveOneOutInfluence(LogisticRegression()))])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("attack", ["collision", "label flips"])
def test_targets_of_a_net_are_found_by_the_cosines_of_its_run(digits, attack):
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")
    A, B, a, b = digits
    A, B = A.astype("float32"), B.astype("float32")

    class Net(torch.nn.Sequential):
        def __init__(self):
            layers = torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10)
            super().__init__(*layers)

    net = skorch.NeuralNetClassifier(
        Net,
        criterion=torch.nn.CrossEntropyLoss,
        train_split=None,
        lr=0.3,
        batch_size=32,
        max_epochs=20,
        verbose=0,
    )
    if attack == "collision":
        target, label = B[b == 7][2], 4
        X, y, planted = plant_feature_collision(
            A, a, target, label=4, fraction=0.02, strength=0.9, random_state=0
        )
    else:
        target, label = B[b == 7][2], 1
        X, y, planted = plant_label_flips(A, a, target=target, label=1, fraction=0.03)
    cosines = TracIn(net, checkpoints=5, normalize=True, random_state=0)
    detector = TargetDetector(cosines, random_state=0)
    detector.fit(X.astype("float32"), y)
    assert_array_equal(detector.influence_.predict(target[None]), [label])
    scores = detector.score_samples(B)
    assert (scores < detector.score_samples(target[None])).mean() < 0.02
    assert detector.predict(target[None]) == -1
    (suspects,) = detector.suspects(target[None])
    assert planted[suspects].mean() > 0.8
    assert planted[suspects].sum() >= 0.8 * planted.sum()
