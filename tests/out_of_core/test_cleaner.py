"""Cleaning of dask collections equals that of the same rows in memory."""

from types import SimpleNamespace

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skinfluence import InfluenceCleaner, InfluenceSampler, KNNShapley, assign_values
from skinfluence.removal import UnsupportedEstimator

N, SIZES = 240, (100, 0, 1, 139)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 4))
X[RNG.random(X.shape) < 0.05] = np.nan
SIGNAL = np.nan_to_num(X) @ [2.0, -1.0, 0.5, 0.0] + 0.1 * RNG.normal(size=N)
LABELS = np.where(SIGNAL > 0, "up", "down")
LABELS[::12] = np.where(SIGNAL[::12] > 0, "down", "up")
NUMBERS = SIGNAL.copy()
NUMBERS[::8] = RNG.permutation(NUMBERS[::8])
COMPLETE = np.nan_to_num(X)


def blocks(values, sizes=SIZES):
    return da.from_array(values, chunks=(sizes, *((n,) for n in values.shape[1:])))


def frames():
    """Return a mixed table in memory and as a dask dataframe of uneven partitions."""
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    rng = np.random.default_rng(1)
    table = pd.DataFrame(X, columns=list("abcd"))
    table["town"] = rng.choice(["Ulm", "Bonn", "Zug"], N)
    table["day"] = np.datetime64("2020-01-01") + rng.integers(0, 900, N)
    table["label"] = LABELS
    ends = np.cumsum(SIZES)
    parts = [table[end - size : end] for size, end in zip(SIZES, ends, strict=True)]
    with dask.config.set({"dataframe.convert-string": False}):
        lazy = dd.from_delayed([dask.delayed(part) for part in parts])
    return table, lazy


@pytest.mark.parametrize("subsample", [150, N])
@pytest.mark.parametrize("y", [LABELS, NUMBERS], ids=["labels", "numbers"])
def test_arrays(y, subsample):
    sampler = InfluenceSampler(subsample=subsample, drop_fraction=0.05)
    kept = sampler.fit_resample(X, y)
    values, mask = sampler.sample_values_, sampler.sample_mask_
    assert (~mask).sum() == 12
    # The targets have other partitions than the rows.
    lazy = sampler.fit_resample(blocks(X), da.from_array(y, chunks=90))
    np.testing.assert_allclose(sampler.sample_values_, values, atol=1e-10)
    np.testing.assert_array_equal(sampler.sample_mask_, mask)
    sizes = [part.sum() for part in np.split(mask, np.cumsum(SIZES)[:-1])]
    assert lazy[0].chunks[0] == tuple(size for size in sizes if size)
    for found, expected in zip(lazy, kept, strict=True):
        np.testing.assert_array_equal(found.compute(), expected)


@pytest.mark.parametrize("subsample", [150, N])
def test_dataframes(subsample):
    table, lazy = frames()
    sampler = InfluenceSampler(subsample=subsample, drop_fraction=0.05)
    X_kept, y_kept = sampler.fit_resample(table.drop(columns="label"), LABELS)
    values = sampler.sample_values_
    rows = lazy.drop(columns="label")
    found = sampler.fit_resample(rows, lazy["label"])
    np.testing.assert_allclose(sampler.sample_values_, values, atol=1e-10)
    assert sampler.feature_names_in_.tolist() == [*"abcd", "town", "day"]
    assert found[0].npartitions == 4
    assert found[0].compute().equals(X_kept)
    assert found[1].compute().tolist() == y_kept.tolist()
    beside = assign_values(rows, value=sampler.sample_values_).compute()
    np.testing.assert_array_equal(beside["value"], sampler.sample_values_)


@pytest.mark.parametrize("action", ["drop", "relabel", "weight"])
@pytest.mark.parametrize("kind", ["labels", "numbers"])
def test_the_model_is_trained_as_in_memory(kind, action):
    model, y = LogisticRegression(tol=1e-8, max_iter=1_000), LABELS
    if kind == "numbers":
        model, y = make_pipeline(StandardScaler(), Ridge()), NUMBERS
    settings = {"subsample": 150, "action": action, "drop_fraction": 0.05}
    memory = InfluenceCleaner(model, **settings).fit(COMPLETE, y)
    lazy = InfluenceCleaner(model, **settings).fit(blocks(COMPLETE), da.from_array(y))
    np.testing.assert_allclose(lazy.sample_values_, memory.sample_values_, atol=1e-10)
    found, expected = lazy.suspects_, memory.suspects_
    np.testing.assert_array_equal(found.row, expected.row)
    for name in ("probability_wrong", "probability_ceiling", "standard_error"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-8)
    assert lazy.wrong_share_ == pytest.approx(memory.wrong_share_)
    said = [
        np.ravel(getattr(c.estimator_, "predict_proba", c.estimator_.predict)(COMPLETE))
        for c in (lazy, memory)
    ]
    np.testing.assert_allclose(*said, atol=1e-5 if kind == "labels" else 1e-10)
    expected_said = said[1]
    untreated = model.fit(COMPLETE, y)
    said = getattr(untreated, "predict_proba", untreated.predict)(COMPLETE)
    assert np.abs(np.ravel(said) - expected_said).max() > 1e-3


