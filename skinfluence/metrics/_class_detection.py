"""Share of test rows whose influential training rows are of their own class."""

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.utils import column_or_1d

from skinfluence._display._shown_bunch import ShownBunch
from skinfluence.metrics._inputs import influence_matrix


def class_detection(influence, train_classes, test_classes, *, X=None, y=None):
    r"""How often the most influential training rows are of the test row's class.

    A training row of the same class should be a better reason for a prediction than one
    of another class ("identical class test"). With classes that the model was not
    told, the test is harder ("identical subclass test"): train on merged classes, for
    instance ``y % 2`` of ten digits, and pass the digits as ``train_classes`` and
    ``test_classes``.

    **Cost.** Sorting a matrix of influences; no model is trained.

    **When it fails.** It measures plausibility, not faithfulness: a model may have
    learned from rows of other classes. An attribution that is the similarity of inputs
    does well.

    Parameters
    ----------
    influence : fitted influence estimator or array-like of shape (n_test, n_train)
        The influences on the loss of the test rows: positive means that the training
        row made the prediction better.
    train_classes : array-like of shape (n_train,)
        Class or subclass of each training row.
    test_classes : array-like of shape (n_test,)
        Class or subclass of each test row, each one that a training row has.
    X : array-like of shape (n_test, n_features), default=None
        Test rows; needed if ``influence`` is an estimator.
    y : array-like of shape (n_test,), default=None
        Their values, as the model was trained on (merged classes); None explains the
        model's own predictions.

    Returns
    -------
    result : Bunch
        ``top``: share of test rows whose most influential training row is of their
        class; ``mean``: share for which the mean influence over the training rows of
        their class is the largest of all classes; ``roc_auc``: AUROC of the influences
        on a test row for finding the training rows of its class, mean over the test
        rows; ``base_rate``: what ``top`` is by chance, the share of training rows of
        the class, mean over the test rows. Of equal largest values each counts in part.

    See Also
    --------
    planted_detection : For training rows that were planted.

    References
    ----------
    .. [1] K. Hanawa, S. Yokoi, S. Hara, K. Inui, "Evaluation of Similarity-based
       Explanations", ICLR 2021.
    .. [2] D. Bareeva et al., "Quanda: An Interpretability Toolkit for Training Data
       Attribution Evaluation and Beyond", 2024, arXiv:2410.07158.

    Examples
    --------
    >>> from skinfluence.metrics import class_detection
    >>> influence = [[3.0, 1.0, -2.0], [0.0, 2.0, 1.0]]
    >>> found = class_detection(influence, ["a", "a", "b"], ["a", "b"])
    >>> found.top, found.mean, found.roc_auc
    (0.5, 0.75, 0.75)
    """
    matrix = influence_matrix(influence, X, y)
    train = _labels(train_classes, "train_classes", matrix.shape[1])
    test = _labels(test_classes, "test_classes", len(matrix))
    classes, codes = np.unique(train, return_inverse=True)
    unknown = np.setdiff1d(test, classes)
    if len(unknown):
        raise ValueError(
            "The 'test_classes' parameter must hold classes that training rows have, "
            f"{classes[:10].tolist()}. Got {unknown[:10].tolist()} as well: leave "
            "these test rows out."
        )
    if len(classes) < 2:
        raise ValueError(
            "The 'train_classes' parameter must hold at least two classes. Got only "
            f"{classes.tolist()}."
        )
    same = test[:, None] == train
    members = np.eye(len(classes))[codes]
    means = matrix @ members / members.sum(axis=0)
    areas = [roc_auc_score(*pair) for pair in zip(same, matrix, strict=True)]
    return ShownBunch(
        top=_share_at_the_top(matrix, same),
        mean=_share_at_the_top(means, test[:, None] == classes),
        roc_auc=float(np.mean(areas)),
        base_rate=float(same.mean()),
    )


def _share_at_the_top(values, same):
    """Mean over rows of the share of the largest values that ``same`` marks."""
    largest = values == values.max(axis=1, keepdims=True)
    return float(((largest & same).sum(axis=1) / largest.sum(axis=1)).mean())


def _labels(labels, name, n):
    labels = column_or_1d(labels)
    if len(labels) != n:
        raise ValueError(
            f"The {name!r} parameter must hold {n} labels, as influence has shape "
            f"(n_test, n_train). Got {len(labels)}."
        )
    return labels
