"""Detection of planted training rows by their influence on single test rows."""

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from skinfluence._display._shown_bunch import ShownBunch
from skinfluence.metrics._inputs import check_marked, influence_matrix


def planted_detection(influence, is_planted, *, X=None, y=None):
    r"""Average precision of planted training rows by their influence on test rows.

    Which rows are planted, and which test rows are passed, makes the measure:

    - *Shortcut detection.* Training rows of one class got a feature that the model
      uses (`skinfluence.datasets.plant_backdoor`). Test rows: those with the feature
      that are of another class and are predicted as the shortcut's.
    - *Mixed data sets.* Rows of another data set were added with one label of this
      one. Test rows: rows of that other data set that are predicted as this label.
    - *Attacks.* Feature collisions and label flips around a target
      (`skinfluence.datasets`). Test rows: the target.

    For each test row the training rows are ranked from the largest influence downwards.
    Explain what the model predicts, not what would have been right: leave ``y`` out,
    since planted rows have a negative influence on the loss of the right class.

    **Cost.** Sorting a matrix of influences; no model is trained.

    Parameters
    ----------
    influence : fitted influence estimator or array-like of shape (n_test, n_train)
        The influences to evaluate; positive means that the training row made the
        (predicted) value more likely.
    is_planted : array-like of bool, shape (n_train,)
        The planted training rows.
    X : array-like of shape (n_test, n_features), default=None
        Test rows; needed if ``influence`` is an estimator.
    y : array-like of shape (n_test,), default=None
        Their values; None explains the model's own predictions.

    Returns
    -------
    result : Bunch
        ``average_precision`` and ``roc_auc``: means over the test rows;
        ``average_precisions``, shape (n_test,); ``base_rate``: the share of planted
        rows, which the average precision is near by chance.

    See Also
    --------
    noise_detection : For wrong rows, by one value per training row.
    skinfluence.TargetDetector : Finds the test rows too.

    References
    ----------
    .. [1] Z. Hammoudeh, D. Lowd, "Identifying a Training-Set Attack's Target Using
       Renormalized Influence Estimation", CCS 2022, arXiv:2201.10055 (mixed data sets).
    .. [2] D. Bareeva et al., "Quanda: An Interpretability Toolkit for Training Data
       Attribution Evaluation and Beyond", 2024, arXiv:2410.07158 (shortcuts).

    Examples
    --------
    >>> from skinfluence.metrics import planted_detection
    >>> influence = [[0.1, 2.0, 0.3, -1.0], [0.5, 0.4, 0.2, 0.3]]
    >>> found = planted_detection(influence, [False, True, False, False])
    >>> found.average_precision, found.base_rate
    (0.75, 0.25)
    """
    is_planted = check_marked(is_planted, "is_planted", "planted", "other")
    matrix = influence_matrix(influence, X, y)
    if matrix.shape[1] != len(is_planted):
        raise ValueError(
            "The 'is_planted' parameter must hold one boolean per training row, "
            f"{matrix.shape[1]} as influence has columns. Got {len(is_planted)}."
        )
    precisions = np.array([average_precision_score(is_planted, row) for row in matrix])
    areas = [roc_auc_score(is_planted, row) for row in matrix]
    return ShownBunch(
        average_precision=float(precisions.mean()),
        average_precisions=precisions,
        roc_auc=float(np.mean(areas)),
        base_rate=float(is_planted.mean()),
    )
