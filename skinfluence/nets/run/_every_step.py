"""TracIn at every step: backward mode with a cotangent added at every step."""

from dataclasses import replace

import torch

from skinfluence.nets.gradients._blocks import Dense, Outer
from skinfluence.nets.run._adjoint import (
    by_parameter,
    group_jacobian,
    row_gradients,
    step_jacobian,
)
from skinfluence.nets.run._optimisers import clip, is_number, pull


def every_step(replay, test_gradients):
    """TracIn at every step: the effect of each step is attributed to its rows.

    Parameters
    ----------
    replay : Replay
        The run.
    test_gradients : callable
        Maps flat parameters to gradients of the test losses there, (m, p).

    Returns
    -------
    influence : tensor of shape (m, n_rows)
        Its sum over the rows is the drop of the test loss over the run, up to weight
        decay and terms of third order in a step, since the gradient along a step is
        taken as the mean of its two ends. Momentum carries a row's gradient on to later
        steps. The preconditioners of Adam and RMSprop and the clipping factor are
        treated as constants.
    """
    trajectory = replay.trajectory
    after = test_gradients(replay.record.state(trajectory.n_segments)[0])
    out = after.new_zeros((len(after), replay.n_rows))
    slots = (None,) * len(trajectory.optimiser.slots)
    for k, state in replay.backward():
        batch = replay.record.batch(k)
        before = test_gradients(state[0])
        jacobian, gradient = step_jacobian(replay, state, k, batch, frozen=True)
        cotangent = ((before + after) / 2, *slots)
        (_, *slots), by_gradient = pull(jacobian, cotangent)
        after = before
        if trajectory.max_norm is not None:
            by_gradient = by_gradient * clip(gradient, trajectory.max_norm)[1]
        rows = row_gradients(replay, state[0], k, batch)
        credit = by_gradient @ rows.T / -batch[2]
        out.index_add_(1, replay.record.rows(k), credit)
    return out


def every_step_linear(replay, test):
    """`every_step` of gradient descent, with the gradients of rows kept as factors.

    Only what momentum carries on to later steps is materialised, and changed in place.

    Parameters
    ----------
    replay : Replay
        A run for which `takes_factors` holds.
    test : tuple of (X, y, measure)
        Test rows on the net's device, and their loss.
    """
    functions, record = replay.functions, replay.record
    after = functions.factors(record.state(replay.trajectory.n_segments)[0], *test)
    out = functions.parameters.new_zeros((len(after), replay.n_rows))
    carried = {}
    for k, state in replay.backward():
        batch = record.batch(k)
        before = functions.factors(state[0], *test)
        rows = functions.factors(state[0], *batch[:2])
        jacobian = group_jacobian(replay, k)
        last = max(i for _, i in jacobian)
        direct = by_parameter(replay, jacobian[0, last], -1 / (2 * batch[2]))
        credit = before.gram(rows, direct) + after.gram(rows, direct)
        if last == 2:
            by_slot = by_parameter(replay, jacobian[1, 2], -1 / batch[2])
            for name, g in rows.dense().items() if carried else ():
                credit.addmm_(carried[name], g.T, alpha=by_slot[name])
            keep = by_parameter(replay, jacobian[1, 1], 1)
            add = by_parameter(replay, jacobian[0, 1], 0.5)
            for pair in zip(before.blocks, after.blocks, strict=True):
                _carry(carried, pair, keep, add)
        if replay.trajectory.max_norm is not None:
            gradient = replay.gradient(state[0], k, batch)
            credit *= clip(gradient, replay.trajectory.max_norm)[1]
        out.index_add_(1, record.rows(k), credit)
        after = before
    return out


def _carry(carried, pair, keep, add):
    """Multiply what is carried by ``keep``, and add both gradients times ``add``."""
    both = _joined(pair)
    if isinstance(both, Outer) and both.weight:  # in place
        name, n_in, n_out = both.weight, both.a.shape[2], both.d.shape[2]
        if name not in carried:
            carried[name] = both.a.new_zeros(len(both), n_out * n_in)
        sums = carried[name].view(-1, n_out, n_in)
        sums.baddbmm_(both.d.mT, both.a, beta=keep[name], alpha=add[name])
        both = replace(both, weight=None)
    for name, g in both.dense().items():
        if name not in carried:
            carried[name] = torch.zeros_like(g)
        carried[name].mul_(keep[name]).add_(g, alpha=add[name])


def _joined(pair):
    """Return a block whose gradients are the sums of those of two blocks."""
    first, second = pair
    if isinstance(first, Outer):
        a = torch.cat([first.a, second.a], dim=1)
        return replace(first, a=a, d=torch.cat([first.d, second.d], dim=1))
    theirs = second.dense()
    return Dense({name: g + theirs[name] for name, g in first.dense().items()})


def every_step_scaled(replay, test):
    """`every_step` of optimisers that scale the gradient element by element.

    What is carried, W, is the derivative of the test losses by the momentum (by the
    gradient, if there is none) as each step uses it: a step multiplies it by a number
    and adds the test gradients, scaled. The scale of the row gradients is applied to
    these, of which there are fewer. Parameters as of `every_step_linear`.
    """
    functions, record = replay.functions, replay.record
    after = functions.factors(record.state(replay.trajectory.n_segments)[0], *test)
    out = functions.parameters.new_zeros((len(after), replay.n_rows))
    carried, keep = {}, 0.0
    for k, state in replay.backward():
        batch = record.batch(k)
        before = functions.factors(state[0], *test)
        rows = functions.factors(state[0], *batch[:2]).dense()
        jacobian, gradient = step_jacobian(replay, state, k, batch, frozen=True)
        last = max(i for _, i in jacobian)
        # The slot of the momentum is the one that takes up the gradient.
        slots = [j for j in range(1, last) if not is_number(jacobian[j, last], 0)]
        by_gradient = jacobian[slots[0], last] if slots else jacobian[0, last]
        add = 0.5 * (jacobian[0, last] / by_gradient) if slots else 0.5
        add, by_gradient = (
            functions.parts(
                value if torch.is_tensor(value) else gradient.new_full((), value)
            )
            for value in (add, by_gradient)
        )
        credit = 0.0
        for pair in zip(before.blocks, after.blocks, strict=True):
            for name, g in _joined(pair).dense().items():
                if name not in carried:
                    carried[name] = torch.zeros_like(g)
                carried[name].mul_(keep).addcmul_(g, add[name])
                scaled = rows[name] * (by_gradient[name] / -batch[2])
                credit = credit + carried[name] @ scaled.T
        keep = jacobian[slots[0], slots[0]] if slots else 0.0
        if replay.trajectory.max_norm is not None:
            credit = credit * clip(gradient, replay.trajectory.max_norm)[1]
        out.index_add_(1, record.rows(k), credit)
        after = before
    return out
