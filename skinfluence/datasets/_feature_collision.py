"""Clean-label attacks: rows that are moved towards a target and keep their label."""

from numbers import Real

import numpy as np

from skinfluence._sklearn import fresh_seed
from skinfluence.datasets._inputs import check_label, check_rows, check_target, draw


def plant_feature_collision(
    X, y, target, *, label, fraction=0.02, strength=0.7, random_state=None
):
    r"""Move some rows of one class towards a target, without changing labels.

    A row x of class ``label`` becomes

    .. math:: \arg\min_p \; \beta \|p - t\|^2 + (1 - \beta) \|p - x\|^2
        = \beta t + (1 - \beta) x

    with target t and strength :math:`\beta`: the attack of Poison Frogs [1]_ with the
    inputs as features, as in a linear model. A model trained on the result tends to
    predict ``label`` for the target, a test row of another class. Copies are returned;
    the arguments are not changed.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        Rows of a table or images. Integers are rounded.
    y : array-like of shape (n_samples,)
        Labels.
    target : array-like with the shape of one row
        The test row to be misclassified.
    label : object
        The label to be predicted for it; one of those in ``y``.
    fraction : float, default=0.02
        Share of all rows to plant, in (0, 1); rounded, and at least one row.
    strength : float, default=0.7
        How far the rows move towards the target, in (0, 1].
    random_state : int, RandomState or None, default=None
        Chooses the rows, among those of class ``label``.

    Returns
    -------
    X : ndarray of shape (n_samples, ...)
        Rows, some of them moved.
    y : ndarray of shape (n_samples,)
        A copy.
    planted : ndarray of shape (n_samples,)
        Boolean mask of the rows that were moved.

    See Also
    --------
    plant_backdoor : A pattern that triggers a label.
    skinfluence.TargetDetector : Finds the target and the rows that moved.

    References
    ----------
    .. [1] A. Shafahi et al., "Poison Frogs! Targeted Clean-Label Poisoning Attacks on
       Neural Networks", NeurIPS 2018.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skinfluence.datasets import plant_feature_collision
    >>> X, y = load_iris(return_X_y=True)
    >>> poisoned, _, planted = plant_feature_collision(
    ...     X, y, X[0], label=1, strength=0.5, random_state=0
    ... )
    >>> int(planted.sum())
    3
    >>> bool((poisoned[planted] == (X[planted] + X[0]) / 2).all())
    True
    """
    X, y = check_rows(X, y)
    target = check_target(target, X)
    if not isinstance(strength, Real) or not 0 < strength <= 1:
        raise ValueError(
            "The 'strength' parameter must be a number in (0, 1]: 1 copies the target. "
            f"Got {strength!r}."
        )
    check_label(label, y, "label")
    rng = np.random.default_rng(fresh_seed(random_state))
    rows = draw(np.flatnonzero(y == label), fraction, len(y), rng, "rows with it")
    moved = strength * target + (1 - strength) * X[rows]
    X[rows] = np.rint(moved) if np.issubdtype(X.dtype, np.integer) else moved
    planted = np.zeros(len(y), dtype=bool)
    planted[rows] = True
    return X, y, planted
