"""Rows that are relabelled: their types, and labels that no row had."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression

from skinfluence import InfluenceCleaner
from skinfluence.cleaning.review._reviewable import decided_in
from skinfluence.cli._held_out_scores import among_classes


def relabelled(y, *values):
    """Return the targets after the first rows are relabelled."""
    verdicts = {
        "row": range(len(values)),
        "verdict": ["relabel"] * len(values),
        "value": list(values),
    }
    return decided_in(verdicts, np.asarray(y), True)[0].y


OBJECTS = np.array(["no", "yes"], dtype=object)
KINDS = {
    "texts": (["no", "yes"], "a third one", ["a third one", "yes"]),
    "objects": (OBJECTS, " a third one", ["a third one", "yes"]),
    "numbers": ([0, 1], "2", [2, 1]),
    "a spreadsheet's": ([0, 1], 2.0, [2, 1]),
    "few bits": (np.array([0, 1], dtype=np.uint8), -300, [-300, 1]),
    "floats": ([0.0, 1.0], 2, [2.0, 1.0]),
    "the same": (["no", "yes"], "YES ", ["yes", "yes"]),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_label_has_the_type_of_the_others(name):
    y, value, expected = KINDS[name]
    y = np.concatenate([y, y])
    new = relabelled(y, value)
    assert new[:2].tolist() == expected
    assert new[2:].tolist() == y[2:].tolist()
    assert new.dtype.kind in y.dtype.kind + "i"


def test_one_new_label_in_two_spellings():
    assert relabelled(["a", "b", "a", "b"], " New", "new", "NEW ").tolist() == [
        "New",
        "New",
        "New",
        "b",
    ]


@pytest.mark.parametrize(
    ("y", "value", "message"),
    [
        ([0, 1], "b", "labels are numbers: write a whole number"),
        ([0, 1], "1.5", "labels are numbers: write a whole number"),
        ([0, 1], "inf", "labels are numbers: write a whole number"),
        ([True, False], "maybe", "labels are True and False"),
        (["a", "A"], " a", None),
        (["1", "1.0"], "1.00", "may be 1 or 1.0: write it as the table does"),
    ],
)
def test_labels_that_cannot_be(y, value, message):
    if message is None:
        assert relabelled(y * 2, value).tolist() == ["a", "A", "a", "A"]
        return
    with pytest.raises(ValueError, match="entry 0: a row is relabelled") as error:
        relabelled(y * 2, value)
    assert message in str(error.value)


def test_a_new_class_is_trained_as_from_the_corrected_table():
    X, right = make_blobs(150, centers=3, cluster_std=1.0, random_state=3)
    right = np.array(["a", "b", "new class"])[right]
    y = np.where(right == "new class", "a", right)  # nobody knew of it
    rows = np.flatnonzero(right == "new class")[:20]
    verdicts = {"row": rows, "verdict": ["relabel"] * 20, "value": right[rows]}
    with pytest.warns(UserWarning, match="'new class' is a label .* to 20 rows, and"):
        cleaner = InfluenceCleaner(LogisticRegression()).fit(X, y, verdicts=verdicts)
    assert cleaner.classes_.tolist() == ["a", "b", "new class"]
    X_new, y_new, log = cleaner.apply()
    assert (y_new[rows] == "new class").all()
    assert log["before"].unique().tolist() == ["a"]
    kept = np.ones(150, dtype=bool)
    kept[cleaner.suspects_.row] = False
    assert kept[rows].all()
    plain = LogisticRegression().fit(X_new[kept], y_new[kept])
    np.testing.assert_allclose(plain.coef_, cleaner.estimator_.coef_, atol=1e-6)
    assert not np.isin(cleaner.review_table(n_rows=150)["row"], rows).any()


def test_mistakes_among_the_classes_that_verdicts_leave():
    mistakes = np.array([[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.3, 0.0, 0.7]])
    given, classes = np.array(["a", "b", "c"]), np.array(["a", "bb", "c"])
    among = among_classes(mistakes, given, classes)
    assert among.tolist() == [[0.9, 0, 0.0], [0, 1, 0], [0.3, 0, 0.7]]
