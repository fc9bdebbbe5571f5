"""Derivatives of the end of a run with respect to the weights of its rows.

- `reverse`: backward mode with Hessian-vector products, exact.
- `fast`, `fast_factored`: backward mode without the Hessian.
- `sensitivity`: forward mode.
"""

import warnings

import numpy as np
import torch

from skinfluence.nets.run._optimisers import clip, clip_product, pull, push

with warnings.catch_warnings():
    # The first use of forward mode compiles code with a deprecated feature of torch.
    warnings.simplefilter("ignore", DeprecationWarning)
    torch.func.jvp(torch.sin, (torch.zeros(()),), (torch.ones(()),))


def _products(replay, theta, k, batch, directions):
    """Multiply the Hessian of step k, and its row gradients, by directions (m, p).

    Both products follow from one derivative of the gradient in that direction. Returns
    arrays of shape (m, p) and (m, batch size).
    """
    if len(directions) > 1 and not replay.batches:
        pairs = [_products(replay, theta, k, batch, one[None]) for one in directions]
        return tuple(map(torch.cat, zip(*pairs, strict=True)))
    if len(directions) == 1:  # two backward passes take a sixth of the time of jvp
        functions = replay.functions
        parameters = functions.place(theta)
        X, y, divisor = batch
        weight = theta.new_full((len(y),), 1 / divisor).requires_grad_()
        with replay.random_state(k), torch.enable_grad():
            gradient = torch.autograd.grad(
                weight @ functions.placed_losses(X, y),
                parameters,
                create_graph=True,
                materialize_grads=True,
            )
            *hessian, rows = torch.autograd.grad(
                functions.flat(gradient),
                [*parameters, weight],
                directions[0],
                materialize_grads=True,
            )
        return functions.flat(hessian)[None], rows[None]

    def gradient(t):
        return torch.func.grad(lambda t: replay.objective(t, batch), has_aux=True)(t)

    def along(direction):
        _, (hessian, rows) = torch.func.jvp(gradient, (theta,), (direction,))
        return hessian, rows

    with replay.random_state(k):
        return torch.func.vmap(along, randomness="same")(directions)


def step_jacobian(replay, state, k, batch, frozen=False):
    """Return the step's Jacobian and, if it is needed, the unclipped gradient."""
    trajectory = replay.trajectory
    gradient = None
    if trajectory.max_norm is not None or not trajectory.optimiser.linear:
        gradient = replay.gradient(state[0], k, batch)
    used = gradient
    if trajectory.max_norm is not None:
        used, _ = clip(gradient, trajectory.max_norm)
    settings = replay.record.settings(k)
    return trajectory.optimiser.jacobian(state, used, settings, k, frozen), gradient


def reverse(replay, cotangents):
    """Minus the derivative of test losses by row weights, in one backward pass.

    Parameters
    ----------
    replay : Replay
        The run.
    cotangents : tensor of shape (m, n_parameters)
        Gradients of m test losses at the end of the run.

    Returns
    -------
    influence : tensor of shape (m, n_rows)
    """
    trajectory = replay.trajectory
    out = cotangents.new_zeros((len(cotangents), replay.n_rows))
    cotangent = (cotangents,) + (None,) * len(trajectory.optimiser.slots)
    for k, state in replay.backward():
        batch = replay.record.batch(k)
        jacobian, gradient = step_jacobian(replay, state, k, batch)
        cotangent, by_gradient = pull(jacobian, cotangent)
        if trajectory.max_norm is not None:
            by_gradient = clip_product(gradient, by_gradient, trajectory.max_norm)
        hessian, rows = _products(replay, state[0], k, batch, by_gradient)
        cotangent = (cotangent[0] + hessian, *cotangent[1:])
        out.index_add_(1, replay.record.rows(k), rows / -batch[2])
    return out


def sensitivity(replay, rows):
    """Derivative of the final parameters by the weights of ``rows``, in forward mode.

    Returns
    -------
    derivative : tensor of shape (n_rows, n_parameters)
    """
    trajectory = replay.trajectory
    theta = replay.functions.parameters
    found = _positions(replay, rows)
    tangent = (theta.new_zeros((len(rows), len(theta))),)
    tangent += (None,) * len(trajectory.optimiser.slots)
    for k, state in replay.forward():
        batch = replay.record.batch(k)
        jacobian, gradient = step_jacobian(replay, state, k, batch)
        hessian = _hessian_products(replay, state[0], k, batch, tangent[0])
        chosen, position = found[k]
        if len(chosen):
            own = row_gradients(replay, state[0], k, batch)[position] / batch[2]
            hessian = hessian.index_add(0, chosen, own)
        if trajectory.max_norm is not None:
            hessian = clip_product(gradient, hessian, trajectory.max_norm)
        tangent = push(jacobian, tangent, hessian)
    return tangent[0]


