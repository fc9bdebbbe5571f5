"""Labels replaced by another class, at random."""

import numpy as np

from skinfluence._sklearn import fresh_seed
from skinfluence.datasets._inputs import check_rows, draw


def plant_label_flips(X, y, *, fraction=0.1, random_state=None):
    """Give a share of the rows the label of another class.

    Rows are drawn uniformly, without replacement; each gets one of the other labels,
    all equally likely. Copies are returned and the arguments left alone.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        Rows of a table or images; returned as they are.
    y : array-like of shape (n_samples,)
        Labels, at least two different ones.
    fraction : float, default=0.1
        Share of the rows, in (0, 1); rounded, and at least one row.
    random_state : int, RandomState or None, default=None
        Chooses rows and labels.

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
    plant_backdoor : A pattern that means a label.
    plant_feature_collision : Poison whose labels are right.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skinfluence.datasets import plant_label_flips
    >>> X, y = load_iris(return_X_y=True)
    >>> X, noisy, planted = plant_label_flips(X, y, fraction=0.1, random_state=0)
    >>> int(planted.sum()), bool((noisy[planted] != y[planted]).all())
    (15, True)
    """
    X, y = check_rows(X, y)
    classes, index = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            "y must hold at least two labels to flip between. Got only "
            f"{classes.tolist()}."
        )
    rng = np.random.default_rng(fresh_seed(random_state))
    rows = draw(np.arange(len(y)), fraction, len(y), rng, "rows")
    shift = rng.integers(1, len(classes), size=len(rows))
    y[rows] = classes[(index[rows] + shift) % len(classes)]
    planted = np.zeros(len(y), dtype=bool)
    planted[rows] = True
    return X, y, planted
