"""Labels of any kind, and rows without one: refused by name before anything trains."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.naive_bayes import GaussianNB

from skinfluence import (
    DownsamplingInfluence,
    InfluenceCleaner,
    InfluenceFunctions,
    InfluenceSampler,
    KNNShapley,
    LeaveOneOutInfluence,
    OutOfBagInfluence,
    RepresenterPoints,
    ShapleyInfluence,
    TargetDetector,
    TracIn,
)
from skinfluence._targets import check_targets
from skinfluence.datasets import (
    plant_backdoor,
    plant_feature_collision,
    plant_label_flips,
)
from skinfluence.inspection import case_diagnostics
from skinfluence.metrics import removal_curve

N = 24
X = np.random.default_rng(0).normal(size=(N, 3))
Y = (X[:, 0] + 0.5 * X[:, 1] > 0).astype(int)
TEXT = np.array(["no", "yes"])[Y]
FIRST = slice(0, 5)


def holes(values, missing, rows=(3, 5)):
    """Return a list whose entries of these rows are missing."""
    return [missing if i in rows else value for i, value in enumerate(values)]


DAYS = [datetime.datetime(2020, 1, 1 + label) for label in Y]
MASK = np.isin(np.arange(N), (3, 5))
INCOMPLETE = {
    "None among text": holes(TEXT.tolist(), None),
    "NaN among text": holes(TEXT.tolist(), np.nan),
    "None among numbers": holes(Y.tolist(), None),
    "tuple": tuple(holes(TEXT.tolist(), None)),
    "NaN": np.array(holes(Y.tolist(), np.nan)),
    "NaN of single precision": np.array(holes(Y.tolist(), np.nan), dtype=np.float32),
    "None in an array": np.array(holes(TEXT.tolist(), None), dtype=object),
    "NaT": np.array(holes(DAYS, None), dtype="datetime64[s]"),
    "masked": np.ma.MaskedArray(Y, MASK),
    "one column": np.array(holes(Y.tolist(), np.nan))[:, None],
    "Int64": pd.Series(holes(Y.tolist(), pd.NA), dtype="Int64"),
    "Float64": pd.Series(holes(Y.tolist(), pd.NA), dtype="Float64"),
    "boolean": pd.Series(holes(Y.astype(bool).tolist(), pd.NA), dtype="boolean"),
    "string": pd.Series(holes(TEXT.tolist(), pd.NA), dtype="string"),
    "string[pyarrow]": pd.Series(holes(TEXT.tolist(), None), dtype="string[pyarrow]"),
    "str": pd.Series(holes(TEXT.tolist(), None)),
    "categories": pd.Series(holes(TEXT.tolist(), None), dtype="category"),
    "categories of numbers": pd.Categorical(holes(Y.tolist(), None)),
    "days": pd.Series(holes(DAYS, None)),
    "DataFrame": pd.DataFrame({"y": holes(TEXT.tolist(), None)}),
    "other index": pd.Series(holes(Y.tolist(), None), index=np.arange(N)[::-1]),
    "polars": pl.Series(holes(TEXT.tolist(), None)),
    "polars numbers": pl.Series(holes(Y.tolist(), None)),
    "polars categories": pl.Series(holes(TEXT.tolist(), None)).cast(pl.Categorical),
    "tensor": torch.tensor(holes(Y.tolist(), float("nan"))),
}
WORDS = "y contains NaN, None or NA in 2 of 24 rows, the first is row 3: "


@pytest.mark.parametrize("y", INCOMPLETE.values(), ids=INCOMPLETE)
def test_rows_without_a_label_are_counted(y):
    with pytest.raises(
        ValueError, match="^Input " + WORDS + ".* Leave these rows out of X, y and"
    ):
        check_targets(y)


MIXED = {
    "list": holes(TEXT.tolist(), 7),
    "array": np.array(holes(TEXT.tolist(), 7.0), dtype=object),
    "Series": pd.Series(holes(TEXT.tolist(), True)),
    "bytes": np.array(holes(TEXT.tolist(), b"no"), dtype=object),
}


@pytest.mark.parametrize("y", MIXED.values(), ids=MIXED)
def test_text_among_numbers_is_found(y):
    with pytest.raises(
        ValueError,
        match="y must hold values of one kind. Got 22 of kind str, 2 of kind "
        "(number|bytes); .* is in row 3: turn all of them into text",
    ):
        check_targets(y)


COMPLETE = {
    "list of text": TEXT.tolist(),
    "objects": TEXT.astype(object),
    "bool": Y.astype(bool),
    "float": Y.astype(float),
    "uint8": Y.astype(np.uint8),
    "days": np.array(DAYS, dtype="datetime64[s]"),
    "Int64": pd.Series(Y, dtype="Int64"),
    "boolean": pd.Series(Y.astype(bool), dtype="boolean"),
    "other index": pd.Series(Y, index=np.arange(N)[::-1]),
    "string": pd.Series(TEXT, dtype="string"),
    "string[pyarrow]": pd.Series(TEXT, dtype="string[pyarrow]"),
    "int64[pyarrow]": pd.Series(Y, dtype="int64[pyarrow]"),
    "categories": pd.Series(
        pd.Categorical(TEXT, categories=["yes", "no", "never"], ordered=True)
    ),
    "DataFrame": pd.DataFrame({"y": TEXT}),
    "polars": pl.Series(TEXT.tolist()),
    "polars categories": pl.Series(TEXT.tolist()).cast(pl.Categorical),
}


@pytest.mark.parametrize(
    "y",
    [*COMPLETE.values(), None, [], np.inf * X[:, 0], [[1, 2.5], [3, 4]], "text", 3],
    ids=str,
)
def test_targets_without_missing_values_are_left_to_the_estimator(y):
    check_targets(y)


# ------------------------------------------------------------- all that take labels


def never(kind):
    """Return a subclass that must not be trained."""

    def fit(self, X, y, sample_weight=None):
        raise AssertionError("training has begun")

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        raise AssertionError("training has begun")

    name = f"Never{kind.__name__}"
    return type(name, (kind,), {"fit": fit, "partial_fit": partial_fit})


MODEL = never(LogisticRegression)()
TRAINERS = {
    "exact": LeaveOneOutInfluence(MODEL),
    "refit": LeaveOneOutInfluence(MODEL, solver="refit"),
    "gradients": InfluenceFunctions(MODEL),
    "representer": RepresenterPoints(MODEL),
    "downsampling": DownsamplingInfluence(MODEL),
    "shapley": ShapleyInfluence(MODEL),
    "out of bag": OutOfBagInfluence(never(RandomForestClassifier)()),
    "TracIn": TracIn(never(SGDClassifier)(loss="log_loss")),
    "neighbors": KNNShapley(),
    "cleaner": InfluenceCleaner(MODEL),
    "cleaner by search": InfluenceCleaner(MODEL, drop_fraction="auto"),
    "sampler": InfluenceSampler(MODEL),
    "detector": TargetDetector(LeaveOneOutInfluence(MODEL)),
    "regression": LeaveOneOutInfluence(never(Ridge)()),
}
SOME = ["None among text", "NaN among text", "NaN", "Int64", "categories", "polars"]


@pytest.mark.parametrize("method", TRAINERS.values(), ids=TRAINERS)
def test_missing_labels_are_refused_before_training(method):
    for kind in SOME:
        with pytest.raises(ValueError, match=WORDS):
            method.fit(X, INCOMPLETE[kind])
    with pytest.raises(ValueError, match=r"y must hold values of one kind.* row 3:"):
        method.fit(X, MIXED["list"])


@pytest.mark.parametrize("method", ["downsampling", "shapley"])
def test_validation_rows_without_labels_are_refused_before_training(method):
    for kind in SOME:
        with pytest.raises(ValueError, match="y_val" + WORDS[1:]):
            TRAINERS[method].fit(X, TEXT, X, INCOMPLETE[kind])


@pytest.mark.parametrize("kind", SOME)
@pytest.mark.parametrize(
    "method",
    [
        LeaveOneOutInfluence(GaussianNB()),
        InfluenceFunctions(Ridge()),
        KNNShapley(),
    ],
    ids=lambda method: type(method).__name__,
)
def test_test_rows_without_labels_are_refused(method, kind):
    influence = method.fit(X, Y)
    y = INCOMPLETE[kind]
    for ask in (
        influence.influence,
        influence.sample_values,
        influence.influential_rows,
        lambda X, y: influence.group_influence(X, y, groups=Y),
    ):
        with pytest.raises(ValueError, match=WORDS):
            ask(X, y)


@pytest.mark.parametrize("kind", SOME)
def test_other_functions_refuse_rows_without_labels(kind):
    y, model = INCOMPLETE[kind], LogisticRegression().fit(X, TEXT)
    with pytest.raises(ValueError, match=WORDS):
        case_diagnostics(model, X, y)
    with pytest.raises(ValueError, match=WORDS):
        removal_curve(MODEL, np.arange(N), X, y, X, TEXT)
    with pytest.raises(ValueError, match="y_test" + WORDS[1:]):
        removal_curve(MODEL, np.arange(N), X, TEXT, X, y)
    with pytest.raises(ValueError, match=WORDS):
        plant_label_flips(X, y, fraction=0.2)
    with pytest.raises(ValueError, match=WORDS):
        plant_backdoor(X, y, trigger=lambda rows: rows, label="yes")
    with pytest.raises(ValueError, match=WORDS):
        plant_feature_collision(X, y, fraction=0.1, target=X[0], label="yes")
    tracin = TracIn(SGDClassifier(loss="log_loss", random_state=0), checkpoints=1)
    tracin.fit(X, TEXT)
    with pytest.raises(ValueError, match=WORDS):
        tracin.partial_fit(X, y)


def first(y):
    """Return the labels of the first rows, in their own kind."""
    return y.iloc[FIRST] if hasattr(y, "iloc") else y[FIRST]


def influences(method, y):
    """Return what a method says of labels of this kind."""
    fitted = method.fit(X, y)
    matrix = fitted.influence(X[FIRST], first(y))
    return np.vstack([matrix, fitted.sample_values(X, y), fitted.self_influence()])


def evaluated_at_once(method, y):
    """Return the influences on validation rows."""
    return method.fit(X, y, X[FIRST], first(y)).influence()


SHAPLEY = ShapleyInfluence(GaussianNB(), max_retrainings=60, random_state=0)
DOWNSAMPLING = DownsamplingInfluence(
    LogisticRegression(), n_retrainings=6, stratify=True, random_state=0
)
ANSWERS = {
    "exact": lambda y: influences(LeaveOneOutInfluence(LogisticRegression()), y),
    "neighbors": lambda y: influences(KNNShapley(), y),
    "gradients": lambda y: influences(InfluenceFunctions(LogisticRegression()), y),
    "refits": lambda y: influences(
        LeaveOneOutInfluence(GaussianNB(), solver="refit"), y
    ),
    "downsampling": lambda y: evaluated_at_once(DOWNSAMPLING, y),
    "shapley": lambda y: evaluated_at_once(SHAPLEY, y),
    "cleaner": lambda y: (
        InfluenceCleaner(
            GaussianNB(), drop_fraction=0.1, per_class=True, random_state=0
        )
        .fit(X, y)
        .sample_values_
    ),
    "sampler": lambda y: InfluenceSampler(GaussianNB(), random_state=0).fit_resample(
        X, y
    )[0],
    "detector": lambda y: (
        TargetDetector(LeaveOneOutInfluence(GaussianNB()), random_state=0)
        .fit(X, y)
        .score_samples(X)
    ),
    "diagnostics": lambda y: (
        case_diagnostics(LogisticRegression().fit(X, y), X, y).cooks_distance
    ),
    "removal curve": lambda y: (
        removal_curve(
            GaussianNB(), np.arange(N), X, y, X, y, fractions=[0.2], random_state=0
        ).lowest
    ),
    "flips": lambda y: plant_label_flips(X, y, fraction=0.2, random_state=0)[2] * 1.0,
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_labels_of_any_kind_give_the_same_numbers(answer):
    expected = answer(Y)
    for kind, y in COMPLETE.items():
        assert_allclose(answer(y), expected, rtol=1e-9, atol=1e-12, err_msg=kind)


@pytest.mark.parametrize("infinite", [np.inf, -np.inf])
def test_the_sampler_refuses_infinite_targets(infinite):
    X = np.random.default_rng(0).normal(size=(30, 2))
    for y in (X[:, 0].copy(), np.arange(30.0) % 2):
        y[3] = infinite
        with pytest.raises(ValueError, match="Input y contains infinity"):
            InfluenceSampler().fit_resample(X, y)
