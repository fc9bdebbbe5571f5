"""Weights that several Linear and Embedding layers share, as tied ones of text models.

The gradient of such a weight is the sum over its layers. An Embedding is a Linear layer
of one-hot vectors, so that all are sums of outer products, which are put together.
"""

from collections import Counter
from itertools import chain

import torch
from torch.nn import functional as F

from skinfluence.nets.gradients._blocks import Lookup, Outer


def _outer(block):
    """Return a block as outer products; a row of an Embedding's weight is a token's."""
    if not isinstance(block, Lookup):
        return block
    one_hot = F.one_hot(block.tokens, block.n_tokens).to(block.d.dtype)
    return Outer(block.weight, None, block.d, one_hot)


def _joined(blocks, weight, bias):
    parts = [(block.a, block.d) for block in blocks]
    if weight is None:
        parts = [(a[:, :, :0], d) for a, d in parts]
    a, d = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
    return Outer(weight, bias, a, d)


def put_together(blocks):
    """Return blocks of which no two hold the same weight or the same bias."""
    names = Counter(
        chain.from_iterable(
            {block.weight, getattr(block, "bias", None)} - {None}
            for block in blocks
            if isinstance(block, Outer | Lookup)
        )
    )
    if all(count == 1 for count in names.values()):
        return blocks
    out, parts = [], {}
    for block in blocks:
        if not isinstance(block, Outer | Lookup):
            out.append(block)
            continue
        own = {"weight": block.weight, "bias": getattr(block, "bias", None)}
        if all(names[name] == 1 for name in own.values() if name):
            out.append(block)
            continue
        for kind, name in own.items():
            if name:
                parts.setdefault((kind, name), []).append(_outer(block))
    for (kind, name), shared in parts.items():
        out.append(_joined(shared, **{"weight": None, "bias": None, kind: name}))
    return out
