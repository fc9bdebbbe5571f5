"""Factored gradients are autograd's gradients, row by row and layer by layer."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from skinfluence._losses import LogLoss
from skinfluence.nets.gradients._factors import RowGradients
from skinfluence.nets.gradients._gram import gram, matvec, self_dot, weighted_gradient
from skinfluence.nets.net._target import NetTarget

torch.set_num_threads(1)
N, M = 11, 5


class Net(nn.Module):
    """Wrap modules that map rows to two-dimensional outputs, with any dtype."""

    def __init__(self, build, dtype):
        super().__init__()
        self.inner = build()
        self.head = nn.LazyLinear(3)
        self.to(dtype)

    def forward(self, x):
        return self.head(self.inner(x).flatten(1))


def net_of(build, X, dtype=torch.float64, seed=0):
    """Return a net with random parameters and, where there are any, moved buffers."""
    torch.manual_seed(seed)
    net = NeuralNetClassifier(
        Net,
        module__build=build,
        module__dtype=dtype,
        criterion=nn.CrossEntropyLoss,
        train_split=None,
        optimizer=torch.optim.SGD,
        verbose=0,
    ).initialize()
    with torch.no_grad():
        net.module_.train()
        net.infer(X)  # materialises lazy layers, moves running statistics
        for parameter in net.module_.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return net


def autograd_rows(target, X, y, measure=None):
    """Return the gradient of each row by one backward pass each, (n, n_parameters)."""
    measure = measure or target.training_loss
    inputs, targets = target.batch(X, y)
    rows = []
    with target.at():
        for i in range(len(y)):
            output = target.output(inputs[i : i + 1])
            loss = measure(output, targets[i : i + 1], inputs[i : i + 1]).sum()
            parts = torch.autograd.grad(
                loss, list(target.params.values()), allow_unused=True
            )
            rows.append(
                torch.cat(
                    [
                        torch.zeros(p.numel(), dtype=p.dtype)
                        if g is None
                        else g.reshape(-1)
                        for p, g in zip(target.params.values(), parts, strict=True)
                    ]
                )
            )
    return torch.stack(rows).double().numpy()


def check_products(net, X, y, tolerance, layers=None):
    """Compare every product with autograd's gradients; return the RowGradients."""
    target = NetTarget(net, layers)
    truth = autograd_rows(target, X, y)
    gradients = RowGradients(target)
    product = truth @ truth.T
    size = abs(product).max()
    assert size > 0
    found = gram(gradients, (X, y), (X[:M], y[:M]))
    np.testing.assert_allclose(found / size, product[:, :M] / size, atol=tolerance)
    found = self_dot(gradients, X, y)
    np.testing.assert_allclose(found / size, np.diag(product) / size, atol=tolerance)
    weight = np.linspace(-1, 1, len(y))
    mean = weighted_gradient(gradients, X, y, weight)
    found = matvec(gradients, X, y, mean)
    expected = product @ weight
    scale = abs(expected).max()
    np.testing.assert_allclose(found / scale, expected / scale, atol=10 * tolerance)
    return gradients


def images(dtype):
    """Return rows of 2 x 6 x 6 numbers."""
    return torch.randn(N, 2, 6, 6, dtype=dtype, generator=torch.manual_seed(3))


def flat(dtype):
    """Return rows of 6 numbers."""
    return torch.randn(N, 6, dtype=dtype, generator=torch.manual_seed(3))


def sequences(dtype):
    """Return rows of 4 channels at 9 places."""
    return torch.randn(N, 4, 9, dtype=dtype, generator=torch.manual_seed(3))


def words(dtype):
    """Return rows of 7 tokens out of 5, so that some repeat."""
    return torch.randint(0, 5, (N, 7), generator=torch.manual_seed(3))


LAYERS = {
    "linear": (flat, lambda: nn.Linear(6, 4)),
    "no bias": (flat, lambda: nn.Linear(6, 4, bias=False)),
    "linear at places": (sequences, lambda: nn.Linear(9, 5)),
    "linear 2d places": (images, lambda: nn.Linear(6, 2)),
    "conv2d": (images, lambda: nn.Conv2d(2, 4, 3)),
    "conv2d stride": (images, lambda: nn.Conv2d(2, 4, 3, stride=2, padding=1)),
    "conv2d uneven": (
        images,
        lambda: nn.Conv2d(2, 3, (2, 3), padding=(1, 0), dilation=(2, 1)),
    ),
    "conv2d same": (images, lambda: nn.Conv2d(2, 4, (2, 3), padding="same")),
    "conv2d reflect": (
        images,
        lambda: nn.Conv2d(2, 4, 3, padding=(1, 2), padding_mode="reflect"),
    ),
    "conv2d circular": (
        images,
        lambda: nn.Conv2d(2, 4, 3, padding="same", padding_mode="circular"),
    ),
    "conv2d groups": (images, lambda: nn.Conv2d(2, 4, 3, groups=2)),
    "conv2d wide": (images, lambda: nn.Conv2d(2, 40, 5)),
    "conv1d": (sequences, lambda: nn.Conv1d(4, 3, 3, padding=1, stride=2)),
    "conv1d groups": (sequences, lambda: nn.Conv1d(4, 8, 3, groups=4)),
    "embedding": (words, lambda: nn.Embedding(5, 3)),
    "embedding padding": (words, lambda: nn.Embedding(5, 3, padding_idx=2)),
    "large embedding": (words, lambda: nn.Embedding(500, 3)),
    "layer norm": (sequences, lambda: nn.LayerNorm((4, 9))),
    "layer norm at places": (sequences, lambda: nn.LayerNorm(9)),
    "layer norm no bias": (sequences, lambda: nn.LayerNorm(9, bias=False)),
    "group norm": (images, lambda: nn.GroupNorm(2, 2)),
    "batch norm": (images, lambda: nn.BatchNorm2d(2)),
    "batch norm 1d": (flat, lambda: nn.BatchNorm1d(6)),
    "batch norm places": (sequences, lambda: nn.BatchNorm1d(4)),
}


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
    assert "inner.tied.weight" in gradients.uncovered
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


