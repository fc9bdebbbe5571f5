"""SOURCE against derivatives of runs in NumPy and the formula in dense matrices."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.linalg import expm
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from skinfluence import SOURCE, TracIn

torch.set_num_threads(1)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(26, 3)) * [2.0, 1.0, 0.3]
Y = (X @ [1.0, -2.0, 0.5] + RNG.normal(size=26))[:, None]
TRAIN, TEST = slice(0, 20), slice(20, None)


class Line(nn.Module):
    """One Linear layer in float64, from zero or from fixed numbers."""

    def __init__(self, bias=True):
        super().__init__()
        self.layer = nn.Linear(3, 1, bias=bias).double()
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.fill_(0.5)

    def forward(self, x):
        return self.layer(x)


def line(steps, **params):
    """Least squares by full batches: the loss is the mean squared error."""
    settings = {"train_split": None, "verbose": 0, "batch_size": -1, **params}
    return NeuralNetRegressor(Line, max_epochs=steps, **settings)


def run(steps, lr, momentum=0.0, decay=0.0, decoupled=0.0):
    """Derivative of gradient descent by the rows' weights, (n_test, n_train).

    The loss of a row is its squared error; its weight is that in the mean loss.
    """
    A = np.column_stack([X, np.ones(len(X))])
    A_test, A = A[TEST], A[TRAIN]
    y, n = Y[TRAIN, 0], len(A)
    hessian = 2 * A.T @ A / n
    theta, slope = np.full(4, 0.5), np.zeros((4, n))
    buffer, buffer_slope = np.zeros(4), np.zeros((4, n))
    for _ in range(steps):
        residual = A @ theta - y
        gradient = 2 * A.T @ residual / n + decay * theta
        change = hessian @ slope + decay * slope + 2 * A.T * residual / n
        buffer = momentum * buffer + gradient
        buffer_slope = momentum * buffer_slope + change
        theta = theta * (1 - decoupled) - lr * buffer
        slope = slope * (1 - decoupled) - lr * buffer_slope
    residual = A_test @ theta - Y[TEST, 0]
    return -2 * residual[:, None] * (A_test @ slope)


def fitted(net, **params):
    """Fit SOURCE, and return the influence on the test rows."""
    source = SOURCE(net, random_state=0, **params).fit(X[TRAIN], Y[TRAIN])
    return source, source.influence(X[TEST], Y[TEST])


def off(found, truth):
    """Relative error."""
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


@pytest.mark.parametrize("decay", [0.0, 0.4])
def test_many_segments_converge_to_the_derivative_of_the_run(decay):
    """The remaining error is that of exp(-x) for 1 - x, of the order of a step."""
    errors = []
    for steps in (50, 100):
        lr = 2.0 / steps
        net = line(steps, lr=lr, optimizer__weight_decay=decay)
        _, found = fitted(net, n_segments=steps, checkpoints=steps)
        errors.append(off(found, run(steps, lr, decay=decay)))
    assert errors[0] < 0.2
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.2)


def test_momentum_multiplies_the_learning_rate():
    steps, lr = 400, 0.002
    net = line(steps, lr=lr, optimizer__momentum=0.8)
    _, found = fitted(net, n_segments=100, checkpoints=100)
    assert off(found, run(steps, lr, momentum=0.8)) < 0.05
    assert off(found, run(steps, lr)) > 0.3


def test_decoupled_weight_decay_shrinks_the_past():
    """AdamW with a huge eps is gradient descent of rate lr / eps, and the decay."""
    steps, lr, eps, decay = 200, 1e4, 1e6, 1e-6
    net = line(
        steps,
        lr=lr,
        optimizer=torch.optim.AdamW,
        optimizer__eps=eps,
        optimizer__weight_decay=decay,
        optimizer__betas=(0.0, 0.999),
    )
    _, found = fitted(net, n_segments=100, checkpoints=100)
    truth = run(steps, lr / eps, decoupled=lr * decay)
    assert off(found, truth) < 0.05
    assert off(found, run(steps, lr / eps)) > 0.5


def test_a_sum_over_the_batch_has_n_times_the_rate():
    steps, lr = 100, 0.02
    net = line(steps, lr=lr / 20, criterion=nn.MSELoss, criterion__reduction="sum")
    _, found = fitted(net, n_segments=50, checkpoints=50)
    mean = line(steps, lr=lr)
    assert_allclose(found, fitted(mean, n_segments=50, checkpoints=50)[1], rtol=1e-8)


class Two(nn.Module):
    """Two Linear layers, and a norm between them, in float64."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.LayerNorm(4)
        self.last = nn.Linear(4, 3)
        self.double()

    def forward(self, x):
        return self.last(torch.tanh(self.norm(self.first(x))))


LABELS = np.arange(26) % 3


def classifier(**params):
    """Batches of 7 of the 20 rows."""
    settings = {"train_split": None, "verbose": 0, "batch_size": 7, "max_epochs": 4}
    return NeuralNetClassifier(
        Two, criterion=nn.CrossEntropyLoss, **settings | {"lr": 0.3, **params}
    )


