"""Results on disk, for the parameter ``memory``, each with its own digest.

``joblib.Memory`` unpickles an entry without verifying it, logs a part of the arguments
if that fails, and drops all entries of a function whose source has changed. Therefore
only its hash, its format and its folder layout are used, so that its ``clear`` and
``reduce_size`` work on these entries too.
"""

import errno
import io
import os
import tempfile
import warnings
from hashlib import sha256
from inspect import isclass, signature
from pathlib import Path
from pickle import PicklingError
from sys import modules

import joblib
import numpy
import scipy
import sklearn

FOLDER, FILE = "skinfluence", "output.pkl"
FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
UNPICKLABLE = AttributeError, PicklingError, TypeError


def open_entries(memory):
    """Return the object that keeps results, or None.

    Parameters
    ----------
    memory : str, path, joblib.Memory, object with a method ``cache``, or None
        A Memory whose store is not a folder, and other objects, keep results in their
        own way, without digests.
    """
    if isinstance(memory, str | os.PathLike):
        return Entries(Path(memory))
    if isinstance(memory, joblib.Memory):
        if memory.store_backend is None:
            return None
        if memory.backend == "local":
            return Entries(Path(memory.store_backend.location))
    return None if memory is None else ForeignEntries(memory)


def check_folder(memory):
    """Raise ValueError if the parameter ``memory`` is not a folder with write access.

    To be called before long work. A full disk is not an error, since results are then
    only not kept.
    """
    if isinstance(memory, joblib.Memory):
        memory = memory.store_backend and memory.store_backend.location
    if not isinstance(memory, str | os.PathLike):
        return
    try:
        Path(memory).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=memory):
            pass
    except OSError as error:
        if error.errno not in FULL:
            raise ValueError(
                "The 'memory' parameter must name a folder that can be written to. Got "
                f"{os.fspath(memory)!r}: {error.strerror}. Choose another, or set "
                "memory=None."
            ) from error


def versions(*parts):
    """Return the versions of the libraries that compute results, as a part of keys.

    Parameters
    ----------
    *parts : estimator or other object
        The versions of the libraries of their classes are included, as are those of
        their parameters and of base classes.
    """
    libraries = {modules["skinfluence"], sklearn, numpy, scipy}
    for part in parts:
        values = [part]
        if hasattr(part, "get_params") and not isclass(part):
            values += part.get_params(deep=True).values()
        for value in values:
            kind = value if isclass(value) else type(value)
            names = [base.__module__ for base in kind.__mro__]
            names.append(getattr(value, "__module__", None) or "builtins")
            libraries.update(modules.get(name.split(".")[0]) for name in names)
    return sorted(
        (library.__name__, str(library.__version__))
        for library in libraries
        if hasattr(library, "__version__")
    )


def entry_key(*parts):
    """Return the key of a result."""
    try:
        return joblib.hash(parts)
    except UNPICKLABLE as error:
        raise ValueError(
            "The 'memory' parameter needs an estimator, data and loss that can be "
            f"pickled. Got {str(error)[:200]}. Replace lambdas and local functions or "
            "classes by those of a module, or set memory=None."
        ) from error


class Entries:
    """Results in a folder. Problems are collected and do not raise.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.

    Attributes
    ----------
    problems : set of str
        Problems since the last warning. Workers add to them, `tell` warns of them.
    """

    one_first = False

    def __init__(self, folder):
        self.folder, self.problems, self.told = folder, set(), set()

    def cache(self, function, ignore=()):
        """Return a function that reads its result from disk if there is one."""
        return Kept(self, function, ignore)

    def read(self, key):
        """Return whether there is an undamaged entry, and its result."""
        try:
            sealed = self._path(key).read_bytes()
        except FileNotFoundError:
            return False, None
        except OSError:  # for instance a folder in its place, or a failing disk
            return self._damaged()
        digest, content = sealed[:32], sealed[32:]
        if digest != self._digest(key, content):
            return self._damaged()
        try:
            return True, joblib.load(io.BytesIO(content))
        except Exception:  # unpickling a class that has changed may raise anything
            return self._damaged()

    def write(self, key, result):
        """Write a result atomically."""
        content = io.BytesIO()
        try:
            joblib.dump(result, content, compress=True)
        except UNPICKLABLE:
            self.problems.add("Results that pickle cannot write are not kept")
            return
        content, path = content.getvalue(), self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(".part", dir=path.parent)
            try:
                with open(handle, "wb") as file:
                    file.write(self._digest(key, content) + content)
                os.replace(name, path)
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            self.problems.add(
                f"Results could not be written and are not kept ({error.strerror}): "
                "the run continues without them"
            )

    def tell(self, problems=()):
        """Warn once of every problem, including those of workers."""
        fresh = (self.problems | set(problems)) - self.told
        self.told |= fresh
        self.problems = set()
        for problem in sorted(fresh):
            warnings.warn(f"memory={str(self.folder)!r}: {problem}.", stacklevel=3)

    def _path(self, key):
        return self.folder / FOLDER / key / FILE

    @staticmethod
    def _digest(key, content):
        return sha256(key.encode() + content).digest()

    def _damaged(self):
        self.problems.add("Damaged entries were found and are computed again")
        return False, None


class ForeignEntries:
    """Results kept by an object with the interface of ``joblib.Memory``."""

    # joblib records the source of the cached function, and drops the entries if two
    # workers do so at the same time.
    one_first = True

    def __init__(self, memory):
        self.memory = memory

    def cache(self, function, ignore=()):
        """Return a function that reads its result from the store if there is one."""
        return self.memory.cache(function, ignore=list(ignore))

    def tell(self, problems=()):
        """Do nothing: problems are unknown."""


class Kept:
    """A function whose results are `Entries`, keyed by all arguments not ignored."""

    def __init__(self, entries, function, ignore):
        self.entries, self.function, self.ignore = entries, function, set(ignore)

    def __call__(self, *args, **kwargs):
        named = signature(self.function).bind(*args, **kwargs).arguments
        counted = [item for item in named.items() if item[0] not in self.ignore]
        key = entry_key(self.function.__qualname__, counted)
        found, result = self.entries.read(key)
        if not found:
            result = self.function(*args, **kwargs)
            self.entries.write(key, result)
        return result


def take_problems(cached):
    """Return the problems with the entries of a function, and clear them."""
    if not isinstance(cached, Kept):
        return set()
    problems, cached.entries.problems = cached.entries.problems, set()
    return problems
