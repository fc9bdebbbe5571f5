"""The table of reasons of `InfluenceCleaner`."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skinfluence import InfluenceCleaner

SCALED = make_pipeline(StandardScaler(), LogisticRegression())


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True, as_frame=True)
    X, y = X.copy(), y.to_numpy().copy()
    X.loc[20, "flavanoids"] *= 0.1
    y[100] = 2
    return InfluenceCleaner(SCALED, drop_fraction=0.05).fit(X, y), X, y


def test_columns_of_equal_length(wine):
    cleaner, X, y = wine
    reasons = cleaner.suspect_reasons()
    suspects = cleaner.suspects_
    table = pd.DataFrame(dict(reasons))
    assert len(table) == len(suspects.row)
    np.testing.assert_array_equal(table["row"], suspects.row)
    np.testing.assert_array_equal(table["given"], suspects.given)
    row = table.set_index("row").loc[20]
    assert (row["to_blame"], row["blamed_column"]) == ("cell", "flavanoids")
    assert row["cell"] == X.loc[20, "flavanoids"]
    assert 2 < row["suggested_cell"] < 5  # it was 3.17
    assert row["clears"]
    assert table.set_index("row").loc[100, "to_blame"] == "target"
    assert table["suggested_probability"].between(1 / 3, 1).all()
    for _, line in table.iterrows():
        assert (y[line["like_given"]] == line["given"]).all()
        assert (y[line["like_suggested"]] == line["suggested"]).all()
        assert not np.isin(line["like_given"], suspects.row).any()


def test_rows_are_chosen_in_their_order(wine):
    cleaner, X, y = wine
    every = cleaner.suspect_reasons()
    rows = cleaner.suspects_.row[[3, 0]]
    some = cleaner.suspect_reasons(rows=rows)
    np.testing.assert_array_equal(some.row, rows)
    np.testing.assert_array_equal(some.suggested, every.suggested[[3, 0]])
    assert len(cleaner.suspect_reasons(rows=[]).row) == 0


def test_arrays_have_positions_for_names(wine):
    _, X, y = wine
    cleaner = InfluenceCleaner(SCALED, drop_fraction=0.05).fit(X.to_numpy(), y)
    reasons = cleaner.suspect_reasons(rows=[20])
    assert reasons.blamed_column[0] == X.columns.get_loc("flavanoids")
    assert reasons.cell[0] == X.loc[20, "flavanoids"]


def test_numbers():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    y = y.copy()
    y[7] = 900.0
    cleaner = InfluenceCleaner(Ridge(), drop_fraction=0.02).fit(X, y)
    reasons = cleaner.suspect_reasons()
    assert reasons.row[0] == 7
    assert reasons.to_blame[0] == "target"
    assert np.isnan(reasons.suggested_probability).all()
    near = y.to_numpy()[reasons.like_suggested[0]]
    assert (np.abs(near - reasons.suggested[0]) < np.abs(near - 900)).all()


def test_texts_have_no_cells():
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = np.array([["good", "bad"][i % 2] + f" word{i % 7}" for i in range(80)])
    y = np.arange(80) % 2
    y[3] = 0
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    cleaner = InfluenceCleaner(model, drop_fraction=0.03).fit(list(texts), y)
    reasons = cleaner.suspect_reasons()
    assert 3 in reasons.row
    assert reasons.to_blame.tolist() == [""] * len(reasons.row)
    assert reasons.blamed_column.tolist() == [None] * len(reasons.row)


@pytest.mark.parametrize("model", [SCALED, Ridge()])
def test_no_suspects(model):
    X, y = load_wine(return_X_y=True)
    cleaner = InfluenceCleaner(model, drop_fraction=0.0).fit(X, y)
    assert {len(column) for column in cleaner.suspect_reasons().values()} == {0}


@pytest.mark.parametrize("subsample", [100, None])
def test_cells_of_arrays_of_more_dimensions(subsample):
    """A cell is one number of the row, at its place among the numbers of a row."""
    X, y = load_diabetes(return_X_y=True)
    y[7] = 900.0
    flat, deep = (
        InfluenceCleaner(DummyRegressor(), drop_fraction=0.02, subsample=subsample)
        .fit(rows, y)
        .suspect_reasons()
        for rows in (X, X.reshape(-1, 2, 5))
    )
    assert 7 in deep.row
    for name in ("row", "blamed_column", "cell", "suggested_cell", "to_blame"):
        assert list(deep[name]) == list(flat[name])


def test_bad_input(wine):
    cleaner, X, y = wine
    fine = np.flatnonzero(cleaner.sample_mask_)[:2]
    with pytest.raises(ValueError, match="'rows' parameter must hold suspects"):
        cleaner.suspect_reasons(rows=fine)
    several = InfluenceCleaner(Ridge(), drop_fraction=0.1)
    several.fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="y of one column"):
        several.suspect_reasons()


def test_no_empty_cell_is_suggested():
    """Rows without a text are near every text; what they lack repairs nothing."""
    rng = np.random.default_rng(3)
    titles = np.array(["developer", "nurse", "teacher", "driver", "lawyer", "clerk"])
    kind, n = rng.integers(6, size=600), 600
    places = rng.choice(["", " (m/f)", " full time", " Berlin"], n)
    typo = rng.integers(2, 12, n)  # behind the end of most titles
    job = np.array(
        [
            f"{titles[k][:t]}{titles[k][t + 1 :]}{place}"
            for k, t, place in zip(kind, typo, places, strict=True)
        ],
        dtype=object,
    )
    job[rng.random(n) < 0.04] = np.nan
    score = np.array([5, 2, 2.2, 1.5, 6, 1])[kind] + rng.normal(0, 0.4, n)
    y = np.where(score > 2.1, "high", "low")
    flipped = rng.choice(n, 40, replace=False)
    y[flipped] = np.where(y[flipped] == "high", "low", "high")
    X = pd.DataFrame({"job": job, "pay": 1000 * score + rng.normal(0, 600, n)})
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    cells = InfluenceCleaner(model, drop_fraction=0.15).fit(X, y).suspect_reasons()
    blamed = cells.frame["blamed_column"] == "job"
    assert blamed.sum() > 5
    assert cells.frame["suggested_cell"][blamed].notna().all()
