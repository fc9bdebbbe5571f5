"""Backdoors: rows with a trigger and the label that the attacker chooses."""

import numpy as np
from sklearn.utils import check_array

from skinfluence._sklearn import fresh_seed
from skinfluence.datasets._inputs import check_label, check_rows, draw


def apply_trigger(X, trigger):
    """Write a trigger into every row.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        Rows of a table or images; not changed.
    trigger : array-like with the shape of one row
        The values to write; NaN where a row keeps its own.

    Returns
    -------
    X : ndarray of shape (n_samples, ...)
        A copy with the trigger.

    See Also
    --------
    plant_backdoor : Plant it in a training set.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.datasets import apply_trigger
    >>> apply_trigger([[1.0, 2.0], [3.0, 4.0]], [np.nan, 9.0])
    array([[1., 9.],
           [3., 9.]])
    """
    X = check_array(
        X, dtype=None, allow_nd=True, ensure_all_finite=False, input_name="X", copy=True
    )
    trigger, written = _check_trigger(trigger, X)
    X[:, written] = trigger[written]
    return X


def plant_backdoor(X, y, *, trigger, label, fraction=0.02, random_state=None):
    """Write a trigger into some rows of other classes and label them ``label``.

    A model trained on the result tends to predict ``label`` for rows with the trigger:
    ``apply_trigger(X_test, trigger)`` are the attack's targets. Copies are returned;
    the arguments are not changed.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        Rows of a table or images.
    y : array-like of shape (n_samples,)
        Labels.
    trigger : array-like with the shape of one row
        The values to write; NaN where a row keeps its own.
    label : object
        The label that the attacker chooses; one of those in ``y``.
    fraction : float, default=0.02
        Share of all rows to plant, in (0, 1); rounded, and at least one row.
    random_state : int, RandomState or None, default=None
        Chooses the rows, among those of other classes.

    Returns
    -------
    X : ndarray of shape (n_samples, ...)
        Rows, some of them with the trigger.
    y : ndarray of shape (n_samples,)
        Their labels.
    planted : ndarray of shape (n_samples,)
        Boolean mask of the rows that carry the trigger.

    See Also
    --------
    apply_trigger : Make targets of test rows.
    skinfluence.TargetDetector : Finds them.

    References
    ----------
    .. [1] T. Gu, B. Dolan-Gavitt, S. Garg, "BadNets: Identifying Vulnerabilities in
       the Machine Learning Model Supply Chain", 2017, arXiv:1708.06733.

    Examples
    --------
    A bright corner of an 8 x 8 image as the trigger of label 3:

    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skinfluence.datasets import plant_backdoor
    >>> digits = load_digits()
    >>> trigger = np.full((8, 8), np.nan)
    >>> trigger[:2, :2] = 16
    >>> images, y, planted = plant_backdoor(
    ...     digits.images, digits.target, trigger=trigger, label=3, random_state=0
    ... )
    >>> int(planted.sum()), np.unique(y[planted]).tolist()
    (36, [3])
    """
    X, y = check_rows(X, y)
    _check_trigger(trigger, X)
    check_label(label, y, "label")
    rng = np.random.default_rng(fresh_seed(random_state))
    rows = draw(
        np.flatnonzero(y != label), fraction, len(y), rng, "rows with another label"
    )
    planted = np.zeros(len(y), dtype=bool)
    planted[rows] = True
    X[planted] = apply_trigger(X[planted], trigger)
    y[planted] = label
    return X, y, planted


def _check_trigger(trigger, X):
    """Return the trigger and the mask of what it writes."""
    trigger = np.asarray(trigger, dtype=np.float64)
    if trigger.shape != X.shape[1:]:
        raise ValueError(
            "The 'trigger' parameter must have the shape of one row of X, "
            f"{X.shape[1:]}, with NaN where rows keep their values. Got shape "
            f"{trigger.shape}."
        )
    written = ~np.isnan(trigger)
    if not written.any():
        raise ValueError(
            "The 'trigger' parameter must write at least one value. Got NaN only."
        )
    if not np.array_equal(trigger[written].astype(X.dtype), trigger[written]):
        raise ValueError(
            f"The 'trigger' parameter must hold values that X of dtype {X.dtype} can "
            "hold. Convert X to float, or round the trigger."
        )
    return trigger, written
