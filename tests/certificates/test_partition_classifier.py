"""Partition ensembles: parts, votes, and certificates against refits and attacks."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from changed_tables import fewest_changes, two_clouds
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from skinfluence import PartitionClassifier, PredictionCertificate
from skinfluence.certificates._certifier import Training
from skinfluence.certificates._families import certifier
from skinfluence.certificates._partition_classifier import partition
from skinfluence.certificates._votes import cheapest_turn


def test_parts_depend_on_features_alone_in_whatever_container():
    X = np.random.default_rng(0).normal(size=(40, 3))
    X[:, 1] = np.round(X[:, 1])
    parts = partition(X, 4, 0)
    assert set(parts) == set(range(4))
    for same in (
        pd.DataFrame(X),
        sp.csr_array(X).toarray(),
        X.tolist(),
        np.asfortranarray(X),
    ):
        assert np.array_equal(partition(same, 4, 0), parts)
    order = np.random.default_rng(1).permutation(40)
    assert np.array_equal(partition(X[order], 4, 0), parts[order])
    assert not np.array_equal(partition(X, 4, 1), parts)
    sparse = sp.csr_array(X)
    assert np.array_equal(partition(sparse, 4, 0), partition(sparse.tocoo(), 4, 0))
    words = pd.DataFrame({"a": ["x", "y", "x"], "b": [1, 2, 1]})
    assert partition(words, 1000, 0)[0] == partition(words, 1000, 0)[2]


def test_votes_come_from_models_of_the_parts():
    X, y, X_test = two_clouds(0, 60, n_classes=3, n_test=20)
    y = np.array(["a", "b", "c"])[y]
    model = PartitionClassifier(DecisionTreeClassifier(random_state=0), n_partitions=5)
    model.fit(X, y)
    votes = np.zeros((20, 3))
    for p in range(5):
        rows = model.partition_ == p
        tree = DecisionTreeClassifier(random_state=0).fit(X[rows], y[rows])
        votes += tree.predict(X_test)[:, None] == np.array(["a", "b", "c"])
    assert np.array_equal(model.predict_proba(X_test), votes / 5)
    assert np.array_equal(model.predict(X_test), model.classes_[votes.argmax(axis=1)])


@pytest.mark.parametrize("seed", range(30))
def test_cheapest_turn_equals_every_choice_of_voters(seed):
    rng = np.random.default_rng(seed)
    n_classes = 2 + seed % 3
    votes = rng.integers(0, n_classes, 6)
    costs = rng.integers(1, 9, (6, n_classes)).astype(float)
    costs[rng.random(costs.shape) < 0.2] = np.inf
    winner = np.bincount(votes, minlength=n_classes).argmax()

    def price(new):
        moved = np.flatnonzero(new != votes)
        return costs[moved, new[moved]].sum()

    best = np.inf
    for new in map(np.array, product(range(n_classes), repeat=6)):
        if np.bincount(new, minlength=n_classes).argmax() != winner:
            best = min(best, price(new))
    cost, voters, targets = cheapest_turn(votes, costs, n_classes)
    assert cost == best
    if np.isfinite(cost):
        turned = votes.copy()
        turned[voters] = targets
        assert price(turned) == cost
        assert len(set(voters)) == len(voters)
        assert np.bincount(turned, minlength=n_classes).argmax() != winner


def fewest_flips(X, y, X_test, parts, n_neighbors, n_classes):
    """Over every table of labels there is, votes counted in numpy."""
    tables = np.array(list(product(range(n_classes), repeat=len(y))))
    changes, out = (tables != y).sum(axis=1), []
    for x in X_test:
        votes = np.zeros((len(tables), n_classes), dtype=int)
        for p in np.unique(parts):
            rows = np.flatnonzero(parts == p)
            distance = np.linalg.norm(X[rows] - x, axis=1)
            near = rows[np.argsort(distance)[:n_neighbors]]
            counts = (tables[:, near, None] == np.arange(n_classes)).sum(axis=1)
            votes[np.arange(len(tables)), counts.argmax(axis=1)] += 1
        predicted = votes.argmax(axis=1)
        turned = predicted != predicted[(changes == 0).argmax()]
        out.append(changes[turned].min())
    return np.array(out)


@pytest.mark.parametrize("n_neighbors", [1, 2, 3])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_flips_of_votes_of_neighbours_are_counted_exactly(seed, n_classes, n_neighbors):
    """Parts lack classes, and win ties; nothing is left unknown."""
    X, y, X_test = two_clouds(seed, 10, n_classes=n_classes, n_test=8, apart=3)
    for key in range(1000):
        parts = partition(X, 3, key)
        if np.bincount(parts, minlength=3).min() >= n_neighbors:
            break
    base = KNeighborsClassifier(n_neighbors)
    model = PartitionClassifier(base, n_partitions=3, key=key)
    truth = fewest_flips(X, y, X_test, parts, n_neighbors, n_classes)
    certificate = PredictionCertificate(model, change="label_flip", max_rows=9)
    found = certificate.fit(X, y).robustness(X_test)
    assert np.array_equal(found.lower + 1, truth)
    assert np.array_equal(found.upper, truth)


def test_labels_that_a_part_has_not_seen():
    """A new class may win where none of the part's own ones would."""
    X, y, X_test = two_clouds(3, 8, n_classes=3, n_test=12, apart=3)
    for key in range(1000):
        parts = partition(X, 2, key)
        classes = [len(np.unique(y[parts == p])) for p in range(2)]
        if min(classes) == 2:
            break
    for base in (RidgeClassifier(0.1), KNeighborsClassifier(2, weights="distance")):
        model = PartitionClassifier(base, n_partitions=2, key=key)
        truth = fewest_changes(model, X, y, X_test, "label_flip", 2)
        options = {"change": "label_flip", "max_rows": 2}
        found = PredictionCertificate(model, **options).fit(X, y).robustness(X_test)
        assert (found.lower < truth).all()
        assert found.lower.max() > 0