@settings(max_examples=40, deadline=None)
@given(
    n_in=st.integers(1, 6),
    n_out=st.integers(1, 6),
    places=st.integers(1, 5),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_linear_of_any_shape(n_in, n_out, places, bias, seed):
    X = torch.randn(N, places, n_in, dtype=torch.float64)
    net = net_of(lambda: nn.Linear(n_in, n_out, bias=bias), X, seed=seed)
    check_products(net, X, np.arange(N) % 3, 1e-12)


@settings(max_examples=40, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
    n_out=st.sampled_from([2, 6]),
)
def test_convolution_of_any_shape(kernel, stride, padding, dilation, groups, n_out):
    X = images(torch.float64)

    def build():
        return nn.Conv2d(
            2,
            n_out,
            kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
        )

    check_products(net_of(build, X), X, np.arange(N) % 3, 1e-12)


@settings(max_examples=20, deadline=None)
@given(
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2, 4]),
    mode=st.sampled_from(["zeros", "replicate"]),
    bias=st.booleans(),
)
def test_convolution_of_sequences_of_any_shape(
    kernel, stride, padding, dilation, groups, mode, bias
):
    X = sequences(torch.float64)

    def build():
        return nn.Conv1d(
            4,
            4,
            kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            padding_mode=mode,
            bias=bias,
        )

    check_products(net_of(build, X), X, np.arange(N) % 3, 1e-12)


@settings(max_examples=20, deadline=None)
@given(
    n_tokens=st.integers(1, 30),
    size=st.integers(1, 5),
    places=st.integers(1, 6),
    padded=st.booleans(),
    seed=st.integers(0, 99),
)
def test_embedding_of_any_shape(n_tokens, size, places, padded, seed):
    generator = torch.manual_seed(seed)
    X = torch.randint(0, n_tokens, (N, places), generator=generator)
    padding = 0 if padded else None
    net = net_of(
        lambda: nn.Embedding(n_tokens, size, padding_idx=padding), X, seed=seed
    )
    check_products(net, X, np.arange(N) % 3, 1e-12)


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(["layer", "layers", "group", "batch"]),
    channels=st.sampled_from([2, 4, 6]),
    places=st.integers(2, 4),
    affine=st.booleans(),
    seed=st.integers(0, 99),
)
def test_normalisation_of_any_shape(kind, channels, places, affine, seed):
    generator = torch.manual_seed(seed)
    X = torch.randn(N, channels, places, dtype=torch.float64, generator=generator)
    build = {
        "layer": lambda: nn.LayerNorm(places, elementwise_affine=affine),
        "layers": lambda: nn.LayerNorm((channels, places), bias=affine),
        "group": lambda: nn.GroupNorm(2, channels, affine=affine),
        "batch": lambda: nn.BatchNorm1d(channels, affine=affine),
    }[kind]
    check_products(net_of(build, X, seed=seed), X, np.arange(N) % 3, 1e-12)


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


class Probabilities(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(6, 3), nn.Softmax(dim=-1))
        self.double()


class Raw(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(6, 3))
        self.double()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("module", "criterion"),
    [(Probabilities, nn.NLLLoss), (Raw, nn.CrossEntropyLoss)],
)
def test_losses_are_per_row_whatever_the_reduction(module, criterion, reduction):
    torch.manual_seed(0)
    net = NeuralNetClassifier(
        module, criterion=criterion, criterion__reduction=reduction
    ).initialize()
    X, y = flat(torch.float64), np.arange(N) % 3
    target = NetTarget(net)
    inputs, targets = target.batch(X, y)
    p = net.predict_proba(X)[np.arange(N), y]
    for measure in (target.training_loss, target.measure(LogLoss())):
        with target.at(), torch.no_grad():
            losses = measure(target.output(inputs), targets, inputs)
        np.testing.assert_allclose(losses, -np.log(p), rtol=1e-12)
    assert net.criterion_.reduction == reduction


class Doubled(nn.Module):
    """A criterion of the user's own, without a reduction."""

    def forward(self, output, target):
        return (2 * (output - target) ** 2).mean()


def test_criterion_without_reduction():
    class One(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(6, 1))
            self.double()

    net = NeuralNetRegressor(One, criterion=Doubled).initialize()
    X, y = flat(torch.float64), np.linspace(0, 1, N)[:, None]
    target = NetTarget(net)
    gradients = RowGradients(target)
    truth = autograd_rows(target, X, y)
    found = gram(gradients, (X, y), (X, y))
    np.testing.assert_allclose(found, truth @ truth.T, rtol=1e-10)
    residual = net.predict(X) - y
    expected = (4 * residual) ** 2 * ((X.numpy() ** 2).sum(1, keepdims=True) + 1)
    np.testing.assert_allclose(np.diag(found), expected[:, 0], rtol=1e-10)


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
