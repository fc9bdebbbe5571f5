"""Modules that apply several linear maps in one call: attention and recurrent nets.

They are computed in single operations instead, so that `torch.func.vmap` can batch
them, they can be differentiated twice, and each of their linear maps can be observed.
"""

from contextlib import contextmanager
from functools import cache, partial
from operator import attrgetter

import torch
from torch import nn
from torch.nn import functional as F

from skinfluence.nets._device import generator_states, random_state
from skinfluence.nets.gradients._attention import attention, is_plain
from skinfluence.nets.gradients._blocks import Outer
from skinfluence.nets.gradients._recurrent import recurrent

_FUSED = {
    nn.MultiheadAttention: attention,
    nn.RNN: recurrent,
    nn.LSTM: recurrent,
    nn.GRU: recurrent,
}
_OF_ATTENTION = {"in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"}


def fused_forward(module):
    """Return ``forward(module, linear, *inputs)`` in single operations, or None."""
    for cls, forward in _FUSED.items():
        if isinstance(module, cls) and type(module).forward is cls.forward:
            return forward if forward is recurrent or is_plain(module) else None
    return None


def fused_parameters(module):
    """Return the parameters of a fused module's linear maps, by name."""
    if isinstance(module, nn.MultiheadAttention):
        return {k: p for k, p in module.named_parameters() if k in _OF_ATTENTION}
    return dict(module.named_parameters(recurse=False))


def plain_linear(module, x, weight, bias, part=slice(None)):
    """One of a fused module's linear maps, or some of its outputs."""
    b = None if bias is None else attrgetter(bias)(module)[part]
    return F.linear(x, attrgetter(weight)(module)[part], b)


@contextmanager
def replaced(attributes):
    """Give modules other attributes, a dict by (module, name)."""
    before = [(vars(module), name) for module, name in attributes]
    before = [(own, name, own.get(name, _MISSING)) for own, name in before]
    try:
        replace(attributes)
        yield
    finally:
        for own, name, value in before:
            own[name] = value
            if value is _MISSING:
                del own[name]


_MISSING = object()


def replace(attributes):
    """Give modules other attributes for good."""
    for (module, name), value in attributes.items():
        vars(module)[name] = value


def unfused(root):
    """Return attributes with which modules below ``root`` compute in single operations.

    Attributes as `replaced` takes them.
    """
    attributes = {}
    for module in root.modules():
        forward = fused_forward(module)
        if forward is not None:
            linear = partial(plain_linear, module)
            attributes[module, "forward"] = partial(forward, module, linear)
        elif isinstance(module, nn.TransformerEncoder):
            attributes[module, "use_nested_tensor"] = False
        for name in _BEHIND_ATTENTION.get(type(module), ()):
            weight = module.self_attn.out_proj.weight
            if module.self_attn.batch_first and _draws_by_memory(weight.device):
                drop = getattr(module, name)
                attributes[drop, "forward"] = partial(_drop_places_first, drop)
    return attributes


@cache
def _draws_by_memory(device):
    """Tell whether dropout draws in the order of memory; torch 2.2 does not."""
    x, states, drawn = torch.ones(16, 17, device=device), generator_states(device), []
    for contiguous in (False, True):
        with random_state(states, device):
            drawn.append(F.dropout(x).T if contiguous else F.dropout(x.T))
    return torch.equal(*drawn)


_BEHIND_ATTENTION = {
    nn.TransformerEncoderLayer: ("dropout1",),
    nn.TransformerDecoderLayer: ("dropout1", "dropout2"),
}


def _drop_places_first(module, x):
    """Draw in the order of memory behind attention, which vmap does not know."""
    x = x.transpose(0, 1) if x.ndim == 3 else x
    x = F.dropout(x, module.p, module.training)
    return x.transpose(0, 1) if x.ndim == 3 else x


class NotRows(Exception):
    """A linear map has inputs without rows on the first axis."""


class Observed:
    """The linear maps of one module, with a probe added to the output of each.

    Parameters
    ----------
    module : torch.nn.Module
        With a `fused_forward`.
    n : int
        Number of rows.
    """

    def __init__(self, module, n):
        self.module, self.n, self.calls = module, n, []

    def __call__(self, x, weight, bias, part=slice(None)):
        """Compute the map and record inputs and probe."""
        if len(x) != self.n:
            raise NotRows
        output = plain_linear(self.module, x, weight, bias, part)
        probe = torch.zeros_like(output, requires_grad=True)
        self.calls.append((weight, bias, part, x.detach(), probe))
        return output + probe

    def blocks(self, names, errors):
        """Return one block per weight, from an iterator of errors at the probes."""
        pairs = {}
        for weight, bias, part, x, _ in self.calls:
            error = next(errors).reshape(self.n, -1, self._width(weight, part))
            if part != slice(None):
                full = error.new_zeros(*error.shape[:2], self._width(weight))
                full[:, :, part] = error
                error = full
            x = x.reshape(self.n, -1, x.shape[-1])
            pairs.setdefault((weight, bias), []).append((x, error))
        return [
            Outer(
                names.get(weight),
                names.get(bias),
                *(torch.cat(parts, dim=1) for parts in zip(*own, strict=True)),
            )
            for (weight, bias), own in pairs.items()
            if weight in names or bias in names
        ]

    def _width(self, weight, part=slice(None)):
        return len(attrgetter(weight)(self.module)[part])
