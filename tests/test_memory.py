"""The memory guard: whose limits it reads, and who asks it before allocating."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import Ridge
from sklearn.neighbors import RadiusNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import skinfluence
from skinfluence import (
    DownsamplingInfluence,
    LeaveOneOutInfluence,
    OutOfBagInfluence,
    ShapleyInfluence,
    _memory,
    _memory_limits,
)
from skinfluence._memory import check_memory
from skinfluence._memory_limits import memory_limits
from skinfluence.metrics import reseeding_stability
from skinfluence.removal.neighbors import _radius_neighbors

GIB = 2**30

# ------------------------------------------------------------------------- limits


def machine(root, available=None, cgroup="", mountinfo="", **files):
    """Describe a Linux machine in a folder; ``__`` in a name is a slash."""
    contents = {
        "proc/self/cgroup": cgroup,
        "proc/self/mountinfo": mountinfo,
        **{name.replace("__", "/"): text for name, text in files.items()},
    }
    if available is not None:
        contents["proc/meminfo"] = f"MemTotal: 99 kB\nMemAvailable: {available} kB\n"
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def group(root, folder, version, limit, used, cached=0):
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }
    folder = root / folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in zip(
        names[version], (limit, used, f"anon 7\n{names[version][2]} {cached}\n"),
        strict=True,
    ):  # fmt: skip
        file = "memory.stat" if name == names[version][2] else name
        (folder / file).write_text(f"{text}\n" if file != "memory.stat" else text)


def by_group(root):
    return [left for left, of in memory_limits(root) if "control group" in of]


V2 = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw\n"
V1 = (
    "30 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    "31 23 0:28 {} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
)


def test_available_memory_is_what_linux_says(tmp_path):
    limits = memory_limits(machine(tmp_path, available=3 * 2**20))
    assert (3 * GIB, "of the machine's memory") in limits


def test_nested_groups_of_version_2(tmp_path):
    machine(tmp_path, 1, cgroup="0::/a/b/c\n", mountinfo=V2)
    group(tmp_path, "sys/fs/cgroup/a", 2, 5 * GIB, 4 * GIB, cached=GIB // 2)
    group(tmp_path, "sys/fs/cgroup/a/b", 2, "max", 3 * GIB)
    group(tmp_path, "sys/fs/cgroup/a/b/c", 2, 4 * GIB, 2 * GIB)
    assert sorted(by_group(tmp_path)) == [3 * GIB // 2, 2 * GIB]


def test_nested_groups_of_version_1(tmp_path):
    cgroup = "4:memory:/a/b\n2:cpu,cpuacct:/else\n0::/\n"
    machine(tmp_path, 1, cgroup=cgroup, mountinfo=V1.format("/"))
    group(tmp_path, "sys/fs/cgroup/memory", 1, 2**63 - 4096, 9 * GIB)
    group(tmp_path, "sys/fs/cgroup/memory/a", 1, 5 * GIB, 4 * GIB, cached=GIB)
    group(tmp_path, "sys/fs/cgroup/memory/a/b", 1, 2 * GIB, 3 * GIB)
    group(tmp_path, "sys/fs/cgroup/cpu/else", 1, 1, 0)
    assert min(by_group(tmp_path)) == 0  # over the limit already
    assert sorted(by_group(tmp_path))[1] == 2 * GIB


@pytest.mark.parametrize("shown", ["/docker/0ab", "/docker"])
def test_a_container_sees_its_own_group_at_the_mount(tmp_path, shown):
    cgroup = "4:memory:/docker/0ab\n"
    machine(tmp_path, 1, cgroup=cgroup, mountinfo=V1.format(shown))
    below = "" if shown == "/docker/0ab" else "/0ab"
    group(tmp_path, f"sys/fs/cgroup/memory{below}", 1, 3 * GIB, GIB)
    assert by_group(tmp_path) == [2 * GIB]


@pytest.mark.parametrize("path", ["/../../outside", "/kubepods/pod7"])
def test_a_path_outside_of_the_mount_is_its_root(tmp_path, path):
    machine(tmp_path, 1, cgroup=f"0::{path}\n", mountinfo=V2)
    group(tmp_path, "sys/fs/cgroup", 2, 3 * GIB, GIB)
    assert by_group(tmp_path) == [2 * GIB]


def test_systems_that_do_not_report_their_memory(tmp_path, monkeypatch):
    def unknown(name):
        raise ValueError(name)

    monkeypatch.setattr(_memory_limits.os, "sysconf", unknown)
    monkeypatch.setattr(_memory_limits, "resource", None)
    assert memory_limits(tmp_path) == []
    monkeypatch.setattr(_memory, "memory_limits", list)
    check_memory(2**60, "Everything", "")


def test_the_smallest_limit_is_named(monkeypatch):
    limits = [(3 * GIB, "of the machine"), (GIB // 2, "of the group"), (GIB, "of it")]
    monkeypatch.setattr(_memory, "memory_limits", lambda: limits)
    check_memory(GIB // 2, "Half", "")
    with pytest.raises(MemoryError) as refused:
        check_memory(GIB, "The matrix", "Use less.")
    assert str(refused.value) == (
        "The matrix would take 1.0 GiB, 512 MiB are available of the group. Use less."
    )


SCRIPT = """
import resource
import numpy as np
from pathlib import Path
from sklearn.linear_model import Ridge
from skinfluence import LeaveOneOutInfluence

