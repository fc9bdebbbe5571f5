"""Planters: what they change, and that they change nothing else."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from skinfluence.datasets import (
    apply_trigger,
    plant_backdoor,
    plant_feature_collision,
    plant_label_flips,
)

TRIGGER = np.array([np.nan, 5.0, np.nan])
IMAGE_TRIGGER = np.full((8, 8), np.nan)
IMAGE_TRIGGER[0, :2] = 16


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, 3)), rng.integers(3, size=200)


@pytest.fixture(scope="module")
def images():
    digits = load_digits()
    return digits.images[:300], digits.target[:300]


def plant(name, X, y, **options):
    """Call a planter with the shape of X and the labels of y."""
    table = X.ndim == 2
    if name == "flips":
        return plant_label_flips(X, y, **options)
    options = {"label": np.unique(y)[1], **options}
    if name == "backdoor":
        trigger = TRIGGER if table else IMAGE_TRIGGER
        return plant_backdoor(X, y, trigger=trigger, **options)
    if name == "targeted flips":
        return plant_label_flips(X, y, target=X[0], **options)
    return plant_feature_collision(X, y, X[0], **options)


RANDOM = ["flips", "backdoor", "collision"]
PLANTERS = [*RANDOM, "targeted flips"]


@pytest.mark.parametrize("name", PLANTERS)
@pytest.mark.parametrize("data", ["table", "images"])
def test_only_planted_rows_change_and_arguments_are_left_alone(name, data, request):
    X, y = request.getfixturevalue(data)
    before = X.copy(), y.copy()
    new_X, new_y, planted = plant(name, X, y, fraction=0.04, random_state=1)
    assert_array_equal(X, before[0])
    assert_array_equal(y, before[1])
    assert planted.dtype == bool
    assert planted.sum() == round(0.04 * len(y))
    assert_array_equal(new_X[~planted], X[~planted])
    assert_array_equal(new_y[~planted], y[~planted])
    changed = (new_y != y) | (new_X != X).reshape(len(y), -1).any(axis=1)
    if data == "table":  # a digit may have had the bright corner before
        assert_array_equal(changed, planted)
    new_X[...], new_y[...] = 0, 0  # copies, not views
    assert_array_equal(X, before[0])
    assert_array_equal(y, before[1])


@pytest.mark.parametrize("name", RANDOM)
def test_seeds_decide_and_the_global_state_is_not_touched(name, table):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (
        plant(name, *table, fraction=0.1, random_state=seed)[2] for seed in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert (first != other).any()
    plant(name, *table)
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("name", PLANTERS)
def test_string_labels_are_as_good_as_numbers(name, table):
    X, y = table
    names = np.array(["a", "b", "c"])
    by_number = plant(name, X, y, random_state=0)
    by_name = plant(name, X, names[y], random_state=0)
    assert_array_equal(by_name[1], names[by_number[1]])
    assert_array_equal(by_name[2], by_number[2])


def test_flips_are_uniform_over_the_other_labels():
    y = np.repeat([0, 1, 2], 3000)
    _, noisy, planted = plant_label_flips(
        np.zeros((9000, 1)), y, fraction=0.5, random_state=0
    )
    counts = np.zeros((3, 3))
    np.add.at(counts, (y[planted], noisy[planted]), 1)
    assert_array_equal(np.diag(counts), 0)
    # 750 each; 6 standard deviations
    assert_allclose(counts[~np.eye(3, dtype=bool)], 750, atol=6 * np.sqrt(750))


@pytest.mark.parametrize("data", ["table", "images"])
def test_targeted_flips_are_those_nearest_to_the_target(data, request):
    X, y = request.getfixturevalue(data)
    X, y = X[1:], y[1:]
    target = request.getfixturevalue(data)[0][0]
    _, flipped, planted = plant_label_flips(X, y, fraction=0.1, target=target, label=1)
    others = [i for i in range(len(y)) if y[i] != 1]
    others.sort(key=lambda i: np.linalg.norm(X[i] - target))
    size = round(0.1 * len(y))
    assert_array_equal(np.flatnonzero(planted), np.sort(others[:size]))
    assert_array_equal(flipped, np.where(planted, 1, y))


def test_distances_of_small_integers_do_not_wrap_around():
    X = np.array([[0], [100], [250], [255]], dtype=np.uint8)
    planted = plant_label_flips(X, [0, 0, 0, 1], fraction=0.25, target=[1], label=1)[2]
    assert_array_equal(planted, [True, False, False, False])


def test_targeted_flips_decide_about_the_target(images):
    X, y = images[0].reshape(300, -1) / 16, images[1]
    target, label = X[250], (y[250] + 1) % 10
    _, flipped, _ = plant_label_flips(
        X[:250], y[:250], fraction=0.05, target=target, label=label
    )
    models = [
        LogisticRegression(max_iter=1000).fit(X[:250], t) for t in (y[:250], flipped)
    ]
    assert [model.predict(target[None])[0] for model in models] == [y[250], label]


def test_a_backdoor_writes_the_trigger_into_rows_of_other_classes(images):
    X, y = images
    poisoned, labels, planted = plant_backdoor(
        X, y, trigger=IMAGE_TRIGGER, label=3, fraction=0.1, random_state=0
    )
    assert (y[planted] != 3).all()
    assert (labels[planted] == 3).all()
    assert_array_equal(poisoned[planted][:, 0, :2], 16)
    assert_array_equal(poisoned[planted][:, 1:], X[planted][:, 1:])
    assert_array_equal(poisoned[planted][:, 0, 2:], X[planted][:, 0, 2:])
    assert_array_equal(poisoned[planted], apply_trigger(X[planted], IMAGE_TRIGGER))


def test_a_backdoor_opens(images):
    X, y = images
    X, y, _ = plant_backdoor(
        X[:250], y[:250], trigger=IMAGE_TRIGGER, label=3, fraction=0.1, random_state=0
    )
    model = LogisticRegression(max_iter=1000).fit(X.reshape(250, -1) / 16, y)
    test = apply_trigger(images[0][250:], IMAGE_TRIGGER).reshape(50, -1) / 16
    assert (model.predict(test) == 3).mean() > 0.8
    assert (model.predict(images[0][250:].reshape(50, -1) / 16) == 3).mean() < 0.3


def test_a_feature_collision_moves_rows_of_its_own_class(table):
    X, y = table
    target = np.array([4.0, 5.0, 6.0])
    moved, labels, planted = plant_feature_collision(
        X, y, target, label=2, fraction=0.05, strength=0.75, random_state=0
    )
    assert_array_equal(labels, y)
    assert (y[planted] == 2).all()
    before = np.linalg.norm(X[planted] - target, axis=1)
    after = np.linalg.norm(moved[planted] - target, axis=1)
    assert_allclose(after, before / 4, rtol=1e-12)
    # On the straight line between the row and the target.
    assert_allclose(
        np.linalg.norm(X[planted] - moved[planted], axis=1) + after, before, rtol=1e-12
    )


def test_integers_stay_integers():
    X = np.arange(40, dtype=np.uint8).reshape(20, 2)
    y = np.arange(20) % 2
    for new in (
        plant_backdoor(X, y, trigger=[np.nan, 255], label=1, random_state=0)[0],
        plant_feature_collision(X, y, [255, 0], label=1, random_state=0)[0],
    ):
        assert new.dtype == np.uint8
    with pytest.raises(ValueError, match="'trigger'.*dtype uint8"):
        plant_backdoor(X, y, trigger=[np.nan, 0.5], label=1)
    with pytest.raises(ValueError, match="'trigger'.*dtype uint8"):
        apply_trigger(X, [np.nan, 256])


@pytest.mark.parametrize("name", PLANTERS)
@pytest.mark.parametrize("fraction", [0, 1, 1.5, -0.1, "all"])
def test_fraction_is_checked(name, fraction, table):
    with pytest.raises(ValueError, match="'fraction'.*between 0 and 1"):
        plant(name, *table, fraction=fraction)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X, y: plant_label_flips(X, 0 * y), "two labels"),
        (lambda X, y: plant_label_flips(X, y[1:]), "inconsistent numbers"),
        (
            lambda X, y: plant_label_flips(X, y, target=X[0]),
            "'target' and 'label'.*together.*label=None",
        ),
        (
            lambda X, y: plant_label_flips(X, y, label=1),
            "'target' and 'label'.*together.*target=None",
        ),
        (
            lambda X, y: plant_label_flips(X, y, target=X[:1], label=1),
            r"'target'.*\(3,\). Got shape \(1, 3\)",
        ),
        (lambda X, y: plant("targeted flips", X, y, label=7), "'label'.*Got 7"),
        (
            lambda X, y: plant("targeted flips", X, y, fraction=0.9),
            "'fraction'.*only .* rows with another label",
        ),
        (lambda X, y: plant("backdoor", X, y, label=7), "'label'.*Got 7"),
        (lambda X, y: plant("collision", X, y, label="x"), "'label'.*Got 'x'"),
        (
            lambda X, y: plant("collision", X, y, fraction=0.9),
            "'fraction'.*only .* plant at most",
        ),
        (lambda X, y: plant("collision", X, y, strength=0), "'strength'"),
        (lambda X, y: plant("collision", X, y, strength=1.1), "'strength'"),
        (
            lambda X, y: plant_backdoor(X, y, trigger=[1.0], label=0),
            r"'trigger'.*\(3,\).*Got shape \(1,\)",
        ),
        (lambda X, y: apply_trigger(X, [np.nan] * 3), "'trigger'.*NaN only"),
        (
            lambda X, y: plant_feature_collision(X, y, [0.0, 1.0], label=0),
            r"'target'.*\(3,\)",
        ),
    ],
)
def test_bad_arguments_are_named(call, message, table):
    with pytest.raises(ValueError, match=message):
        call(*table)


def test_flips_near_a_target_refuse_missing_values():
    X, y = np.eye(6), np.arange(6) % 2
    X[2, 3] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        plant_label_flips(X, y, fraction=0.3, target=np.zeros(6), label=1)
