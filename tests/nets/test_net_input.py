"""Unsupported inputs of nets are refused by name, before any training."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import Callback
from skorch.helper import SliceDataset, SliceDict
from torch import nn
from torch.utils.data import Dataset, Subset, TensorDataset

from skinfluence import (
    SOURCE,
    TRAK,
    DownsamplingInfluence,
    HyDRA,
    InfluenceCleaner,
    InfluenceFunctions,
    LeaveOneOutInfluence,
    RepresenterPoints,
    ShapleyInfluence,
    TracIn,
)
from skinfluence.retraining.engine._coalitions import Coalitions
from skinfluence.retraining.engine._retrain import trainable

torch.set_num_threads(1)

X = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
Y = np.arange(24) % 3
TARGET = X[:, :1] - X[:, 1:2]


class Layers(nn.Sequential):
    """Linear, tanh, Linear."""

    def __init__(self, n_out=3):
        super().__init__(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, n_out))


class NeverTrained(Callback):
    """Fails as soon as training starts."""

    def on_train_begin(self, net, **kwargs):
        """Fail."""
        raise AssertionError("training has begun")


def make_net(kind=NeuralNetClassifier, module=Layers, **params):
    """Two epochs on all rows."""
    if kind is NeuralNetClassifier:
        params.setdefault("criterion", nn.CrossEntropyLoss)
    return kind(
        module, **{"train_split": None, "verbose": 0, "max_epochs": 2, **params}
    )


METHODS = {
    "TracIn": lambda net: TracIn(net, checkpoints=1),
    "every step": lambda net: TracIn(net, checkpoints="all"),
    "HyDRA": HyDRA,
    "SOURCE": SOURCE,
    "TRAK": lambda net: TRAK(net, checkpoints=1),
    "InfluenceFunctions": InfluenceFunctions,
    "last layer": lambda net: InfluenceFunctions(net, hessian="last_layer"),
    "RepresenterPoints": RepresenterPoints,
}
methods = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def with_value(value, array=X):
    """Return a copy with one such entry, not among the first rows."""
    array = array.copy()
    array[7, -1] = value
    return array


BAD_ROWS = {
    "NaN": (with_value(np.nan), "Input X contains NaN"),
    "infinity": (with_value(-np.inf), "Input X contains infinity"),
    "NaN in a tensor": (torch.as_tensor(with_value(np.nan)), "Input X contains NaN"),
    "float64": (X.astype(np.float64), r"X must have .* float32\. Got float64"),
    "float64 tensor": (torch.as_tensor(X).double(), r"float32\. Got float64"),
    "integers": (X.astype(int), r"Got X of shape \(24, 4\) and dtype int64"),
    "text": (X.astype(str), "X must hold numbers"),
    "objects": (X.astype(object), "X must hold numbers"),
    "list": (X.tolist(), r"X must be an ndarray .* Got list"),
}


@methods
@pytest.mark.parametrize(("rows", "message"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_bad_rows(method, rows, message):
    with pytest.raises((ValueError, TypeError), match=message):
        method(make_net(callbacks=[NeverTrained()])).fit(rows, Y)
    influence = method(make_net()).fit(X, Y)
    for y in (Y, None):
        with pytest.raises((ValueError, TypeError), match=message):
            influence.influence(rows, y)


@methods
def test_bad_shapes(method):
    untrained = make_net(callbacks=[NeverTrained()])
    with pytest.raises(ValueError, match=r"shape \(24, 3\).*expects 4 columns"):
        method(untrained).fit(X[:, :3], Y)
    with pytest.raises(ValueError, match=r"shape \(24,\).*X\.reshape\(-1, 1\)"):
        method(untrained).fit(X[:, 0], Y)
    with pytest.raises(TypeError, match=r"SliceDict\(\*\*X\)"):
        method(untrained).fit({"X": X}, Y)
    with pytest.raises(ValueError, match="at least one row"):
        method(untrained).fit(X[:0], Y[:0])
    influence = method(make_net()).fit(X, Y)
    assert influence.n_features_in_ == 4
    with pytest.raises(ValueError, match="X has 3 features, but .* is expecting 4"):
        influence.influence(X[:, :3], Y)
    with pytest.raises(ValueError, match=r"as in fit.*X\.reshape\(1, -1\)"):
        influence.influence(X[0], Y[:4])


class Pairs(Dataset):
    """Rows and labels, one by one."""

    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        return X[i], Y[i]


OTHER_CONTAINERS = {
    "Dataset": (Pairs(), r"Dataset \(Pairs\).*SliceDataset"),
    "Subset": (Subset(Pairs(), range(9)), r"Dataset \(Subset\).*SliceDataset"),
    "TensorDataset": (TensorDataset(torch.as_tensor(X)), "SliceDataset"),
    "tuple": ((X, X), r"tuple of arrays.*SliceDict\(name=array"),
    "list of rows": (list(X), r"list of arrays.*np\.stack"),
}


@pytest.mark.parametrize("name", OTHER_CONTAINERS)
@pytest.mark.parametrize("y", [Y, None], ids=["labels", "none"])
def test_other_containers_are_refused_with_the_way_out(name, y):
    rows, message = OTHER_CONTAINERS[name]
    net = make_net(callbacks=[NeverTrained()])
    for method in (TracIn(net), LeaveOneOutInfluence(net), InfluenceCleaner(net)):
        with pytest.raises(TypeError, match=message):
            method.fit(rows, y)


def test_the_way_out_of_a_dataset():
    rows, labels = (np.asarray(SliceDataset(Pairs(), idx=i)) for i in (0, 1))
    assert_array_equal(rows, X)
    assert_array_equal(labels, Y)
    assert rows.dtype == np.float32


def test_no_targets():
    with pytest.raises(ValueError, match="y must hold a target for each row"):
        TracIn(make_net(callbacks=[NeverTrained()])).fit(X, None)


@methods
def test_bad_targets(method):
    regressor = make_net(
        NeuralNetRegressor, module__n_out=1, callbacks=[NeverTrained()]
    )
    with pytest.raises(ValueError, match="Input y contains NaN"):
        method(regressor).fit(X, with_value(np.nan, TARGET))
    with pytest.raises(ValueError, match="Input y contains infinity"):
        method(regressor).fit(X, with_value(1e300, TARGET.astype(np.float64)))
    classifier = make_net(callbacks=[NeverTrained()])
    with pytest.raises(ValueError, match="Input y contains NaN"):
        method(classifier).fit(X, with_value(np.nan, Y[:, None] * 1.0)[:, 0])


@methods
def test_rows_behind_a_transformer(method):
    """The checks are of the rows that reach the net, behind the Pipeline's steps."""
    logarithm = FunctionTransformer(lambda Z: np.log(Z).astype(np.float32))
    piped = method(make_pipeline(logarithm, make_net())).fit(np.exp(X), Y)
    zero = np.exp(X)
    zero[7, 0] = 0.0
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match="infinity"):
        piped.influence(zero, Y)


