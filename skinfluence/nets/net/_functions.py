"""A skorch net as functions of its flat parameters: losses and gradients of rows."""

import copy
import warnings
from collections.abc import Mapping

import torch
from skorch.dataset import unpack_data
from torch.utils._pytree import tree_leaves, tree_map

from skinfluence.nets.gradients._fused import replace, unfused
from skinfluence.nets.gradients._row_gradients import RowGradients
from skinfluence.nets.net._target import NetTarget


class _RowLosses(torch.nn.Module):
    """Per-row losses through the net's own ``infer`` and ``get_loss``.

    The net's module is a submodule of this one, so that ``functional_call`` replaces
    its parameters within all methods of the net.
    """

    def __init__(self, net):
        super().__init__()
        self.module = copy.deepcopy(net.module_)
        replace(unfused(self.module))
        view = object.__new__(type(net))  # copy.copy would pickle the module
        criterion = copy.deepcopy(net.criterion_)
        self.summed = criterion.reduction == "sum"
        criterion.reduction = "none"
        # Past skorch's __setattr__, which would register new components.
        vars(view).update(
            {**vars(net), "module_": self.module, "criterion_": criterion}
        )
        self.view = [view]  # in a list, as torch would register it as a submodule

    def forward(self, X, y, measure):
        (net,) = self.view
        output = net.infer(X)
        if measure is not None:
            first = output[0] if isinstance(output, tuple) else output
            return measure(first, y, X)
        losses = net.get_loss(output, y, X=X, training=True)
        n = y.shape[0]
        if losses.ndim == 0 or losses.shape[0] != n:
            raise ValueError(
                "The net's criterion must give one loss per row with "
                f"reduction='none'. Got shape {tuple(losses.shape)} for {n} rows."
            )
        if y.ndim == 1 and losses.shape[1:] == (n,) and losses.numel() > 1:
            raise ValueError(
                "The net's output has shape (n, 1) and y shape (n,), which the "
                "criterion broadcasts to all pairs of rows. Pass y.reshape(-1, 1)."
            )
        if losses.ndim == 1:
            return losses
        losses = losses.reshape(n, -1)
        return losses.sum(dim=1) if self.summed else losses.mean(dim=1)


