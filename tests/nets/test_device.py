"""Nets on another device answer as on the CPU.

The other device is a CUDA device (``make gpu``), or one that exists in tests only.
"""

import elsewhere
import numpy as np
import pytest
from nets_for_replay import OPTIMISERS
from nets_on_devices import (
    LAYERS,
    METHODS,
    block_sizes,
    dropout,
    iterations,
    left_out,
    matrix,
    mixed,
    mixed_index,
    readings,
    smoothness,
    transfers,
    without_room,
)
from numpy.testing import assert_allclose
from skorch.callbacks import GradientNormClipping


@pytest.fixture(scope="module")
def emulated():
    if not elsewhere.is_supported():
        pytest.skip("this version of torch takes no devices from Python")
    with elsewhere.process() as run:
        yield run


@pytest.fixture(params=["elsewhere", pytest.param("cuda", marks=pytest.mark.gpu)])
def on_device(request):
    """Return a function that calls another with the device as its keyword argument."""
    if request.param == "cuda":
        return lambda function, *args, **params: function(
            *args, device="cuda", **params
        )
    run = request.getfixturevalue("emulated")
    return lambda *args, **params: run(*args, device="elsewhere", **params)


def compare(on_device, *args, function=readings, **params):
    here = function(*args, device="cpu", **params)
    there = on_device(function, *args, **params)
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
@pytest.mark.parametrize(
    "method", ["HyDRA", "fast HyDRA", "SOURCE", "TracIn, every step"]
)
def test_optimisers(on_device, method, optimiser):
    compare(on_device, method, function=matrix, optimiser=optimiser)


@pytest.mark.parametrize("method", ["TracIn", "TRAK", "HyDRA", "gauss_newton"])
def test_float32(on_device, method):
    compare(on_device, method, layer="Conv1d", dtype="float32")


@pytest.mark.parametrize("method", ["HyDRA", "fast HyDRA", "TracIn, every step"])
def test_settings_of_single_parameters(on_device, method):
    groups = [("before.*", {"lr": 0.05}), ("layer.*", {"lr": 0.01})]
    compare(
        on_device,
        method,
        layer="LayerNorm",
        optimiser="momentum",
        optimizer__param_groups=groups,
        callbacks=[GradientNormClipping(0.5)],
    )


def test_dropout_draws_the_masks_of_the_run(on_device):
    drift, difference = on_device(dropout)
    assert drift < 1e-8
    assert difference < 1e-8


def test_rows_left_out(on_device):
    assert_allclose(on_device(left_out), left_out("cpu"), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_transfers_do_not_grow_with_the_run(emulated, method):
    """Neither with the number of steps nor with that of test rows."""
    few, many = (
        emulated(transfers, method, "elsewhere", max_epochs=n_epochs, n_test=n_test)
        for n_epochs, n_test in [(2, 3), (3, 5)]
    )
    assert sum(few.values()) > 0
    assert few == many


def test_smoothness(on_device):
    compare(on_device, function=smoothness)


def test_iterations_transfer_no_data(emulated):
    """Conjugate gradients only ask, after every eighth iteration, whether to end."""
    few, more = (
        emulated(iterations, "ekfac", 1.0, "elsewhere", refine=k) for k in (1, 4)
    )
    assert (few[0], more[0]) == (1, 4)
    assert few[1] == more[1]
    all_of_them = emulated(iterations, "cg", 1.0, "elsewhere")
    assert all_of_them[0] % 8 == 0
    assert more[1].pop("read") < all_of_them[1].pop("read")
    assert more[1] == all_of_them[1]


def test_iterations_without_room_for_the_rows(emulated):
    (there,), (here,) = emulated(without_room, "elsewhere"), without_room("cpu")
    assert_allclose(there, here, rtol=1e-9, atol=1e-10 * np.abs(here).max())


def test_tensors_of_two_devices_do_not_mix(emulated):
    with pytest.raises(RuntimeError, match="device"):
        emulated(mixed)
    with pytest.raises(RuntimeError, match="cpu and on elsewhere"):
        emulated(mixed_index)


def test_blocks_follow_the_free_memory(emulated):
    small, large = emulated(block_sizes)
    assert small > 1
    assert large // 4 == small
