"""Rows and groups as players."""

import numpy as np

from skinfluence.groups._players import Players


def test_fewest_groups_that_hold_more_than_so_many_rows():
    sizes = np.repeat(np.arange(3), [3, 2, 1])
    groups = Players(6, sizes == np.arange(3)[:, None], np.array(list("abc")))
    assert [groups.fewest_for(k) for k in range(6)] == [1, 1, 1, 2, 2, 3]
    assert [Players(6).fewest_for(k) for k in range(3)] == [1, 2, 3]
    assert groups.rows([0, 2]).tolist() == [0, 1, 2, 5]
    assert groups.left([0]).tolist() == [3, 4, 5]
    assert groups.named([2]).tolist() == ["c"]
    # all that is left is no player: nothing could be trained on
    assert groups.present(np.array([3, 4, 5])).tolist() == [1, 2]
    assert groups.present(np.array([3, 4])).tolist() == []
