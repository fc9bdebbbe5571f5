"""Changes of transformers without rows, against refitted transformers."""

import warnings

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from skinfluence.removal.steps import Changes, Groups, SingleRows, follow_steps

pytestmark = pytest.mark.filterwarnings("ignore")
FEW = settings(max_examples=6, deadline=None, derandomize=True, phases=[Phase.generate])


def names_of(step, n_columns):
    try:
        return list(step.get_feature_names_out())
    except AttributeError:
        return list(range(n_columns))


def dense(rows):
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, float)


def analysed(step, X, masks=None):
    """Changes without each row (or set) of a fitted transformer, nothing held."""
    removed = SingleRows(len(X)) if masks is None else Groups(masks)
    removed.held = frozenset()
    before = Changes.none(X.shape[1], removed.n_removals)
    return follow_steps([("step", step)], X, before, removed)


def check(step, X, X_new, masks=None):
    """Compare what is said of every removal with a transformer that is refitted."""
    step = clone(step).fit(X)
    changes = analysed(step, X, masks)
    masks = np.eye(len(X), dtype=bool) if masks is None else masks
    rows = np.concatenate([X, X_new])
    fitted = dense(step.transform(rows))
    names = names_of(step, fitted.shape[1])
    assert changes.n_columns == fitted.shape[1]
    fill = np.zeros((len(masks), *fitted.shape))
    for one in changes.fills:
        where = one.missing(rows)
        for f, column in enumerate(one.columns):
            fill[:, where[:, f], column] = one.moves[:, [f]]
    for i in np.flatnonzero(~changes.refit):
        kept = ~masks[i]
        alone = clone(step).fit(X[kept])
        refitted = dense(alone.transform(rows[np.append(kept, [True] * len(X_new))]))
        after = names_of(alone, refitted.shape[1])
        assert set(after) <= set(names)
        expected = (fitted + fill[i])[np.append(kept, [True] * len(X_new))]
        n_kept = kept.sum()
        for j, name in enumerate(names):
            if name not in after:
                assert changes.empties[i]
                assert not expected[:n_kept, j].any()
                continue
            column = refitted[:, after.index(name)]
            if np.ptp(column[:n_kept]) < 1e-12 and changes.flattens[i]:
                continue
            if j not in changes.columns:
                assert_allclose(column, expected[:, j], atol=1e-12)
                continue
            place = list(changes.columns).index(j)
            scale = np.sqrt(changes.squared_scale[i, place])
            gap = column * scale - expected[:, j]
            assert_allclose(gap, gap[0], atol=1e-9 * (1 + np.abs(column).max()))
            assert changes.shifts[i] or abs(gap[0]) < 1e-9
    return changes


@st.composite
def categories(draw):
    """Two columns of a few letters, some of them rare."""
    letters = st.sampled_from("aaaabbbccd")
    n = draw(st.integers(4, 8))
    table = draw(st.lists(st.tuples(letters, letters), min_size=n, max_size=n))
    return np.array(table, dtype=object)


@st.composite
def numbers(draw, holes=False):
    """Three columns with ties and constants, of which two may have holes."""
    some = st.sampled_from([-3.0, 0.0, 0.0, 1.0, 1.0, 2.0, 7.5])
    hole = st.sampled_from([np.nan, 0.0, 1.0, 1.0, 2.0]) if holes else some
    n = draw(st.integers(4, 8))
    rows = st.tuples(hole, hole, some)
    table = draw(st.lists(rows, min_size=n, max_size=n))
    return np.array(table)


NEW_LETTERS = np.array([["a", "b"], ["c", "d"], ["d", "z"], ["z", "c"]], dtype=object)
NEW_NUMBERS = np.array([[0.3, -1.0, 5.0], [20.0, 4.0, -9.0]])

ENCODERS = [
    {"handle_unknown": "ignore"},
    {"handle_unknown": "ignore", "sparse_output": False},
    {"handle_unknown": "ignore", "drop": "first"},
    {"handle_unknown": "ignore", "drop": "if_binary"},
    {"handle_unknown": "ignore", "drop": ["a", "a"]},
    {"handle_unknown": "ignore", "categories": [list("abcd"), list("abcdz")]},
    {"handle_unknown": "infrequent_if_exist", "min_frequency": 2},
    {"handle_unknown": "infrequent_if_exist", "min_frequency": 0.3, "drop": "first"},
    {"handle_unknown": "infrequent_if_exist", "max_categories": 2},
    {"handle_unknown": "ignore", "max_categories": 3, "min_frequency": 2},
    {"handle_unknown": "warn", "max_categories": 2, "drop": "if_binary"},
    {"handle_unknown": "ignore", "max_categories": 1},
]


