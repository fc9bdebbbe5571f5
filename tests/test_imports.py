"""Which module may import which."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import skinfluence

PACKAGE = Path(skinfluence.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# A module may import from lower layers and from its own package, and from
# nowhere else in skinfluence: not from its neighbours in the same layer.
LAYERS = [
    {"removal", "nets", "datasets"},
    {"addition", "out_of_core", "updates"},
    {"trees"},
    {"retraining", "static", "dynamic"},
    {"cleaning", "certificates", "metrics"},
    {"attacks", "groups"},  # both say beside what they find what certificates prove
    {"inspection", "audit"},
    {"suggestion"},
    {"cli"},
    {"testing"},  # sees nothing but what users see
    {"__init__"},  # re-exports everything; importing from it would be circular
    {"__main__"},
]

OPTIONAL = {
    "IPython",
    "catboost",
    "dask",
    "distributed",
    "jinja2",
    "lightgbm",
    "matplotlib",
    "odf",
    "openpyxl",
    "pandas",
    "polars",
    "pyarrow",
    "pytest",
    "rich",
    "skorch",
    "torch",
    "xgboost",
    "zstandard",
}


def imported_names(path):
    """Yield the dotted name of everything that a module imports, lazily too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def member(dotted):
    """Return the module or subpackage of skinfluence that a dotted name is in."""
    name = dotted.split(".")[1] if "." in dotted else "__init__"
    is_module = (PACKAGE / f"{name}.py").exists() or (PACKAGE / name).is_dir()
    return name if is_module else "__init__"


def layer(name):
    """Return the height of a module: 0 for the private ones at the top level."""
    for height, names in enumerate(LAYERS, start=1):
        if name in names:
            return height
    assert name.startswith("_"), f"give skinfluence.{name} a place in LAYERS"
    return 0


def relative(path):
    """Return a module's path below the package, as the name of its test."""
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_dependencies_point_one_way(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    height = layer(own)
    imports = {
        member(name)
        for name in imported_names(path)
        if name.split(".")[0] == "skinfluence"
    }
    # The private modules at the top level are one layer and may share.
    upward = {
        name
        for name in imports - {own}
        if layer(name) >= height and (layer(name), height) != (0, 0)
    }
    assert not upward, f"{own} must not import from {sorted(upward)}"


def parts_and_imports(package):
    """Return, of each module and folder of a package, those that it imports from."""
    graph = {}
    for path in package.rglob("*.py"):
        own = path.relative_to(package).parts[0].removesuffix(".py")
        if own == "__init__":  # re-exports
            continue
        graph.setdefault(own, set())
        prefix = ".".join(("skinfluence", *package.relative_to(PACKAGE).parts, ""))
        for name in imported_names(path):
            part = name.removeprefix(prefix).split(".")[0]
            exists = (package / part).is_dir() or (package / f"{part}.py").exists()
            if name.startswith(prefix) and exists and part != own:
                graph[own].add(part)
    return graph


@pytest.mark.parametrize(
    "package", sorted({path.parent for path in MODULES} - {PACKAGE}), ids=relative
)
def test_parts_of_a_package_do_not_import_each_other_in_circles(package):
    graph = parts_and_imports(package)
    assert graph, "an empty package"
    assert any(graph.values()) or package.name != "removal", "no import was found"
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_circles_are_seen(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    package = tmp_path / "removal"
    for name, imported in (("a", "b"), ("b", "c"), ("c", "a")):
        (package / name).mkdir(parents=True)
        code = f"from skinfluence.removal.{imported}._x import y"
        (package / name / "_x.py").write_text(code, encoding="utf-8")
    with pytest.raises(CycleError, match="cycle"):
        TopologicalSorter(parts_and_imports(package)).prepare()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_private_scikit_learn_names_stay_in_one_file(path):
    if relative(path) == "_sklearn/_private.py":
        return
    private = [
        name
        for name in imported_names(path)
        if name.split(".")[0] == "sklearn"
        and any(part.startswith("_") for part in name.split("."))
    ]
    assert not private, f"import {private} in skinfluence/_sklearn/_private.py alone"


def test_importing_the_package_asks_for_no_optional_dependency():
    # sys.modules does not tell who asked, and scikit-learn imports pandas and
    # rich itself where they are installed.
    code = """
import builtins

def spy(name, globals=None, *args):
    if (globals or {}).get("__name__", "").startswith("skinfluence"):
        print(name.split(".")[0])
    return original(name, globals, *args)

original, builtins.__import__ = builtins.__import__, spy
import skinfluence
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    asked = set(run.stdout.split())
    assert "skinfluence" in asked, "the spy saw nothing"
    assert sorted(OPTIONAL & asked) == []