def test_a_label_that_a_logistic_part_has_not_seen():
    """Its certificate is about two classes: of a third one it knows nothing."""
    rng = np.random.default_rng(0)
    X, X_test = rng.normal(size=(60, 1)) + 2, np.linspace(-1, 5, 31)[:, None]
    parts = partition(X, 2, 0)
    y = (X[:, 0] - 2 + rng.normal(size=60) > 0) + parts
    base = LogisticRegression(C=0.1, fit_intercept=False, tol=1e-8)
    model = PartitionClassifier(base, n_partitions=2).fit(X, y)
    certificate = PredictionCertificate(model, change="label_flip", max_rows=1)
    bounds = certificate.fit(X, y)._certifier.bounds(X_test, 1)
    lower = np.array([lower for lower, _ in bounds])
    before, turned = model.predict(X_test), np.zeros(31, dtype=bool)
    for i in np.flatnonzero(parts == 0):
        labels = y.copy()
        labels[i] = 2
        turned |= clone(model).fit(X, labels).predict(X_test) != before
    assert turned.any()
    assert (lower[turned] == 0).all()


def test_a_third_label_changes_a_prediction_that_two_do_not():
    """Of a ridge classifier of two classes, by every table with so many flips."""
    model, nearer = RidgeClassifier(0.1, fit_intercept=False), 0
    for seed in (4,):
        X, y, X_test = two_clouds(seed, 6, n_test=6, apart=2)
        y = y + 1
        before = model.fit(X, y).predict(X_test)
        certify = {}
        for classes in ([1, 2], [0, 1, 2]):
            fitted = clone(model).fit(X, y)
            args = model, fitted, X, y, {}, "label_flip"
            found = certifier(Training(*args, classes=np.array(classes)))
            certify[len(classes)] = np.array([k for k, _ in found.bounds(X_test, 3)])
        truth = np.full(6, 3)
        for i, j in combinations(range(6), 2):
            for new in product([0, 1, 2], repeat=2):
                labels = y.copy()
                labels[[i, j]] = new
                turned = clone(model).fit(X, labels).predict(X_test) != before
                truth[turned] = np.minimum(truth[turned], (labels != y).sum())
        assert (certify[3] < truth).all()
        nearer += (certify[2] >= truth).sum()
    assert nearer > 0


@pytest.mark.parametrize("change", ["removal", "label_flip"])
@pytest.mark.parametrize(
    "base", [KNeighborsClassifier(1), DecisionTreeClassifier(random_state=0)]
)
def test_certificates_hold_for_every_table(change, base):
    X, y, X_test = two_clouds(4, 11, n_test=8, apart=6)
    model = PartitionClassifier(base, n_partitions=3, key=1)
    truth = fewest_changes(model, X, y, X_test, change, 2)
    certificate = PredictionCertificate(model, change=change, max_rows=2).fit(X, y)
    found = certificate.robustness(X_test)
    assert (found.lower < truth).all()
    assert (found.upper >= truth).all()
    assert found.lower.max() > 0


def test_certificates_of_parts_add_up_and_no_attack_beats_them():
    X, y = load_digits(return_X_y=True)
    X, y, X_test = X[:600], y[:600], X[1000:1012]
    model = PartitionClassifier(KNeighborsClassifier(5), n_partitions=8)
    options = {"change": "label_flip", "max_rows": 120}
    certificate = PredictionCertificate(model, **options).fit(X, y)
    found = certificate.robustness(X_test)
    votes = np.sort(model.fit(X, y).predict_proba(X_test) * 8, axis=1)
    plain = (votes[:, -1] - votes[:, -2]) // 2
    assert found.lower.sum() > 1.2 * plain.sum()
    attacked = np.flatnonzero(np.isfinite(found.upper))
    assert len(attacked) > 6
    for t in attacked[::3]:
        labels = y.copy()
        labels[found.flip_sets[t]] = found.flip_labels[t]
        refit = clone(model).fit(X, labels)
        assert refit.predict(X_test[[t]]) != model.predict(X_test[[t]])
        assert len(found.flip_sets[t]) > found.lower[t]


def test_a_part_without_rows_does_not_vote():
    X, y = np.array([[0.0], [1.0], [2.0]]), np.array([0, 1, 1])
    model = PartitionClassifier(RidgeClassifier(), n_partitions=50).fit(X, y)
    assert sum(part is not None for part in model.estimators_) <= 3
    assert model.predict([[5.0]]) == [1]
    certificate = PredictionCertificate(model).fit(X, y)
    assert certificate.robustness([[5.0]]).lower.tolist() == [0]


def test_regressors_do_not_vote():
    with pytest.raises(TypeError, match="'estimator' .* must be a classifier"):
        PartitionClassifier(Ridge()).fit(np.eye(6), np.arange(6) % 2)
