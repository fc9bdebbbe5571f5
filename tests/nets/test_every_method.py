"""Every method on nets takes the same labels, and refuses the same with the same words.

The matrix of methods and inputs: a new method is one line of `METHODS`.
"""

import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline
from numpy.testing import assert_array_equal
from sklearn.base import is_classifier
from sklearn.ensemble import BaggingClassifier
from sklearn.tree import DecisionTreeClassifier
from skorch import NeuralNet, NeuralNetBinaryClassifier, NeuralNetClassifier
from skorch import NeuralNetRegressor as Regressor
from skorch.callbacks import Callback
from torch import nn

from skinfluence import (
    TRAK,
    DownsamplingInfluence,
    HyDRA,
    InfluenceCleaner,
    InfluenceFunctions,
    InfluenceSampler,
    LeaveOneOutInfluence,
    RepresenterPoints,
    ShapleyInfluence,
    TargetDetector,
    TracIn,
    datamodels,
)
from skinfluence.metrics import removal_curve

torch.set_num_threads(1)

N = 9
X = np.random.default_rng(1).normal(size=(N + 4, 4)).astype(np.float32)
TARGET = X[:, :1] - X[:, 1:2]


class Layers(nn.Sequential):
    """Linear, tanh, Linear."""

    def __init__(self, n_out=1):
        super().__init__(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, n_out))


class NeverTrained(Callback):
    """Fails as soon as training starts."""

    def on_train_begin(self, net, **kwargs):
        """Fail."""
        raise AssertionError("training has begun")


def make_net(kind=NeuralNetClassifier, n_out=1, module=Layers, **params):
    """One epoch on all rows."""
    if kind is NeuralNetClassifier:
        params.setdefault("criterion", nn.CrossEntropyLoss)
    if module is Layers:
        params["module__n_out"] = n_out
    params = {"train_split": None, "verbose": 0, "max_epochs": 1, "lr": 0.5, **params}
    return kind(module, **params)


class Asked:
    """An influence estimator: numbers about test rows, and its predictions."""

    def __init__(self, make):
        self.make = make

    def fit(self, net, X, y):
        """Fit the estimator."""
        return self.make(net).set_params(random_state=0).fit(X, y)

    def ask(self, fitted, X, y):
        """Return numbers and predicted labels."""
        numbers = [
            fitted.influence(X, y),
            fitted.influence(X),
            fitted.sample_values(X, y),
            fitted.self_influence(),
            [fitted.score(X, y)],
        ]
        return numbers, fitted.predict(X)


class AskedAtFit(Asked):
    """Models are evaluated and let go."""

    def fit(self, net, X, y):
        """Fit with test rows, as retraining methods may."""
        method = self.make(net).set_params(random_state=0)
        return method.fit(X[:N], y[:N], X[N - 2 : N], y[N - 2 : N])

    def ask(self, fitted, X, y):
        """Return numbers and predicted labels."""
        return [fitted.influence()], fitted.predict(X)


class Datamodels(Asked):
    """A linear model of a downsampling estimator's losses."""

    def ask(self, fitted, X, y):
        """Return numbers and predicted labels."""
        return [datamodels(fitted, X, y).weights], fitted.predict(X)


class Cleaned(Asked):
    """The cleaner, by the fixed scorer or by an influence."""

    def ask(self, fitted, X, y):
        """Return numbers and predicted labels."""
        numbers = [fitted.sample_values_, [fitted.score(X, y)]]
        if hasattr(fitted, "predict_proba"):
            numbers.append(fitted.predict_proba(X))
        return numbers, fitted.predict(X)


class Sampled(Asked):
    """The sampler, whose influence trains."""

    def ask(self, fitted, X, y):
        """Return numbers; there are no predictions, only labels that were kept."""
        return [fitted.sample_values_, fitted.sample_indices_], None