def test_columns_by_name_are_predicted_partition_by_partition():
    table, lazy = frames()
    table, lazy = table.fillna(dict.fromkeys("abcd", 0.0)), lazy.fillna(0.0)
    columns = [("n", StandardScaler(), list("abcd")), ("t", OneHotEncoder(), ["town"])]
    model = make_pipeline(ColumnTransformer(columns), LogisticRegression())
    cleaner = InfluenceCleaner(model, drop_fraction=0.05)
    cleaner.fit(lazy[[*"abcd", "town"]], lazy["label"])
    inner = cleaner.estimator_
    for name in ("predict", "predict_proba", "decision_function"):
        found, expected = getattr(cleaner, name)(lazy), getattr(inner, name)(table)
        np.testing.assert_array_equal(found, expected)
    score = cleaner.score(lazy, lazy["label"])
    assert score == np.mean(inner.predict(table) == table["label"])
    sizes = []
    cleaner.estimator_ = SimpleNamespace(
        predict=lambda X: (sizes.append(len(X)), X["town"])[1]
    )
    assert cleaner.predict(lazy).tolist() == table["town"].tolist()
    assert sorted(sizes) == [1, 100, 139]  # not the empty partition


def test_rows_are_read_partition_by_partition():
    read = []

    def watched(block, block_id=None):
        read.append(len(block))
        return block

    lazy = blocks(X).map_blocks(watched, dtype=X.dtype, meta=X[:0])
    InfluenceSampler(subsample=150).fit(lazy, da.from_array(LABELS))
    assert sorted(read) == [1, 1, 100, 100, 139, 139]  # to draw, and to value


REFUSED = {
    "influence": ({"influence": KNNShapley()}, {}),
    "cv": ({"cv": KFold(3)}, {}),
    "memory": ({"memory": "values"}, {}),
    "subsample": ({"subsample": None}, {}),
    "groups": ({}, {"groups": np.arange(N) % 7}),
    "sample_weight": ({}, {"sample_weight": np.ones(N)}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_options_that_need_all_rows_in_memory_are_refused(name):
    settings, given = REFUSED[name]
    lazy = blocks(COMPLETE), blocks(LABELS)
    message = f"The '{name}' parameter cannot be used with collections"
    for kind in (InfluenceCleaner, InfluenceSampler):
        with pytest.raises(TypeError, match=message):
            kind(LogisticRegression(), **settings).fit(*lazy, **given)


def test_verdicts_and_models_without_blocks_are_refused():
    lazy = blocks(COMPLETE), blocks(LABELS)
    with pytest.raises(TypeError, match="'verdicts' parameter cannot be used"):
        InfluenceCleaner(LogisticRegression()).fit(*lazy, verdicts={"row": []})
    with pytest.raises(
        UnsupportedEstimator, match="SGDClassifier.*InfluenceSampler"
    ) as e:
        InfluenceCleaner(SGDClassifier()).fit(*lazy)
    assert str(e.value).count("names a method") == 1
    cleaner = InfluenceCleaner(LogisticRegression(), subsample=150).fit(*lazy)
    assert len(cleaner.review_table(n_rows=5)) == 5
    for method in (cleaner.suspect_reasons, cleaner.apply):
        with pytest.raises(TypeError, match="are not kept in memory"):
            method()


def test_bad_partitions_are_named():
    def fit(rows, y):
        return InfluenceSampler(LogisticRegression(), subsample=150).fit(rows, y)

    bad = X.copy()
    bad[170, 2] = np.inf
    with pytest.raises(ValueError, match="infinite.*column 2 of partition 3"):
        fit(blocks(bad), blocks(LABELS))
    y = LABELS.astype(object)
    y[100] = None
    with pytest.raises(ValueError, match="missing values. Got some in partition 2"):
        fit(blocks(X), blocks(y))
    y = (SIGNAL > 0).astype(object)
    y[100] = "yes"
    with pytest.raises(ValueError, match="Got .* in partition 0 and 'yes' in part.* 2"):
        fit(blocks(X), blocks(y))
    table, lazy = frames()
    rows = lazy.drop(columns="label")
    texts = rows.map_partitions(
        lambda part: part.astype({"b": str}) if len(part) == 1 else part,
        meta=rows._meta,
    )
    with pytest.raises(
        ValueError, match="Column 'b'.*numbers in partition 0 and texts"
    ):
        fit(texts, blocks(LABELS))