class NetFunctions:
    """Losses of a fitted net's rows as functions of flat parameters.

    Parameters
    ----------
    net : skorch net
        Fitted.
    names : list of str
        Parameters in the flat vector, in this order; others are constants.
    """

    def __init__(self, net, names):
        self._net = net
        self._module = _RowLosses(net)
        parameters = dict(self._module.module.named_parameters())
        self.names = names
        self.shapes = [parameters[name].shape for name in names]
        self.sizes = [parameters[name].numel() for name in names]
        self._own = [parameters[name] for name in names]
        self.parameters = self.flat([parameters[name].detach() for name in names])
        self.device = self.parameters.device
        # The module's parameters become views of one vector, which is set in one copy.
        self._placed = self.parameters.clone()
        for own, part in zip(self._own, self._placed.split(self.sizes), strict=True):
            own.data = part.view_as(own)
        self._target = NetTarget(self._module.view[0])
        self._factored = None
        self.batches = True  # until torch.func.vmap fails
        self._reduction = net.criterion_.reduction
        self._class_weight = None
        if isinstance(net.criterion_, torch.nn.NLLLoss | torch.nn.CrossEntropyLoss):
            self._class_weight = net.criterion_.weight

    def __getstate__(self):  # skorch would pickle net and module separately
        return {"net": self._net, "names": self.names}

    def __setstate__(self, state):
        self.__init__(**state)

    def measure(self, loss):
        """Per-row test loss, as `NetTarget.measure`."""
        return self._target.measure(loss)

    @property
    def training_loss(self):
        """Per-row training loss in evaluation mode, as `NetTarget.training_loss`."""
        return self._target.training_loss

    @staticmethod
    def flat(tensors):
        """Join tensors into one vector."""
        return torch.cat([t.reshape(-1) for t in tensors])

    def parts(self, vector):
        """Split a number, or a vector like the flat parameters, by parameter."""
        if vector.ndim == 0:
            return dict.fromkeys(self.names, vector)
        return dict(zip(self.names, vector.split(self.sizes), strict=True))

    def losses(self, theta, X, y, measure=None):
        """Losses of rows at flat parameters ``theta``, shape (n_rows,).

        ``measure`` is a loss as returned by `NetTarget.measure`, in evaluation mode;
        None is the training loss, in training mode.
        """
        parts = theta.split(self.sizes)
        values = {
            "module." + name: part.view(shape)
            for name, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }
        self._set_mode(measure)
        return torch.func.functional_call(self._module, values, (X, y, measure))

    def _set_mode(self, measure):
        if self._module.training != (measure is None):
            self._module.train(measure is None)  # walks over all modules

    def place(self, theta):
        """Copy flat parameters into the module; return its parameters.

        `place` and `placed_losses` give the same result as `losses`, without
        functional_call, which takes longer than the forward pass of a small net.
        """
        self._placed.copy_(theta.detach())
        return self._own

    def placed_losses(self, X, y):
        """Training `losses` at the parameters that `place` was last called with."""
        self._set_mode(None)
        return self._module(X, y, None)

    def row_gradients(self, theta, X, y, measure=None):
        """Gradients of each row's loss at ``theta``, shape (n_rows, n_parameters).

        The gradients are materialised. Every output of the net must depend on a single
        row.
        """

        def loss(t, x, target):
            one = tree_map(lambda value: value[None], x)
            return self.losses(t, one, target[None], measure)[0]

        if self.batches:
            gradient = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))
            try:
                return gradient(theta, X, y)
            except RuntimeError as error:
                self.refuse_vmap(error)
        theta = theta.detach().requires_grad_()
        rows = []
        for i in range(len(y)):
            with torch.enable_grad():
                own = loss(theta, tree_map(lambda value, i=i: value[i], X), y[i])
                rows += torch.autograd.grad(own, theta)
        return torch.stack(rows)

    def refuse_vmap(self, error):
        """Switch to computing row by row, as torch cannot batch the module."""
        self.batches = False
        reason = str(error).strip().splitlines()
        warnings.warn(
            "Gradients and replays of the net are computed one by one, which is slow: "
            f"torch.func.vmap cannot batch its module ({reason[0] if reason else ''}).",
            stacklevel=2,
        )

    def weighted_gradient(self, theta, X, y, weight, measure=None):
        """Gradient of a weighted sum of row losses, shape (n_parameters,)."""
        theta = theta.detach().requires_grad_()
        with torch.enable_grad():
            losses = self.losses(theta, X, y, measure)
            return torch.autograd.grad(
                torch.as_tensor(weight).to(theta) @ losses, theta
            )[0]

    def factors(self, theta, X, y, measure=None):
        """`row_gradients` kept as factors, always in evaluation mode."""
        self.place(theta)
        if self._factored is None:
            self._factored = RowGradients(self._target)
        return self._factored(X, y, measure)

    def divisor(self, y):
        """Return the number that divides a batch's sum of losses in the objective.

        It depends on the rows of the batch and not on their weights.
        """
        if self._reduction == "sum":
            return 1.0
        if self._class_weight is not None:
            return float(self._class_weight.to(y.device)[y].sum())
        return float(y.shape[0])


def collect(net, X, y):
    """Return all rows of a data set as delivered by the net's loader, on the CPU."""
    dataset = net.get_dataset(X, y)
    with torch.random.fork_rng(devices=[]):  # a loader draws a seed for its workers
        batches = [unpack_data(b) for b in net.get_iterator(dataset, training=False)]
    return _cat([b[0] for b in batches]), _cat([b[1] for b in batches])


def _cat(parts):
    first = parts[0]
    if isinstance(first, Mapping):
        return {key: _cat([part[key] for part in parts]) for key in first}
    if isinstance(first, tuple | list):
        return type(first)(_cat(list(group)) for group in zip(*parts, strict=True))
    return torch.cat([torch.as_tensor(part) for part in parts])


def take(X, rows, device):
    """Return rows of the result of `collect`, on ``device``."""
    if isinstance(X, Mapping):
        return {key: take(value, rows, device) for key, value in X.items()}
    if isinstance(X, tuple | list):
        return type(X)(take(value, rows, device) for value in X)
    return X[rows].to(device)


def n_bytes(X):
    """Memory of the rows of the result of `collect`."""
    return sum(part.nbytes for part in tree_leaves(X))
