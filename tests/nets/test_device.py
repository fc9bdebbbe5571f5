"""Nets on another device answer as on the CPU.

The other device is a CUDA device (``make gpu``), or one that exists in tests only.
"""

import elsewhere
import numpy as np
import pytest
import torch
from nets_for_replay import OPTIMISERS
from nets_on_devices import LAYERS, METHODS, left_out, readings
from numpy.testing import assert_allclose


@pytest.fixture(scope="module")
def emulated():
    if not elsewhere.is_supported():
        pytest.skip("torch takes devices from Python from version 2.10 on")
    with elsewhere.process() as run:
        yield run


@pytest.fixture(params=["elsewhere", pytest.param("cuda", marks=pytest.mark.gpu)])
def on_device(request):
    """Return a function that calls another with the device as its keyword argument."""
    if request.param == "cuda":
        run = lambda function, *args, **params: function(*args, **params)
    else:
        run = request.getfixturevalue("emulated")
    return lambda function, *args, **params: run(
        function, *args, device=request.param, **params
    )


def compare(on_device, *args, **params):
    here = readings(*args, device="cpu", **params)
    there = on_device(readings, *args, **params)
    exact = params.get("dtype") != "float32"
    for mine, theirs in zip(here, there, strict=True):
        assert theirs.dtype == np.float64
        size = np.abs(mine).max()
        assert size > 0
        rtol = 1e-9 if exact else 1e-3
        assert_allclose(theirs, mine, rtol=rtol, atol=0.1 * rtol * size)


@pytest.mark.parametrize("method", METHODS)
def test_methods(on_device, method):
    compare(on_device, method)


@pytest.mark.parametrize("layer", sorted(LAYERS.keys() - {"Dropout"}))
def test_layers(on_device, layer):
    compare(on_device, "TracIn", layer=layer)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("method", ["HyDRA", "fast HyDRA", "TracIn, every step"])
def test_optimisers(on_device, method, optimiser):
    compare(on_device, method, optimiser=optimiser)
