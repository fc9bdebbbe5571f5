"""Nets around one layer, and autograd's gradients of their rows."""

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn

from skinfluence.nets.gradients._gram import gram, matvec, self_dot, weighted_gradient
from skinfluence.nets.gradients._row_gradients import RowGradients
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
