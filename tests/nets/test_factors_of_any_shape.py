"""Factored gradients are autograd's gradients for layers of any size and setting."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_nets import N, check_products, images, net_of, sequences
from torch import nn


@settings(max_examples=40, deadline=None)
@given(
    n_in=st.integers(1, 6),
    n_out=st.integers(1, 6),
    places=st.integers(1, 5),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_linear_of_any_shape(n_in, n_out, places, bias, seed):
    X = torch.randn(N, places, n_in, dtype=torch.float64)
    net = net_of(lambda: nn.Linear(n_in, n_out, bias=bias), X, seed=seed)
    check_products(net, X, np.arange(N) % 3, 1e-12)


STEPS = {
    "stride": st.integers(1, 3),
    "padding": st.integers(0, 2),
    "dilation": st.integers(1, 2),
}


@settings(max_examples=40, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    n_out=st.sampled_from([2, 6]),
    options=st.fixed_dictionaries(STEPS | {"groups": st.sampled_from([1, 2])}),
)
def test_convolution_of_any_shape(kernel, n_out, options):
    X = images(torch.float64)
    net = net_of(lambda: nn.Conv2d(2, n_out, kernel, **options), X)
    check_products(net, X, np.arange(N) % 3, 1e-12)


@settings(max_examples=20, deadline=None)
@given(
    kernel=st.integers(1, 4),
    options=st.fixed_dictionaries(
        STEPS
        | {
            "groups": st.sampled_from([1, 2, 4]),
            "padding_mode": st.sampled_from(["zeros", "replicate"]),
            "bias": st.booleans(),
        }
    ),
)
def test_convolution_of_sequences_of_any_shape(kernel, options):
    X = sequences(torch.float64)
    net = net_of(lambda: nn.Conv1d(4, 4, kernel, **options), X)
    check_products(net, X, np.arange(N) % 3, 1e-12)


@settings(max_examples=20, deadline=None)
@given(
    n_tokens=st.integers(1, 30),
    size=st.integers(1, 5),
    places=st.integers(1, 6),
    padded=st.booleans(),
    seed=st.integers(0, 99),
)
def test_embedding_of_any_shape(n_tokens, size, places, padded, seed):
    generator = torch.manual_seed(seed)
    X = torch.randint(0, n_tokens, (N, places), generator=generator)
    padding = 0 if padded else None
    net = net_of(
        lambda: nn.Embedding(n_tokens, size, padding_idx=padding), X, seed=seed
    )
    check_products(net, X, np.arange(N) % 3, 1e-12)


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(["layer", "layers", "group", "batch"]),
    channels=st.sampled_from([2, 4, 6]),
    places=st.integers(2, 4),
    affine=st.booleans(),
    seed=st.integers(0, 99),
)
def test_normalisation_of_any_shape(kind, channels, places, affine, seed):
    generator = torch.manual_seed(seed)
    X = torch.randn(N, channels, places, dtype=torch.float64, generator=generator)
    build = {
        "layer": lambda: nn.LayerNorm(places, elementwise_affine=affine),
        "layers": lambda: nn.LayerNorm((channels, places), bias=affine),
        "group": lambda: nn.GroupNorm(2, channels, affine=affine),
        "batch": lambda: nn.BatchNorm1d(channels, affine=affine),
    }[kind]
    check_products(net_of(build, X, seed=seed), X, np.arange(N) % 3, 1e-12)
