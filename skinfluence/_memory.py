"""Check that an array fits into memory before it is allocated."""

from skinfluence._memory_limits import memory_limits

SMALL = 2**26  # bytes; below, the check would take longer than the allocation


def check_memory(n_bytes, what, instead):
    """Raise MemoryError if ``n_bytes`` exceed the memory that may still be used.

    Parameters
    ----------
    n_bytes : int
        Size of the allocation.
    what : str
        Its name in the error.
    instead : str
        Advice for the error, a full sentence.
    """
    if n_bytes < SMALL:
        return
    limits = memory_limits()
    if not limits:  # unknown on this platform
        return
    available, of = min(limits)
    if n_bytes > available:
        raise MemoryError(
            f"{what} would take {memory_size(n_bytes)}, {memory_size(available)} are "
            f"available {of}. {instead}"
        )


def memory_size(n_bytes):
    """Write a number of bytes.

    Examples
    --------
    >>> from skinfluence._memory import memory_size
    >>> memory_size(3 * 2**29), memory_size(2**20)
    ('1.5 GiB', '1 MiB')
    """
    if n_bytes < 2**30:
        return f"{n_bytes / 2**20:.0f} MiB"
    return f"{n_bytes / 2**30:.1f} GiB"
