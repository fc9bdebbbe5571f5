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
from skinfluence.datasets import (
    apply_trigger,
    plant_backdoor,
    plant_feature_collision,
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


def heaviness(influence, own, comparable, n_largest, share=1.0):
    """Return the upper tail of one test row, from the definition."""
    v = np.array([influence[i] / abs(own[i]) ** (share / 2) for i in range(len(own))])
    v = v[comparable]
    median = np.median(v)
    z = (v - median) / (1.4826 * np.median(np.abs(v - median)))
    largest = np.sort(z)[::-1][:n_largest]
    return np.prod(largest) ** (1 / len(largest))


def test_scores_by_definition(digits):
    A, B, a, b = digits
    A, a, B = A[:120], a[:120], B[:30]
    for n_largest in (1, 2, 3):
        detector = TargetDetector(LOO, n_largest=n_largest, contamination=0.2)
        detector.fit(A, a)
        model = clone(LOO).fit(A, a)
        own, matrix = model.self_influence(), model.influence(B)
        said = model.predict(B)
        expected = [
            -heaviness(matrix[t], own, a == said[t], n_largest) for t in range(30)
        ]
        assert_allclose(detector.score_samples(B), expected, rtol=1e-8)
        # The threshold: training rows, each without its own influence.
        matrix, said = model.influence(A), model.predict(A)
        training = [
            -heaviness(
                matrix[i], own, (a == said[i]) & (np.arange(120) != i), n_largest
            )
            for i in range(120)
        ]
        assert_allclose(detector.offset_, np.quantile(training, 0.2), rtol=1e-8)


def test_predictions_follow_the_scores(detector, digits):
    B = digits[1]
    scores = detector.score_samples(B)
    assert_allclose(detector.decision_function(B), scores - detector.offset_)
    assert_array_equal(detector.predict(B), np.where(scores < detector.offset_, -1, 1))


@pytest.mark.parametrize("share", [0, 0.5, 0.8])
def test_a_share_of_self_influence_is_divided_by(digits, share):
    A, B, a, _ = digits
    A, a, B = A[:120], a[:120], B[:10]
    detector = TargetDetector(LOO, renormalize=share).fit(A, a)
    model = clone(LOO).fit(A, a)
    own, matrix, said = model.self_influence(), model.influence(B), model.predict(B)
    expected = [
        -heaviness(matrix[t], own, a == said[t], 2, share) for t in range(len(B))
    ]
    assert_allclose(detector.score_samples(B), expected, rtol=1e-8)


def test_support_by_definition(digits):
    A, B, a, _ = digits
    A, a, B = A[:120], a[:120], B[:10]
    detector = TargetDetector(LOO, statistic="support", contamination=0.2).fit(A, a)
    model = clone(LOO).fit(A, a)
    size = np.sqrt(np.abs(model.self_influence()))

    def support(influence, said, counted):
        v = influence / size
        rms = np.sqrt(np.mean([v[i] ** 2 for i in counted]))
        return np.mean([v[i] for i in counted if a[i] == said]) / rms

    matrix, said = model.influence(B), model.predict(B)
    expected = [support(matrix[t], said[t], range(120)) for t in range(10)]
    assert_allclose(detector.score_samples(B), expected, rtol=1e-8)
    # The threshold, and suspects by the upper tail whatever the statistic.
    matrix, said = model.influence(A), model.predict(A)
    training = [
        support(matrix[i], said[i], np.delete(np.arange(120), i)) for i in range(120)
    ]
    assert_allclose(detector.offset_, np.quantile(training, 0.2), rtol=1e-8)
    by_tail = TargetDetector(LOO, contamination=0.2).fit(A, a)
    for one, other in zip(
        detector.suspects(B[:3]), by_tail.suspects(B[:3]), strict=True
    ):
        assert_array_equal(one, other)


def test_training_rows_are_judged_without_their_own_influence(digits):
    A, _, a, _ = digits
    A, a = A[:120], a[:120]
    detector = TargetDetector(LOO, contamination=0.1)
    found = detector.fit_predict(A, a)
    model = clone(LOO).fit(A, a)
    own, matrix, said = model.self_influence(), model.influence(A), model.predict(A)
    tails = [
        heaviness(matrix[i], own, (a == said[i]) & (np.arange(120) != i), 2)
        for i in range(120)
    ]
    assert_array_equal(np.flatnonzero(found == -1), np.sort(np.argsort(tails)[-12:]))
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


def removal_that_turns(detector, X, y, row, ranking):
    """Return the length of the shortest head of the ranking that turns it."""
    before = detector.influence_.predict(row)
    for size in range(1, len(ranking) + 1):
        kept = np.delete(np.arange(len(y)), ranking[:size])
        if clone(MODEL).fit(X[kept], y[kept]).predict(row) != before:
            return size
    raise AssertionError("the prediction does not turn")


def test_suspects_turn_the_prediction_and_others_stand_out(detector, attacked, digits):
    X, y, _, target = attacked
    own = detector.influence_.self_influence()
    doubtful = MODEL.fit(X, y).predict_proba(digits[1]).max(axis=1).argsort()[:2]
    for row in (target, digits[1][doubtful[:1]], digits[1][doubtful[1:]]):
        (suspects,) = detector.suspects(row)
        size = removal_that_turns(detector, X, y, row, suspects)
        v = detector.influence_.influence(row)[0] / np.sqrt(np.abs(own))
        same = y == detector.influence_.predict(row)
        deviation = np.median(np.abs(v[same] - np.median(v[same])))
        z = (v - np.median(v[same])) / (1.4826 * deviation)
        z[~same] = -np.inf
        beyond = (z > -detector.offset_ / 2).sum()
        assert_array_equal(suspects, np.argsort(-z)[: max(size, min(beyond, 50))])


def test_predictions_that_many_rows_hold_up_have_no_suspects(digits):
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
        assert_array_equal(detector.score_samples(B[:20]), scores)


def test_label_encodings_do_not_matter(digits):
    A, B, a, _ = digits
    A, a, B = A[:150], a[:150], B[:20]
    names = np.array(list("abcdefghij"))
    number = TargetDetector(LOO).fit(A, a)
    name = TargetDetector(LOO).fit(A, names[a])
    assert_array_equal(number.score_samples(B), name.score_samples(B))
    for one, other in zip(number.suspects(B[:3]), name.suspects(B[:3]), strict=True):
        assert_array_equal(one, other)


def test_weights_reach_the_model_and_its_refits(digits):
    A, B, a, _ = digits
    A, a = A[:150], a[:150]
    weight = np.where(np.arange(150) < 140, 1.0, 2.0)
    weighted = TargetDetector(LOO, max_removed=0.5).fit(A, a, sample_weight=weight)
    doubtful = MODEL.fit(A, a).predict_proba(B).max(axis=1).argsort()[:1]
    before = MODEL.fit(A, a, sample_weight=weight).predict(B[doubtful])
    assert_array_equal(weighted.influence_.predict(B[doubtful]), before)
    weighted._stands_out = np.inf  # so that suspects are those that turn it
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
        ({"n_largest": 0}, "'n_largest'.*Got 0"),
        ({"renormalize": True}, r"'renormalize'.*\[0, 1\], not a bool.*Got True"),
        ({"renormalize": -0.1}, "'renormalize'.*Got -0.1"),
        ({"renormalize": 1.5}, "'renormalize'.*Got 1.5"),
        ({"renormalize": "all"}, "'renormalize'.*Got 'all'"),
        ({"statistic": "mean"}, "'statistic'.*'tail' or 'support'. Got 'mean'"),
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


def test_targets_of_a_net_are_found_by_the_cosines_of_its_run(digits):
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
    target = B[b == 7][2]
    X, y, planted = plant_feature_collision(
        A, a, target, label=4, fraction=0.02, strength=0.9, random_state=0
    )
    cosines = TracIn(net, checkpoints=5, normalize=True, random_state=0)
    detector = TargetDetector(cosines, statistic="support", random_state=0)
    detector.fit(X.astype("float32"), y)
    assert_array_equal(detector.influence_.predict(target[None]), [4])
    scores = detector.score_samples(B)
    assert (scores < detector.score_samples(target[None])).mean() < 0.03
    assert detector.predict(target[None]) == -1
    (suspects,) = detector.suspects(target[None])
    assert planted[suspects].mean() > 0.8
    assert planted[suspects].sum() >= 0.8 * planted.sum()
