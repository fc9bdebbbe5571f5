"""Nets are trained from their seeds on a backend of threads too, which share one."""

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from skorch import NeuralNetClassifier
from torch import nn

from skinfluence import TRAK, LeaveOneOutInfluence
from skinfluence.certificates import PartitionClassifier
from skinfluence.metrics import removal_curve

torch.set_num_threads(1)
RNG = np.random.default_rng(0)
N = 12
X, Y = RNG.normal(size=(N, 3)).astype(np.float32), np.arange(N) % 2
NET = NeuralNetClassifier(
    nn.Linear,
    module__in_features=3,
    module__out_features=2,
    criterion=nn.CrossEntropyLoss,
    batch_size=2,
    max_epochs=10,
    iterator_train__shuffle=True,
    train_split=None,
    verbose=0,
)
TRAINED = {
    "runs": lambda: (
        TRAK(NET, n_runs=5, checkpoints=2, damping=1.0, random_state=0)
        .fit(X, Y)
        .influence(X, Y)
    ),
    "leave-one-out": lambda: (
        LeaveOneOutInfluence(NET, random_state=0).fit(X, Y).influence(X, Y)
    ),
    "parts": lambda: np.concatenate(
        [
            part.predict_proba(X).ravel()
            for part in PartitionClassifier(NET, n_partitions=4, random_state=0)
            .fit(X, Y)
            .estimators_
        ]
    ),
    "removal curve": lambda: (
        removal_curve(
            NET,
            np.arange(N, dtype=float),
            X,
            Y,
            X,
            Y,
            scoring="neg_log_loss",
            random_state=0,
        ).random
    ),
}


@pytest.mark.filterwarnings("ignore")  # of small parts, and of the time
@pytest.mark.parametrize("name", TRAINED)
def test_seeds(name):
    expected = TRAINED[name]()
    with joblib.parallel_config("threading", n_jobs=4):
        assert_array_equal(TRAINED[name](), expected)
