"""Nets refuse rows without a target with the words of all other estimators."""

import numpy as np
import pandas as pd
import pytest
import torch
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from skinfluence import (
    SOURCE,
    TRAK,
    DownsamplingInfluence,
    HyDRA,
    InfluenceFunctions,
    RepresenterPoints,
    TracIn,
)

X = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(int)


class NeverTrained(nn.Linear):
    """Fails as soon as rows reach it."""

    def forward(self, x):
        """Fail."""
        raise AssertionError("training has begun")


def make_net(kind, **params):
    """Return a net that must not be trained."""
    return kind(
        NeverTrained,
        module__in_features=2,
        module__out_features=2,
        train_split=None,
        verbose=0,
        **params,
    )


NETS = {
    "classifier": make_net(NeuralNetClassifier, criterion=nn.CrossEntropyLoss),
    "binary": make_net(NeuralNetBinaryClassifier),
    "regressor": make_net(NeuralNetRegressor),
}
INCOMPLETE = {
    "None": [None if i in (2, 7) else label for i, label in enumerate(LABELS)],
    "NA": pd.Series(LABELS, dtype="Int64").mask(np.isin(np.arange(12), (2, 7))),
    "NaN in a tensor": torch.tensor(
        [np.nan if i in (2, 7) else float(label) for i, label in enumerate(LABELS)]
    ),
}


@pytest.mark.parametrize(
    "method",
    [
        lambda net: TracIn(net, checkpoints=1),
        lambda net: TracIn(net, checkpoints="all"),
        HyDRA,
        SOURCE,
        TRAK,
        InfluenceFunctions,
        RepresenterPoints,
        DownsamplingInfluence,
    ],
    ids="TracIn,steps,HyDRA,SOURCE,TRAK,gradients,representer,downsampling".split(","),
)
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_rows_without_a_target_are_refused_before_training(method, net):
    for y in INCOMPLETE.values():
        with pytest.raises(
            ValueError, match="^Input y contains NaN, .* 2 of 12 .*row 2:"
        ):
            method(net).fit(X, y)
