"""Case diagnostics of a table in blocks, as dask reads them.

Two passes over the table give what all rows share: the Hessian, leverages and squared
residuals. With them the diagnostics of a block follow from its own rows.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import scipy.linalg as sla
from sklearn.base import clone, is_classifier
from sklearn.utils.validation import check_is_fitted

from skinfluence._display._shown_bunch import ShownBunch
from skinfluence._sklearn import final_estimator, keeping_rows, preprocess
from skinfluence.inspection._block_rows import BlockDesign, BlockRows, Whole
from skinfluence.inspection._diagnostics_frame import (
    OF_THE_MODEL,
    diagnostics_frame,
    stacked,
)
from skinfluence.inspection._fitted_estimator import (
    check_target,
    column_names,
    warn_if_other_rows,
)
from skinfluence.inspection._row_diagnostics import row_diagnostics
from skinfluence.inspection._working_model import LITTLE
from skinfluence.out_of_core._blocks import blocks_of, labels_of
from skinfluence.out_of_core._passes import BlockRemovals
from skinfluence.out_of_core._row_ladders import centred
from skinfluence.out_of_core._softmax_table import table_model
from skinfluence.removal import UnsupportedEstimator
from skinfluence.removal.linear._normal_equations import cholesky

TOLERANCE = 1e-8  # certified error of the linear predictor without a row
OF_COEFFICIENTS = ("dfbeta", "dfbetas")
NONE = np.empty(0, dtype=np.intp)


def _information(block, problem, mean, theta):
    """Return the weighted products of the columns of a block."""
    X = centred(block.X, mean, problem.intercept)
    w = problem.weights(block) * problem.pointwise.information(X @ theta)
    return (X.T @ (w[:, None] * X),)


def _predictors(block, problem, mean, theta, coef, intercept):
    """Return sums and squares of linear predictors, and their largest gap."""
    X = centred(block.X, mean, problem.intercept)
    eta = X @ theta.T
    gap = np.abs(eta - (block.X @ coef.T + intercept)).max(initial=0.0)
    return len(eta), eta.sum(), (eta**2).sum(), gap


def _larger_gap(one, other):
    sums = (a + b for a, b in zip(one[:-1], other[:-1], strict=True))
    return *sums, max(one[-1], other[-1])


def _sums(block, span, wholes):
    """Return sums of rows, leverages and squares, and the rows of leverage one."""
    each = [BlockRows(block, whole) for whole in wholes]
    squares = np.array([rows.residual @ rows.residual for rows in each])
    full = np.flatnonzero(each[0].full) + span.start
    return each[0].present.sum(), each[0].leverage.sum(), squares, full.tolist()


def _little_left(block, span, whole):
    """Return the rows that make up nearly all squares, and steps without them."""
    rows = BlockRows(block, whole)
    few = np.flatnonzero(rows._squares_without(whole.squares) < LITTLE * whole.squares)
    return (few + span.start).tolist(), list(rows._least_squares_steps()[few])


def _squares_left(block, span, whole, removed, steps):
    """Return sums of squares of a block's rows without each of some rows."""
    rows = BlockRows(block, whole)
    left = rows.residual - np.sqrt(rows.w) * (np.array(steps) @ rows.Z.T)
    for k, row in enumerate(removed):
        if span.start <= row < span.stop:
            left[k, row - span.start] = 0.0
    return ((left**2).sum(axis=1),)


def _diagnose(block, span, found, bases, wholes):
    """Return the diagnostics of a block's rows.

    ``bases`` are those of the removals, None for scoring steps. Jackknife standard
    errors are sums of squares here.
    """
    moves = None
    if bases is not None:
        moves = BlockRemovals(block, found, bases).displacements()
    each = []
    for k, whole in enumerate(wholes):
        rows = BlockRows(block, whole).with_scales(whole, span)
        own = rows.one_steps() if moves is None else moves[:, k]
        out = row_diagnostics(BlockDesign(rows.rows, whole), rows, own, NONE)
        out.jackknife_std_errors = (out.dfbeta**2).sum(axis=0)
        each.append(out)
    return each[0] if len(each) == 1 else stacked(each)


def _numbers(*args, **shared):
    """Return the diagnostics, None for those of every coefficient."""
    found = _diagnose(*args, **shared)
    return {k: None if k in OF_COEFFICIENTS else v for k, v in found.items()}


def _of_coefficients(*args, key, **shared):
    return _diagnose(*args, **shared)[key]


def _table(*args, names, outputs, **shared):
    *args, index = args
    found = _diagnose(*args, **shared)
    if index is None:
        start = args[1].start
        index = np.arange(start, start + len(found.leverage))
    return diagnostics_frame(found, index, names, outputs)