@pytest.mark.parametrize("params", ENCODERS, ids=str)
@FEW
@given(X=categories(), picks=st.integers(0, 2**30))
def test_one_hot_encoders(params, X, picks):
    if "drop" in params and not isinstance(params["drop"], str):
        X[:2] = "a"  # what is dropped has to be there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(OneHotEncoder(**params), X, NEW_LETTERS)
        check(OneHotEncoder(**params), X, NEW_LETTERS, groups(X, picks))


def groups(X, seed):
    masks = np.random.default_rng(seed).random((2, len(X))) < 0.3
    masks[:, 0] = False
    return masks


def test_one_hot_encoders_refit_no_row_without_need():
    X = np.array([["a"], ["a"], ["b"], ["b"], ["c"]], dtype=object)
    lone = analysed(OneHotEncoder(handle_unknown="ignore").fit(X), X)
    assert not lone.refit.any()
    assert lone.empties.tolist() == [False] * 4 + [True]
    # its test rows have no answer without it
    error = analysed(OneHotEncoder().fit(X), X)
    assert error.refit.tolist() == [False] * 4 + [True]
    merged = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2)
    assert analysed(merged.fit(X), X).refit.tolist() == [True] * 4 + [False]
    # a and b are frequent; without a row of b it is no more than c, which comes later
    two = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=3)
    Y = np.array([["a"], ["a"], ["a"], ["b"], ["b"], ["c"], ["d"]], dtype=object)
    assert np.flatnonzero(analysed(two.fit(Y), Y).refit).tolist() == [3, 4]
    fixed = OneHotEncoder(categories=[["a", "b", "c"]])
    assert not analysed(fixed.fit(X), X).otherwise.any()


@pytest.mark.parametrize(
    "params",
    [
        {"handle_unknown": "use_encoded_value", "unknown_value": -1},
        {"categories": [list("abcdz"), list("abcdz")]},
    ],
    ids=str,
)
@FEW
@given(X=categories(), picks=st.integers(0, 2**30))
def test_ordinal_encoders(params, X, picks):
    check(OrdinalEncoder(**params), X, NEW_LETTERS)
    check(OrdinalEncoder(**params), X, NEW_LETTERS, groups(X, picks))


SCALERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    MinMaxScaler(),
    MinMaxScaler(feature_range=(-1, 3)),
    MinMaxScaler(clip=True),
    MaxAbsScaler(),
    make_pipeline(MinMaxScaler(), StandardScaler()),
    make_pipeline(StandardScaler(), MinMaxScaler()),
    make_pipeline(StandardScaler(), MaxAbsScaler()),
    make_pipeline(StandardScaler(), StandardScaler(with_mean=False)),
    make_pipeline(MaxAbsScaler(), MinMaxScaler()),
    FeatureUnion([("a", StandardScaler()), ("b", MaxAbsScaler())]),
]


@pytest.mark.parametrize("step", SCALERS, ids=str)
@FEW
@given(X=numbers(), picks=st.integers(0, 2**30))
def test_scalers(step, X, picks):
    check(step, X, NEW_NUMBERS)
    check(step, X, NEW_NUMBERS, groups(X, picks))


@FEW
@given(X=numbers(holes=True))
def test_scalers_leave_missing_entries_out(X):
    X = X[~np.isnan(X).all(axis=1)]
    for step in (StandardScaler(), MinMaxScaler(), MaxAbsScaler()):
        changes = analysed(clone(step).fit(X), X)
        for i in range(len(X)):
            alone = clone(step).fit(np.delete(X, i, axis=0))
            full = clone(step).fit(X)
            left = np.delete(X, i, axis=0)
            for place, j in enumerate(changes.columns):
                some = left[~np.isnan(left[:, j]), j]
                if len(some) and np.ptp(some):
                    ratio = (alone.scale_[j] / full.scale_[j]) ** 2
                    if isinstance(step, MinMaxScaler):
                        ratio = 1 / ratio
                    assert_allclose(changes.squared_scale[i, place], ratio, rtol=1e-9)


