"""Attention and recurrent layers: outputs of torch's own modules, autograd's gradients.

The truth uses the modules as torch computes them, in evaluation mode and row by row.
"""

import copy
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sequence_nets import (
    DROPPED,
    FIRST,
    LAYERS,
    PLACES,
    SIZE,
    TOLERANCE,
    N,
    Words,
    attend,
    attend_causal,
    attend_to_others,
    autograd_rows,
    by_name,
    check,
    encode,
    encoder,
    net_of,
    recurrent,
    run,
    run_from,
    run_packed,
    tokens,
)
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import nn

from skinfluence import HyDRA, InfluenceFunctions
from skinfluence.nets.gradients._fused import replaced, unfused
from skinfluence.nets.gradients._row_gradients import RowGradients
from skinfluence.nets.net._target import NetTarget


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_factors_are_autograds_gradients(name, dtype):
    X, net = by_name(name, dtype)
    gradients = check(net, X, TOLERANCE[dtype])
    assert gradients.uncovered == []


@pytest.mark.parametrize("name", LAYERS)
def test_single_operations_compute_and_draw_the_same(name):
    """In training: dropout draws for the same entries as torch's own."""
    X, net = by_name(name)
    module, X = net.module_.train(), torch.as_tensor(X)
    torch.manual_seed(0)
    expected = module(X)
    with replaced(unfused(module)):
        torch.manual_seed(0)
        found = module(X)
        torch.manual_seed(1)
        other = module(X)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    drops = any(isinstance(m, nn.Dropout) for m in module.modules())
    assert torch.equal(found, other) != (drops or name in DROPPED)
    torch.manual_seed(0)
    assert torch.equal(module(X), expected)  # torch's own are back


def test_a_query_without_any_key():
    """Attends to nothing, as in torch's kernels."""
    X, net = by_name("attention")
    layer = net.module_.layer
    x = torch.randn(2, 3, SIZE, dtype=torch.float64, generator=torch.manual_seed(0))
    mask = torch.tensor([[True, True, True], [False] * 3, [False] * 3])
    expected = layer(x, x, x, attn_mask=mask, need_weights=False)[0]
    # NaN in the kernels of torch 2.2
    expected = torch.where(expected.isnan(), layer.out_proj.bias, expected)
    with replaced(unfused(layer)):
        found = layer(x, x, x, attn_mask=mask, need_weights=False)[0]
    torch.testing.assert_close(found, expected)


@settings(max_examples=15, deadline=None)
@given(
    kind=st.sampled_from([nn.RNN, nn.LSTM, nn.GRU]),
    n=st.integers(1, 5),
    places=st.integers(1, PLACES),
    size=st.integers(1, 4),
    num_layers=st.integers(1, 2),
    options=st.fixed_dictionaries(
        {k: st.booleans() for k in ("bidirectional", "bias", "batch_first")}
    ),
    call=st.sampled_from([run, run_packed, run_from]),
    seed=st.integers(0, 99),
)
def test_recurrent_of_any_shape(kind, n, places, size, num_layers, options, call, seed):
    build = recurrent(kind, size=size, num_layers=num_layers, **options)
    first = options["batch_first"]
    X = tokens(n, places, seed)
    net = net_of(build, call, X, seed=seed, module__places_first=not first)
    assert check(net, X).uncovered == []


@settings(max_examples=10, deadline=None)
@given(
    n=st.integers(1, 5),
    places=st.integers(1, PLACES),
    heads=st.sampled_from([1, 2, 4]),
    bias=st.booleans(),
    batch_first=st.booleans(),
    call=st.sampled_from([attend, attend_causal, attend_to_others]),
    seed=st.integers(0, 99),
)
def test_attention_of_any_shape(n, places, heads, bias, batch_first, call, seed):
    def build():
        return nn.MultiheadAttention(SIZE, heads, bias=bias, batch_first=batch_first)

    X = tokens(n, places, seed)
    net = net_of(build, call, X, seed=seed, module__places_first=not batch_first)
    assert check(net, X).uncovered == []


@pytest.mark.parametrize("n", [PLACES, 3])
def test_as_many_rows_as_places(n):
    """Rows are not mistaken for places, also not by the check of three rows."""
    X = tokens(n, places=n)
    for name in ("encoder, places first", "LSTM, places first", "encoder", "LSTM"):
        assert check(by_name(name, X=X)[1], X).uncovered == []


