"""The cleaning of tables that do not fit into memory: collections of dask."""

from numbers import Integral

import numpy as np
from sklearn.base import is_classifier

from skinfluence._collections import is_collection
from skinfluence.cleaning._row_values import RowValues
from skinfluence.cleaning._run import judged_by
from skinfluence.cleaning._suspects import suspects_table
from skinfluence.removal import UnsupportedEstimator

ARRAYS = "leave it out, or pass arrays that fit into memory"


def check_for_collections(settings, given):
    """Refuse settings and arguments that collections of dask do not support.

    Parameters
    ----------
    settings : CleaningSettings
        How the rows are cleaned.
    given : dict
        Arguments of ``fit`` besides X and y, none of which is supported.
    """
    refused = {
        "influence": settings.influence is not None,
        "cv": not isinstance(settings.cv, Integral),
        "memory": settings.memory is not None,
        "subsample": settings.subsample is None,
        **{name: value is not None for name, value in given.items()},
    }
    for name in (key for key, wrong in refused.items() if wrong):
        how = "set it to a number of rows" if name == "subsample" else ARRAYS
        raise TypeError(
            f"The {name!r} parameter cannot be used with collections of dask: {how}."
        )


def judge_blocks(X, y, settings, classification):
    """Value the rows of dask collections and flag suspects.

    Parameters
    ----------
    X : dask array or dataframe of shape (n_samples, n_features)
        Rows.
    y : dask or other array-like of shape (n_samples,)
        Targets.
    settings : CleaningSettings
        How the rows are cleaned.
    classification : bool or callable
        Whether y holds labels; a callable decides it from the targets.

    Returns
    -------
    blocks : Blocks
        The rows, without preprocessing.
    y : ndarray
        All targets.
    judged : Judged
    """
    from skinfluence.cleaning.surprise._block_scores import score_blocks
    from skinfluence.out_of_core._blocks import blocks_of, targets_of

    labels = callable(classification) or classification
    blocks = blocks_of(X, y, raw=True, labels=labels)
    y = joined_targets(blocks.numbers, targets_of(blocks, y, labels))
    if callable(classification):
        classification = classification(y)
    scores = score_blocks(blocks, y, classification, settings.subsample)
    rows = RowValues(scores.values, None, scores)
    return blocks, y, judged_by(rows, y, settings, classification)


def joined_targets(numbers, parts):
    """Join the targets of all partitions; labels must be of one kind."""
    from skinfluence.out_of_core._problem import check_labels

    if any(part.dtype.kind in "OUS" for part in parts):
        check_labels(numbers, parts)
    return np.concatenate(parts)


def clean_blocks(cleaner, X, y, settings):
    """Fit an `InfluenceCleaner` to collections.

    Parameters
    ----------
    cleaner : InfluenceCleaner
        Its estimator is trained: a linear model, or a Pipeline that ends in one.
    X, y, settings
        As in `judge_blocks`.

    Returns
    -------
    targets : ndarray
        All targets.
    judged : Judged
    suspects : RowTable
        See `suspects_table`.
    fitted : estimator
    """
    from skinfluence.out_of_core._blocks import blocks_of
    from skinfluence.out_of_core._fitting import fitted_to_blocks
    from skinfluence.out_of_core._steps import check_steps

    estimator, classification = cleaner.estimator, is_classifier(cleaner.estimator)

    def trained(y, kept=None, weight=None):
        raw = check_steps(estimator) is not estimator
        rows = blocks_of(X, y, weight, raw=raw, labels=classification)
        rows = rows if kept is None else rows.chosen(kept)
        return fitted_to_blocks(estimator, rows)[1]

    # First of all, so that models that cannot be trained are refused before long work.
    try:
        of_all = trained(y)
    except UnsupportedEstimator as error:
        raise UnsupportedEstimator(
            f"{error.args[0]} InfluenceSampler trains no model: its fit_resample "
            "returns the collections without suspects, for an estimator of another "
            "library."
        ) from error
    _, targets, judged = judge_blocks(X, y, settings, classification)
    kept = judged.kept
    if kept.all():
        fitted = of_all
    elif settings.action == "drop":
        fitted = trained(targets, kept)
    elif settings.action == "relabel":
        fitted = trained(np.where(kept, targets, judged.rows.scores.expected))
    else:
        weight = np.where(kept, 1.0, 1 - judged.wrong.probability)
        fitted = trained(targets, weight=weight)
    suspects = suspects_table(X, targets, judged.rows, kept, judged.wrong)
    return targets, judged, suspects, fitted


def without_suspects(X, kept):
    """Return the rows of a collection that are kept, in its partitions.

    Parameters
    ----------
    X : dask array, dataframe or series, or array-like
        Rows or targets.
    kept : ndarray of bool, shape (n_samples,)

    Returns
    -------
    X : of the same type
    """
    if not is_collection(X):
        return np.asarray(X)[kept]
    import dask.array as da
    from dask import delayed

    from skinfluence.out_of_core._blocks import as_array, partitions_of

    frame = not isinstance(X, da.Array)
    if frame:
        sizes, parts = partitions_of(X)
    else:
        X = as_array(X, "X")
        X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
        sizes, parts = X.chunks[0], X.to_delayed().ravel()
    ends = np.cumsum(sizes)
    masks = [kept[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    take = delayed(_masked, pure=False)
    parts = [take(part, mask) for part, mask in zip(parts, masks, strict=True)]
    if frame:
        import dask.dataframe as dd

        return dd.from_delayed(parts, meta=X._meta, divisions=X.divisions)
    blocks = [
        da.from_delayed(part, (int(mask.sum()), *X.shape[1:]), meta=X._meta)
        for part, mask in zip(parts, masks, strict=True)
    ]
    return da.concatenate(blocks)


def _masked(part, mask):
    return part[mask]