RETRAINED = {
    "LeaveOneOut": LeaveOneOutInfluence,
    "Downsampling": lambda net: DownsamplingInfluence(net, n_retrainings=10),
    "Shapley": lambda net: ShapleyInfluence(net, max_retrainings=48),
}


@pytest.mark.parametrize(
    "method", (METHODS | RETRAINED).values(), ids=METHODS | RETRAINED
)
def test_logits_that_are_taken_for_probabilities(method):
    net = make_net(criterion=nn.NLLLoss, lr=1e-9)
    with pytest.raises(ValueError, match=r"in \[0, 1\].*CrossEntropyLoss"):
        method(net).fit(X, Y)
    logarithms = make_net(module=LogProbabilities, criterion=nn.NLLLoss, lr=1e-9)
    with pytest.raises(ValueError, match="it must end in Softmax"):
        method(logarithms).fit(X, Y)


class LogProbabilities(Layers):
    """A module that ends in LogSoftmax, as torch's NLLLoss needs it."""

    def forward(self, X):
        return torch.log_softmax(super().forward(X), dim=1)


def test_logits_are_found_before_any_retraining(monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("retrained")

    monkeypatch.setattr(Coalitions, "map", never)
    with pytest.raises(ValueError, match="CrossEntropyLoss"):
        LeaveOneOutInfluence(make_net(criterion=nn.NLLLoss, lr=1e-9)).fit(X, Y)


def test_a_class_that_a_subset_lacks():
    """The net has a column for it, which is its probability."""
    y = np.array([0, 1, 1, 0, 2, 1])
    influence = LeaveOneOutInfluence(make_net(), random_state=0).fit(X[:6], y)
    net = make_net().initialize()
    with torch.random.fork_rng():
        seed = np.random.SeedSequence((0, 5)).generate_state(1)[0]
        torch.manual_seed(int(seed))
        net.fit(X[[0, 1, 2, 3, 5]], y[[0, 1, 2, 3, 5]])
    without = -np.log(net.predict_proba(X[6:8])[:, 2])
    whole = -np.log(influence.predict_proba(X[6:8])[:, 2])
    got = influence.influence(X[6:8], np.array([2, 2]))[:, 4]
    assert_allclose(got, without - whole, rtol=1e-5)


class Straight(nn.Sequential):
    """Linear, Linear: nothing limits the outputs."""

    def __init__(self):
        super().__init__(nn.Linear(4, 5), nn.Linear(5, 3))


@methods
@pytest.mark.parametrize(
    "net",
    [
        make_net(NeuralNetRegressor, module__n_out=1, lr=1e9, max_epochs=8),
        make_net(module=Straight, lr=1e20, max_epochs=8),
    ],
    ids=["regressor", "classifier"],
)
def test_a_diverged_training(method, net):
    """HyDRA's record of it is no news of callbacks."""
    y = TARGET if isinstance(net, NeuralNetRegressor) else Y
    with pytest.raises(ValueError, match=r"training diverged.*'lr'"):
        method(net).set_params(random_state=0).fit(X, y)


def test_outputs_without_bounds():
    """Finite parameters, and nothing that is finite besides."""
    net = make_net(NeuralNetRegressor, lr=0.0, callbacks=[Enlarge()])
    net.set_params(module__n_out=1)
    with pytest.raises(ValueError, match="outputs are not finite after fit"):
        TracIn(net, checkpoints=1).fit(X, TARGET)


class Enlarge(Callback):
    """Makes the parameters as large as they can be."""

    def on_train_end(self, net, **kwargs):
        """Enlarge."""
        with torch.no_grad():
            for parameter in net.module_.parameters():
                parameter.fill_(3e38)


def test_a_diverged_retraining():
    """As any other failing fit: whichever loss is explained."""
    net = make_net(NeuralNetRegressor, module__n_out=1, lr=1e9, max_epochs=8)
    with pytest.raises(ValueError, match="training diverged"):
        LeaveOneOutInfluence(net).fit(X, TARGET)
    # Only where the sixth row, of the largest target, is among the rows.
    y = with_value(0.0, TARGET)
    y[5] = 1e30
    steady = make_net(NeuralNetRegressor, module__n_out=1)
    engine = Coalitions(trainable(steady, y), X, y, {}, seed=2)
    with pytest.raises(ValueError, match="training diverged") as failure:
        engine.models([np.arange(6, 24), np.arange(5, 24)], [1, 2])
    assert "without rows [0, 1, 2, 3, 4] (19 rows left" in failure.value.__notes__[0]
    assert "seed 2, number 2)" in failure.value.__notes__[0]


@pytest.mark.parametrize("method", [METHODS["TracIn"], METHODS["TRAK"]])
def test_a_linear_layer_is_its_own_last_layer(method):
    net = make_net(module=nn.Linear, module__in_features=4, module__out_features=3)
    whole, last = (
        method(net).set_params(layers=layers, random_state=0).fit(X, Y)
        for layers in (None, "last")
    )
    assert_allclose(last.influence(X[:5], Y[:5]), whole.influence(X[:5], Y[:5]))


class Named(nn.Module):
    """Takes two arrays by name."""

    def __init__(self):
        super().__init__()
        self.tokens, self.out = nn.Embedding(6, 2), nn.Linear(6, 3)

    def forward(self, numbers, word):
        return self.out(torch.cat([numbers, self.tokens(word)], dim=1))


@methods
def test_named_arrays(method):
    """The same as one array of all columns; integers may be embedded."""
    word = np.arange(24) % 6
    rows = SliceDict(numbers=X, word=word)
    net = make_net(module=Named)
    influence = method(net).set_params(random_state=0).fit(rows, Y)
    together = make_net(module=Joined)
    joined = (
        method(together)
        .set_params(random_state=0)
        .fit(np.c_[X, word].astype(np.float32), Y)
    )
    test = SliceDict(numbers=X[:5], word=word[:5])
    assert_allclose(
        influence.influence(test, Y[:5]),
        joined.influence(np.c_[X, word][:5].astype(np.float32), Y[:5]),
        rtol=1e-3,
        atol=1e-5,
    )
    with pytest.raises(ValueError, match=r"Input X\['numbers'\] contains NaN"):
        influence.influence(SliceDict(numbers=with_value(np.nan), word=word), Y)
    with pytest.raises(ValueError, match="arrays of fit"):
        influence.influence(SliceDict(numbers=X), Y)


def test_named_arrays_are_cleaned():
    """Rows are judged by all of their columns."""
    cleaner = InfluenceCleaner(make_net(module=Named), drop_fraction=0.25, cv=3)
    rows = SliceDict(numbers=X, word=np.arange(24) % 6)
    cleaner.set_params(random_state=0).fit(rows, Y)
    table = np.c_[X, np.arange(24) % 6].astype(np.float32)
    joined = InfluenceCleaner(make_net(module=Joined), drop_fraction=0.25, cv=3)
    joined.set_params(random_state=0).fit(table, Y)
    assert_allclose(cleaner.sample_values_, joined.sample_values_, rtol=1e-4)
    assert cleaner.predict(rows).shape == Y.shape


class Joined(Named):
    """Takes the same in one array."""

    def forward(self, both):
        return super().forward(both[:, :4], both[:, 4].long())
