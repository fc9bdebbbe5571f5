"""Every public docstring follows the numpydoc standard."""

import inspect

import pytest
from numpydoc.validate import validate

import skinfluence
from skinfluence import testing

EXCLUDED = {
    "ES01",  # a summary line that says everything needs no second paragraph
    "GL02",  # closes one-line docstrings on a line of their own
    "RT02",  # forbids naming a single returned value, where a name explains it
}
# A class shows how its methods work together, in one example.
EXCLUDED_IN_METHODS = EXCLUDED | {"EX01", "SA01"}


def public_names():
    """Yield each exported name and, of a class, each public method of our own."""
    yield from (f"testing.{name}" for name in testing.__all__)
    for name in skinfluence.__all__:
        obj = getattr(skinfluence, name)
        if not (inspect.isclass(obj) or inspect.isroutine(obj)):
            continue
        yield name
        if not inspect.isclass(obj):
            continue
        for method in dir(obj):
            # getattr, because scikit-learn's descriptors are callable only then.
            value = getattr(obj, method, None)
            if (
                not method.startswith("_")
                and inspect.isroutine(value)
                and getattr(value, "__module__", "").startswith("skinfluence")
            ):
                yield f"{name}.{method}"


@pytest.mark.parametrize("name", list(public_names()))
def test_docstring_is_valid(name):
    is_method = "." in name.removeprefix("testing.")
    excluded = EXCLUDED_IN_METHODS if is_method else EXCLUDED
    errors = [
        f"{code}: {message}"
        for code, message in validate(f"skinfluence.{name}")["errors"]
        if code not in excluded
    ]
    assert not errors, "\n".join([name, *errors])
