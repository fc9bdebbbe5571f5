"""Boosting at fixed leaves, written as in the textbook: loops, one row at a time."""

from math import exp, log

import numpy as np


def gradient_and_curvature(loss, y, raw):
    """Return the derivatives of one row's loss, a pair of lists over outputs."""
    if loss == "squared":
        return [raw[0] - y[0]], [1.0]
    if loss == "logistic":
        p = 1 / (1 + exp(-raw[0]))
        return [p - y[0]], [p * (1 - p)]
    if loss == "poisson":
        return [exp(raw[0]) - y[0]], [exp(raw[0])]
    if loss == "gamma":
        return [1 - y[0] * exp(-raw[0])], [y[0] * exp(-raw[0])]
    total = sum(exp(r) for r in raw)
    p = [exp(r) / total for r in raw]
    gradient = [a - b for a, b in zip(p, y, strict=True)]
    if loss == "joint":
        return gradient, np.diag(p) - np.outer(p, p)
    return gradient, [a * (1 - a) for a in p]


def first_raw(loss, y, weight):
    """Return the raw prediction before the first tree, a list over outputs."""
    mean = [np.average(column, weights=weight) for column in y.T]
    if loss == "squared":
        return mean
    if loss == "logistic":
        return [log(mean[0] / (1 - mean[0]))]
    if loss in ("poisson", "gamma"):
        return [log(mean[0])]
    logs = [log(m) for m in mean]
    return [value - sum(logs) / len(logs) for value in logs]


def boost(
    loss,
    y,
    weight,
    leaf_ids,
    test_leaf_ids,
    rate,
    s=1.0,
    kappa=1.0,
    lam=0.0,
    steps=1,
    start=None,
):
    """Return raw predictions of test rows, (m, K), all leaf values computed anew.

    Each tree takes ``steps`` Newton steps at full length, and is shrunk at the end. The
    outputs of "joint" are those of one softmax, solved for by its whole Hessian.
    """
    n, n_trees, n_outputs = leaf_ids.shape
    base = first_raw(loss, y, weight) if start is None else start
    raw = [list(base) for _ in range(n)]
    test = [list(base) for _ in range(len(test_leaf_ids))]
    for t in range(n_trees):
        value = [dict.fromkeys(set(leaf_ids[:, t, k]), 0.0) for k in range(n_outputs)]
        for _ in range(steps):
            at = [
                [raw[i][k] + value[k][leaf_ids[i, t, k]] for k in range(n_outputs)]
                for i in range(n)
            ]
            said = [gradient_and_curvature(loss, y[i], at[i]) for i in range(n)]
            if loss == "joint":
                for leaf in value[0]:
                    inside = [i for i in range(n) if leaf_ids[i, t, 0] == leaf]
                    top = sum(weight[i] * np.array(said[i][0]) for i in inside)
                    bottom = sum(weight[i] * said[i][1] for i in inside)
                    whole = kappa * bottom + lam * np.eye(n_outputs)
                    step = s * np.linalg.solve(whole, top)
                    for k in range(n_outputs):
                        value[k][leaf] -= step[k]
                continue
            for k in range(n_outputs):
                top, bottom = {}, {}
                for i in range(n):
                    leaf = leaf_ids[i, t, k]
                    top[leaf] = top.get(leaf, 0.0) + weight[i] * said[i][0][k]
                    bottom[leaf] = bottom.get(leaf, 0.0) + weight[i] * said[i][1][k]
                for leaf in top:
                    whole = kappa * bottom[leaf] + lam
                    value[k][leaf] -= s * top[leaf] / whole if whole > 0 else 0.0
        for rows, ids in ((raw, leaf_ids), (test, test_leaf_ids)):
            for i, row in enumerate(rows):
                for k in range(n_outputs):
                    row[k] += rate * value[k][ids[i, t, k]]
    return np.array(test)