def _positions(replay, rows):
    """For every step the positions of its rows among ``rows``, and in the batch."""
    place = torch.full((replay.n_rows,), -1)
    place[torch.as_tensor(rows)] = torch.arange(len(rows))
    chosen = [place[step.rows] for step in replay.trajectory.steps]
    positions = [(own >= 0).nonzero()[:, 0] for own in chosen]
    both = [torch.stack([c[p], p]) for c, p in zip(chosen, positions, strict=True)]
    moved = torch.cat(both, dim=1).to(replay.functions.device)  # in one copy
    return moved.split([len(p) for p in positions], dim=1)


def _hessian_products(replay, theta, k, batch, directions):
    return _products(replay, theta, k, batch, directions)[0]


def row_gradients(replay, theta, k, batch):
    """Gradients of the rows of step ``k`` in training mode, shape (batch, p).

    If dropout draws masks for the batch as a whole, the losses of the whole batch are
    differentiated, which costs a backward pass of the batch for each row.
    """
    if replay.trajectory.steps[k].random_state is None:
        return replay.functions.row_gradients(theta, *batch[:2])
    theta = theta.detach().requires_grad_()
    with replay.random_state(k), torch.enable_grad():
        _, losses = replay.objective(theta, batch)
        if not replay.batches:
            rows = [torch.autograd.grad(x, theta, retain_graph=True)[0] for x in losses]
            return torch.stack(rows)
        units = torch.eye(len(losses), dtype=losses.dtype, device=losses.device)
        return torch.autograd.grad(losses, theta, units, is_grads_batched=True)[0]


def fast(replay, cotangents):
    """`reverse` without the Hessian: `cotangents` times row gradients.

    The cotangent at step k is that at the end of the run times one coefficient per
    parameter, the same for all test rows. The clipping factor is treated as constant.
    """
    trajectory = replay.trajectory
    out = cotangents.new_zeros((len(cotangents), replay.n_rows))
    ones = torch.ones_like(cotangents[0])
    scale = (ones,) + (None,) * len(trajectory.optimiser.slots)
    for k, state in replay.backward():
        batch = replay.record.batch(k)
        jacobian, gradient = step_jacobian(replay, state, k, batch)
        scale, by_gradient = pull(jacobian, scale)
        if trajectory.max_norm is not None:
            by_gradient = by_gradient * clip(gradient, trajectory.max_norm)[1]
        rows = row_gradients(replay, state[0], k, batch)
        credit = cotangents @ (rows * (by_gradient / -batch[2])).T
        out.index_add_(1, replay.record.rows(k), credit)
    return out


def takes_factors(replay):
    """Tell whether `fast_factored` supports the run: one coefficient per parameter."""
    return replay.trajectory.optimiser.linear and draws_nothing(replay)


def draws_nothing(replay):
    """Tell whether no step draws random numbers: factors are of evaluation mode."""
    return all(step.random_state is None for step in replay.trajectory.steps)


def group_jacobian(replay, k):
    """Jacobian of a linear optimiser's step: numbers, or one number per group.

    They are on the CPU, where they cost nothing to read.
    """
    trajectory = replay.trajectory
    return trajectory.optimiser.jacobian(None, None, trajectory.settings(k), k)


def by_parameter(replay, coefficient, factor):
    """A number for each parameter, from one for all or one for each group."""
    functions, groups = replay.functions, replay.trajectory.groups
    starts = np.cumsum([0, *functions.sizes[:-1]])
    own = torch.as_tensor(coefficient, dtype=torch.float64) * factor
    own = own.expand(len(starts)) if own.ndim == 0 else own[groups[starts]]
    return dict(zip(functions.names, own.tolist(), strict=True))


def fast_factored(replay, factors):
    """`fast` for gradients of test losses at the end of the run, kept as factors.

    Each step contributes a Gram matrix of factors times a number; gradients are not
    materialised.
    """
    trajectory, functions = replay.trajectory, replay.functions
    out = functions.parameters.new_zeros((len(factors), replay.n_rows))
    scale = (1.0,) + (None,) * len(trajectory.optimiser.slots)
    for k, state in replay.backward():
        batch = replay.record.batch(k)
        jacobian = group_jacobian(replay, k)
        scale, by_gradient = pull(jacobian, scale)
        by_name = by_parameter(replay, by_gradient, -1 / batch[2])
        credit = factors.gram(functions.factors(state[0], *batch[:2]), by_name)
        if trajectory.max_norm is not None:
            gradient = replay.gradient(state[0], k, batch)
            credit = credit * clip(gradient, trajectory.max_norm)[1]
        out.index_add_(1, replay.record.rows(k), credit)
    return out
