"""Folds of small and uneven training sets."""

import warnings

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from skinfluence.cleaning._folds import folds


@pytest.mark.parametrize(
    ("y", "classification", "splitter"),
    [
        (np.arange(20) % 3, True, StratifiedKFold),
        (np.arange(20.0), False, KFold),
        (np.arange(40).reshape(20, 2) % 2, True, KFold),
    ],
)
def test_a_number_means_shuffled_folds_of_scikit_learn(y, classification, splitter):
    expected = splitter(4, shuffle=True, random_state=3).split(np.zeros(20), y)
    result = folds(y, 4, classification, seed=3)
    for (train, test), (expected_train, expected_test) in zip(
        result, expected, strict=True
    ):
        np.testing.assert_array_equal(train, expected_train)
        np.testing.assert_array_equal(test, expected_test)


def test_a_row_whose_class_training_would_lack_is_moved_there():
    y = np.array(["a"] * 6 + ["b"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pairs = folds(y, 3, True, seed=0)
    for train, test in pairs:
        assert 6 in train
        assert 6 not in test
    assert sorted(np.concatenate([test for _, test in pairs])) == list(range(6))


@pytest.mark.parametrize("y", [["a", "b"], ["a", "a", "b"], [0, 1, 2, 3]])
def test_tiny_sets_never_fail(y):
    for train, test in folds(y, 5, True, seed=0):
        assert set(np.asarray(y)[test]) <= set(np.asarray(y)[train])


def test_a_splitter_sees_the_rows():
    groups = np.repeat(np.arange(5), 2)

    class ByFirstColumn(GroupKFold):
        def split(self, X, y=None, groups=None):
            return super().split(X, y, groups=X[:, 0])

    X = groups[:, None]
    for train, test in folds(np.arange(10.0), ByFirstColumn(5), False, 0, X):
        assert not set(groups[train]) & set(groups[test])
