"""Linear datamodeling score: correlation of summed influences with retrained models."""

import numpy as np
from sklearn.utils import check_array

from skinfluence.metrics._correlation import row_correlations
from skinfluence.metrics._inputs import influence_matrix


def linear_datamodeling_score(
    influence, masks, losses, *, X=None, y=None, average=True
):
    r"""Rank correlation of summed influences with the losses of retrained models.

    For each test row t, over subsets :math:`S_k` of the training rows on which
    models were trained,

    .. math:: \mathrm{LDS}_t = \rho_k\left(-\sum_{i \in S_k} I(i, t),\;
        \ell_t(\hat\theta_{S_k})\right)

    with Spearman's :math:`\rho`. 1: the influences order the subsets as retraining
    does; 0: at random. No unit: factors and constants do not matter.

    **Cost.** O(n_subsets x n_train x n_test) for the sums; the retrained models are
    the expensive part, and one pool of them serves every method.

    **When it fails.** If training is random, the losses contain noise that no
    attribution can predict: average several retrainings of every subset, or compare
    with the score of a second set of retrainings. With few subsets the score is noisy:
    with 50 the standard error of one row's score is about 0.14.

    Parameters
    ----------
    influence : fitted influence estimator or array-like of shape (n_test, n_train)
        The influences to evaluate. A matrix may come from any library, positive = the
        row made the prediction better.
    masks : array-like of bool, shape (n_subsets, n_train)
        The training rows of each subset.
    losses : array-like of shape (n_subsets, n_test)
        Loss of each test row under the model trained on that subset.
    X : array-like of shape (n_test, n_features), default=None
        The test rows; needed if ``influence`` is an estimator.
    y : array-like of shape (n_test,), default=None
        Their true values.
    average : bool, default=True
        Whether to return the mean over the test rows.

    Returns
    -------
    score : float or ndarray of shape (n_test,)
        Between -1 and 1. Test rows whose losses or predictions are the same for
        all subsets count as 0.

    See Also
    --------
    leave_one_out_correlation : The same for removals of single rows.

    References
    ----------
    .. [1] A. Ilyas, S. M. Park, L. Engstrom, G. Leclerc, A. Madry, "Datamodels:
       Predicting Predictions from Training Data", ICML 2022.
    .. [2] S. M. Park, K. Georgiev, A. Ilyas, G. Leclerc, A. Madry, "TRAK:
       Attributing Model Behavior at Scale", ICML 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.metrics import linear_datamodeling_score
    >>> rng = np.random.default_rng(0)
    >>> influence = rng.normal(size=(3, 20))
    >>> masks = rng.random((50, 20)) < 0.5
    >>> losses = 1.0 - masks @ influence.T  # losses that are additive in the rows
    >>> round(linear_datamodeling_score(influence, masks, losses), 6)
    1.0
    """
    matrix = influence_matrix(influence, X, y)
    masks = check_array(masks, dtype="float64", input_name="masks")
    losses = check_array(losses, dtype="float64", input_name="losses")
    n_test, n_train = matrix.shape
    if masks.shape[1] != n_train or losses.shape != (len(masks), n_test):
        raise ValueError(
            "The 'masks' and 'losses' parameters must have shapes (n_subsets, "
            f"{n_train}) and (n_subsets, {n_test}), as influence has shape "
            f"{matrix.shape}. Got {masks.shape} and {losses.shape}."
        )
    if not np.isin(masks, (0, 1)).all():
        raise ValueError(
            "The 'masks' parameter must be boolean: True for the rows that a model "
            "was trained on. Got other numbers than 0 and 1: turn indices into masks."
        )
    if len(masks) < 2:
        raise ValueError(
            "The 'masks' parameter must hold at least 2 subsets to be ranked. "
            f"Got {len(masks)}."
        )
    scores = row_correlations(-matrix @ masks.T, losses.T, rank=True)
    return float(scores.mean()) if average else scores
