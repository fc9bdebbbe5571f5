"""Available memory: of the machine, of the process and of its control group.

Every file is looked up below a root, so that tests can describe another machine by a
folder.
"""

import os
from pathlib import Path, PurePosixPath

try:
    import resource
except ImportError:  # Windows
    resource = None

# The files of a control group, by version: the limit, the memory in use, and the entry
# of memory.stat for the part of it that is cached files, which are freed on demand.
CGROUP_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}


def memory_limits(root="/"):
    """Return the memory that is available under each limit.

    Parameters
    ----------
    root : path, default="/"
        The folder that holds ``proc``.

    Returns
    -------
    limits : list of (int, str)
        Available bytes, not below zero, and the name of the limit.
    """
    root = Path(root)
    left = [
        (_of_machine(root), "of the machine's memory"),
        *_of_process(root),
        *((left, "of what its control group allows") for left in _of_groups(root)),
    ]
    return [(max(0, n_bytes), of) for n_bytes, of in left if n_bytes is not None]


def _of_machine(root):
    """Bytes available without swapping; None if unknown."""
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        page, total = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on this platform
        return None
    # The number of free pages is too low, since caches are freed on demand.
    return page * total // 2


def _of_process(root):
    """Yield the memory left under the process's limits (``ulimit -v``, ``-d``)."""
    if resource is None:
        return
    pages = _read(root / "proc/self/statm").split()
    for name, column in (("RLIMIT_AS", 0), ("RLIMIT_DATA", 5)):
        limit, _ = resource.getrlimit(getattr(resource, name))
        if limit != resource.RLIM_INFINITY:
            used = int(pages[column]) * resource.getpagesize() if pages else 0
            yield limit - used, f"of what the process may take ({name})"


def _of_groups(root):
    """Yield the memory left in the process's control groups and their parents."""
    mounts = list(_mounts(root))
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        version = 1 if controllers else 2
        if version == 1 and "memory" not in controllers.split(","):
            continue
        for kind, shown, point in mounts:
            if kind == version:
                yield from _of_path(point, _below(path, shown), *CGROUP_FILES[kind])


def _mounts(root):
    """Yield version, root inside the hierarchy and folder of mounted hierarchies."""
    for line in _read(root / "proc/self/mountinfo").splitlines():
        fields = line.split()
        kind, _, options = fields[fields.index("-") + 1 :][:3]
        if kind == "cgroup2" or (kind == "cgroup" and "memory" in options.split(",")):
            yield 2 if kind == "cgroup2" else 1, fields[3], root / fields[4][1:]


def _below(path, shown):
    """Return a group's path below a mount that shows a part of the hierarchy.

    In a container the group itself is mounted, and paths may be those of the host.
    """
    path, shown = PurePosixPath(path), PurePosixPath(shown)
    if ".." in path.parts or not path.is_relative_to(shown):
        return PurePosixPath()
    return path.relative_to(shown)


def _of_path(point, path, limit_file, used_file, cached_name):
    for group in (path, *path.parents):
        folder = point / group
        limit, used = _number(folder / limit_file), _number(folder / used_file)
        if limit is None or used is None:
            continue
        stat = _read(folder / "memory.stat").splitlines()
        cached = sum(int(s.split()[1]) for s in stat if s.split()[0] == cached_name)
        yield limit - used + cached


def _number(path):
    """Return the number in a file; None if there is none, as for "max"."""
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _read(path):
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):  # not on this platform, or not readable
        return ""
