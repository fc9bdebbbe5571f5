"""Nets on a CUDA device answer as on the CPU, to float32 rounding."""

import numpy as np
import pytest
import torch
from nets_for_replay import Perceptron, make_net, make_rows, masks_of
from numpy.testing import assert_allclose
from torch import nn

from skinfluence import HyDRA, TracIn

DEVICE = "cuda"
pytestmark = pytest.mark.gpu


class Started(Perceptron):
    """Starts from the same numbers on every device."""

    def __init__(self, dropout=0.0):
        super().__init__(dropout, dtype=torch.float32)
        with torch.no_grad():
            for parameter in self.parameters():
                numbers = torch.linspace(-9, 7, parameter.numel()).sin()
                parameter.copy_(0.5 * numbers.reshape(parameter.shape))


class Convolution(nn.Module):
    """A convolution over the four columns, normalised."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv = nn.Conv1d(1, 3, 2)
        self.norm = nn.LayerNorm((3, 3))
        self.out = nn.Linear(9, 3)
        with torch.no_grad():
            for parameter in self.parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(0.5 * noise)

    def forward(self, X):
        """Logits."""
        return self.out(torch.tanh(self.norm(self.conv(X[:, None]))).flatten(1))


def rows():
    X, y, X_test, y_test = make_rows()
    return X.astype(np.float32), y, X_test.astype(np.float32), y_test


METHODS = {
    "exact": lambda net: HyDRA(net, random_state=0),
    "fast": lambda net: HyDRA(net, approximation="fast", random_state=0),
    "checkpoints": lambda net: TracIn(net, checkpoints=2, random_state=0),
    "every step": lambda net: TracIn(net, checkpoints="all", random_state=0),
}


@pytest.mark.parametrize("module", [Started, Convolution])
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
@pytest.mark.parametrize("method", METHODS)
def test_devices_agree(method, optimizer, module):
    X, y, X_test, y_test = rows()
    found = []
    for device in ("cpu", DEVICE):
        # The order of rows is drawn on the CPU, from the same seed.
        net = make_net(optimizer, module=module, device=device, lr=0.01)
        influence = METHODS[method](net).fit(X, y)
        found.append(
            [
                influence.influence(X_test, y_test),
                influence.sample_values(X_test, y_test),
                influence.self_influence(),
            ]
        )
    for here, there in zip(*found, strict=True):
        assert there.dtype == np.float64
        assert_allclose(there, here, rtol=1e-3, atol=1e-4 * np.abs(here).max())


def test_dropout_draws_the_masks_of_the_run():
    X, y, X_test, y_test = rows()
    net = make_net(module=Started, module__dropout=0.3, device=DEVICE)
    hydra = HyDRA(net, random_state=0).fit(X, y)
    assert hydra.replay_drift_ < 1e-5
    one_by_one = np.concatenate(
        [hydra.influence(X_test[[t]], y_test[[t]]) for t in range(len(y_test))]
    )
    together = hydra.influence(X_test, y_test)
    atol = 1e-4 * np.abs(together).max()
    assert_allclose(together, one_by_one, rtol=1e-3, atol=atol)


def test_rows_left_out():
    X, y, X_test, y_test = rows()
    left_out = []
    for device in ("cpu", DEVICE):
        hydra = HyDRA(make_net(module=Started, device=device), random_state=0)
        hydra.fit(X, y)
        groups = masks_of([3, [1, 7]], len(X))
        left_out.append(hydra.replayed_influence(X_test, y_test, groups=groups))
    assert_allclose(*left_out, rtol=1e-3, atol=1e-5)
