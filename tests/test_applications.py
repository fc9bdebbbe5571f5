"""Every application: names of classes do not matter, and nothing is shared or left."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from skinfluence import (
    InfluenceCleaner,
    InfluenceDisplay,
    InfluenceSampler,
    LeaveOneOutInfluence,
    MemorizationDisplay,
    RemovalCurveDisplay,
    SampleValuesDisplay,
    TargetDetector,
    high_influence_pairs,
    memorization_curve,
)
from skinfluence.datasets import (
    plant_backdoor,
    plant_feature_collision,
    plant_label_flips,
)
from skinfluence.metrics import noise_detection, removal_curve

MODEL = LogisticRegression(C=0.5)
# Objects that all applications are given: none may be changed.
LOO = LeaveOneOutInfluence(MODEL)
KNN = LeaveOneOutInfluence(KNeighborsClassifier(3), loss="brier")

ENCODINGS = {
    "from one": lambda y: y + 1,
    "signs": lambda y: 2 * y - 1,
    "strings": lambda y: np.array(["ham", "spam"])[y],
    "objects": lambda y: np.array(["ham", "spam"], dtype=object)[y],
    "booleans": lambda y: y == 1,
    "categorical": lambda y: pd.Categorical.from_codes(y, ["ham", "spam"]),
    "series": lambda y: pd.Series(
        pd.Categorical.from_codes(1 - y, ["spam", "ham", "neither"]),
        index=np.arange(len(y))[::-1] + 7,
    ),
}


@pytest.fixture(scope="module")
def table():
    """Return training and test rows, the labels 0 and 1, and others of their kind."""
    X, y = make_classification(240, 6, flip_y=0.1, random_state=0)
    return (X[:80], y[:80], X[80:120], y[80:120]), (X[120:200], y[120:200])


def clean(X, y, X_test, y_test, seed, label):
    """Return rows kept and values of a cleaner with an influence, and without."""
    for influence in (LOO, None):
        cleaner = InfluenceCleaner(MODEL, influence=influence, random_state=seed)
        cleaner.fit(X, y)
        yield cleaner.sample_values_
        yield cleaner.sample_mask_
        yield cleaner.predict_proba(X_test)


def sample(X, y, X_test, y_test, seed, label):
    """Return what a sampler keeps."""
    sampler = InfluenceSampler(MODEL, influence=LOO, random_state=seed)
    kept, _ = sampler.fit_resample(X, y)
    yield from (kept, sampler.sample_values_, sampler.sample_indices_)


def detect(X, y, X_test, y_test, seed, label):
    """Return scores and suspects of a detector."""
    detector = TargetDetector(LOO, max_removed=0.3, random_state=seed)
    yield detector.fit_predict(X, y)
    yield detector.score_samples(X_test)
    yield np.concatenate(detector.suspects(X_test[:5]))


def memorize(X, y, X_test, y_test, seed, label):
    """Return a memorization curve and pairs."""
    fitted = LeaveOneOutInfluence(KNN.estimator, loss="brier").fit(X, y)
    curve = memorization_curve(
        KNN.estimator, fitted, X, y, X_test, y_test, n_random=2, random_state=seed
    )
    pairs = high_influence_pairs(
        fitted, X_test, y_test, memorization=0.1, threshold=0.01
    )
    assert len(pairs.train) > 5
    yield from (curve.highest, curve.lowest, curve.random)
    yield from (pairs.train, pairs.test, pairs.influence)


def judge(X, y, X_test, y_test, seed, label):
    """Return a removal curve and the detection of rows."""
    fitted = LeaveOneOutInfluence(MODEL).fit(X, y)
    curve = removal_curve(
        MODEL, fitted, X, y, X_test, y_test, n_random=2, random_state=seed
    )
    wrong = np.arange(80) % 5 == 0
    found = noise_detection(fitted, wrong, X=X_test, y=y_test)
    yield from (curve.all_rows, curve.highest, curve.lowest, curve.random)
    yield from (found.average_precision, found.roc_auc)


def plant(X, y, X_test, y_test, seed, label):
    """Return what planters change, labels as the number of the class."""
    trigger = np.full(6, np.nan)
    trigger[0] = 5.0
    target = X_test[0]
    for rows, labels, planted in (
        plant_label_flips(X, y, random_state=seed),
        plant_label_flips(X, y, target=target, label=label),
        plant_backdoor(X, y, trigger=trigger, label=label, random_state=seed),
        plant_feature_collision(X, y, target, label=label, random_state=seed),
    ):
        yield from (rows, labels == label, planted)


def draw(X, y, X_test, y_test, seed, label):
    """Return the data of the displays."""
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    ax = plt.figure().add_subplot()
    fitted = LeaveOneOutInfluence(MODEL).fit(X, y)
    values = SampleValuesDisplay.from_estimator(
        fitted, X_test, y_test, labels=y, suspects=9, ax=ax
    )
    yield from (values.values, values.medians_.get_offsets(), values.suspects_)
    first = y_test.iloc[:1] if hasattr(y_test, "iloc") else y_test[:1]
    bars = InfluenceDisplay.from_estimator(fitted, X_test[:1], first, labels=y, ax=ax)
    yield bars.indices_
    yield MemorizationDisplay.from_estimator(
        fitted, X_test, y_test, ax=ax
    ).points_.get_offsets()
    curve = RemovalCurveDisplay.from_estimator(
        MODEL, fitted, X, y, X_test, y_test, n_random=2, random_state=seed, ax=ax
    )
    yield curve.lowest_.get_ydata()
    yield curve.random_.get_ydata()
    plt.close("all")


APPLICATIONS = [clean, sample, detect, memorize, judge, plant, draw]
applications = pytest.mark.parametrize(
    "application", APPLICATIONS, ids=lambda function: function.__name__
)


@pytest.fixture(scope="module")
def expected(table):
    """Return a function that gives the results for the labels 0 and 1, once."""
    known = {}

    def results(application):
        if application not in known:
            known[application] = list(application(*table[0], seed=0, label=1))
        return known[application]

    return results


@applications
@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_names_of_classes_do_not_matter(application, encode, table, expected):
    X, y, X_test, y_test = table[0]
    label = np.asarray(encode(np.array([1])))[0]
    results = application(X, encode(y), X_test, encode(y_test), seed=0, label=label)
    for result, by_number in zip(results, expected(application), strict=True):
        assert_allclose(result, by_number, rtol=1e-12, atol=1e-15)


@applications
def test_the_global_random_state_is_left_alone(application, table):
    before = np.random.get_state()  # noqa: NPY002
    list(application(*table[0], seed=None, label=1))
    after = np.random.get_state()  # noqa: NPY002
    assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


@applications
def test_arguments_are_left_alone(application, table):
    copies = [rows.copy() for rows in table[0]]
    parameters = [repr(vars(estimator)) for estimator in (MODEL, LOO, KNN)]
    list(application(*table[0], seed=0, label=1))
    for rows, copy in zip(table[0], copies, strict=True):
        assert_array_equal(rows, copy)
    assert [repr(vars(estimator)) for estimator in (MODEL, LOO, KNN)] == parameters


@pytest.mark.parametrize(
    ("make", "ask"),
    [
        (
            lambda: InfluenceCleaner(MODEL, influence=LOO, random_state=0),
            lambda cleaner, X: [cleaner.sample_values_, cleaner.predict_proba(X)],
        ),
        (
            lambda: InfluenceSampler(MODEL, influence=LOO, random_state=0),
            lambda sampler, X: [sampler.sample_values_, sampler.sample_indices_],
        ),
        (
            lambda: TargetDetector(LOO, max_removed=0.3, random_state=0),
            lambda detector, X: [
                detector.score_samples(X),
                detector.offset_,
                np.concatenate(detector.suspects(X[:5])),
            ],
        ),
    ],
    ids=["cleaner", "sampler", "detector"],
)
def test_two_objects_share_no_state(make, ask, table):
    (X, y, X_test, _), (other_X, other_y) = table
    first, second = make(), make()
    first.fit(X, y)
    before = ask(first, X_test)
    second.fit(other_X, 1 - other_y)
    for result, kept in zip(ask(first, X_test), before, strict=True):
        assert_array_equal(result, kept)
    assert any(
        np.shape(a) != np.shape(b) or not np.array_equal(a, b)
        for a, b in zip(ask(second, X_test), before, strict=True)
    )