class Started(Callback):
    """Keeps the parameters at the start of training."""

    start = {}

    def on_train_begin(self, net, **kwargs):
        """Copy."""
        Started.start = copy.deepcopy(net.module_.state_dict())


SMOOTH = {
    "encoder": (encoder(dropout=0.0, activation="gelu", **FIRST), encode),
    "encoders": (
        lambda: nn.TransformerEncoder(encoder(dropout=0.0, **FIRST)(), 1),
        encode,
    ),
    "LSTM": (recurrent(nn.LSTM, bidirectional=True, **FIRST), run),
    "GRU": (recurrent(nn.GRU, num_layers=2, **FIRST), run),
    "GRU, packed": (recurrent(nn.GRU, num_layers=2, **FIRST), run_packed),
}
LEARNING_RATE, STEPS, TEST = 0.3, 3, slice(2, 5)


def trained_by_hand(net, X, y, weight):
    """Test losses after full-batch steps with weighted rows, by torch's own modules."""
    module = copy.deepcopy(net.module_)
    module.load_state_dict(Started.start)
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    loss = nn.CrossEntropyLoss(reduction="none")
    for _ in range(STEPS):
        module.train().zero_grad()
        (loss(module(X), y) @ weight / len(y)).backward()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter -= LEARNING_RATE * parameter.grad
    with torch.no_grad():
        return loss(module.eval()(X[TEST]), y[TEST]).numpy()


def unfitted(name, **params):
    """Return a net without dropout that takes full-batch steps."""
    build, call = SMOOTH[name]
    return NeuralNetClassifier(
        Words,
        module__build=build,
        module__call=call,
        module__dtype=torch.float64,
        criterion=nn.CrossEntropyLoss,
        train_split=None,
        verbose=0,
        lr=LEARNING_RATE,
        max_epochs=STEPS,
        batch_size=-1,
        **params,
    )


@pytest.mark.parametrize("name", SMOOTH)
def test_hydra_is_the_derivative_of_training(name):
    X, y = tokens(), np.arange(N) % 3
    hydra = HyDRA(unfitted(name, callbacks=[Started()]), random_state=0)
    hydra.fit(X, y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = hydra.influence(X[TEST], y[TEST])
    slow = any("one by one, which is slow" in str(w.message) for w in caught)
    assert slow == ("packed" in name)  # whose lengths torch.func.vmap cannot batch
    net, eps = hydra.estimator_.net_, 1e-5
    for i in range(2):
        weight = torch.ones(N, dtype=torch.float64)
        losses = []
        for change in (eps, -eps):
            weight[i] = 1 - change
            losses.append(trained_by_hand(net, X, y, weight))
        slope = (losses[0] - losses[1]) / (2 * eps)
        assert_allclose(found[:, i], slope, atol=1e-7 * abs(found).max())


@pytest.mark.filterwarnings("error:.*is slow", "error:The replay")
def test_dropout_behind_attention_is_the_same_for_many_runs_at_once():
    net = NeuralNetClassifier(
        Words,
        module__build=encoder(dropout=0.3, **FIRST),
        module__call=encode,
        module__dtype=torch.float64,
        criterion=nn.CrossEntropyLoss,
        train_split=None,
        verbose=0,
        max_epochs=1,
        batch_size=4,
    )
    X, y = tokens(), np.arange(N) % 3
    HyDRA(net, random_state=0).fit(X, y).influence(X[TEST], y[TEST])


def by_torch(net, X, y):
    """Jacobians of the outputs, (n, 3, p), and gradients, (n, p), row by row."""
    parameters, jacobians = list(net.module_.parameters()), []
    for x in torch.as_tensor(X):
        output = net.module_(x[None])[0]
        rows = [
            torch.autograd.grad(
                z,
                parameters,
                retain_graph=True,
                materialize_grads=True,
                allow_unused=True,
            )
            for z in output
        ]
        jacobians.append([np.concatenate([g.numpy().ravel() for g in r]) for r in rows])
    return np.array(jacobians), autograd_rows(net, X, y)


@pytest.mark.parametrize("name", ["encoders", "LSTM"])
def test_influence_functions_from_autograds_matrices(name):
    X, y = tokens(), np.arange(N) % 3
    damping = 0.05
    influence = InfluenceFunctions(
        unfitted(name),
        hessian="gauss_newton",
        checkpoints=1,
        damping=damping,
        random_state=0,
    ).fit(X, y)
    net = influence.estimator_.net_
    net.module_.eval()
    J, g = by_torch(net, X, y)
    p = net.predict_proba(X)
    H = np.eye(J.shape[2]) * damping
    for jacobian, q in zip(J, p, strict=True):
        H += jacobian.T @ (np.diag(q) - np.outer(q, q)) @ jacobian / N
    expected = g[TEST] @ np.linalg.solve(H, g.T) / N
    found = influence.influence(X[TEST], y[TEST])
    assert_allclose(found, expected, atol=1e-9 * abs(expected).max())


def test_one_parameter_of_two_modules():
    """Its gradients are summed once."""

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(9, SIZE)
            self.first, self.second = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)
            self.second.weight = self.first.weight
            self.out = nn.Linear(SIZE, 9)
            self.out.weight = self.words.weight
            self.lstm = nn.LSTM(9, 9, batch_first=True)
            self.lstm.weight_hh_l0 = self.lstm.weight_ih_l0
            self.head = nn.Linear(9, 3)
            self.double()

        def forward(self, tokens):
            x = torch.tanh(self.second(torch.tanh(self.first(self.words(tokens)))))
            return self.head(self.lstm(self.out(x))[0].mean(dim=1))

    torch.manual_seed(0)
    net = NeuralNetClassifier(Tied, criterion=nn.CrossEntropyLoss).initialize()
    net.module_.eval()
    X = tokens()
    gradients = check(net, X)
    assert "lstm.weight_ih_l0" in gradients.uncovered  # used twice in one operation
    assert all(name.startswith("lstm") for name in gradients.uncovered)


