"""Pipelines of imbalanced-learn: a step that resamples is part of the training."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from imblearn.ensemble import BalancedBaggingClassifier, BalancedRandomForestClassifier
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline, make_pipeline
from imblearn.under_sampling import RandomUnderSampler
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline as plain_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import (
    SOURCE,
    TRAK,
    DownsamplingInfluence,
    HyDRA,
    InfluenceCleaner,
    InfluenceFunctions,
    InfluenceSampler,
    LeaveOneOutInfluence,
    OutOfBagInfluence,
    RepresenterPoints,
    ShapleyInfluence,
    TargetDetector,
    TracIn,
    case_diagnostics,
    datamodels,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3))
Y = np.array(["common", "rare"])[
    (X[:, 0] + 0.7 * RNG.normal(size=24) > 0.9).astype(int)
]
X_TEST = RNG.normal(size=(4, 3))
Y_TEST = np.array(["common", "rare", "rare", "common"])


LOGISTIC = LogisticRegression()
SAMPLERS = {
    "over": RandomOverSampler(random_state=0),
    "under": RandomUnderSampler(random_state=0),
    "SMOTE": SMOTE(k_neighbors=2, random_state=0),
    "cleaned": InfluenceSampler(drop_fraction=0.2),
}


def resampled(sampler=SAMPLERS["over"], last=LOGISTIC):
    """Return a pipeline whose middle step resamples."""
    return Pipeline(
        [
            ("scale", StandardScaler()),
            ("over", clone(sampler)),
            ("model", clone(last)),
        ]
    )


def losses(model, X_test=X_TEST, y_test=Y_TEST):
    """Log loss of every test row, by scikit-learn."""
    p = model.predict_proba(X_test)
    return np.array(
        [log_loss([y], p[[t]], labels=["common", "rare"]) for t, y in enumerate(y_test)]
    )


def trained(kept, estimator=None):
    """Fit by hand on some of the rows; a single class predicts itself."""
    kept = np.asarray(kept)
    return clone(estimator or resampled()).fit(X[kept], Y[kept])


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_leave_one_out_is_a_refit_with_the_sampler(sampler):
    estimator = resampled(sampler)
    loo = LeaveOneOutInfluence(estimator).fit(X, Y)
    assert loo.solver_ == "refit"
    whole = losses(trained(np.arange(24), estimator))
    for i in range(24):
        without = losses(trained(np.delete(np.arange(24), i), estimator))
        assert_allclose(loo.influence(X_TEST, Y_TEST)[:, i], without - whole, rtol=1e-9)


def test_without_the_sampler_the_answer_is_another():
    """So that the test above could fail."""
    loo = LeaveOneOutInfluence(resampled(), solver="refit").fit(X, Y)
    plain = plain_pipeline(StandardScaler(), LogisticRegression())
    other = LeaveOneOutInfluence(plain, solver="refit").fit(X, Y)
    difference = loo.influence(X_TEST, Y_TEST) - other.influence(X_TEST, Y_TEST)
    assert np.abs(difference).max() > 0.01


def test_a_sampler_in_a_nested_pipeline():
    inner = make_pipeline(RandomOverSampler(random_state=0), LogisticRegression())
    loo = LeaveOneOutInfluence(plain_pipeline(StandardScaler(), inner)).fit(X, Y)
    expected = LeaveOneOutInfluence(resampled()).fit(X, Y)
    got = loo.influence(X_TEST, Y_TEST)
    assert_allclose(got, expected.influence(X_TEST, Y_TEST), rtol=1e-9)


def test_shapley_values_by_definition():
    rows = np.r_[np.flatnonzero(Y == "rare")[:3], np.flatnonzero(Y == "common")[:3]]
    estimator = resampled(last=LogisticRegression(C=0.05))
    value = {}
    for size in range(7):
        for subset in combinations(range(6), size):
            kept = rows[list(subset)]
            classes, counts = np.unique(Y[kept], return_counts=True)
            if len(classes) == 2:
                loss = losses(trained(kept, estimator))
            else:  # the prior, or the one class
                p = np.array([np.mean(Y[rows] == "rare"), 0.0, 1.0])[
                    0 if size == 0 else 1 + (classes[0] == "rare")
                ]
                right = np.where(Y_TEST == "rare", p, 1 - p)
                loss = -np.log(np.maximum(right, np.finfo(float).eps))
            value[subset] = -loss
    expected = np.zeros((4, 6))
    for subset, own in value.items():
        for i in set(range(6)) - set(subset):
            gain = value[tuple(sorted((*subset, i)))] - own
            expected[:, i] += gain / (6 * comb(5, len(subset)))
    shapley = ShapleyInfluence(estimator, random_state=0).fit(X[rows], Y[rows])
    assert_allclose(shapley.influence(X_TEST, Y_TEST), expected, rtol=1e-7)


def test_downsampling_trains_the_pipeline():
    params = {"n_retrainings": 6, "random_state": 0}
    downsampling = DownsamplingInfluence(resampled(), **params).fit(X, Y)
    for kept, model in zip(downsampling.masks_, downsampling.estimators_, strict=True):
        assert_allclose(losses(model), losses(trained(np.flatnonzero(kept))))
    assert datamodels(downsampling, X_TEST, Y_TEST).weights.shape == (4, 24)


def test_the_cleaner_trains_the_pipeline():
    for action in ("drop", "relabel"):
        cleaner = InfluenceCleaner(resampled(), drop_fraction=0.2, action=action)
        cleaner.fit(X, Y)
        if action == "drop":
            assert len(cleaner.sample_indices_) == 20
            expected = trained(cleaner.sample_indices_).predict_proba(X_TEST)
            assert_allclose(cleaner.predict_proba(X_TEST), expected)
    with pytest.raises(ValueError, match=r"\['over'\] change the rows"):
        InfluenceCleaner(resampled(), action="weight").fit(X, Y)


REFUSING = {
    "exact": LeaveOneOutInfluence(resampled(), solver="exact"),
    "control variate": DownsamplingInfluence(
        resampled(), n_retrainings=4, control_variate=True
    ),
    "InfluenceFunctions": InfluenceFunctions(resampled()),
    "RepresenterPoints": RepresenterPoints(resampled()),
    "TracIn": TracIn(resampled(last=SGDClassifier(loss="log_loss"))),
    "HyDRA": HyDRA(resampled()),
    "SOURCE": SOURCE(resampled()),
    "TRAK": TRAK(resampled()),
    "OutOfBag": OutOfBagInfluence(resampled(last=RandomForestClassifier(5))),
    "TargetDetector": TargetDetector(InfluenceFunctions(resampled())),
    "nested": InfluenceFunctions(plain_pipeline(StandardScaler(), resampled())),
}


@pytest.mark.parametrize("influence", REFUSING.values(), ids=REFUSING)
def test_methods_without_retraining_refuse_by_name(influence):
    with pytest.raises(TypeError, match=r"\['over'\] of the Pipeline change the rows"):
        influence.fit(X, Y)


def test_case_diagnostics_refuse_by_name():
    with pytest.raises(TypeError, match=r"\['over'\] .*solver='refit'"):
        case_diagnostics(resampled().fit(X, Y), X, Y)


@pytest.mark.parametrize(
    "ensemble",
    [
        BalancedBaggingClassifier(n_estimators=5),
        BalancedRandomForestClassifier(n_estimators=5, bootstrap=True),
    ],
)
def test_out_of_bag_refuses_ensembles_that_resample(ensemble):
    """The rows that members drew are not the rows that they were trained on."""
    with pytest.raises(TypeError, match="resamples them once more"):
        OutOfBagInfluence(ensemble).fit(X, Y)


def test_the_sampler_needs_no_estimator():
    whole = InfluenceSampler(LogisticRegression(), drop_fraction=0.2).fit(X, Y)
    alone = InfluenceSampler(drop_fraction=0.2).fit(X, Y)
    assert_array_equal(alone.sample_values_, whole.sample_values_)
    model = make_pipeline(alone, StandardScaler(), LogisticRegression()).fit(X, Y)
    kept = whole.sample_indices_
    by_hand = plain_pipeline(StandardScaler(), LogisticRegression()).fit(
        X[kept], Y[kept]
    )
    assert_allclose(model.predict_proba(X_TEST), by_hand.predict_proba(X_TEST))


AMOUNTS = RNG.normal(size=24)


@pytest.mark.parametrize(
    ("y", "labels"),
    [
        (Y, True),
        (Y == "rare", True),
        (np.arange(24) % 3, True),
        (np.arange(24) % 3 * 1.0, True),
        ([["a", "b"][i % 2] for i in range(24)], True),
        (AMOUNTS, False),
        (np.arange(24) % 3 + 0.5, False),
        (np.c_[AMOUNTS, AMOUNTS], False),
    ],
)
def test_the_sampler_reads_y(y, labels):
    said = LogisticRegression() if labels else LinearRegression()
    whole = InfluenceSampler(said, drop_fraction=0.2).fit(X, y)
    alone = InfluenceSampler(drop_fraction=0.2).fit(X, y)
    assert_array_equal(alone.sample_values_, whole.sample_values_)
    other = LinearRegression() if labels else LogisticRegression()
    if np.asarray(y).dtype.kind in "if" and np.ndim(y) == 1:
        differs = InfluenceSampler(other, drop_fraction=0.2).fit(X, y)
        assert not np.array_equal(alone.sample_values_, differs.sample_values_)


def test_the_sampler_does_not_guess():
    counts = np.arange(24)  # counts, ranks or labels of a catalogue
    with pytest.raises(ValueError, match="24 different whole numbers in 24 rows"):
        InfluenceSampler().fit(X, counts)
    said = InfluenceSampler(LinearRegression(), drop_fraction=0.2).fit(X, counts)
    influence = LeaveOneOutInfluence(LinearRegression())
    by_influence = InfluenceSampler(influence=influence, cv=3).fit(X, counts)
    assert said.sample_mask_.sum() == 20
    assert by_influence.sample_values_.shape == (24,)
