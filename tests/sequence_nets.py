"""Nets with attention or recurrent layers, and autograd's gradients of their rows."""

import warnings

import numpy as np
import torch
from numpy.testing import assert_allclose
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from skinfluence.nets.gradients._gram import gram, matvec, self_dot
from skinfluence.nets.gradients._row_gradients import RowGradients
from skinfluence.nets.net._target import NetTarget

torch.set_num_threads(1)
N, M, PLACES, SIZE = 7, 4, 5, 8
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}


class Words(nn.Module):
    """Tokens, 0 at the end of short rows, through one layer, averaged over places."""

    def __init__(self, build, call, dtype, places_first=False):
        super().__init__()
        self.words, self.places = nn.Embedding(9, SIZE), nn.Embedding(PLACES, SIZE)
        self.layer = build()
        self.head = nn.LazyLinear(3)
        self.call, self.places_first = call, places_first
        self.to(dtype)

    def forward(self, tokens):
        empty = tokens == 0
        where = torch.arange(tokens.shape[1]).expand(tokens.shape)
        if self.places_first:
            tokens, where = tokens.T, where.T
        x = self.words(tokens) + self.places(where)
        x = self.call(self.layer, x, empty)
        weight = (~empty)[:, :, None] / (~empty).sum(dim=1)[:, None, None]
        if self.places_first:
            x = x.transpose(0, 1)
        return self.head((x * weight).sum(dim=1))


def tokens(n=N, places=PLACES, seed=0):
    """Rows of different lengths, at least one token each."""
    rng = np.random.default_rng(seed)
    X = rng.integers(1, 9, size=(n, places))
    lengths = rng.integers(1, places + 1, size=n)
    X[np.arange(places) >= lengths[:, None]] = 0
    return X


def net_of(build, call, X, dtype=torch.float64, seed=0, **params):
    """Return a net with random parameters."""
    torch.manual_seed(seed)
    net = NeuralNetClassifier(
        Words,
        module__build=build,
        module__call=call,
        module__dtype=dtype,
        criterion=nn.CrossEntropyLoss,
        train_split=None,
        verbose=0,
        **params,
    ).initialize()
    with torch.no_grad():
        net.infer(torch.as_tensor(X))
        for parameter in net.module_.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    net.module_.eval()
    return net


def autograd_rows(net, X, y):
    """Return the gradient of each row's loss by one backward pass each."""
    parameters, rows = list(net.module_.parameters()), []
    for x, label in zip(torch.as_tensor(X), torch.as_tensor(y), strict=True):
        loss = nn.functional.cross_entropy(net.module_(x[None]), label[None])
        parts = torch.autograd.grad(
            loss, parameters, allow_unused=True, materialize_grads=True
        )
        rows.append(torch.cat([part.reshape(-1) for part in parts]))
    return torch.stack(rows).double().numpy()


def check(net, X, tolerance=1e-12):
    """Compare gradients and products with autograd; return the RowGradients."""
    y = np.arange(len(X)) % 3
    truth = autograd_rows(net, X, y)
    product = truth @ truth.T
    size = abs(product).max()
    gradients = RowGradients(NetTarget(net))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Gradients of")  # no loop over rows
        found = gram(gradients, (X, y), (X[:M], y[:M]))
    assert_allclose(found / size, product[:, :M] / size, atol=tolerance)
    assert_allclose(
        self_dot(gradients, X, y) / size, np.diag(product) / size, atol=tolerance
    )
    dense = gradients(X, y).dense()
    dense = torch.cat([dense[k] for k in gradients.target.params], dim=1).numpy()
    assert_allclose(dense, truth, atol=tolerance * abs(truth).max())
    vector = dict(net.module_.named_parameters())
    flat = torch.cat([v.detach().reshape(-1) for v in vector.values()]).numpy()
    vector = {k: v.detach() for k, v in vector.items()}
    expected = truth @ flat
    found = matvec(gradients, X, y, vector)
    assert_allclose(found, expected, atol=10 * tolerance * abs(expected).max())
    return gradients


def attend(layer, x, empty):
    """Self-attention without the empty places."""
    return layer(x, x, x, key_padding_mask=empty)[0]


def attend_causal(layer, x, empty):
    """Self-attention to earlier places, by a mask of numbers."""
    n_places = empty.shape[1]
    mask = nn.Transformer.generate_square_subsequent_mask(n_places, dtype=x.dtype)
    return layer(x, x, x, attn_mask=mask, need_weights=False, is_causal=True)[0]


def attend_per_head(layer, x, empty):
    """Another mask for each row and head, booleans."""
    n_places = empty.shape[1]
    hidden = (
        torch.rand(n_places, n_places, generator=torch.Generator().manual_seed(0)) > 0.6
    )
    hidden[:, 0] = False
    mask = (hidden & ~empty[:, :1, None]).repeat_interleave(layer.num_heads, dim=0)
    return layer(x, x, x, attn_mask=mask)[0]