class Tied(nn.Module):
    """Predicts from the embeddings of its inputs, whose padding has no gradient."""

    def __init__(self, again):
        super().__init__()
        self.words = nn.Embedding(9, SIZE, padding_idx=0)
        self.words.requires_grad_()
        self.twin, self.out = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, 9)
        self.other = nn.Linear(SIZE, SIZE)
        self.other.weight, self.other.bias = self.twin.weight, self.twin.bias
        self.out.weight = self.words.weight
        self.again = again
        self.double()

    def forward(self, tokens):
        x = torch.tanh(self.other(torch.tanh(self.twin(self.words(tokens)))))
        if self.again:  # behind the hooks
            x = x + torch.tanh(self.out(x)) @ self.words.weight
        return self.out(x.mean(dim=1))


@pytest.mark.parametrize("again", [False, True])
def test_tied_weights_have_factors(again):
    torch.manual_seed(0)
    net = NeuralNetClassifier(Tied, module__again=again).initialize()
    net.set_params(criterion=nn.CrossEntropyLoss)
    net.module_.eval()
    hidden = {"words.weight", "out.bias"} if again else set()
    assert set(check(net, tokens()).uncovered) == hidden


class OwnForward(nn.LSTM):
    """A recurrent layer that only torch can compute."""

    flags = []

    def forward(self, x):
        OwnForward.flags.append(torch.backends.cudnn.enabled)
        return super().forward(x)[0]


@pytest.mark.filterwarnings("ignore:Gradients of .*is slow")
@pytest.mark.parametrize("build", [lambda: OwnForward(SIZE, 4), recurrent(nn.LSTM)])
def test_cudnn_computes_what_it_can_differentiate(build):
    """It differentiates recurrent layers in training mode only."""
    X, y = tokens(), np.arange(N) % 3
    net = net_of(build, lambda layer, x, _: _output(layer(x)), X)
    truth = autograd_rows(net, X, y)
    OwnForward.flags, seen = [], []
    module = net.module_
    module.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.enabled))
    gradients = RowGradients(NetTarget(net))
    dense = gradients(X, y).dense()
    dense = torch.cat([dense[k] for k in gradients.target.params], dim=1).numpy()
    assert_allclose(dense, truth, atol=1e-12 * abs(truth).max())
    assert set(OwnForward.flags) <= {False}
    assert all(seen) == (not OwnForward.flags)
    assert torch.backends.cudnn.enabled


def _output(result):
    return result[0] if isinstance(result, tuple) else result
