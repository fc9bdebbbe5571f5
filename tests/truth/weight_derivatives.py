"""Derivatives of minimisers by the weight of one row, as central differences."""


def derivative_by_weight(solve, weight, i, step=1e-4):
    """Return the derivative of ``solve(weight)`` by a factor of the weight of row i."""
    ends = []
    for factor in (1 + step, 1 - step):
        moved = weight.copy()
        moved[i] *= factor
        ends.append(solve(moved))
    return (ends[0] - ends[1]) / (2 * step)
