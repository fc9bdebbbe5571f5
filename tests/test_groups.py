"""Values that every public ``groups`` takes, or refuses before any computation."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from skinfluence import (
    InfluenceCleaner,
    InfluenceSampler,
    LeaveOneOutInfluence,
    ShapleyInfluence,
    case_diagnostics,
    find_flip_set,
    group_values,
    most_influential_set,
)
from skinfluence._group_masks import group_codes, group_masks

N = 24
rng = np.random.default_rng(0)
X = rng.normal(size=(N, 2))
y = (X[:, 0] + rng.normal(size=N) > 0).astype(int)
LABELS = np.array(list("abcd") * 6)
model = LogisticRegression()
fitted = model.fit(X, y)
loo = LeaveOneOutInfluence(LogisticRegression()).fit(X, y)

TAKES_GROUPS = {
    "case_diagnostics": lambda g: case_diagnostics(fitted, X, y, groups=g),
    "cleaner": lambda g: InfluenceCleaner(model, cv=2).fit(X, y, groups=g),
    "sampler": lambda g: InfluenceSampler(cv=2).fit_resample(X, y, groups=g),
    "group_influence": lambda g: loo.group_influence(X[:2], y[:2], groups=g),
    "bounds": lambda g: loo.group_influence_bounds(X[:2], y[:2], groups=g),
    "shapley": lambda g: ShapleyInfluence(
        model, max_retrainings=10, random_state=0
    ).fit(X, y, groups=g),
    "group_values": lambda g: group_values(loo, X[:2], y[:2], groups=g),
    "find_flip_set": lambda g: find_flip_set(loo, X[:1], groups=g, max_rows=3),
    "most_influential_set": lambda g: most_influential_set(
        loo, X[:1], groups=g, n_rows=1
    ),
}
MISSING = {
    "none": np.array([*LABELS[:-1], None], dtype=object),
    "nan among strings": [*LABELS[:-1].tolist(), np.nan],
    "nan in an object array": np.array([*LABELS[:-1], np.nan], dtype=object),
    "nan among numbers": np.array([*np.arange(N - 1) % 4, np.nan]),
    "pandas": pd.Series([*LABELS[:-1], None], dtype="string"),
    "pandas integers": pd.Series([*np.arange(N - 1) % 4, None], dtype="Int64"),
    "not a time": np.array([*np.repeat("2020-01-01", N - 1), "NaT"], "datetime64[D]"),
    "all none": [None] * N,
}


@pytest.mark.parametrize("takes", TAKES_GROUPS)
def test_missing_labels_are_named_everywhere(takes):
    for groups in (MISSING["none"], MISSING["nan among numbers"]):
        with pytest.raises(ValueError, match=r"'groups'.*label for every row.*row 23"):
            TAKES_GROUPS[takes](groups)


@pytest.mark.parametrize("takes", TAKES_GROUPS)
def test_labels_of_several_types_and_shapes_are_refused_everywhere(takes):
    mixed = np.array([*LABELS[:-1], 3], dtype=object)
    with pytest.raises(ValueError, match=r"'groups'.*sorted.*\['int', 'str.*'\]"):
        TAKES_GROUPS[takes](mixed)
    with pytest.raises(ValueError, match=rf"'groups'.*{N}.*Got shape \({N - 1},\)"):
        TAKES_GROUPS[takes](LABELS[1:])


@pytest.mark.parametrize("takes", TAKES_GROUPS)
def test_labels_are_taken_as_arrays_lists_and_categories(takes):
    for groups in (LABELS, LABELS.tolist(), pd.Series(LABELS, dtype="category")):
        TAKES_GROUPS[takes](groups)


@pytest.mark.parametrize("kind", MISSING)
def test_groups_with_missing_labels(kind):
    for encode in (group_codes, group_masks):
        with pytest.raises(ValueError, match="label for every row"):
            encode(MISSING[kind], N)


def test_codes():
    labels, codes = group_codes(["b", "a", "b"], 3)
    assert labels.tolist() == ["a", "b"]
    assert codes.tolist() == [1, 0, 1]
    masks = group_masks(["b", "a", "b"], 3)
    assert masks.tolist() == [[False, True, False], [True, False, True]]
    overlapping = np.ones((2, 3), dtype=bool)
    assert group_masks(overlapping, 3) is overlapping
