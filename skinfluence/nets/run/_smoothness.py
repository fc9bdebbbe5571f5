"""How smooth a recorded run is in the weights of its rows, by a few replays."""

import torch

from skinfluence.nets.run._step_run import as_array


def removal_halves(run, rows, test, loss):
    r"""Remove rows from a run one at a time, in two halves of their weight.

    Parameters
    ----------
    run : StepRun
    rows : sequence of int
        Training rows.
    test : tuple of (X, y)
    loss : Loss

    Returns
    -------
    half, whole : ndarray of shape (n_test, n_rows)
        Changes of test losses by the removal of half of each row's weight, and of all.
    smoothness : ndarray of shape (n_rows,)
        Agreement of the signs of the parameters' moves in the two halves, weighted by
        their absolute moves over both:
        :math:`\sum_j |\Delta_j| s_j s'_j / \sum_j |\Delta_j|`.
    """
    replay = run.replay
    functions, n = replay.functions, len(rows)
    X, y, measure = run.tensors(test, loss)
    with torch.no_grad():
        start = replay.run()
        weights = start.new_ones((2 * n, replay.n_rows))
        for k, row in enumerate(rows):
            weights[k, row], weights[n + k, row] = 0.5, 0.0
        ends = replay.run_many(weights)
        first, both = ends[:n] - start, ends[n:] - start
        signs = torch.sign(first) * torch.sign(both - first)
        # A run that a row does not change is constant along its weight.
        total = both.abs().sum(dim=1)
        agreement = (signs * both.abs()).sum(dim=1)
        smoothness = torch.where(total > 0, agreement / total, 1.0)
        before = functions.losses(start, X, y, measure)
        losses = torch.stack([functions.losses(end, X, y, measure) for end in ends])
        change = as_array(losses - before).T
    return change[:, :n], change[:, n:], as_array(smoothness)
