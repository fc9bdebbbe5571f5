"""Every method on nets gives the same numbers for labels of any kind."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline
from net_methods import METHODS, THREE, Layers, N, X, asked, make_net
from numpy.testing import assert_array_equal
from sklearn.ensemble import BaggingClassifier
from skorch import NeuralNetBinaryClassifier

from skinfluence import LeaveOneOutInfluence

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
