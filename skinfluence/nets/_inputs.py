"""Batches of inputs of a net: a tensor, or tensors in a container."""

import torch


def rows_of(inputs, rows):
    """Index the rows of a batch of inputs: a tensor, or tensors in a container."""
    if isinstance(inputs, torch.Tensor):
        return inputs[rows]
    if isinstance(inputs, dict):
        return {k: rows_of(v, rows) for k, v in inputs.items()}
    return type(inputs)(rows_of(v, rows) for v in inputs)


def count_rows(inputs):
    """Return the number of rows of a batch of inputs."""
    while not isinstance(inputs, torch.Tensor):
        inputs = next(iter(inputs.values() if isinstance(inputs, dict) else inputs))
    return len(inputs)