def dense(source, rates):
    """Compute the formula from autograd's gradients and full p x p matrices.

    The curvature of a segment is put together from the eigenbases that the library
    found; everything else is independent of it.
    """
    module, run = source.estimator_.net_.module_, source._run
    names = [k for k, _ in module.named_parameters()]

    def gradients(state, X, y):
        values = {k: state[k] for k in names}

        def loss(values, x, y):
            out = torch.func.functional_call(module, values, (x[None],))
            return nn.functional.cross_entropy(out, y[None])

        per_row = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))
        parts = per_row(values, torch.tensor(X), torch.tensor(y))
        return np.concatenate(
            [parts[k].reshape(len(y), -1).numpy() for k in names], axis=1
        )

    states = [checkpoint.state for checkpoint in run.checkpoints]
    final = gradients(states[-1], X[TEST], LABELS[TEST])
    out, after = 0.0, np.eye(final.shape[1])
    for segment, rate in zip(run.segments[::-1], rates[::-1], strict=True):
        own = [states[run.checkpoints.index(c)] for c in segment.checkpoints]
        mean = np.mean([gradients(s, X[TRAIN], LABELS[TRAIN]) for s in own], axis=0)
        eye = torch.eye(final.shape[1], dtype=torch.float64)
        from skinfluence.nets.curvature._ekfac import multiplied

        values = [part.values for part in segment._parts]
        target = run.gradients().target
        H = multiplied(segment._parts, values, target, eye).numpy()
        S = expm(-rate * H)
        R = np.linalg.solve(H, np.eye(len(H)) - S)
        out = out + final @ after @ R @ mean.T / 20
        after = after @ S
    return out


def test_formula_in_dense_matrices():
    source = SOURCE(classifier(), n_segments=2, checkpoints=4, random_state=0)
    source.fit(X[TRAIN], LABELS[TRAIN])
    # Four epochs of three batches each.
    expected = dense(source, [0.3 * 6, 0.3 * 6])
    found = source.influence(X[TEST], LABELS[TEST])
    assert_allclose(found, expected, rtol=1e-7, atol=1e-9 * np.abs(expected).max())


def test_a_short_run_is_tracin_at_the_end():
    """Where nothing is forgotten only the sum of the steps times gradients is left."""
    net = classifier(max_epochs=1, lr=1e-9)
    source = SOURCE(net, n_segments=1, checkpoints=1, random_state=0)
    source.fit(X[TRAIN], LABELS[TRAIN])
    tracin = TracIn(net, checkpoints=1, random_state=0).fit(X[TRAIN], LABELS[TRAIN])
    expected = tracin.influence(X[TEST], LABELS[TEST])
    assert_allclose(source.influence(X[TEST], LABELS[TEST]), expected, rtol=1e-6)


class Slope(nn.Module):
    """A loss that is linear in the output: the gradient is the same everywhere."""

    def forward(self, output, target):
        return (output * target).mean()


@pytest.mark.parametrize(
    ("optimizer", "params", "rtol"),
    [
        ("SGD", {}, 1e-12),
        ("SGD", {"momentum": 0.5}, 0.02),  # of 200 steps the first are shorter
        ("SGD", {"momentum": 0.5, "dampening": 0.3}, 0.02),
        ("SGD", {"momentum": 0.5, "nesterov": True}, 0.02),
        ("Adam", {}, 1e-6),
        ("AdamW", {"weight_decay": 0.0}, 1e-6),
        ("RMSprop", {}, 1e-6),
        ("RMSprop", {"momentum": 0.5}, 0.15),  # these are the largest of RMSprop
    ],
    ids=str,
)
def test_rates_times_a_constant_gradient_are_the_moves(optimizer, params, rtol):
    options = {f"optimizer__{name}": value for name, value in params.items()}
    net = line(
        200, lr=1e-3, optimizer=getattr(torch.optim, optimizer), criterion=Slope
    ).set_params(**options)
    source = SOURCE(net, n_segments=1, checkpoints=2, random_state=0)
    source.fit(X[TRAIN], Y[TRAIN])
    gradient = {
        "layer.weight": (X[TRAIN] * Y[TRAIN]).mean(axis=0)[None],
        "layer.bias": Y[TRAIN].mean(axis=0),
    }
    one, two = source._run.recorder.rates_
    for name, after in source._run.checkpoints[-1].state.items():
        rate = (one[name] + two[name]).rate.numpy()
        assert_allclose(-rate * gradient[name], after.numpy() - 0.5, rtol=rtol)


def test_values_and_self_influence_agree_with_the_matrix():
    source = SOURCE(classifier(), random_state=0).fit(X[TRAIN], LABELS[TRAIN])
    matrix = source.influence(X[TEST], LABELS[TEST])
    values = source.sample_values(X[TEST], LABELS[TEST])
    assert_allclose(values, matrix.mean(axis=0), rtol=1e-8)
    own = source.influence(X[TRAIN], LABELS[TRAIN]).diagonal()
    assert_allclose(source.self_influence(), own, rtol=1e-8)


def test_rows_held_out_of_training_have_no_influence():
    from skorch.dataset import ValidSplit

    net = classifier(train_split=ValidSplit(4))
    source = SOURCE(net, random_state=0).fit(X[TRAIN], LABELS[TRAIN])
    matrix = source.influence(X[TEST], LABELS[TEST])
    assert (np.abs(matrix).max(axis=0) > 0).sum() == 15
    assert ((source.self_influence() != 0) == (matrix != 0).any(axis=0)).all()


def test_unknown_optimisers_and_too_many_segments_are_refused():
    net = classifier(optimizer=torch.optim.Adagrad)
    with pytest.raises(
        TypeError, match="'optimizer' must be one whose steps .*Adagrad"
    ):
        SOURCE(net).fit(X[TRAIN], LABELS[TRAIN])
    with pytest.raises(
        ValueError, match="'n_segments' .* at most checkpoints=2.* Got 3"
    ):
        SOURCE(classifier(), n_segments=3, checkpoints=2).fit(X[TRAIN], LABELS[TRAIN])