def block_diagnostics(estimator, X, y, sample_weight, step):
    """Return `case_diagnostics` of dask collections."""
    check_is_fitted(estimator)
    estimator = keeping_rows(estimator)
    final = final_estimator(estimator)
    piped = final is not estimator
    blocks = blocks_of(X, y, sample_weight, raw=piped, labels=is_classifier(final))
    labels, index = [None] * len(blocks.sizes), None
    if hasattr(X, "index"):
        labels, index = labels_of(X), X.index
    if piped:
        names = getattr(final, "feature_names_in_", None)
        names = None if names is None else list(names)
        transform = partial(preprocess, estimator)
        blocks = blocks.transformed(transform, final.n_features_in_, names)
    blocks.map(_check_rows, final=final, names=blocks.names)
    model = table_model(clone(final), blocks)
    if model.problem.link == "softmax":
        raise UnsupportedEstimator(
            f"Case diagnostics of {type(final).__name__} with {len(model.theta)} "
            "linear predictors take arrays that fit into memory, no dask collections."
        )
    _compare(model, final)
    wholes = _wholes(model)
    bases, kept = None, [None] * len(blocks.sizes)
    # A scoring step is exact for squares, whose weights stay as they are.
    if step == "exact" and (model.problem.pointwise.M or model.sizes is not None):
        model.advice, model.stacklevel = "Use step='one_step'", 8
        removals = model.exact(TOLERANCE)
        bases, kept = removals.bases, removals.per_block
    spans, own = list(blocks.slices()), (kept,)
    shared = {"bases": bases, "wholes": wholes}
    found = blocks.map(_numbers, spans, *own, **shared)
    out, k = ShownBunch(), len(wholes)
    for key, first in found[0].items():
        parts = [part[key] for part in found]
        if key in OF_COEFFICIENTS:
            tasks = blocks.tasks(_of_coefficients, spans, *own, key=key, **shared)
            out[key] = _lazy_rows(tasks, blocks.sizes, model, k)
        elif key == "jackknife_std_errors":
            n = wholes[0].n
            out[key] = np.sqrt((n - 1) / n * np.sum(parts, axis=0))
        else:
            out[key] = first if key in OF_THE_MODEL else np.concatenate(parts)
    columns = column_names(estimator, final) + ["intercept"] * model.problem.intercept
    outputs = None
    if k > 1:
        outputs = [str(label) for label in getattr(final, "classes_", range(k))]
    tables = blocks.tasks(
        _table, spans, *own, labels, names=columns, outputs=outputs, **shared
    )
    out.frame = _lazy_frame(tables, out, index, columns, outputs)
    return out


def _check_rows(block, final, names):
    """Raise scikit-learn's errors of wrong columns, and for unknown classes."""
    rows = block.X[:1]
    if names is not None:
        import pandas as pd

        rows = pd.DataFrame(rows, columns=names)
    final.predict(rows)
    check_target(final, block.y)


def _compare(model, final):
    """Warn if a model was fitted to other rows."""
    theta, blocks = model.theta, model.blocks
    coef = np.reshape(final.coef_, (len(theta), -1))
    n, total, squares, gap = blocks.total(
        _predictors,
        combine=_larger_gap,
        problem=model.problem,
        mean=model.mean,
        theta=theta,
        coef=coef,
        intercept=np.reshape(final.intercept_, -1),
    )
    spread = np.sqrt(max(squares / n - (total / n) ** 2, 0.0))
    squared = model.problem.pointwise.M == 0
    warn_if_other_rows(final, gap, spread, squared, stacklevel=6)


def _wholes(model):
    """Return the `Whole` of every linear predictor, by two passes."""
    blocks, problem = model.blocks, model.problem
    penalty = model.penalty()
    (gram,) = blocks.total(
        _information, problem=problem, mean=model.mean, theta=model.theta[0]
    )
    lower, error = cholesky(gram + np.diag(penalty))
    inverse = sla.solve_triangular(lower, np.eye(len(lower)), lower=True)
    P, vectors = np.linalg.eigh((inverse * penalty) @ inverse.T)
    root = inverse.T @ vectors
    values, axes = np.linalg.eigh(gram)
    gram_root = np.sqrt(np.maximum(values, 0.0))[:, None] * axes.T
    wholes = []
    for k, theta in enumerate(model.theta):
        pull = root.T @ (penalty * theta)
        parts = problem, model.mean, k, theta, root, np.maximum(P, 0.0), pull
        wholes.append(Whole(*parts, gram_root, error, model.total))
    spans = list(blocks.slices())
    n, n_parameters, squares, full = blocks.total(_sums, spans, wholes=wholes)
    if full:
        raise UnsupportedEstimator(
            f"A coefficient is determined by a single row (the first such rows: "
            f"{full[:10]}). Drop them, or add a penalty."
        )
    return [
        _with_sums(model, replace(w, n=n, n_parameters=n_parameters, squares=s))
        for w, s in zip(wholes, squares, strict=True)
    ]


def _with_sums(model, whole):
    """Add up the squares without rows that make up nearly all of them."""
    if whole.problem.pointwise.known_scale:
        return whole
    spans = list(model.blocks.slices())
    rows, steps = model.blocks.total(_little_left, spans, whole=whole)
    if not rows:
        return whole
    (sums,) = model.blocks.total(
        _squares_left, spans, whole=whole, removed=rows, steps=steps
    )
    return replace(whole, sums=dict(zip(rows, sums, strict=True)))


def _lazy_rows(tasks, sizes, model, k):
    import dask.array as da

    problem = model.problem
    shape = (*((k,) if k > 1 else ()), model.mean.size + problem.intercept)
    parts = [
        da.from_delayed(task, shape=(size, *shape), dtype=np.float64)
        for task, size in zip(tasks, sizes, strict=True)
    ]
    return da.concatenate(parts)


def _lazy_frame(tables, out, index, names, outputs):
    """Return a dask dataframe with the partitions of X; None without pandas."""
    try:
        import dask.dataframe as dd
    except ImportError:
        return None
    one = {key: np.empty((1, *np.shape(values)[1:])) for key, values in out.items()}
    meta = diagnostics_frame(one, None, names, outputs).iloc[:0]
    if index is not None:
        meta.index = meta.index.astype(index.dtype).rename(index.name)
    return dd.from_delayed(tables, meta=meta, verify_meta=False)
