"""Correlation of influences with those of a model that has learned nothing."""

from skinfluence.metrics._correlation import row_correlations
from skinfluence.metrics._inputs import matrix_pair


def model_randomization(influence, randomized, *, X=None, y=None, average=True):
    """Rank correlation of the influences of a trained and of a randomised model.

    A sanity check, where low is good: an attribution that stays the same when the
    parameters of the model are random does not depend on what the model learned.
    Inputs that resemble each other give some correlation in any case, and so does a
    network that is near its random start after training.

    For a skorch net the randomised model is the same net with a learning rate of
    1e-12, which leaves the parameters at their random start. For models that have none
    use the model trained on permuted targets (the "data randomization test" of [1]_).

    Parameters
    ----------
    influence : fitted influence estimator or array-like of shape (n_test, n_train)
        The influences of the trained model.
    randomized : fitted influence estimator or array-like of shape (n_test, n_train)
        Those of the randomised model, by the same method on the same rows.
    X : array-like of shape (n_test, n_features), default=None
        Test rows; needed if one of the two is an estimator.
    y : array-like of shape (n_test,), default=None
        Their true values. Without them each model explains its own predictions, which
        differ, and the correlation is low for that reason alone.
    average : bool, default=True
        Whether to return the mean over the test rows.

    Returns
    -------
    correlation : float or ndarray of shape (n_test,)
        Spearman's, between -1 and 1; a test row with constant influences counts as 0.

    See Also
    --------
    reseeding_stability : Models that differ in their seed, where high is good.

    References
    ----------
    .. [1] J. Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018.
    .. [2] K. Hanawa, S. Yokoi, S. Hara, K. Inui, "Evaluation of Similarity-based
       Explanations", ICLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skinfluence import InfluenceFunctions
    >>> from skinfluence.metrics import model_randomization
    >>> X, y = load_iris(return_X_y=True)
    >>> shuffled = np.random.default_rng(0).permutation(y)
    >>> trained = InfluenceFunctions(LogisticRegression(max_iter=1000)).fit(X, y)
    >>> untrained = InfluenceFunctions(LogisticRegression(max_iter=1000))
    >>> untrained = untrained.fit(X, shuffled)
    >>> abs(model_randomization(trained, untrained, X=X[::5], y=y[::5])) < 0.3
    True
    """
    pair = matrix_pair(influence, randomized, "randomized", X, y)
    correlations = row_correlations(*pair, rank=True)
    return float(correlations.mean()) if average else correlations