class Detected(Asked):
    """The target detector, which refits to find suspects."""

    def fit(self, net, X, y):
        """Fit."""
        influence = TracIn(net, checkpoints=1, random_state=0)
        detector = TargetDetector(influence, max_removed=0.6, random_state=0)
        return detector.fit(X, y)

    def ask(self, fitted, X, y):
        """Return numbers and predicted labels."""
        suspects = [[len(rows), *rows] for rows in fitted.suspects(X)]
        return [fitted.score_samples(X), *suspects], fitted.influence_.predict(X)


class Curve(Asked):
    """The removal curve, which trains without the rows of the lowest values."""

    def fit(self, net, X, y):
        """Train at once."""
        values = np.arange(len(X), dtype=float)
        return removal_curve(
            net, values, X, y, X, y, fractions=[0.2], n_random=1, random_state=0
        )

    def ask(self, fitted, X, y):
        """Return numbers; there are no predictions."""
        return [[fitted.all_rows], fitted.lowest, fitted.highest, fitted.random], None


def clean(net, **params):
    """Return a cleaner that drops a quarter of the rows."""
    return InfluenceCleaner(net, drop_fraction=0.25, cv=3, **params)


METHODS = {
    "TracIn": Asked(lambda net: TracIn(net, checkpoints=1)),
    "TracIn, every step": Asked(lambda net: TracIn(net, checkpoints="all")),
    "HyDRA": Asked(HyDRA),
    "TRAK": Asked(lambda net: TRAK(net, checkpoints=1)),
    "InfluenceFunctions": Asked(InfluenceFunctions),
    "RepresenterPoints": Asked(RepresenterPoints),
    "LeaveOneOut": Asked(LeaveOneOutInfluence),
    "Downsampling": Asked(lambda net: DownsamplingInfluence(net, n_retrainings=8)),
    "Downsampling, X_val": AskedAtFit(
        lambda net: DownsamplingInfluence(net, n_retrainings=8)
    ),
    "Shapley": Asked(lambda net: ShapleyInfluence(net, max_retrainings=2 * N)),
    "Shapley, X_val": AskedAtFit(
        lambda net: ShapleyInfluence(net, max_retrainings=2 * N)
    ),
    "datamodels": Datamodels(lambda net: DownsamplingInfluence(net, n_retrainings=8)),
    "cleaner": Cleaned(clean),
    "cleaner, relabel": Cleaned(lambda net: clean(net, action="relabel")),
    "cleaner, auto": Cleaned(
        lambda net: InfluenceCleaner(net, drop_fraction="auto", cv=3)
    ),
    "cleaner, TracIn": Cleaned(
        lambda net: clean(net, influence=TracIn(net, checkpoints=1))
    ),
    "cleaner, LeaveOneOut": Cleaned(
        lambda net: clean(net, influence=LeaveOneOutInfluence(net))
    ),
    "sampler, TracIn": Sampled(
        lambda net: InfluenceSampler(
            net, influence=TracIn(net, checkpoints=1), drop_fraction=0.25, cv=3
        )
    ),
    "TargetDetector": Detected(None),
    "removal_curve": Curve(None),
}

# Kinds of net, and labels in containers.
NETS = {
    "three outputs": (
        lambda **params: make_net(n_out=3, **params),
        np.arange(N + 4) % 3,
    ),
    "one output": (
        lambda **params: make_net(NeuralNetBinaryClassifier, **params),
        np.arange(N + 4) % 2,
    ),
}
LABELS = {
    "strings in a list": ("three outputs", np.array(["a", "bb", "ccc"]), list),
    "a categorical": (
        "one output",
        np.array(["zebra", "ape"]),
        lambda y: pd.Series(y, index=np.arange(len(y)) + 7, dtype="category"),
    ),
    "booleans": ("one output", np.array([False, True]), np.asarray),
    "integers": ("three outputs", np.array([-1, 5, 7], dtype=np.int8), torch.as_tensor),
    "floats": ("three outputs", np.array([1.0, 2.0, 4.0]), np.asarray),
}


