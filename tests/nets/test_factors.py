"""Factored gradients are autograd's gradients, row by row and layer by layer."""

import warnings

import numpy as np
import pytest
import torch
from layer_nets import LAYERS, N, autograd_rows, check_products, flat, images, net_of
from torch import nn

from skinfluence.nets.gradients._gram import gram, self_dot
from skinfluence.nets.gradients._row_gradients import RowGradients
from skinfluence.nets.net._target import NetTarget


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)]
)
def test_layer_has_a_rule(name, dtype, tolerance):
    rows, build = LAYERS[name]
    X, y = rows(dtype), np.arange(N) % 3
    gradients = check_products(net_of(build, X, dtype), X, y, tolerance)
    assert gradients.uncovered == []


class Mixed(nn.Module):
    """Reused, tied and raw parameters, in-place activations, dropout, attention."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.prelu = nn.PReLU(4)
        self.drop = nn.Dropout(0.5)
        self.down = nn.Linear(36, 8)
        self.again = nn.Linear(8, 8)
        self.tied = nn.Linear(8, 8)
        self.twin = nn.Linear(8, 8)
        self.twin.weight = self.tied.weight
        self.scale = nn.Parameter(torch.randn(8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.place = nn.Embedding(4, 8)

    def forward(self, x):
        x = self.prelu(torch.relu_(self.norm(self.conv(x))))
        x = self.down(self.drop(x).flatten(2)) + self.place(torch.arange(4))
        x = torch.tanh(self.again(torch.tanh(self.again(x))))
        x = self.twin(torch.tanh(self.tied(x))) * self.scale
        return self.attention(x, x, x, need_weights=False)[0]


def test_mixed_net_and_its_fallbacks():
    X, y = images(torch.float64), np.arange(N) % 3
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Gradients of")  # no loop is needed
        gradients = check_products(net_of(Mixed, X), X, y, 1e-12)
    covered = {name.removeprefix("inner.").split(".")[0] for name in gradients.covered}
    assert covered == {
        "conv",
        "norm",
        "down",
        "again",
        "tied",
        "twin",
        "attention",
        "head",
    }
    assert "inner.tied.weight" in gradients.covered
    assert "inner.scale" in gradients.uncovered


class Hidden(nn.Module):
    """Uses the weight of a layer that it also calls."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x):
        return torch.tanh(self.layer(x)) @ self.layer.weight


def test_use_behind_the_hook_is_noticed():
    X, y = flat(torch.float64), np.arange(N) % 3
    gradients = check_products(net_of(Hidden, X), X, y, 1e-12)
    assert "inner.layer.weight" in gradients.uncovered


class Branching(nn.Module):
    """Branches on the data, which cannot be batched."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(6))

    def forward(self, x):
        return x * self.scale if (x * self.scale).sum() < 1e6 else x


def test_loop_is_the_last_resort_and_warns():
    X, y = flat(torch.float64), np.arange(N) % 3
    net = net_of(Branching, X)
    with pytest.warns(UserWarning, match="row by row, which is slow"):
        gradients = check_products(net, X, y, 1e-12)
    assert gradients.uncovered == ["inner.scale"]


def test_layers_restrict_the_variables():
    X, y = flat(torch.float64), np.arange(N) % 3
    net = net_of(lambda: nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 5)), X)
    gradients = check_products(net, X, y, 1e-12, layers=["inner.0", "head"])
    assert gradients.covered == [
        "inner.0.weight",
        "inner.0.bias",
        "head.weight",
        "head.bias",
    ]
    with pytest.raises(ValueError, match="'layers' parameter must name submodules"):
        NetTarget(net, ["inner.1"])


@pytest.mark.parametrize("name", ["linear", "conv2d", "embedding", "group norm"])
def test_scale_multiplies_the_coordinates_of_a_parameter(name):
    rows, build = LAYERS[name]
    X, y = rows(torch.float64), np.arange(N) % 3
    target = NetTarget(net_of(build, X))
    truth = autograd_rows(target, X, y)
    scale = {k: 0.5 + i for i, k in enumerate(target.params)}
    columns = np.concatenate(
        [np.full(p.numel(), scale[k]) for k, p in target.params.items()]
    )
    expected = (truth * columns) @ truth.T
    gradients = RowGradients(target)
    found = gram(gradients, (X, y), (X, y), scale=scale)
    np.testing.assert_allclose(found, expected, atol=1e-12 * abs(expected).max())
    found = self_dot(gradients, X, y, scale=scale)
    np.testing.assert_allclose(found, np.diag(expected), rtol=1e-10)


def test_small_batches_give_the_same(monkeypatch):
    X, y = images(torch.float64), np.arange(N) % 3
    target = NetTarget(net_of(lambda: nn.Conv2d(2, 4, 3), X))
    gradients = RowGradients(target)
    whole = gram(gradients, (X, y), (X, y))
    monkeypatch.setattr(
        "skinfluence.nets.gradients._gram._batch_size", lambda factors: 3
    )
    np.testing.assert_allclose(gram(gradients, (X, y), (X, y)), whole, rtol=1e-12)


@pytest.mark.gpu
def test_gpu_agrees_with_cpu():
    X, y = images(torch.float32), np.arange(N) % 3
    net = net_of(lambda: nn.Conv2d(2, 4, 3), X, torch.float32)
    expected = gram(RowGradients(NetTarget(net)), (X, y), (X, y))
    state = net.module_.state_dict()
    net.set_params(device="cuda").initialize()
    with torch.no_grad():
        net.infer(X)
    net.module_.load_state_dict(state)
    found = gram(RowGradients(NetTarget(net)), (X, y), (X, y))
    np.testing.assert_allclose(found, expected, atol=1e-5 * abs(expected).max())
