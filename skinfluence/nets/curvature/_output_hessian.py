r"""Square roots of the Hessian of each row's loss with respect to the net's outputs.

With :math:`L_i L_i^\top` that Hessian and z the outputs, the gradients of
:math:`L_{ic}^\top z_i` with constant L are the rows R of the generalised Gauss-Newton
matrix :math:`R^\top R / n`.
"""

import numpy as np
import torch
from torch import nn

from skinfluence._sklearn import n_rows, take_rows
from skinfluence.nets.gradients._gram import several_batches

_ROWS = 2048


def output_columns(target, X, y):
    """Return a measure ``(output, targets, inputs) -> (n,)`` per column of L.

    Closed forms for torch's log losses and squared error. Any other loss is
    differentiated twice, and negative eigenvalues are set to zero.
    """
    with target.at(), torch.no_grad():
        one = np.arange(1)
        output = target.output(target.batch(take_rows(X, one), y[one])[0])
    k = output.numel()
    criterion = target.net.criterion_
    if target.trains_on_log_loss:
        root = _logistic if isinstance(criterion, nn.BCEWithLogitsLoss) else _softmax
        return [root(c) for c in range(k)]
    return [_any(target, c) for c in range(k)]


def gauss_newton_trace(gradients, train):
    """Trace of the generalised Gauss-Newton matrix of the mean loss."""
    columns = output_columns(gradients.target, *train)
    total = 0.0
    for _, several in several_batches(gradients, *train, columns):
        total += sum(float(factors.self_dot().sum()) for factors in several)
    return total / n_rows(train[0])


def output_bends(target, X, y):
    """Mean second derivative of each row's training loss by an output, shape (n,)."""
    out = np.empty(n_rows(X))
    for start in range(0, len(out), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(out)))
        with target.at(), torch.no_grad():
            inputs, targets = target.batch(take_rows(X, rows), y[rows])
            H = _hessians(target, target.output(inputs), targets, inputs)
        out[rows] = H.diagonal(dim1=1, dim2=2).mean(dim=1).cpu()
    return out


def _softmax(c):
    def column(output, targets, inputs=None):
        p = torch.softmax(output.detach(), dim=1)
        return p[:, c].sqrt() * (output[:, c] - (p * output).sum(dim=1))

    return column


def _logistic(c):
    def column(output, targets, inputs=None):
        z = output.reshape(-1)
        p = torch.sigmoid(z.detach())
        return (p * (1 - p)).sqrt() * z

    return column


def _any(target, c):
    def column(output, targets, inputs=None):
        flat = output.reshape(len(output), -1)
        L = _square_root(_hessians(target, output, targets, inputs))
        return (L[:, :, c] * flat).sum(dim=1)

    return column


def _hessians(target, output, targets, inputs):
    """Hessian of each row's training loss by its outputs, shape (n, k, k)."""
    with torch.enable_grad():
        z = output.detach().requires_grad_()
        loss = target.training_loss(z, targets, inputs).sum()
        (first,) = torch.autograd.grad(loss, z, create_graph=True)
        first = first.reshape(len(z), -1)
        if not first.requires_grad:
            return z.new_zeros(len(z), first.shape[1], first.shape[1])
        rows = [
            torch.autograd.grad(
                first[:, c].sum(), z, retain_graph=True, materialize_grads=True
            )[0]
            for c in range(first.shape[1])
        ]
    return torch.stack([row.reshape(len(z), -1) for row in rows], dim=1).detach()


def _square_root(H):
    """Symmetric square root, which is unique also if eigenvalues are equal."""
    values, vectors = torch.linalg.eigh(H)
    # The root would enlarge the rounding error of an eigenvalue that is zero.
    noise = 10 * H.shape[1] * torch.finfo(H.dtype).eps * values.abs().amax(1)
    values = torch.where(values > noise[:, None], values, 0.0)
    return (vectors * values.sqrt()[:, None]) @ vectors.mT
