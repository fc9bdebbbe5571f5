"""Every pair of values of the options of ``clean``, in as few runs as it takes."""

import random
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from people_table import N, people

from skinfluence.__main__ import main

OPTIONS = {
    "--action": ["drop", "relabel", "weight"],
    "--drop": ["auto", ".1", "0"],
    "--target": ["label", "size"],
    "--method": ["auto", "loo", "influence-functions"],
    "--task": [None, "right"],
    "--by": [None, "team", "label"],
    "--answers": [None, "1"],
    "--max-rows": [None, "60"],
    "--report": [None, "page.html"],
    "--ignore": [None, "a"],
    "--verdicts": [None, "verdicts.csv"],
    "--per-class": [None, ""],
    "--order": [None, "--groups", "--time-ordered"],
    "format": ["csv", "jsonl", "parquet", "xlsx"],
}
DROPPED = 5  # by its verdict


def excluded(run):
    """Whether options exclude each other, as their help says."""
    numbers = run.get("--target") == "size"
    per_class = run.get("--per-class") is not None
    return (
        (per_class and (numbers or run.get("--drop") == "auto"))
        or (run.get("--answers") is not None and numbers)
        or (run.get("--verdicts") is not None and run.get("--max-rows") is not None)
    )


def covering(seed=0):
    """Return runs, greedily, so that each pair of values of two options is in one."""
    rng, names = random.Random(seed), list(OPTIONS)
    left = {
        ((a, x), (b, y))
        for a, b in combinations(names, 2)
        for x in OPTIONS[a]
        for y in OPTIONS[b]
        if not excluded({a: x, b: y})
    }
    runs = []
    while left:
        drafts = []
        for first in rng.sample(sorted(left, key=repr), min(20, len(left))):
            run = dict(first)
            for name in rng.sample(names, len(names)):
                if name not in run:
                    gains = {
                        value: sum(
                            ((name, value), pair) in left
                            or (pair, (name, value)) in left
                            for pair in run.items()
                        )
                        for value in OPTIONS[name]
                        if not excluded({**run, name: value})
                    }
                    most = max(gains.values())
                    run[name] = rng.choice([v for v in gains if gains[v] == most])
            pairs = {pair for pair in left if set(pair) <= set(run.items())}
            drafts.append((len(pairs), run, pairs))
        _, run, pairs = max(drafts, key=lambda draft: draft[0])
        left -= pairs
        runs.append(run)
    return runs


def write(frame, path):
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        getattr(frame, {".parquet": "to_parquet", ".xlsx": "to_excel"}[path.suffix])(
            path, index=False
        )


def read(path):
    kind = {".csv": "csv", ".jsonl": "json", ".parquet": "parquet", ".xlsx": "excel"}
    reader = getattr(pd, f"read_{kind[path.suffix]}")
    return reader(path, **({"lines": True} if path.suffix == ".jsonl" else {}))


@pytest.mark.slow
@pytest.mark.parametrize("run", covering())
def test_the_table_that_is_written_is_the_suspects_carried_out(tmp_path, run, capsys):
    table = tmp_path / f"people.{run['format']}"
    write(people().assign(team=[f"t{i % 10}" for i in range(N)]), table)
    came, target = read(table), run["--target"]
    pd.DataFrame(
        {"row": [3, DROPPED], "verdict": ["keep", "drop"], "value": "", "note": ""}
    ).to_csv(tmp_path / "verdicts.csv", index=False)
    output = tmp_path / f"output.{run['format']}"
    arguments = ["clean", str(table), "--output", str(output)]
    for name, value in run.items():
        if value is None or name == "format":
            continue
        if name == "--order":
            arguments += [value, "team"] if value == "--groups" else [value]
        elif name == "--per-class":
            arguments += [name]
        elif name == "--task":
            task = "classification" if target == "label" else "regression"
            arguments += [name, task]
        else:
            is_file = name in ("--report", "--verdicts")
            arguments += [name, str(tmp_path / value) if is_file else value]
    assert main(arguments) == 0
    suspects = read(tmp_path / f"people.suspects.{run['format']}")
    rows = suspects["row"][suspects["suspect"]].to_numpy()
    assert len(rows) > 0 or run["--drop"] != ".1"
    assert len(rows) == 0 or run["--drop"] != "0"
    gone = [DROPPED] if run["--verdicts"] else []
    assert not np.isin(rows, [3, DROPPED]).any() or not run["--verdicts"]
    if run["--action"] == "drop":
        gone = [*gone, *rows]
    if not output.exists():  # nothing was to be done, or it was clearly worse
        assert "No cleaned table was written" in capsys.readouterr().out
        assert run["--drop"] != ".1"
        return
    kept = came.drop(index=gone).dropna(subset=target)  # what has no target is left out
    written = read(output)
    others = [name for name in came if name != target]
    pd.testing.assert_frame_equal(
        written[others], kept[others].reset_index(drop=True), check_dtype=False
    )
    before, after = kept[target].to_numpy(), written[target].to_numpy()
    changed = kept.index[(before != after) & ~(pd.isna(before) & pd.isna(after))]
    if run["--action"] == "relabel":
        assert set(changed) <= set(rows)
    else:
        assert not len(changed)
    if run["--action"] == "weight":
        weight = written.pop("sample_weight").to_numpy(dtype=float)
        assert ((weight >= 0) & (weight <= 1)).all()
    assert list(written) == list(came)
    if run["--report"]:
        assert "<html" in (tmp_path / "page.html").read_text()
