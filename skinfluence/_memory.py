"""Refuse what does not fit into memory before it is allocated."""

import os


def check_memory(n_bytes, what, instead):
    """Raise MemoryError if ``n_bytes`` exceed the memory that is free now.

    Parameters
    ----------
    n_bytes : int
        What is about to be allocated.
    what : str
        Names it in the error.
    instead : str
        What to do instead.
    """
    if n_bytes < 2**26:  # asking the system would take longer than allocating
        return
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on this platform
        return
    # Free pages leave out caches that the system gives back on demand.
    available = max(free, total // 2)
    if n_bytes > available:
        raise MemoryError(
            f"{what} needs {n_bytes / 2**30:.1f} GiB, {available / 2**30:.1f} GiB are "
            f"available. {instead}"
        )
