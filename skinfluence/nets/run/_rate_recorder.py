"""Checkpoints of a training run, and how far its steps follow a constant gradient."""

from dataclasses import dataclass, replace

import torch

from skinfluence.nets.net._target import NetTarget
from skinfluence.nets.run._checkpoint_recorder import CheckpointRecorder
from skinfluence.nets.run._optimisers import replayable


@dataclass
class Rates:
    r"""Sums over the steps since the previous checkpoint, for one parameter.

    With a constant gradient g of the mean loss and constant parameters the steps add up
    to :math:`-\rho \, (g + \omega \theta) - \delta \theta`.

    Attributes
    ----------
    rate : tensor
        :math:`\rho`, a number, or one for every entry of the parameter: the learning
        rates, times :math:`1 / (1 - \mu)` for momentum :math:`\mu`, times the
        preconditioner of Adam and RMSprop.
    weight_decay : float
        :math:`\omega`, at the last step. 0 for AdamW.
    decay : float
        :math:`\delta`: learning rates times weight decay of AdamW. 0 for others.
    """

    rate: torch.Tensor
    weight_decay: float
    decay: float

    def __add__(self, other):
        decay = self.decay + other.decay
        return Rates(self.rate + other.rate, other.weight_decay, decay)


class RateRecorder(CheckpointRecorder):
    """Records the `Rates` of every parameter beside the checkpoints.

    Attributes
    ----------
    rates_ : list of dict of str to Rates
        One for each checkpoint.
    """

    def initialize(self):
        """Discard the record of an earlier run."""
        self.rates_, self._rates = [], {}
        return super().initialize()

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Refuse optimisers whose steps are not known."""
        self._decoupled = getattr(replayable(net.optimizer_), "decoupled", False)
        super().on_train_begin(net, X, y, **kwargs)

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        """Add the rates of a step, after it."""
        if not training:
            return
        names = {id(p): k for k, p in NetTarget(net).params.items()}
        # The gradient of a sum over the batch is that of the mean times its size.
        mean = getattr(net.criterion_, "reduction", "mean") != "sum"
        for group in net.optimizer_.param_groups:
            for parameter in group["params"]:
                if id(parameter) not in names:
                    continue
                state = net.optimizer_.state.get(parameter, {})
                size = 1 if mean else self._batch
                rates = _rates(group, state, size, self._decoupled)
                name = names[id(parameter)]
                if name in self._rates:
                    rates = self._rates[name] + rates
                self._rates[name] = rates

    def _keep(self, net):
        super()._keep(net)
        self.rates_.append(
            {
                name: replace(rates, rate=rates.rate.cpu())
                for name, rates in self._rates.items()
            }
        )
        self._rates = {}


def _rates(group, state, size, decoupled):
    """Return the `Rates` of one step.

    Parameters
    ----------
    group : dict
        Settings of the parameter's optimiser.
    state : dict
        Of the optimiser, after the step.
    size : int
        By how much the gradient exceeds that of a mean loss.
    decoupled : bool
        Whether weight decay is no part of the gradient.
    """
    lr, decay, root = float(group["lr"]), group["weight_decay"], 1.0
    if "exp_avg_sq" in state:
        corrected = state["exp_avg_sq"] / (
            1 - group["betas"][1] ** float(state["step"])
        )
        root = corrected.double().sqrt() + group["eps"]
    elif "square_avg" in state:
        root = state["square_avg"].double().sqrt() + group["eps"]
    gain = (1 - group.get("dampening", 0.0)) / (1 - group.get("momentum", 0.0))
    rate = torch.as_tensor(lr * gain * size / root, dtype=torch.float64)
    return Rates(rate, *((0.0, lr * decay) if decoupled else (decay / size, 0.0)))
