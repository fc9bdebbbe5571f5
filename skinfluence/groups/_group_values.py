"""The values of whole groups of training rows on validation rows."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skinfluence._display._shown_bunch import ShownBunch
from skinfluence.groups._players import labelled_masks


def group_values(influence, X, y, *, groups, bounds=False):
    """Find out which whole group of training rows hurts: a source, day or annotator.

    The value of a group is the mean over validation rows of its `group_influence`: loss
    of the model without the whole group minus loss of the model with all rows.
    **Sign.** Negative: the model is better without the group. **Unit.** The loss of one
    validation row.

    **Cost.** That of ``influence.group_influence``, and of ``group_influence_bounds``.
    Exact methods, `LeaveOneOutInfluence` say, refit or update the model without each
    group; for others the value is the sum of the effects of its rows.

    **When it fails.** A value is about the validation rows: if they come from one of
    the groups, that group looks good. A large group may lose by its size alone what its
    wrong rows would win: look for wrong rows inside of a group by
    ``influence.sample_values``. Of many groups the lowest is low by chance as well;
    ``std_error`` is that of one group.

    Parameters
    ----------
    influence : fitted influence estimator
        Around the estimator in question, fitted on the training rows.
    X : array-like of shape (n_samples, n_features)
        Validation rows, which were not trained on.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their true values.
    groups : array-like of shape (n_samples_fit_,) or (n_groups, n_samples_fit_)
        The label of each training row, or one boolean mask per group; groups of masks
        may overlap.
    bounds : bool, default=False
        Whether to prove between which two numbers the values are, for methods with
        ``group_influence_bounds`` and models with a proof (:ref:`certified_influence`).

    Returns
    -------
    values : :class:`~sklearn.utils.Bunch`
        Arrays of shape (n_groups,).

        groups : ndarray
            The different labels, sorted; the numbers of masks.
        influence : ndarray of float
            The values.
        std_error : ndarray of float
            Of the values, as means over validation rows that are drawn independently;
            the training rows are held. NaN for a single validation row.
        n_rows : ndarray of int
            Training rows of each group.
        lower, upper : ndarray of float
            Only with ``bounds=True``: the mean loss change of refitting on these
            validation rows is provably between them, the solver's tolerance and
            rounding included. They say nothing of other validation rows.
        frame : DataFrame
            The arrays as a table with the labels as index; None where pandas is not
            installed.

    Raises
    ------
    UnsupportedEstimator
        A TypeError: with ``bounds=True``, for models and losses of which nothing is
        proven, with the reason.

    See Also
    --------
    find_flip_set : The fewest groups without which an answer is another.
    InfluenceCleaner : Finds and removes single rows that are wrong.

    Examples
    --------
    Three annotators labelled the rows, one of them carelessly:

    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import scale
    >>> from skinfluence import LeaveOneOutInfluence, group_values
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X, annotator = scale(X), np.array(["Ann", "Bob", "Eve"])[np.arange(300) % 3]
    >>> careless = (annotator == "Eve") & (np.arange(300) % 2 == 0)
    >>> given = np.where(careless, 1 - y[:300], y[:300])
    >>> loo = LeaveOneOutInfluence(LogisticRegression()).fit(X[:300], given)
    >>> values = group_values(loo, X[300:], y[300:], groups=annotator, bounds=True)
    >>> values.groups[values.influence < -2 * values.std_error]
    array(['Eve'], dtype='<U3')
    >>> bool(values.upper[2] < 0)  # proven: on these rows it is better without Eve
    True
    """
    if not hasattr(influence, "group_influence"):
        raise TypeError(
            "The 'influence' parameter must be a fitted influence estimator around the "
            "model, LeaveOneOutInfluence(LogisticRegression()).fit(X, y), say. Got "
            f"{influence!r:.100}."
        )
    check_is_fitted(influence)
    if bounds and not hasattr(influence, "group_influence_bounds"):
        raise TypeError(
            "bounds=True needs a method with group_influence_bounds: "
            "LeaveOneOutInfluence or InfluenceFunctions. Got "
            f"{type(influence).__name__}."
        )
    if y is None:
        raise ValueError(
            "y must hold the true values of the validation rows: whether a group hurts "
            "is a question of the loss. Got None."
        )
    masks, labels = labelled_masks(influence, groups)
    if masks.all(axis=1).any():
        raise ValueError(
            "The 'groups' parameter must leave at least one training row without each "
            f"group. Got {labels[masks.all(axis=1)][0]!r} for every row."
        )
    ends = influence.group_influence_bounds(X, y, groups=masks) if bounds else None
    each = influence.group_influence(X, y, groups=masks)
    out = ShownBunch(
        groups=labels,
        influence=each.mean(axis=0),
        std_error=_std_error(each),
        n_rows=masks.sum(axis=1),
    )
    if bounds:
        out.lower, out.upper = _mean_bound(ends[0], -1), _mean_bound(ends[1], 1)
    out.frame = _frame(out)
    return out


def _std_error(each):
    if len(each) < 2:
        return np.full(each.shape[1], np.nan)
    return each.std(axis=0, ddof=1) / np.sqrt(len(each))


def _mean_bound(each, direction):
    """Return means, further out by more than the rounding of a sum in any order."""
    rounding = len(each) * np.finfo(np.float64).eps * np.abs(each).mean(axis=0)
    return each.mean(axis=0) + direction * rounding


def _frame(values):
    try:
        import pandas as pd
    except ImportError:
        return None
    columns = {key: column for key, column in values.items() if key != "groups"}
    return pd.DataFrame(columns, index=pd.Index(values.groups, name="group"))
