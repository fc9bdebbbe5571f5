"""Three architectures on three tables, for the comparison with other libraries."""

import numpy as np
from net_problems import Perceptron, digits, make_net
from sklearn.preprocessing import scale
from torch import nn

ROWS = 300, 100  # training and test rows


class Filters(nn.Module):
    """Two convolutions with max pooling along the columns, and a Linear layer.

    ``shape`` is that of an image; that of a sequence is (1, length).
    """

    def __init__(self, shape, n_classes, c1=6, c2=8):
        super().__init__()
        self.shape = shape
        kernel, padding, pool = (3, 3), (1, 1), (2, 2)
        if shape[0] == 1:
            kernel, padding, pool = (1, 5), (0, 2), (1, 2)
        size = c2 * int(
            np.prod([side // q**2 for side, q in zip(shape, pool, strict=True)])
        )
        self.body = nn.Sequential(
            nn.Conv2d(1, c1, kernel, padding=padding),
            nn.ReLU(),
            nn.MaxPool2d(pool),
            nn.Conv2d(c1, c2, kernel, padding=padding),
            nn.ReLU(),
            nn.MaxPool2d(pool),
            nn.Flatten(),
            nn.Linear(size, n_classes),
        )

    def forward(self, x):
        return self.body(x.reshape(-1, 1, *self.shape))


def waveforms():
    """Sums of two of three triangular waves and noise (Breiman et al., 1984)."""
    rng, t = np.random.default_rng(3), np.arange(1, 22)
    waves = np.array([np.maximum(6 - abs(t - peak), 0) for peak in (11, 15, 7)])
    y = rng.integers(3, size=600)
    share = rng.random((600, 1))
    X = share * waves[y] + (1 - share) * waves[(y + 1) % 3]
    return scale(X + rng.normal(size=X.shape)).astype(np.float32), y


def control_charts():
    """Six shapes of control charts of length 60 (Alcock and Manolopoulos, 1999)."""
    rng, t = np.random.default_rng(4), np.arange(60)
    y = rng.integers(6, size=600)
    draw = rng.uniform(size=(4, 600, 1))
    wave = (10 + 5 * draw[0]) * np.sin(2 * np.pi * t / (10 + 5 * draw[1]))
    trend = (0.2 + 0.3 * draw[2]) * t
    shift = (7.5 + 12.5 * draw[2]) * (t >= 20 + 20 * draw[3])
    shapes = np.stack([0 * trend, wave, trend, -trend, shift, -shift])
    X = shapes[y, np.arange(600)] + 2 * rng.uniform(-3, 3, size=(600, 60))
    return (X / 15).astype(np.float32), y


def nets(shape, k):
    """Yield the name and the net of each architecture."""
    width = int(np.prod(shape))
    yield "ReLU", make_net(Perceptron, lr=0.02, epochs=20, widths=(width, 32, 16, k))
    tanh = {"widths": (width, 32, k), "act": "tanh"}
    yield "tanh", make_net(Perceptron, "adam", lr=0.003, epochs=20, **tanh)
    yield (
        "convolutions",
        make_net(Filters, lr=0.02, epochs=20, shape=shape, n_classes=k),
    )


TABLES = {
    "digits": (digits, (8, 8), 10),
    "waveforms": (waveforms, (1, 21), 3),
    "control charts": (control_charts, (1, 60), 6),
}
# Name: (net, (table, training rows, test rows)).
COMPARED = {
    f"{table}, {name}": (net, (load, *ROWS))
    for table, (load, shape, k) in TABLES.items()
    for name, net in nets(shape, k)
}