def attend_to_others(layer, x, empty):
    """Queries, keys and values that differ; the weights are used as well."""
    output, weights = layer(x, torch.tanh(x), x**2, average_attn_weights=False)
    return output * weights.mean() + layer(x, x + 1, x + 1)[0]


def encode(layer, x, empty):
    """An encoder layer without the empty places."""
    return layer(x, src_key_padding_mask=empty)


def decode(layer, x, empty):
    """A decoder layer, whose memory has another length."""
    memory = x[:, :3] if layer.self_attn.batch_first else x[:3]
    return layer(x, torch.tanh(memory))


def run(layer, x, empty):
    """Outputs at all places."""
    return layer(x)[0]


def run_packed(layer, x, empty):
    """Only the tokens, and the last state added."""
    lengths = (~empty).sum(dim=1)
    first = layer.batch_first
    packed = pack_padded_sequence(x, lengths, first, enforce_sorted=False)
    output, state = layer(packed)
    last = state[0] if isinstance(state, tuple) else state
    output = pad_packed_sequence(output, first, total_length=empty.shape[1])[0]
    last = last.mean(dim=(0, 2))
    return output + (last[:, None, None] if first else last[None, :, None])


def run_from(layer, x, empty):
    """From states that depend on the row."""
    layers = layer.num_layers * (1 + layer.bidirectional)
    first = x.mean(dim=1 if layer.batch_first else 0).expand(layers, -1, -1)
    start = first[..., : getattr(layer, "proj_size", 0) or layer.hidden_size]
    if layer.mode == "LSTM":
        start = (start.contiguous(), torch.tanh(first[..., : layer.hidden_size]))
    return layer(x, start)[0]


def run_shared(layer, x, empty):
    """The same layer twice."""
    return layer(layer(x)[0])[0]


def attention(**params):
    """Build attention with two heads."""
    return lambda: nn.MultiheadAttention(SIZE, 2, **params)


def encoder(**params):
    """Build an encoder layer."""
    return lambda: nn.TransformerEncoderLayer(SIZE, 2, 6, **params)


def recurrent(cls, size=4, **params):
    """Build a recurrent layer."""
    return lambda: cls(SIZE, size, **params)


FIRST = {"batch_first": True}
LAYERS = {
    "attention": (attention(**FIRST), attend),
    "attention, places first": (attention(), attend),
    "attention, no bias": (attention(bias=False, **FIRST), attend),
    "attention, causal": (attention(**FIRST), attend_causal),
    "attention, masks": (attention(dropout=0.3, **FIRST), attend_per_head),
    "attention, to others": (attention(**FIRST), attend_to_others),
    "encoder": (encoder(**FIRST), encode),
    "encoder, norm first": (
        encoder(norm_first=True, activation="gelu", **FIRST),
        encode,
    ),
    "encoder, places first": (encoder(), encode),
    "encoders": (
        lambda: nn.TransformerEncoder(encoder(**FIRST)(), 2),
        encode,
    ),
    "decoder": (lambda: nn.TransformerDecoderLayer(SIZE, 2, 6, **FIRST), decode),
    "decoder, places first": (lambda: nn.TransformerDecoderLayer(SIZE, 2, 6), decode),
    "RNN": (recurrent(nn.RNN, **FIRST), run),
    "RNN, relu": (recurrent(nn.RNN, nonlinearity="relu"), run),
    "LSTM": (recurrent(nn.LSTM, **FIRST), run),
    "LSTM, places first": (recurrent(nn.LSTM), run),
    "LSTM, layers": (
        recurrent(nn.LSTM, num_layers=2, bidirectional=True, dropout=0.5, **FIRST),
        run,
    ),
    "LSTM, projected": (
        recurrent(nn.LSTM, proj_size=2, num_layers=2, **FIRST),
        run_from,
    ),
    "LSTM, packed": (
        recurrent(nn.LSTM, num_layers=2, dropout=0.5, bidirectional=True, **FIRST),
        run_packed,
    ),
    "LSTM, no bias": (recurrent(nn.LSTM, bias=False, **FIRST), run),
    "GRU": (recurrent(nn.GRU, **FIRST), run),
    "GRU, layers": (recurrent(nn.GRU, num_layers=2, bidirectional=True), run),
    "GRU, packed": (recurrent(nn.GRU, num_layers=2, bidirectional=True), run_packed),
    "GRU, from states": (recurrent(nn.GRU, bidirectional=True, **FIRST), run_from),
    "GRU, shared": (recurrent(nn.GRU, size=SIZE, **FIRST), run_shared),
}

DROPPED = {"attention, masks", "LSTM, layers", "LSTM, packed"}


def by_name(name, dtype=torch.float64, X=None, **params):
    """Return rows and a net with that layer."""
    build, call = LAYERS[name]
    module = build()
    first = getattr(module, "batch_first", None)
    if first is None:
        attentions = (m for m in module.modules() if type(m) is nn.MultiheadAttention)
        first = next(attentions).batch_first
    X = tokens() if X is None else X
    return X, net_of(build, call, X, dtype, module__places_first=not first, **params)
