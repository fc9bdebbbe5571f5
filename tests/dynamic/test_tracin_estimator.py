"""TracIn as an estimator of scikit-learn: labels, input, searches and pipelines."""

import pickle

import numpy as np
import pytest
from nets_for_tracin import (
    CLASS,
    NAMES,
    TEST,
    TRAIN,
    Small,
    X,
    Y,
    brier,
    classifier,
    regressor,
)
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import TracIn


def test_is_a_drop_in_classifier_with_the_users_labels():
    tracin = TracIn(classifier(), random_state=0)
    with pytest.raises(NotFittedError):
        tracin.influence(X, Y)
    tracin.fit(X[TRAIN], Y[TRAIN])
    assert tracin.classes_.tolist() == sorted(NAMES)
    p = tracin.predict_proba(X[TEST])
    assert (tracin.predict(X[TEST]) == tracin.classes_[p.argmax(axis=1)]).all()
    assert tracin.score(X[TEST], Y[TEST]) == (tracin.predict(X[TEST]) == Y[TEST]).mean()
    again = clone(tracin).fit(X[TRAIN], Y[TRAIN])
    expected = tracin.influence(X[TEST], Y[TEST])
    np.testing.assert_array_equal(again.influence(X[TEST], Y[TEST]), expected)
    copy = pickle.loads(pickle.dumps(tracin))
    np.testing.assert_array_equal(copy.influence(X[TEST], Y[TEST]), expected)
    explained = tracin.influence(X[TEST])
    predicted = tracin.influence(X[TEST], tracin.predict(X[TEST]))
    np.testing.assert_array_equal(explained, predicted)
    groups = np.arange(50) % 4
    by_group = tracin.group_influence(X[TEST], Y[TEST], groups=groups)
    np.testing.assert_allclose(by_group[:, 1], expected[:, groups == 1].sum(axis=1))


def test_grid_search_and_pipeline():
    search = GridSearchCV(
        TracIn(classifier(), random_state=0),
        {"estimator__lr": [1e-6, 0.1], "estimator__module__hidden": [4]},
        cv=2,
    ).fit(X, Y)
    assert search.best_params_["estimator__lr"] == 0.1
    inside = TracIn(make_pipeline(StandardScaler(), classifier()), random_state=0)
    inside.fit(X[TRAIN], Y[TRAIN])
    assert inside.fixed_steps_ == ["standardscaler"]
    scaler = StandardScaler().fit(X[TRAIN])
    outside = TracIn(classifier(), random_state=0)
    outside.fit(scaler.transform(X[TRAIN]), Y[TRAIN])
    np.testing.assert_allclose(
        inside.influence(X[TEST], Y[TEST]),
        outside.influence(scaler.transform(X[TEST]), Y[TEST]),
        rtol=1e-10,
    )
    behind = make_pipeline(StandardScaler(), TracIn(classifier(), random_state=0))
    assert behind.fit(X[TRAIN], Y[TRAIN]).score(X[TRAIN], Y[TRAIN]) > 0.4


@pytest.mark.parametrize(
    ("tracin", "X", "y", "error", "match"),
    [
        (TracIn(classifier()), X.astype(np.float32), Y, ValueError, "dtype of the net"),
        (TracIn(classifier()), X.tolist(), Y, TypeError, "ndarray or a tensor"),
        (TracIn(classifier(module=Small())), X, Y, ValueError, "must be a class"),
        (TracIn(classifier(module__n_out=2)), X, Y, ValueError, "column per class"),
        (TracIn(regressor()), X, X[:, 0], ValueError, "reshape\\(-1, 1\\)"),
        (TracIn(regressor(2)), X, X[:, :1], ValueError, "give the last layer 1"),
        (TracIn(classifier(), loss="zero_one"), X, Y, TypeError, "no gradient"),
        (TracIn(classifier(), loss=brier), X, Y, TypeError, "no gradient"),
        (TracIn(classifier(), layers=["top"]), X, Y, ValueError, "'layers' parameter"),
        (TracIn(classifier(), checkpoints=[0]), X, Y, ValueError, "counted from 1"),
        (TracIn(classifier()), X[:9], Y, ValueError, "as many rows. Got 9 and 70"),
    ],
)
def test_bad_input_is_named(tracin, X, y, error, match):
    with pytest.raises(error, match=match):
        tracin.fit(X, y)


class Single(Small):
    """In float32, the default of torch."""

    def __init__(self):
        super().__init__()
        self.float()


def test_double_rows_of_a_single_net_are_refused():
    with pytest.raises(ValueError, match="float32. Got float64: pass X.astype"):
        TracIn(classifier(module=Single)).fit(X, Y)


@pytest.mark.parametrize("kind", [np.int32, np.uint8, np.float64, str])
def test_labels_of_any_type(kind):
    expected = TracIn(classifier(), random_state=0).fit(X[TRAIN], CLASS[TRAIN])
    labels = CLASS.astype(kind)
    tracin = TracIn(classifier(), random_state=0).fit(X[TRAIN], labels[TRAIN])
    np.testing.assert_array_equal(
        tracin.influence(X[TEST], labels[TEST]),
        expected.influence(X[TEST], CLASS[TEST]),
    )


def test_unknown_class_at_influence():
    tracin = TracIn(classifier()).fit(X[TRAIN], Y[TRAIN])
    with pytest.raises(ValueError, match="classes seen during fit"):
        tracin.influence(X[:2], ["dog", "cat"])
