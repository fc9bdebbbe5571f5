"""Gradients of single rows of a net, one block of factors per layer.

::

    gradients = RowGradients(target)               # checks the rules on a few rows
    factors = gradients(X, y)                      # of the training loss
    factors = gradients(X, y, target.measure(LogLoss()))
    several = gradients.several(X, y, measures)    # a list, from one forward pass
    factors.gram(other)      # (n, m) inner products, on the net's device
    factors.self_dot()       # (n,)
    factors.matvec(vector)   # (n,), vector a dict of tensors by parameter
    factors.dense()          # dict of (n, size) tensors by parameter

A hook adds a zero tensor, the "probe", to the output of every layer with a rule, and
of every linear map within attention and recurrent layers (`_fused.py`). One backward
pass to the probes gives the error of each layer without computing any gradient of a
weight. Rows are on the first axis, or, between layers that work place by place, on the
second one. A parameter is *covered* if one module with a rule owns it, or several
Linear and Embedding layers (`_shared.py`), and the factors reproduce autograd's
gradients on the first rows. For all other parameters the gradients are materialised: by
`torch.func` (vmap of grad) if the module supports it, else row by row, with a warning.
"""

import warnings
from collections import Counter
from functools import partial

import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from skinfluence.nets._inputs import count_rows, rows_of
from skinfluence.nets.gradients._blocks import Dense
from skinfluence.nets.gradients._factors import Factors
from skinfluence.nets.gradients._fused import (
    NotRows,
    Observed,
    fused_forward,
    fused_parameters,
    replaced,
)
from skinfluence.nets.gradients._layers import (
    has_rule,
    layer_block,
    may_share,
    works_by_place,
)
from skinfluence.nets.gradients._shared import put_together


