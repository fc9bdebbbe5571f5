"""Every method on nets refuses the same input with the same words."""

import re

import numpy as np
import pandas as pd
import pytest
from net_methods import METHODS, TARGET, THREE, Asked, Layers, N, X, asked, make_net
from sklearn.base import is_classifier
from sklearn.tree import DecisionTreeClassifier
from skorch import NeuralNet, NeuralNetBinaryClassifier, NeuralNetClassifier
from skorch import NeuralNetRegressor as Regressor
from skorch.callbacks import Callback
from torch import nn

from skinfluence import (
    DownsamplingInfluence,
    InfluenceFunctions,
    RepresenterPoints,
    TracIn,
)


class NeverTrained(Callback):
    """Fails as soon as training starts."""

    def on_train_begin(self, net, **kwargs):
        """Fail."""
        raise AssertionError("training has begun")


def untrained(kind=NeuralNetClassifier, n_out=3, **params):
    """Return a net that must not be trained."""
    return make_net(kind, n_out, callbacks=[NeverTrained()], **params)


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


@pytest.mark.parametrize("loss", ["zero_one", lambda y, prediction: 1.0 * (y != 0)])
@pytest.mark.parametrize("method", [InfluenceFunctions, RepresenterPoints, TracIn])
def test_losses_without_a_slope_are_refused_before_training(method, loss):
    with pytest.raises(TypeError, match="has no gradient"):
        method(untrained(), loss=loss).fit(X, THREE)
