"""Diagnostics of clusters of rows from the moves of the coefficients without them."""

import numpy as np

from skinfluence._display._shown_bunch import ShownBunch
from skinfluence.inspection._row_diagnostics import (
    coefficient_errors,
    jackknife_errors,
    moved_coefficients,
    ratio,
)


def cluster_diagnostics(design, base, moves, alone, clusters):
    """Return the Bunch of one linear predictor.

    Parameters as `row_diagnostics`; ``clusters`` are what leaves.
    """
    coef_moves, distance = moved_coefficients(design, base, moves, alone)
    if design.intercept and len(alone):
        side = [base.residual[clusters.members[k]].sum() for k in alone]
        coef_moves[alone, -1] = -np.inf * np.sign(side)
    errors = coefficient_errors(design, base)
    deviation = np.sqrt(base.scales_without(clusters.members))
    return ShownBunch(
        leverage=np.bincount(clusters.codes, base.leverage),
        cooks_distance=ratio(distance, base.n_parameters * base.scale),
        dfbeta=-coef_moves,
        dfbetas=ratio(-coef_moves, deviation[:, None] * errors),
        std_errors=np.sqrt(base.scale) * errors,
        jackknife_std_errors=jackknife_errors(coef_moves, len(clusters.members)),
        scale=float(base.scale),
        n_parameters=float(base.n_parameters),
    )
