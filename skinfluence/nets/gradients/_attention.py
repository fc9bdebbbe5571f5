"""`nn.MultiheadAttention` in single operations.

torch computes it in one function, which no hook can look into, and whose fused kernels
cannot be differentiated twice.
"""

import torch
from torch.nn import functional as F


def is_plain(module):
    """Tell whether `attention` has all that the module does."""
    return (
        module.in_proj_weight is not None  # keys and values as wide as queries
        and module.bias_k is None
        and not module.add_zero_attn
    )


def attention(
    module,
    linear,
    query,
    key,
    value,
    key_padding_mask=None,
    need_weights=True,
    attn_mask=None,
    average_attn_weights=True,
    is_causal=False,  # a hint: attn_mask is the causal mask
):
    """Return the output of the module, with all products by weights from ``linear``.

    ``linear(x, weight, bias, part)`` takes rows on the first axis, names of parameters,
    and the outputs that are computed, a slice.
    """
    if query.ndim == 2:  # one row without an axis for the batch
        axis = 0 if module.batch_first else 1
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask[None]
        output, weights = attention(
            module,
            linear,
            *_same(query, key, value, lambda x: x.unsqueeze(axis)),
            key_padding_mask,
            need_weights,
            attn_mask,
            average_attn_weights,
        )
        return output.squeeze(axis), None if weights is None else weights[0]
    if not module.batch_first:
        query, key, value = _same(query, key, value, lambda x: x.transpose(0, 1))
    size, n_heads = module.embed_dim, module.num_heads
    names = "in_proj_weight", None if module.in_proj_bias is None else "in_proj_bias"
    if query is key and key is value:
        parts = linear(query, *names).chunk(3, dim=-1)
    else:
        parts = [
            linear(x, *names, slice(k * size, (k + 1) * size))
            for k, x in enumerate((query, key, value))
        ]
    q, k, v = (x.unflatten(-1, (n_heads, -1)).transpose(1, 2) for x in parts)
    scores = q @ k.mT / module.head_dim**0.5
    if attn_mask is not None:
        mask = _added(attn_mask, scores.dtype)
        if mask.ndim == 3:  # one mask per row and head
            mask = mask.reshape(scores.shape)
        scores = scores + mask
    if key_padding_mask is not None:
        scores = scores + _added(key_padding_mask, scores.dtype)[:, None, None]
    nothing = (scores == -torch.inf).all(dim=-1, keepdim=True)
    weights = torch.softmax(scores.masked_fill(nothing, 0.0), dim=-1)
    weights = weights.masked_fill(nothing, 0.0)
    weights = F.dropout(weights, module.dropout, module.training)
    mixed = (weights @ v).transpose(1, 2).flatten(2)
    bias = None if module.out_proj.bias is None else "out_proj.bias"
    # Places first in memory, as torch has it, for a dropout behind this module.
    output = linear(mixed, "out_proj.weight", bias).transpose(0, 1).contiguous()
    if module.batch_first:
        output = output.transpose(0, 1)
    if not need_weights:
        return output, None
    return output, weights.mean(dim=1) if average_attn_weights else weights


def _same(query, key, value, function):
    """Apply a function; inputs that are the same object stay the same object."""
    done = {id(x): function(x) for x in (query, key, value)}
    return tuple(done[id(x)] for x in (query, key, value))


def _added(mask, dtype):
    """Return the mask as numbers that are added to the scores."""
    if mask.dtype == torch.bool:
        return torch.zeros_like(mask, dtype=dtype).masked_fill(mask, -torch.inf)
    return mask
