"""The rows that do not look wrong, as a step that resamples."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from skinfluence import InfluenceCleaner, InfluenceFunctions, InfluenceSampler


@parametrize_with_checks(
    [
        InfluenceSampler(LogisticRegression()),
        InfluenceSampler(Ridge()),
        InfluenceSampler(),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "influence",
    [None, InfluenceFunctions(make_pipeline(StandardScaler(), LogisticRegression()))],
)
def test_the_sampler_keeps_the_rows_that_the_cleaner_keeps(noisy_wine, influence):
    X, y = noisy_wine
    settings = {"influence": influence, "drop_fraction": 0.2, "cv": 3}
    tree = DecisionTreeClassifier(random_state=0)
    cleaner = InfluenceCleaner(tree, **settings, random_state=0).fit(X, y)
    sampler = InfluenceSampler(tree, **settings, random_state=0)
    X_kept, y_kept = sampler.fit_resample(X, y)
    np.testing.assert_array_equal(sampler.sample_values_, cleaner.sample_values_)
    np.testing.assert_array_equal(sampler.sample_indices_, cleaner.sample_indices_)
    np.testing.assert_array_equal(X_kept, X[cleaner.sample_mask_])
    np.testing.assert_array_equal(y_kept, y[cleaner.sample_mask_])


def test_containers_keep_their_type(noisy_wine):
    X, y = noisy_wine
    frame = pd.DataFrame(X, index=np.arange(178) * 2)
    series = pd.Series(y, index=frame.index)
    sampler = InfluenceSampler(LogisticRegression(), drop_fraction=0.5)
    X_kept, y_kept = sampler.fit_resample(frame, series)
    assert X_kept.index.equals(frame.index[sampler.sample_mask_])
    assert y_kept.equals(series[X_kept.index])


def test_in_a_pipeline_of_imbalanced_learn(noisy_wine):
    pipeline = pytest.importorskip("imblearn.pipeline")
    X, y = noisy_wine
    tree = DecisionTreeClassifier(random_state=0)
    model = pipeline.make_pipeline(InfluenceSampler(tree), clone(tree))
    search = GridSearchCV(
        model, {"influencesampler__drop_fraction": [0.0, 0.1, 0.2]}, cv=3
    ).fit(X, y)
    assert search.best_params_["influencesampler__drop_fraction"] > 0
    model.set_params(influencesampler__drop_fraction=0.1).fit(X, y)
    cleaner = InfluenceCleaner(tree, drop_fraction=0.1).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), cleaner.predict(X))


@pytest.mark.parametrize("kind", ["datetime64[D]", "timedelta64[D]"])
def test_dates_are_no_labels(kind):
    y = np.arange(60).astype(kind)
    with pytest.raises(ValueError, match="Got dates or durations.*make numbers"):
        InfluenceSampler().fit_resample(np.arange(60.0)[:, None], y)
