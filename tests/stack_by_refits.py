"""The stack of ridge regressions by refits, which the closed forms must equal."""

import numpy as np
from scipy.optimize import nnls

from skinfluence.cleaning.surprise._stacked_ridge import PENALTIES, feature_maps


def ridge(F, T, alpha, row):
    """Predict a row; the intercept is not penalised."""
    centre, mean = F.mean(axis=0), T.mean(axis=0)
    gram = (F - centre).T @ (F - centre) + alpha * np.eye(F.shape[1])
    return mean + (row - centre) @ np.linalg.solve(gram, (F - centre).T @ (T - mean))


def stack_by_refits(Z, T):
    """Refit every member without every row, at every penalty; stack the best."""
    rows = np.arange(len(Z))
    members = []
    for F in feature_maps(Z):
        best = None
        for alpha in PENALTIES:
            said = np.array(
                [ridge(F[rows != i], T[rows != i], alpha, F[i]) for i in rows]
            ).reshape(T.shape)
            error = ((said - T) ** 2).sum()
            if best is None or error < best[0]:
                best = error, said
        members.append(best[1])
    mean = T.mean(axis=0)
    A = np.column_stack([(m - mean).ravel() for m in members])
    weights = nnls(A, (T - mean).ravel())[0]
    return mean + sum(w * (m - mean) for w, m in zip(weights, members, strict=True))
