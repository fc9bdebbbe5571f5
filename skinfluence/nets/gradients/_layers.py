"""Rules: the gradients of a layer's parameters from its inputs and output errors.

``layer_block(module, names, calls)`` takes the pairs (input, error) of every call of
the module, with the batch on the first axis, and returns a block, or None if the layer
has no rule. ``names`` maps the module's own parameter names to those of the net.
"""

import torch
from torch import nn
from torch.nn import functional as F

from skinfluence.nets.gradients._blocks import Dense, Lookup, Outer


def _joined(parts, dim):
    """Concatenate tensors of the calls of a module; a single one is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=dim)


def _linear(module, names, calls):
    a = _joined([x.reshape(len(x), -1, x.shape[-1]) for x, _ in calls], dim=1)
    d = _joined([e.reshape(len(e), -1, e.shape[-1]) for _, e in calls], dim=1)
    return Outer(names.get("weight"), names.get("bias"), a, d)


def _padding(module):
    """Return the padding of each axis, the last axis first, as `F.pad` takes it."""
    pairs = []
    for axis, kernel in enumerate(module.kernel_size):
        if module.padding == "same":
            total = module.dilation[axis] * (kernel - 1)
            pairs.append((total // 2, total - total // 2))
        elif module.padding == "valid":
            pairs.append((0, 0))
        else:
            pairs.append((module.padding[axis],) * 2)
    return [side for pair in reversed(pairs) for side in pair]


def _conv(module, names, calls):
    n_axes = len(module.kernel_size)
    patches, errors = [], []
    for x, error in calls:
        if x.ndim != n_axes + 2:
            return None  # without a batch axis
        mode = module.padding_mode
        x = F.pad(x, _padding(module), mode="constant" if mode == "zeros" else mode)
        kernel, dilation, stride = module.kernel_size, module.dilation, module.stride
        if n_axes == 1:
            x = x[:, :, None]
            kernel, dilation, stride = (1, *kernel), (1, *dilation), (1, *stride)
        unfolded = F.unfold(x, kernel, dilation=dilation, stride=stride)
        patches.append(unfolded)
        errors.append(error.reshape(len(error), error.shape[1], -1))
    a, d = _joined(patches, dim=2), _joined(errors, dim=2)
    if module.groups == 1:
        return Outer(names.get("weight"), names.get("bias"), a.mT, d.mT)
    parts, n, groups = {}, len(a), module.groups
    if "weight" in names:
        per_group = d.reshape(n * groups, d.shape[1] // groups, -1)
        inputs = a.reshape(n * groups, a.shape[1] // groups, -1)
        parts[names["weight"]] = torch.bmm(per_group, inputs.mT).reshape(n, -1)
    if "bias" in names:
        parts[names["bias"]] = d.sum(dim=2)
    return Dense(parts)


def _embedding(module, names, calls):
    if module.scale_grad_by_freq or module.max_norm is not None:
        return None  # the gradient is not a function of the row alone
    tokens = _joined([x.reshape(len(x), -1) for x, _ in calls], dim=1)
    d = _joined([e.reshape(len(e), -1, e.shape[-1]) for _, e in calls], dim=1)
    if module.padding_idx is not None:
        d = d * (tokens != module.padding_idx)[:, :, None]
    return Lookup(names["weight"], tokens, d, module.num_embeddings)


def _affine(names, normalised, errors, channel_axis):
    """Gradients of a weight and a bias per channel: sums over all axes of a row."""
    parts = {}
    for name, terms in (
        ("weight", [x * d for x, d in zip(normalised, errors, strict=True)]),
        ("bias", errors),
    ):
        if name in names:
            sums = [
                t.movedim(channel_axis, -1).reshape(len(t), -1, t.shape[channel_axis])
                for t in terms
            ]
            parts[names[name]] = sum(t.sum(dim=1) for t in sums)
    return Dense(parts)


def _layer_norm(module, names, calls):
    shape, parts = module.normalized_shape, {}
    size = torch.Size(shape).numel()
    for x, error in calls:
        normal = F.layer_norm(x, shape, eps=module.eps)
        for name, term in (("weight", normal * error), ("bias", error)):
            if name in names:
                total = term.reshape(len(x), -1, size).sum(dim=1)
                parts[names[name]] = parts.get(names[name], 0) + total
    return Dense(parts)


def _group_norm(module, names, calls):
    normal = [F.group_norm(x, module.num_groups, eps=module.eps) for x, _ in calls]
    return _affine(names, normal, [d for _, d in calls], channel_axis=1)


def _batch_norm(module, names, calls):
    if module.running_mean is None:
        return None  # the statistics of the batch: rows are not independent
    normal = [
        F.batch_norm(x, module.running_mean, module.running_var, eps=module.eps)
        for x, _ in calls
    ]
    return _affine(names, normal, [d for _, d in calls], channel_axis=1)


_RULES = {
    nn.Linear: _linear,
    nn.Conv1d: _conv,
    nn.Conv2d: _conv,
    nn.Embedding: _embedding,
    nn.LayerNorm: _layer_norm,
    nn.GroupNorm: _group_norm,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.BatchNorm3d: _batch_norm,
}


def _rule(module):
    """Return the rule of a module, also for subclasses that do not change forward."""
    for cls, rule in _RULES.items():
        if isinstance(module, cls) and type(module).forward is cls.forward:
            return rule
    return None


def has_rule(module):
    """Tell whether a module has a rule."""
    return _rule(module) is not None


def works_by_place(module):
    """Tell whether a module does the same at all indices of all axes but the last.

    Rows may then be on another axis than the first.
    """
    return _rule(module) in (_linear, _embedding, _layer_norm)


def may_share(module):
    """Tell whether layers of this kind can have one weight in common."""
    return _rule(module) in (_linear, _embedding)


def layer_block(module, names, calls):
    """Return the gradients of all rows as a block, or None."""
    return _rule(module)(module, names, calls)
