"""`nn.RNN`, `nn.LSTM` and `nn.GRU` in single operations, one place after another.

torch computes them in one call, which `torch.func.vmap` cannot batch, cuDNN cannot
differentiate twice, and no hook can look into.
"""

from functools import partial

import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pad_packed_sequence,
)


def recurrent(module, linear, x, hx=None):
    """Return the output of the module, with all products by weights from ``linear``.

    ``linear(x, weight, bias)`` takes rows on the first axis and names of parameters.
    """
    if isinstance(x, PackedSequence):
        return _packed(module, linear, x, hx)
    if x.ndim == 2:  # one sequence without an axis for the batch
        if hx is not None:
            hx = _each(hx, lambda h: h[:, None])
        output, state = recurrent(module, linear, x[_axis(module)], hx)
        return output.squeeze(_axis(module).index(None)), _each(
            state, lambda h: h.squeeze(1)
        )
    x, drop = _turned(module, x), partial(F.dropout, p=module.dropout)
    output, state = _layers(module, linear, x, hx, drop)
    return _turned(module, output), state


def _axis(module):
    """Index that adds the axis of the batch to one sequence."""
    return (None,) if module.batch_first else (slice(None), None)


def _turned(module, x):
    """Swap the axes of rows and places if the module has rows first."""
    return x.transpose(0, 1) if module.batch_first else x


def _each(state, function):
    return tuple(map(function, state)) if isinstance(state, tuple) else function(state)


def _packed(module, linear, packed, hx):
    x, lengths = pad_packed_sequence(packed)
    inside = torch.arange(len(x))[:, None] < lengths
    order = packed.sorted_indices
    in_order = lengths if order is None else lengths[order.to(lengths.device)]

    def pack(x):
        x = x if order is None else x[:, order]
        return packed._replace(data=pack_padded_sequence(x, in_order).data)

    def drop(x):
        thin = pack(x)
        data = F.dropout(thin.data, module.dropout)
        return pad_packed_sequence(thin._replace(data=data))[0]

    output, state = _layers(module, linear, x, hx, drop, inside.to(x.device))
    return pack(output), state


def _layers(module, linear, x, hx, drop, inside=None):
    """Output and the last states of all layers and directions.

    The first axis of x and of the output has the places, also in memory, so that
    ``drop`` draws the random numbers for the same entries as torch's own dropout.
    """
    suffixes = ("", "_reverse") if module.bidirectional else ("",)
    is_lstm = module.mode == "LSTM"
    starts = hx if is_lstm and hx is not None else (hx,)
    ends = []
    for layer in range(module.num_layers):
        outputs = []
        for suffix in suffixes:
            if hx is None:
                width = getattr(module, "proj_size", 0) or module.hidden_size
                state = (x.new_zeros(x.shape[1], width),)
                if is_lstm:
                    state += (x.new_zeros(x.shape[1], module.hidden_size),)
            else:
                state = tuple(start[len(ends)] for start in starts)
            output, state = _direction(
                module, linear, f"_l{layer}{suffix}", x, state, inside
            )
            outputs.append(output)
            ends.append(state)
        x = torch.cat(outputs, dim=-1)
        if module.training and module.dropout and layer < module.num_layers - 1:
            x = drop(x)
    state = tuple(torch.stack(parts) for parts in zip(*ends, strict=True))
    return x, state if is_lstm else state[0]


def _direction(module, linear, name, x, state, inside):
    """One layer in one direction. A row keeps its state at places beyond its end."""
    biases = ("bias_ih" + name, "bias_hh" + name) if module.bias else (None, None)
    from_x = linear(x.transpose(0, 1), "weight_ih" + name, biases[0])
    places = range(len(x))
    outputs = [None] * len(places)
    for t in reversed(places) if name.endswith("_reverse") else places:
        from_h = linear(state[0], "weight_hh" + name, biases[1])
        after = _STEPS[module.mode](from_x[:, t], from_h, state)
        if getattr(module, "proj_size", 0):
            after = (linear(after[0], "weight_hr" + name, None), after[1])
        if inside is not None:
            after = tuple(
                torch.where(inside[t, :, None], new, old)
                for new, old in zip(after, state, strict=True)
            )
        state, outputs[t] = after, after[0]
    return torch.stack(outputs), state


def _lstm(from_x, from_h, state):
    i, f, g, o = (from_x + from_h).chunk(4, dim=-1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def _gru(from_x, from_h, state):
    x_r, x_z, x_n = from_x.chunk(3, dim=-1)
    h_r, h_z, h_n = from_h.chunk(3, dim=-1)
    z = torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n)
    return ((1 - z) * n + z * state[0],)


_STEPS = {
    "RNN_TANH": lambda from_x, from_h, state: (torch.tanh(from_x + from_h),),
    "RNN_RELU": lambda from_x, from_h, state: (torch.relu(from_x + from_h),),
    "LSTM": _lstm,
    "GRU": _gru,
}
