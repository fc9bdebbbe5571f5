"""Labels replaced by another class, at random or around a target."""

import numpy as np
from sklearn.utils import assert_all_finite

from skinfluence._sklearn import fresh_seed
from skinfluence.datasets._inputs import (
    check_label,
    check_rows,
    check_target,
    draw,
    n_planted,
)


def plant_label_flips(
    X, y, *, fraction=0.1, target=None, label=None, random_state=None
):
    """Give a share of the rows the label of another class.

    By default rows are drawn uniformly, without replacement, and each gets one of the
    other labels with equal probability. With ``target`` and ``label`` this is an
    attack: of the rows with another label, those nearest to the target (by the
    Euclidean distance of the unscaled columns) get ``label``, so that a model trained
    on the result tends to predict it for the target. Copies are returned; the arguments
    are not changed.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        Rows of a table or images; returned as they are.
    y : array-like of shape (n_samples,)
        Labels, at least two different ones.
    fraction : float, default=0.1
        Share of the rows, in (0, 1); rounded, and at least one row.
    target : array-like with the shape of one row, default=None
        The test row to be misclassified; goes with ``label``.
    label : object, default=None
        The label to be predicted for the target; one of those in ``y``.
    random_state : int, RandomState or None, default=None
        Chooses rows and labels. With a target nothing is random.

    Returns
    -------
    X : ndarray of shape (n_samples, ...)
        A copy.
    y : ndarray of shape (n_samples,)
        Labels, some of them wrong.
    planted : ndarray of shape (n_samples,)
        Boolean mask of the rows whose label was changed.

    See Also
    --------
    plant_backdoor : A pattern that triggers a label.
    plant_feature_collision : An attack whose labels are right.
    skinfluence.TargetDetector : Finds targets and the rows around them.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skinfluence.datasets import plant_label_flips
    >>> X, y = load_iris(return_X_y=True)
    >>> X, noisy, planted = plant_label_flips(X, y, fraction=0.1, random_state=0)
    >>> int(planted.sum()), bool((noisy[planted] != y[planted]).all())
    (15, True)

    A setosa (0) that is to be classified as a versicolor (1):

    >>> X, y = load_iris(return_X_y=True)
    >>> _, poisoned, planted = plant_label_flips(
    ...     X, y, fraction=0.02, target=X[0], label=1
    ... )
    >>> y[planted].tolist(), poisoned[planted].tolist()
    ([0, 0, 0], [1, 1, 1])
    """
    X, y = check_rows(X, y)
    classes, index = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            "y must hold at least two labels to flip between. Got only "
            f"{classes.tolist()}."
        )
    if (target is None) != (label is None):
        raise ValueError(
            "The 'target' and 'label' parameters go together: the row to be "
            f"misclassified and the label it is to get. Got target={target!r:.60} and "
            f"label={label!r}: pass both, or neither for flips at random."
        )
    if target is None:
        rng = np.random.default_rng(fresh_seed(random_state))
        rows = draw(np.arange(len(y)), fraction, len(y), rng, "rows")
        shift = rng.integers(1, len(classes), size=len(rows))
        y[rows] = classes[(index[rows] + shift) % len(classes)]
    else:
        target = check_target(target, X)
        assert_all_finite(X, input_name="X")  # distances need finite values
        check_label(label, y, "label")
        others = np.flatnonzero(y != label)
        size = n_planted(others, fraction, len(y), "rows with another label")
        offset = (X[others].astype(np.float64) - target).reshape(len(others), -1)
        nearest = np.argsort((offset**2).sum(axis=1), kind="stable")[:size]
        rows = others[nearest]
        y[rows] = label
    planted = np.zeros(len(y), dtype=bool)
    planted[rows] = True
    return X, y, planted
