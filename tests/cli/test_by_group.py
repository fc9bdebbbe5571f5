"""Effects of a cleaning on groups: shares, intervals and scores of each."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from skinfluence.__main__ import main
from skinfluence.cleaning.surprise._wrong_rows import WrongRows
from skinfluence.cli._by_group import MISSING, by_group, unevenly_hit
from skinfluence.cli._held_out_scores import HeldOut
from skinfluence.cli._terminal import print_groups

N = 400


def analysis(seed=0, rates=(0.05, 0.05)):
    """Suspects drawn at given rates in two halves, and made-up losses."""
    rng = np.random.default_rng(seed)
    half = np.arange(N) % 2
    losses = rng.gamma(1.0, size=(2, N))
    fold = rng.integers(0, 5, N)
    y = rng.choice(["x", "y"], N)
    return half, SimpleNamespace(
        kept=rng.random(N) > np.array(rates)[half],
        wrong=WrongRows(
            low := rng.random(N) / 4, low, 0.5 + rng.random(N) / 4, 0.0, 1.0, None
        ),
        held_out=HeldOut(y, True, None, fold, losses, np.array([y, y])),
    )


def test_each_value_has_its_rows():
    half, found = analysis()
    column = np.where(half == 0, "a", "b").astype(object)
    column[:10] = None
    groups = {group.name: group for group in by_group(column, found)}
    assert set(groups) == {"a", "b", MISSING}
    for name, group in groups.items():
        rows = pd.isna(column) if name == MISSING else column == name
        suspects = ~found.kept[rows]
        assert group.n_rows == rows.sum()
        assert group.n_suspects == suspects.sum()
        low, high = proportion_confint(suspects.sum(), rows.sum(), method="wilson")
        np.testing.assert_allclose(group.interval, (low, high), atol=1e-12)
        ends = []
        for p, side in ((found.wrong.floor, -1), (found.wrong.ceiling, 1)):
            chance = np.sqrt((p * (1 - p))[rows].sum()) / rows.sum()
            ends.append(np.clip(p[rows].mean() + 1.96 * side * chance, 0, 1))
        np.testing.assert_allclose(group.wrong, ends)
        before, after = found.held_out.losses[:, rows]
        assert group.score.before == pytest.approx(before.mean())
        assert group.score.gain == pytest.approx((before - after).mean())
        error = np.std(before - after, ddof=1) / np.sqrt(rows.sum())
        assert group.score.error == pytest.approx(error)


def test_numbers_are_cut_into_quarters():
    _, found = analysis()
    groups = by_group(np.arange(N, dtype=float), found)
    assert [group.n_rows for group in groups] == [100] * 4
    names = [group.name for group in groups]
    assert names == ["-0.001 to 99.8", "99.8 to 200", "200 to 299", "299 to 399"]
    near = by_group(5000 + np.arange(N) / 1000, found)
    names = [group.name for group in near]
    assert names[1:3] == ["5000.1 to 5000.2", "5000.2 to 5000.3"]
    few = by_group(np.arange(N) % 3, found)
    assert sorted(group.name for group in few) == ["0", "1", "2"]


def test_an_uneven_cleaning_is_told_and_chance_is_not():
    told = []
    for rates in ((0.05, 0.05), (0.03, 0.2)):
        column, found = zip(*(analysis(seed, rates) for seed in range(40)), strict=True)
        warnings = map(unevenly_hit, map(by_group, column, found))
        told.append(sum(warning is not None for warning in warnings))
    assert told[0] == 0
    assert told[1] >= 36
    half, found = analysis(0, (0.03, 0.2))
    text = unevenly_hit(by_group(half, found))
    share = (~found.kept)[half == 1].mean()
    assert f"suspects are {share:.1%} of 1 and" in text


def test_groups_that_are_not_shown_are_counted(capsys):
    _, found = analysis()
    groups = by_group(np.arange(N).astype(str), found)
    print_groups("id", groups, "log loss", N)
    out = capsys.readouterr().out
    assert "and 388 rows of other values: the 12 largest are shown" in out
    assert "nan" not in out


def test_the_command_prints_effects_on_groups(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    town = np.where(np.arange(300) < 150, "north", "south")
    label = np.where(x + 0.1 * rng.normal(size=300) > 0, "yes", "no")
    flipped = (town == "south") & (rng.random(300) < 0.25)
    label[flipped] = np.where(label[flipped] == "yes", "no", "yes")
    frame = pd.DataFrame({"x": x, "town": town, "label": label})
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    arguments = ["clean", str(path), "--target", "label", "--by", "town"]
    arguments += ["--drop", "0.1"]
    page = tmp_path / "r.html"
    assert main([*arguments, "--report", str(page)]) == 0
    out = capsys.readouterr().out
    assert "by label: share of suspects" in out
    assert "by town: share of suspects" in out
    assert "warning: suspects are" in out
    assert "of south and" in out
    html = page.read_text()
    assert "Effects on groups" in html
    assert "By town" in html
    assert main([*arguments, "--by", "city", "--force"]) == 2
    assert "no column 'city'" in capsys.readouterr().err
