r"""TRAK in kernel form: the contribution of one checkpoint of a run.

With ``f`` a row's output function and ``K`` the Gram matrix of its gradients::

    q_i [(K + lam mean(diag K) I)^{-1} K(train, test)]_(i, t)

is the contribution of a row to f of a test row. For classifiers q = 1 - p_y and f is
the margin ``z_y - logsumexp_{c != y} z_c``, which equals ``log p - log(1 - p)`` without
its loss of precision for p near one. For regressors f is an output and q its residual
y - f.
"""

import numpy as np
import torch
from scipy.special import expit

from skinfluence._sklearn import n_rows, take_rows
from skinfluence.nets.curvature._damping import known
from skinfluence.nets.curvature._output_hessian import output_bends
from skinfluence.nets.gradients._gram import gram, self_dot
from skinfluence.nets.gradients._ridge_solve import ridge_solve

_BATCH = 1024


def margin(target):
    """Return a measure: log odds of the true class, shape (n,)."""

    def measure(output, targets, inputs=None):
        criterion = target.net.criterion_
        if isinstance(criterion, torch.nn.BCEWithLogitsLoss):
            return (2.0 * targets - 1.0).reshape(-1) * output.reshape(-1)
        if not isinstance(criterion, torch.nn.CrossEntropyLoss):
            output = target.log_proba(output)
        index = targets.reshape(-1, 1).long()
        own = torch.arange(output.shape[1], device=output.device) == index
        others = torch.logsumexp(output.masked_fill(own, -torch.inf), dim=1)
        return output.gather(1, index)[:, 0] - others

    return measure


def output(c):
    """Return a measure: the c-th output, shape (n,)."""
    return lambda output, targets, inputs=None: output.reshape(len(output), -1)[:, c]


def evaluate(target, rows, function):
    """Values of ``function(output, targets)`` in float64, in batches, (n, ...)."""
    X, y = rows
    parts = []
    with target.at(), torch.no_grad():
        for start in range(0, n_rows(X), _BATCH):
            part = np.arange(start, min(start + _BATCH, n_rows(X)))
            inputs, targets = target.batch(take_rows(X, part), y[part])
            value = function(target.output(inputs), targets)
            parts.append(value.double().cpu().numpy())
    return np.concatenate(parts)


def contribution(gradients, train, test, function, q, damping):
    """Contribution of training rows to ``function`` of test rows, (n_test, n_train)."""
    measures = (function, function)
    K = gram(gradients, train, train, measures=measures)
    mixed = gram(gradients, train, test, measures=measures)
    size = np.trace(K) / len(K)
    if not size > 0:  # all gradients are zero
        return np.zeros(mixed.T.shape)
    return (q[:, None] * ridge_solve(K, mixed, damping * size)).T


def kernel_influence(runs, train, test, loss, damping, classifier):
    """Mean over the checkpoints of `CheckpointRun`s, in units of the test loss.

    Parameters
    ----------
    runs : list of CheckpointRun
        Fitted.
    train, test : tuple of (X, y)
        Rows and encoded targets, as given to ``fit``.
    loss : Loss
        The log loss for classifiers; any loss with a slope for regressors.
    damping : float
        lam.
    classifier : bool
        Whether targets are classes.
    """
    raised, slopes, count = 0.0, 0.0, 0
    for run in runs:
        theirs, target = run.rows(*test), run.gradients().target
        for checkpoint, rows in _at_checkpoints(run, train):
            functions, q = _explained(target, rows, classifier)
            if classifier:
                slope = _error_probability(target, theirs)
            else:
                slope = _negative_slope(target, theirs, loss)
            parts = np.zeros((len(functions), len(theirs[1]), len(train[1])))
            for c, function in enumerate(functions):
                parts[c][:, checkpoint.rows] = contribution(
                    run.gradients(), rows, theirs, function, q[:, c], damping
                )
            raised, slopes, count = raised + parts, slopes + slope, count + 1
    return np.einsum("tc,cti->ti", slopes / count, raised / count)


def kernel_damping(runs, train, classifier):
    r"""Damping from the training runs, relative to the mean of the kernel's diagonal.

    The geometric mean over the checkpoints of

    .. math:: \frac{n s_c}{\min\big(\overline{h} \; \overline{\mathrm{diag}} K_c,
        \; \overline{h \, \mathrm{diag} K_c}\big)}

    or 1 if that is larger. s_c is what training gained per squared move
    (`skinfluence.nets.curvature._damping`), h the second derivative of a row's
    training loss by f, :math:`p_y (1 - p_y)` for classifiers. A kernel of one
    curvature for all rows has the first denominator, the Gauss-Newton matrix the
    second, which is smaller where confident rows have large gradients. Checkpoints at
    which nothing is gained, or h is zero for all rows, are left out.
    """
    logs = []
    for run in runs:
        gradients = run.gradients()
        for checkpoint, rows in _at_checkpoints(run, train):
            descent = run.descent(checkpoint, rows)
            if not known(descent):
                return 1.0
            functions, q = _explained(gradients.target, rows, classifier)
            sizes = np.mean(
                [self_dot(gradients, *rows, measures=(f, f)) for f in functions], axis=0
            )
            if classifier:
                bend = (q * (1 - q))[:, 0]
            else:
                bend = output_bends(gradients.target, *rows)
            kernel = min(bend.mean() * sizes.mean(), (bend * sizes).mean())
            if kernel > 0 and descent.gain > 0:
                logs.append(np.log(descent.per_squared_move * len(bend) / kernel))
    return max(1.0, float(np.exp(np.mean(logs)))) if logs else 1.0


def _at_checkpoints(run, train):
    """Yield (checkpoint, its training rows), with the net at its parameters."""
    X, y = run.rows(*train)
    for checkpoint in run.checkpoints:
        kept = checkpoint.rows
        with run.gradients().target.at(checkpoint.state):
            yield checkpoint, (take_rows(X, kept), y[kept])


def _explained(target, rows, classifier):
    """Return the functions f, and q of the training rows for each of them."""
    if classifier:
        return [margin(target)], _error_probability(target, rows)
    q = -evaluate(target, rows, _residual)
    return [output(c) for c in range(q.shape[1])], q


def _error_probability(target, rows):
    """Minus the derivative of the log loss: ``1 - p_y``, shape (n, 1)."""
    return expit(-evaluate(target, rows, margin(target)))[:, None]


def _residual(output, targets):
    return (output - targets.reshape(output.shape)).reshape(len(output), -1)


def _negative_slope(target, rows, loss):
    """Minus the derivative of a loss with respect to each output, shape (n, k)."""
    measure = target.measure(loss)

    def negative_slope(output, targets):
        with torch.enable_grad():
            output = output.detach().requires_grad_()
            total = measure(output, targets, None).sum()
            return -torch.autograd.grad(total, output)[0].reshape(len(output), -1)

    return evaluate(target, rows, negative_slope)