class RowGradients:
    """Callable that returns the `Factors` of rows at the net's current parameters.

    Parameters
    ----------
    target : NetTarget
        The net. Its parameters may change between calls (`NetTarget.at`).

    Attributes
    ----------
    covered : list of str
        Parameters whose gradients are factored.
    uncovered : list of str
        Parameters whose gradients are materialised.
    row_bytes : float or None
        Memory of the factors of a row; None before the first call.
    """

    _CHECKED_ROWS = 3

    def __init__(self, target):
        self.target = target
        self.covered, self.uncovered, self._owners = None, None, None
        self.row_bytes = None
        self._by_place = set()  # modules with rows on the second axis
        self._vmap = True

    def __call__(self, X, y, measure=None):
        """Return the factors of the rows of X with encoded targets y."""
        return self.several(X, y, [measure])[0]

    def several(self, X, y, measures):
        """Return a list of the factors of several measures of the same rows."""
        measures = [measure or self.target.training_loss for measure in measures]
        with self.target.at(), torch.no_grad():
            inputs, targets = self.target.batch(X, y)
            if self.covered is None:
                self._check_coverage(inputs, targets, measures[0])
            blocks = self._blocks(inputs, targets, measures)
            if self.uncovered:
                for own, measure in zip(blocks, measures, strict=True):
                    own.append(Dense(self._materialised(inputs, targets, measure)))
        factors = [Factors(own) for own in blocks]
        self.row_bytes = max(1.0, factors[0].n_bytes / len(targets))
        return factors

    def mean_gradient(self, X, y, measure=None, weight=None):
        """Weighted sum of the rows' gradients (the mean without weights), as a dict."""
        measure = measure or self.target.training_loss
        with self.target.at(), torch.enable_grad():
            inputs, targets = self.target.batch(X, y)
            losses = measure(self.target.output(inputs), targets, inputs)
            if weight is None:
                total = losses.mean()
            else:
                weight = torch.as_tensor(weight, device=losses.device)
                total = losses @ weight.to(losses.dtype)
            return self._grad(total)

    def _grad(self, loss):
        params = self.target.params
        parts = torch.autograd.grad(loss, list(params.values()), allow_unused=True)
        return {
            name: torch.zeros_like(p) if g is None else g.detach()
            for (name, p), g in zip(params.items(), parts, strict=True)
        }

    # The choice of covered parameters.

    def _find_owners(self):
        """Map modules with a rule to the variables that only such modules own."""
        owners, wanted = {}, {id(p): k for k, p in self.target.params.items()}
        modules, n_owners = list(self.target.module.modules()), Counter()
        alone = set()  # parameters that are shared, but not by layers that may
        for module in modules:
            own = [id(p) for p in module.parameters(recurse=False)]
            n_owners.update(own)
            alone |= set() if may_share(module) else set(own)
        shared = {p for p, count in n_owners.items() if count > 1} - alone
        for module in modules:
            fused = fused_forward(module) is not None
            if fused or has_rule(module):
                own = (
                    fused_parameters(module)
                    if fused
                    else dict(module.named_parameters(recurse=False))
                )
                names = {
                    name: wanted[id(p)]
                    for name, p in own.items()
                    if id(p) in wanted
                    and (n_owners[id(p)] == 1 or id(p) in shared and not fused)
                }
                if fused:  # its submodules do not own them
                    for name in names:
                        del wanted[id(own[name])]
                if names:
                    owners[module] = names
        return owners

    def _check_coverage(self, inputs, targets, measure):
        """Keep the layers whose factors of a few rows are autograd's gradients."""
        rows = slice(0, min(self._CHECKED_ROWS, len(targets)))
        few = rows_of(inputs, rows), targets[rows]
        owners = self._find_owners()
        right = self._right_owners(owners, *few, measure)
        by_place = {m for m in owners if m not in right and works_by_place(m)}
        if by_place:
            self._by_place = by_place
            rest = {m: k for m, k in owners.items() if m in by_place}
            right |= self._right_owners(rest, *few, measure)
        self._keep_owners(owners, [m for m in owners if m in right])
        self._set_covered()

    def _right_owners(self, owners, inputs, targets, measure):
        """Return the modules whose factors agree with autograd, a set."""
        self._owners = owners
        (blocks,) = self._blocks(inputs, targets, [measure])
        factored = {k: g for block in blocks for k, g in block.dense().items()}
        if not factored:
            return set()
        truth = self._loop(list(factored), inputs, targets, measure)
        tolerance = 1e3 * torch.finfo(self.target.dtype).eps
        right = set()
        for name, g in factored.items():
            size = truth[name].abs().max().clamp(min=1e-30)
            if (g - truth[name]).abs().max() <= tolerance * size:
                right.add(name)
        return {m for m, names in self._owners.items() if right >= set(names.values())}

    def _keep_owners(self, owners, kept):
        """Leave modules out, and what the others share with them."""
        lost = {
            k for m, names in owners.items() if m not in kept for k in names.values()
        }
        self._owners = {}
        for module in kept:
            names = {k: v for k, v in owners[module].items() if v not in lost}
            if names:
                self._owners[module] = names

    def _set_covered(self):
        covered = {k for names in self._owners.values() for k in names.values()}
        self.covered = [k for k in self.target.params if k in covered]
        self.uncovered = [k for k in self.target.params if k not in covered]

    # Factors.

    def _blocks(self, inputs, targets, measures):
        """Return the blocks of covered layers, a list for each measure."""
        blocks = None
        while blocks is None:  # a layer that does not support this batch is left out
            self._set_covered()
            blocks = self._blocks_or_fewer_owners(inputs, targets, measures)
        return blocks

    def _blocks_or_fewer_owners(self, inputs, targets, measures):
        n, blind = len(targets), set()
        fused = {m: Observed(m, n) for m in self._owners if not has_rule(m)}
        calls = {m: fused[m].calls if m in fused else [] for m in self._owners}

        def hook(module, args, output):
            axis = 1 if module in self._by_place else 0
            if not args or not n == _length(args[0], axis) == _length(output, axis):
                blind.add(module)
                return output
            probe = torch.zeros_like(output, requires_grad=True)
            calls[module].append((args[0].detach(), probe))
            return output + probe

        def observed(module, plain, *args, **kwargs):
            try:
                return fused_forward(module)(module, fused[module], *args, **kwargs)
            except NotRows:
                blind.add(module)
                return plain(*args, **kwargs)

        forwards = {(m, "forward"): partial(observed, m, m.forward) for m in fused}
        handles = [
            module.register_forward_hook(hook)
            for module in self._owners
            if module not in fused
        ]
        try:
            with replaced(forwards), torch.enable_grad():
                output = self.target.output(inputs)
        finally:
            for handle in handles:
                handle.remove()
        blind |= {module for module, found in calls.items() if not found}
        blocks, last = [], len(measures) - 1
        for k, measure in enumerate(measures if not blind else ()):
            probes = [probe for found in calls.values() for *_, probe in found]
            errors = iter(())
            if probes:
                with torch.enable_grad():
                    total = measure(output, targets, inputs).sum()
                errors = iter(
                    torch.autograd.grad(
                        total,
                        probes,
                        retain_graph=k < last,
                        allow_unused=True,
                        materialize_grads=True,
                    )
                )
            own = []
            for module, found in calls.items():
                names = self._owners[module]
                if module in fused:
                    own += fused[module].blocks(names, errors)
                    continue
                pairs = [(x, next(errors)) for x, _ in found]
                if module in self._by_place:
                    pairs = [tuple(t.transpose(0, 1) for t in pair) for pair in pairs]
                block = layer_block(module, names, pairs)
                if block is None:
                    blind.add(module)
                else:
                    own.append(block)
            blocks.append(put_together(own))
        if blind:
            self._keep_owners(self._owners, [m for m in self._owners if m not in blind])
            return None
        return blocks

    # Gradients of everything else.

    def _materialised(self, inputs, targets, measure):
        names = self.uncovered
        if self._vmap:
            try:
                return self._vmapped(names, inputs, targets, measure)
            except Exception as error:  # torch has no class of its own for this error
                self._vmap = False
                warnings.warn(
                    f"Gradients of {names[:5]} are computed row by row, which is slow: "
                    f"torch.func.vmap cannot batch the module ({_first_line(error)}).",
                    stacklevel=2,
                )
        return self._loop(names, inputs, targets, measure)

    def _vmapped(self, names, inputs, targets, measure):
        target = self.target
        net = _Infer(target)

        def loss(parameters, x, t):
            one = rows_of(x, None)  # a batch of one row
            output = functional_call(net, parameters, (one,))
            return measure(output, t[None], one).sum()

        parameters = {"module." + k: target.params[k].detach() for k in names}
        parts = vmap(grad(loss), in_dims=(None, 0, 0), randomness="error")(
            parameters, inputs, targets
        )
        return {k: parts["module." + k].reshape(len(targets), -1) for k in names}

    def _loop(self, names, inputs, targets, measure):
        parameters = [self.target.params[k] for k in names]
        rows = []
        for i in range(count_rows(inputs)):
            own = rows_of(inputs, slice(i, i + 1))
            with torch.enable_grad():
                output = self.target.output(own)
                loss = measure(output, targets[i : i + 1], own).sum()
            parts = torch.autograd.grad(loss, parameters, allow_unused=True)
            rows.append(
                [
                    torch.zeros_like(p).reshape(-1) if g is None else g.reshape(-1)
                    for p, g in zip(parameters, parts, strict=True)
                ]
            )
        return {
            k: torch.stack(g)
            for k, g in zip(names, zip(*rows, strict=True), strict=True)
        }


class _Infer(nn.Module):
    """``net.infer`` as a module, so that functional_call swaps the parameters."""

    def __init__(self, target):
        super().__init__()
        self.module, self._target = target.module, [target]
        self.training = False

    def forward(self, inputs):
        return self._target[0].output(inputs)


def _first_line(error):
    return str(error).strip().splitlines()[0] if str(error).strip() else repr(error)


def _length(tensor, axis):
    return tensor.shape[axis] if tensor.ndim > axis else None
