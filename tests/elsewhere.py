"""A second device for torch, whose memory is the CPU's: ``torch.device("elsewhere")``.

It stands in for a GPU in tests. As on one, operations on tensors of both devices raise,
random numbers come from a generator of its own, and data move by explicit copies, which
are counted in `TRANSFERS`.

A tensor of the device is made from one of the CPU by DLPack, with the number of the
device changed: both share their memory, and torch takes the result for a tensor of its
extension device, "PrivateUse1". The operations of this device are the CPU's on the
shared memory.

torch knows a device for the rest of a process, and only if it is registered before the
first backward pass. `run` therefore calls functions in a process of their own.
"""

import ctypes
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from multiprocessing import get_context

import torch

NAME = "elsewhere"
FREE_BYTES = 2**22
# Copies "in" and "out", and values "read", for which a device must be waited for.
TRANSFERS = Counter()

_CPU, _EXTENSION = 1, 12  # numbers of devices in DLPack


class _Managed(ctypes.Structure):
    """The beginning of DLPack's DLManagedTensor."""

    _fields_ = [("data", ctypes.c_void_p), ("device", ctypes.c_int)]


_address = ctypes.pythonapi.PyCapsule_GetPointer
_address.restype, _address.argtypes = (
    ctypes.c_void_p,
    [ctypes.py_object, ctypes.c_char_p],
)


def _relabelled(tensor, number):
    capsule = torch._C._to_dlpack(tensor)
    _Managed.from_address(_address(capsule, b"dltensor")).device = number
    return torch._C._from_dlpack(capsule)


def _here(tensor):
    """View the memory of a tensor of the device as one of the CPU."""
    return _relabelled(tensor, _CPU)


def _there(tensor):
    return _relabelled(tensor, _EXTENSION)


class _Elsewhere:
    """``torch.elsewhere``, like ``torch.cuda``."""

    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)

    def is_initialized(self):
        return True

    def is_available(self):
        return True

    def _is_in_bad_fork(self):
        return False

    def device_count(self):
        return 1

    def current_device(self):
        return 0

    def mem_get_info(self, device=None):
        return FREE_BYTES, 2 * FREE_BYTES

    def manual_seed_all(self, seed):
        self.generator.manual_seed(seed)

    def get_rng_state(self, device=None):
        return self.generator.get_state()

    def set_rng_state(self, state, device=None):
        self.generator.set_state(state)

    @contextmanager
    def drawing(self):
        """Let the CPU's generator continue that of the device."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.generator.get_state())
            yield
            self.generator.set_state(torch.get_rng_state())


def _run_operation(operation, *args, **kwargs):
    """Run any operation on the memory that its tensors share with the CPU."""
    pairs = {}

    def enter(value):
        if isinstance(value, torch.Tensor):
            if value.device.type == NAME:
                own = _here(value)
                # An empty output is resized, and shared memory cannot be.
                own = own if value.numel() else own.clone()
                pairs[id(own)] = value, own
                return own
            if value.ndim:  # numbers may be on the CPU
                raise RuntimeError(f"{operation} got tensors on cpu and on {NAME}.")
        elif isinstance(value, torch.device):
            return torch.device("cpu")
        elif isinstance(value, list | tuple):
            return [enter(part) for part in value]
        return value

    def leave(value):
        if isinstance(value, torch.Tensor):
            return pairs[id(value)][0] if id(value) in pairs else _there(value)
        if isinstance(value, list | tuple):
            return type(value)(leave(part) for part in value)
        return value

    args = [enter(value) for value in args]
    kwargs = {key: enter(value) for key, value in kwargs.items()}
    with _drawing(operation):
        result = operation(*args, **kwargs)
    for given, own in pairs.values():
        if own.shape != given.shape:
            given.data = _there(own)
    return leave(result)


def _drawing(operation):
    """Context of an operation; count one whose result's shape depends on the values."""
    if torch.Tag.dynamic_output_shape in operation.tags:
        TRANSFERS["read"] += 1
    if torch.Tag.nondeterministic_seeded in operation.tags:
        return torch.elsewhere.drawing()
    return nullcontext()


def _copy(source, target, non_blocking=False):
    inwards, outwards = target.device.type == NAME, source.device.type == NAME
    if not (inwards and outwards):
        TRANSFERS["in" if inwards else "out"] += 1
    source = _here(source) if outwards else source
    (_here(target) if inwards else target).copy_(source)
    return target


def _read(tensor):
    TRANSFERS["read"] += 1
    return _here(tensor).item()


def _zeros(size, *, dtype=None, layout=None, device=None, pin_memory=None):
    """Zeros with memory, where torch would keep none for a tangent that is zero."""
    return _there(torch.zeros(size, dtype=dtype))


def _as_on_cpu(name):
    operation = getattr(torch.ops.aten, name).default
    return lambda *args, **kwargs: _run_operation(operation, *args, **kwargs)


_libraries = []  # registrations end with these objects


def register():
    """Make the device known to torch in this process."""
    from torch.utils import backend_registration

    backend_registration._setup_privateuseone_for_python_backend(NAME, _Elsewhere())
    every, own = (
        torch.library.Library("_", "IMPL"),
        torch.library.Library("aten", "IMPL"),
    )
    every.fallback(_run_operation, "PrivateUse1")
    for name, function in {
        "_copy_from": _copy,
        "_local_scalar_dense": _read,
        "_efficientzerotensor": _zeros,
        # Without these torch would call its hook for devices that it does not know.
        "convolution": _as_on_cpu("convolution"),
        "convolution_backward": _as_on_cpu("convolution_backward"),
    }.items():
        own.impl(name, function, "PrivateUse1")
    _libraries.extend([every, own])


def is_supported():
    """Tell whether this version of torch takes devices from Python."""
    from torch.utils import backend_registration

    return hasattr(backend_registration, "_setup_privateuseone_for_python_backend")


@contextmanager
def process():
    """Yield a function that calls functions, of importable modules, with the device."""
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_start) as pool:
        yield lambda *args, **params: pool.submit(*args, **params).result()


def _start():
    torch.set_num_threads(1)
    register()
