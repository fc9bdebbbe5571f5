"""Which epochs TracIn keeps, where it keeps them, and how it goes on from them."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from nets_for_tracin import TEST, TRAIN, X, Y, classifier
from skorch.callbacks import EarlyStopping

from skinfluence import TracIn


def test_last_epoch_is_always_kept():
    stop = EarlyStopping("train_loss", patience=1, threshold=10)
    net = classifier(max_epochs=30, callbacks=[("stop", stop)])
    tracin = TracIn(net, checkpoints=3).fit(X[TRAIN], Y[TRAIN])
    n_epochs = len(tracin.estimator_.net_.history)
    assert n_epochs < 10
    assert [c.epoch for c in tracin.checkpoints_] == [n_epochs]
    chosen = TracIn(classifier(), checkpoints=[1, 4]).fit(X[TRAIN], Y[TRAIN])
    assert [c.epoch for c in chosen.checkpoints_] == [1, 4, 6]


def test_checkpoints_on_disk(tmp_path):
    results = []
    for memory in (None, tmp_path / "runs"):
        torch.manual_seed(0)
        tracin = TracIn(classifier(), memory=memory).fit(X[TRAIN], Y[TRAIN])
        results.append(tracin.influence(X[TEST], Y[TEST]))
    np.testing.assert_array_equal(*results)
    assert (
        len(list((tmp_path / "runs").rglob("*.pt"))) == 7
    )  # and the start of training


def test_checkpoints_that_find_no_room_on_disk_are_kept_in_memory(
    tmp_path, monkeypatch
):
    torch.manual_seed(0)
    expected = TracIn(classifier()).fit(X[TRAIN], Y[TRAIN]).influence(X[TEST], Y[TEST])
    write = Path.write_bytes

    def full_after_two(path, content):
        if int(path.stem.split("-")[1]) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full_after_two)
    torch.manual_seed(0)
    with pytest.warns(match="memory=.*No space left.*kept in memory") as caught:
        tracin = TracIn(classifier(), memory=tmp_path).fit(X[TRAIN], Y[TRAIN])
    assert len([w for w in caught if "memory=" in str(w.message)]) == 1
    assert len(list(tmp_path.rglob("*.pt"))) == 3  # the start of training, and two
    np.testing.assert_array_equal(tracin.influence(X[TEST], Y[TEST]), expected)


def test_partial_fit_goes_on():
    torch.manual_seed(0)
    whole = TracIn(classifier(), checkpoints=[3, 6]).fit(X[TRAIN], Y[TRAIN])
    torch.manual_seed(0)
    halves = TracIn(classifier(max_epochs=3), checkpoints=1)
    halves.partial_fit(X[TRAIN], Y[TRAIN]).partial_fit(X[TRAIN], Y[TRAIN])
    assert [c.epoch for c in halves.checkpoints_] == [3, 6]
    np.testing.assert_allclose(
        halves.influence(X[TEST], Y[TEST]), whole.influence(X[TEST], Y[TEST])
    )
    with pytest.raises(ValueError, match="same order, as the run is continued"):
        halves.partial_fit(X[:20], Y[:20])