X = np.random.default_rng(0).normal(size=(20_000, 1))
loo = LeaveOneOutInfluence(Ridge()).fit(X, X[:, 0])
loo.influence(X[:2], X[:2, 0])
mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
limit = mapped + 100 * 2**20
resource.setrlimit(resource.{limit}, (limit, limit))
for ask in (
    lambda: loo.influence(X[:2000], X[:2000, 0]),
    lambda: loo.group_influence(X[:2], X[:2, 0], groups=np.arange(len(X))),
):
    try:
        ask()
    except MemoryError as error:
        print(error)
print(loo.influence(X[:50], X[:50, 0]).shape)
"""


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(),
    reason="only Linux enforces the limit of memory",
)
def test_a_limited_process_gets_an_error_with_advice():
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(limit="RLIMIT_AS")],
        capture_output=True,
        text=True,
        check=True,
        env={
            "PYTHONPATH": str(Path(skinfluence.__file__).parents[1]),
            "OMP_NUM_THREADS": "1",
        },
    )
    matrix, groups, shape = run.stdout.splitlines()
    assert matrix.startswith(
        "The matrix of 2000 x 20000 influences would take 305 MiB, "
    )
    assert " MiB are available of what the process may take (RLIMIT_AS). " in matrix
    assert matrix.endswith("or fewer test rows at a time.")
    assert groups.startswith(
        "Masks of 20000 groups of 20000 training rows would take 381"
    )
    assert shape == "(50, 20000)"


# ------------------------------------------------------------- who asks beforehand


@pytest.fixture
def little(monkeypatch):
    """One MiB is left, and nothing is too small to ask for."""
    monkeypatch.setattr(_memory, "SMALL", 0)
    monkeypatch.setattr(_memory, "memory_limits", lambda: [(2**20, "of a thimble")])


def rows(n, p=1):
    X = np.random.default_rng(0).normal(size=(n, p))
    return X, X[:, 0]


def refused(ask, what):
    with pytest.raises(MemoryError, match=f"(?s){what}.*of a thimble. [A-Z]"):
        ask()


def test_matrices_of_influences(little):
    X, y = rows(400)
    tree = DecisionTreeRegressor(max_depth=1)
    bagging = BaggingClassifier(DecisionTreeClassifier(max_depth=1), 30, random_state=0)
    cases = {
        LeaveOneOutInfluence(Ridge()): (),
        OutOfBagInfluence(bagging): (),
        DownsamplingInfluence(tree, n_retrainings=4, random_state=0): (),
    }
    for influence in cases:
        target = (y > 0).astype(int) if influence.estimator is bagging else y
        with np.errstate(all="ignore"):
            influence.fit(X, target)
        refused(lambda i=influence, t=target: i.influence(X, t), "400 x 400 influences")
        assert influence.influence(X[:9], target[:9]).shape == (9, 400)


def test_standard_errors_take_as_much_again(little):
    X, y = rows(300)  # one matrix fits
    downsampling = DownsamplingInfluence(
        DecisionTreeRegressor(max_depth=1), n_retrainings=4, random_state=0
    ).fit(X, y)
    assert downsampling.influence(X, y).shape == (300, 300)
    refused(
        lambda: downsampling.influence(X, y, return_std=True), "2 matrices of 300 x 300"
    )


def test_groups(little):
    X, y = rows(500)
    loo = LeaveOneOutInfluence(Ridge()).fit(X, y)
    refused(
        lambda: loo.group_influence(X[:2], y[:2], groups=np.arange(500)),
        "influence of 500 groups of 500",
    )
    masks = np.eye(500, dtype=bool)[:20]
    assert loo.group_influence(X[:2], y[:2], groups=masks).shape == (2, 20)


def test_models_that_are_kept(little):
    X, y = rows(150)
    deep = DecisionTreeRegressor(random_state=0)  # some 20 KB each
    refused(lambda: LeaveOneOutInfluence(deep).fit(X, y), "Keeping 150 models")
    refused(
        lambda: DownsamplingInfluence(deep, n_retrainings=150).fit(X, y),
        "Keeping 150 models",
    )
    refused(
        lambda: ShapleyInfluence(deep, max_retrainings=300, random_state=0).fit(X, y),
        "Keeping 298 models",
    )


def test_models_that_pickle_cannot_weigh_are_kept(little):
    X, y = rows(20)
    local = make_pipeline(FunctionTransformer(lambda X: X), Ridge())
    for influence in (
        LeaveOneOutInfluence(local, solver="refit"),
        ShapleyInfluence(local, max_retrainings=40, random_state=0),
    ):
        assert influence.fit(X, y).influence(X[:2], y[:2]).shape == (2, 20)


def test_losses_of_many_models(little):
    X, y = rows(400)
    downsampling = DownsamplingInfluence(
        DecisionTreeRegressor(max_depth=1), n_retrainings=400, random_state=0
    )
    refused(lambda: downsampling.fit(X, y, X, y), "losses of 400 models on 800 rows")


def test_moves_of_many_outputs(little):
    X, _ = rows(300, 2)
    Y = np.random.default_rng(1).normal(size=(300, 300))
    masks = np.random.default_rng(2).random((300, 300)) < 0.01
    loo = LeaveOneOutInfluence(Ridge(), solver="exact").fit(X, Y)
    refused(
        lambda: loo.group_influence(X[:1], Y[:1], groups=masks),
        "moves of 900 coefficients by 300 removals",
    )


def test_matrices_of_several_seeds(little):
    X, y = rows(100)
    influence = DownsamplingInfluence(DecisionTreeRegressor(), n_retrainings=4)
    refused(
        lambda: reseeding_stability(influence, X, y, X, y, n_repeats=10),
        "10 matrices of 100 x 100",
    )


def test_the_kernel_of_a_net(little):
    pytest.importorskip("skorch")
    from skorch import NeuralNetRegressor
    from torch import nn

    from skinfluence import TRAK

    X, y = rows(300)
    net = NeuralNetRegressor(
        nn.Linear, module__in_features=1, module__out_features=1, verbose=0
    )
    refused(
        lambda: TRAK(net).fit(X.astype(np.float32), y[:, None].astype(np.float32)),
        "kernel of 300 training rows",
    )


def test_rows_within_a_radius_are_searched_in_blocks(monkeypatch):
    X, y = rows(40)
    loo = LeaveOneOutInfluence(RadiusNeighborsRegressor(radius=9.0)).fit(X, y)
    whole = loo.influence(X, y), loo.self_influence(), loo.sample_values(X, y)
    sizes, search = [], RadiusNeighborsRegressor.radius_neighbors

    def noted(self, X, radius):
        sizes.append(len(X))
        return search(self, X, radius)

    monkeypatch.setattr(_radius_neighbors, "BLOCK", 3 * 40)
    monkeypatch.setattr(RadiusNeighborsRegressor, "radius_neighbors", noted)
    parts = loo.influence(X, y), loo.self_influence(), loo.sample_values(X, y)
    assert max(sizes) == 3
    assert sum(sizes) == 3 * 40
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