def asked(name, net, X, y, container=np.asarray):
    """Fit on the first rows and ask about the others, in its labels."""
    method = METHODS[name]
    fitted = method.fit(net, X[:N], container(y[:N]))
    return method.ask(fitted, X[N:], container(y[N:]))


@cache
def of_indices(name, net):
    """Return what a method says where labels are class indices."""
    make, index = NETS[net]
    return asked(name, make(), X, index)


@pytest.mark.filterwarnings("ignore")  # of folds and subsets that are small
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", LABELS)
def test_numbers_do_not_depend_on_the_labels(name, kind):
    net, labels, container = LABELS[kind]
    make, index = NETS[net]
    expected, predicted_index = of_indices(name, net)
    numbers, predicted = asked(name, make(), X, np.sort(labels)[index], container)
    for got, wanted in zip(numbers, expected, strict=True):
        assert_array_equal(got, wanted)
    if predicted is not None:
        assert_array_equal(predicted, np.sort(labels)[predicted_index])


def untrained(kind=NeuralNetClassifier, n_out=3, **params):
    """Return a net that must not be trained."""
    return make_net(kind, n_out, callbacks=[NeverTrained()], **params)


THREE = np.arange(N + 4) % 3
NAN = X.copy()
NAN[N // 2, 1] = np.nan
BINARY = NeuralNetBinaryClassifier
LOGITS = {"criterion": nn.BCEWithLogitsLoss}

# Net, rows, targets, and what is said of them.
REFUSED = {
    "float64": (untrained, X.astype(np.float64), THREE, r"X\.astype\(np\.float32\)"),
    "NaN": (untrained, NAN, THREE, "Input X contains NaN"),
    "columns": (untrained, X[:, :3], THREE, "expects 4 columns"),
    "a frame": (
        untrained,
        pd.DataFrame(X),
        THREE,
        r"np\.asarray\(X, dtype=np\.float32",
    ),
    "an instance": (
        lambda: untrained(module=Layers(3)),
        X,
        THREE,
        "The 'module' of a net must be a class",
    ),
    "three labels, one output": (
        lambda: untrained(BINARY, 1),
        X,
        THREE,
        r"A NeuralNetBinaryClassifier takes two classes\. y has 3",
    ),
    "three labels, BCEWithLogitsLoss": (
        lambda: untrained(**LOGITS),
        X,
        THREE,
        r"BCEWithLogitsLoss .* does not take these targets.*CrossEntropyLoss",
    ),
    "three labels, BCEWithLogitsLoss, three outputs": (
        lambda: untrained(BINARY, 3),
        X,
        THREE,
        r"A NeuralNetBinaryClassifier takes two classes\. y has 3",
    ),
    "more labels than outputs": (
        lambda: untrained(n_out=2),
        X,
        THREE,
        "give the last layer 3 outputs",
    ),
    "logits": (
        lambda: untrained(criterion=nn.NLLLoss),
        X,
        THREE,
        r"must give probabilities.*CrossEntropyLoss",
    ),
    "1-d y": (
        lambda: untrained(Regressor, 1),
        X,
        TARGET[:, 0],
        r"pass y\.reshape\(-1, 1\)",
    ),
    "NaN in y": (
        lambda: untrained(Regressor, 1),
        X,
        np.where(np.isnan(NAN[:, 1:2]), np.nan, TARGET),
        "Input y contains NaN",
    ),
    "another kind of net": (
        lambda: untrained(NeuralNet, 1, criterion=nn.MSELoss),
        X,
        TARGET,
        "must be a NeuralNetClassifier, a NeuralNetBinaryClassifier or",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("bad", REFUSED)
def test_the_same_is_refused_with_the_same_words(bad):
    """Before anything is trained: `NeverTrained` would say so."""
    make, rows, y, message = REFUSED[bad]
    said = {}
    for name in METHODS:
        if name == "TargetDetector" and not is_classifier(make()):
            continue  # takes classifiers only, and says that
        with pytest.raises((ValueError, TypeError), match=message) as error:
            asked(name, make(), rows, y)
        # not the row of untrained logits, which are random
        said[name] = re.sub(r"\[.\d.*\]", "[...]", str(error.value))
    assert len(set(said.values())) == 1, said


ASKED = {name for name, method in METHODS.items() if type(method) is Asked}


@pytest.mark.parametrize("name", METHODS)
def test_the_same_test_rows_are_refused(name):
    method = METHODS[name]
    if name in ("removal_curve", "sampler, TracIn"):
        return  # keep no model
    fitted = method.fit(make_net(n_out=3), X[:N], THREE[:N])
    ask = [fitted.predict] + ([fitted.influence] if name in ASKED else [])
    for call in ask:
        for rows, message in (
            (X[N:].astype(np.float64), r"X\.astype\(np\.float32\)"),
            (NAN[3:], "Input X contains NaN"),
            (X[N:, :3], "X has 3 features, but .* is expecting 4"),
        ):
            with pytest.raises(ValueError, match=message) as error:
                call(rows)
            assert "while fitting" not in "".join(getattr(error.value, "__notes__", []))
            if call == fitted.influence:
                with pytest.raises(ValueError, match=message):
                    call(rows, THREE[: len(rows)])


def bagged(module):
    """Return two nets that start from other weights."""
    net = make_net(module=module, n_out=3)
    return BaggingClassifier(net, n_estimators=2, bootstrap=False, random_state=0)


def test_nets_inside_other_estimators_are_seeded_and_fresh():
    influence = [
        LeaveOneOutInfluence(bagged(Layers), random_state=0)
        .fit(X[:N], THREE[:N])
        .influence(X[N:], THREE[N:])
        for _ in range(2)
    ]
    assert_array_equal(*influence)
    with pytest.raises(ValueError, match="The 'module' of a net must be a class"):
        LeaveOneOutInfluence(bagged(Layers(3))).fit(X[:N], THREE[:N])


@pytest.mark.parametrize("error_score", ["raise", 1.0])
def test_bad_test_rows_are_no_failed_fits(error_score):
    """Of any estimator: a score in the place of an answer would be made up."""
    downsampling = DownsamplingInfluence(
        DecisionTreeClassifier(), n_retrainings=8, error_score=error_score
    )
    with pytest.raises(ValueError, match="X has 3 features"):
        downsampling.fit(X[:N], THREE[:N]).influence(X[N:, :3], THREE[N:])
    with pytest.raises(ValueError, match="X has 3 features"):
        downsampling.fit(X[:N], THREE[:N], X[N:, :3], THREE[N:])


def test_a_net_behind_a_sampler():
    """The sampler sees the user's labels, the net encoded ones."""
    names = np.array(["a", "b", "c"])[THREE]
    names[:2] = "c"
    sampler = RandomOverSampler(random_state=0)
    X_fit, y_fit = sampler.fit_resample(X[:N], names[:N])
    loo = LeaveOneOutInfluence(Pipeline([("s", sampler), ("n", make_net(n_out=3))]))
    loo.set_params(random_state=0).fit(X[:N], names[:N])
    alone = LeaveOneOutInfluence(make_net(n_out=3), random_state=0).fit(X_fit, y_fit)
    assert_array_equal(loo.predict_proba(X), alone.predict_proba(X))
    with pytest.raises(ValueError, match=r"X\.astype\(np\.float32\)"):
        loo.influence(X.astype(np.float64), names)


@pytest.mark.parametrize("loss", ["zero_one", lambda y, prediction: 1.0 * (y != 0)])
@pytest.mark.parametrize("method", [InfluenceFunctions, RepresenterPoints, TracIn])
def test_losses_without_a_slope_are_refused_before_training(method, loss):
    with pytest.raises(TypeError, match="has no gradient"):
        method(untrained(), loss=loss).fit(X, THREE)