@pytest.mark.parametrize("step", [StandardScaler(), MinMaxScaler()], ids=str)
def test_a_scale_that_one_row_makes(step):
    X = np.column_stack([np.arange(9.0), np.linspace(1, 2, 9)])
    X[4, 1] = 50.0
    changes = check(step, X, NEW_NUMBERS[:, :2])
    assert not changes.refit.any()
    X[4, 1] = 1e9  # the others are one value to within rounding
    assert analysed(clone(step).fit(X), X).refit.tolist() == [i == 4 for i in range(9)]


def test_only_extremes_move_a_range():
    X = np.array([[0.0, 0.0], [0.0, 1.0], [5.0, 2.0], [9.0, 9.0], [9.0, 3.0]])
    changes = analysed(MinMaxScaler().fit(X), X)
    assert changes.scales.tolist() == [True, False, False, True, False]
    assert changes.shifts.tolist() == [True, False, False, False, False]


def test_a_weighted_scaler_is_held_fixed():
    X = np.random.default_rng(0).normal(size=(8, 2))
    step = StandardScaler().fit(X, sample_weight=np.arange(1.0, 9))
    before = Changes.none(2, 8)
    changes = follow_steps([("scale", step)], X, before, SingleRows(8))
    assert [name for name, _ in changes.fixed] == ["scale"]


IMPUTERS = [
    {"strategy": strategy, "add_indicator": indicator, "keep_empty_features": keep}
    for strategy in ("mean", "median", "most_frequent", "constant")
    for indicator, keep in ((False, False), (True, False), (True, True))
]


@pytest.mark.parametrize("params", IMPUTERS, ids=str)
@FEW
@given(X=numbers(holes=True), picks=st.integers(0, 2**30))
def test_imputers(params, X, picks):
    new = np.array([[np.nan, 1.0, np.nan], [0.5, np.nan, 2.0]])
    check(SimpleImputer(**params), X, new)
    check(SimpleImputer(**params), X, new, groups(X, picks))


def test_imputed_medians_of_ties_do_not_move():
    X = np.array([[1.0], [2.0], [2.0], [2.0], [3.0], [np.nan]])
    changes = analysed(SimpleImputer(strategy="median").fit(X), X)
    assert not changes.otherwise.any()
    means = analysed(SimpleImputer().fit(X), X)
    # the row that misses it and those that are the mean move nothing
    assert means.refit.tolist() == [True, False, False, False, True, False]


@FEW
@given(X=categories(), seed=st.integers(0, 2**30))
def test_imputed_categories(X, seed):
    X[np.random.default_rng(seed).random(X.shape) < 0.2] = np.nan
    X[0] = "a"
    new = NEW_LETTERS.copy()
    new[0, 0] = np.nan
    step = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    check(step, X, new)
    check(step, X, new, groups(X, seed))


@FEW
@given(letters=categories(), values=numbers(holes=True), picks=st.integers(0, 2**30))
def test_columns_side_by_side(letters, values, picks):
    n = min(len(letters), len(values))
    X = np.empty((n, 5), dtype=object)
    X[:, :2], X[:, 2:] = letters[:n], values[:n]
    X[:2, 2:] = [[0.0, 1.0, 2.0], [1.0, 0.0, 2.0]]  # no column is all holes
    new = np.empty((2, 5), dtype=object)
    new[:, :2] = NEW_LETTERS[:2]
    new[:, 2:] = [[np.nan, 1.0, np.nan], [0.5, np.nan, 2.0]]
    table = ColumnTransformer(
        [
            ("letters", OneHotEncoder(handle_unknown="ignore"), [0, 1]),
            ("holes", make_pipeline(SimpleImputer(), StandardScaler()), [2, 3]),
            ("plain", make_pipeline(SimpleImputer(), MinMaxScaler()), [4]),
        ],
        remainder="passthrough",
    )
    check(table, X, new)
    check(table, X, new, groups(X, picks))


def test_steps_before_a_fixed_step_are_fixed_as_well():
    from sklearn.decomposition import PCA

    X = np.random.default_rng(0).normal(size=(8, 2))
    table = ColumnTransformer(
        [
            ("reduced", make_pipeline(StandardScaler(), PCA(1)), [0, 1]),
            ("scaled", StandardScaler(), [0]),
        ]
    ).fit(X)
    before = Changes.none(2, 8)
    changes = follow_steps([("table", table)], X, before, SingleRows(8))
    assert [name for name, _ in changes.fixed] == [
        "table__reduced__standardscaler",
        "table__reduced__pca",
    ]
    assert [name for name, _ in changes.followed] == ["table__scaled"]
    assert changes.columns.tolist() == [1]
