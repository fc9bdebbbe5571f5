"""A fitted skorch net as functions of its parameters.

`NetTarget` is the interface that all gradient methods on nets use::

    target = NetTarget(net)                    # a fitted NeuralNet*, not a Pipeline
    inputs, targets = target.batch(X, y)       # tensors on the net's device
    output = target.output(inputs)             # evaluation mode
    losses = target.training_loss(output, targets, inputs)      # (n,), one per row
    measure = target.measure(LogLoss())        # the same signature, another loss
    with target.at(state): ...                 # other parameters and buffers

Rows are encoded by `net_model`: class indices for classifiers,
floats in the shape the net was trained on for regressors.
"""

from contextlib import contextmanager, nullcontext

import torch
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from skorch.utils import to_tensor
from torch import nn
from torch.nn import functional as F

from skinfluence._losses import SMALLEST_PROBABILITY, LogLoss, clip_log_loss
from skinfluence.nets._inputs import rows_of
from skinfluence.nets.gradients._fused import fused_forward, replaced, unfused


class NetTarget:
    """Parameters, outputs and per-row losses of a fitted skorch net.

    Parameters
    ----------
    net : skorch.NeuralNet
        Fitted, or at least initialised.
    layers : list of str or None, default=None
        Names of submodules, as in ``module.named_modules()``; only their parameters
        are variables. None: all trained parameters.

    Attributes
    ----------
    module : torch.nn.Module
        ``net.module_``, without the wrapper of ``torch.compile``.
    params : dict of str to torch.nn.Parameter
        The variables, in the order of ``module.named_parameters()``.
    """

    def __init__(self, net, layers=None):
        self.net = net
        self.module = getattr(net.module_, "_orig_mod", net.module_)
        self.device = net.device if net.device is not None else self._any().device
        self.dtype = self._any().dtype
        trained = {k: p for k, p in self.module.named_parameters() if p.requires_grad}
        self.params = self._restrict(trained, layers)

    def _any(self):
        for parameter in self.module.parameters():
            return parameter
        raise ValueError(
            f"The module {type(self.module).__name__} has no parameters, so that its "
            "training rows have no influence."
        )

    def _restrict(self, trained, layers):
        if layers is None:
            if not trained:
                raise ValueError(
                    f"All parameters of {type(self.module).__name__} are frozen: at "
                    "least one must have requires_grad=True."
                )
            return trained
        known = [name for name, _ in self.module.named_modules() if name]
        chosen = {}
        for layer in layers:
            own = {
                k: p
                for k, p in trained.items()
                if not layer or k == layer or k.startswith(layer + ".")
            }
            if not own:
                raise ValueError(
                    "The 'layers' parameter must name submodules with trained "
                    f"parameters, among {known}. Got {layer!r}."
                )
            chosen |= own
        return {k: p for k, p in trained.items() if k in chosen}

    @property
    def last_layer(self):
        """Name of the last Linear layer, in the order of definition.

        Empty where the module is itself a Linear layer.
        """
        linear = [
            name
            for name, module in self.module.named_modules()
            if isinstance(module, nn.Linear)
        ]
        if not linear:
            raise ValueError(
                f"The module {type(self.module).__name__} has no Linear layer."
            )
        return linear[-1]

    def batch(self, X, y):
        """Move rows and encoded targets to the net's device."""
        inputs = to_tensor(X, device=self.device)
        targets = torch.as_tensor(y, device=self.device)
        return inputs, targets.to(self.target_dtype)

    @property
    def target_dtype(self):
        """Type of the targets, as required by the criterion of this kind of net."""
        binary = isinstance(self.net, NeuralNetBinaryClassifier)
        if isinstance(self.net, NeuralNetClassifier) and not binary:
            return torch.int64
        return self.dtype

    def output(self, inputs):
        """Return the first output of the module, through ``net.infer``."""
        output = self.net.infer(inputs)
        return output[0] if isinstance(output, tuple) else output

    def training_loss(self, output, targets, inputs=None):
        """Loss of every row as the net is trained on it, shape (n,).

        Computed by ``net.get_loss`` for every reduction of the criterion, so that nets
        that override it, and skorch's NLLLoss on probabilities, are supported. Several
        outputs per row are averaged (summed with ``reduction="sum"``). Class weights
        are included; their renormalisation within a batch is not.
        """
        criterion, n = self.net.criterion_, len(targets)
        reduction = getattr(criterion, "reduction", None)
        if reduction is None:
            return self._row_by_row(output, targets, inputs)
        try:
            criterion.reduction = "none"
            loss = self.net.get_loss(output, targets, X=inputs, training=False)
        finally:
            criterion.reduction = reduction
        if loss.ndim == 0 or loss.shape[0] != n:
            return self._row_by_row(output, targets, inputs)
        loss = loss.reshape(n, -1)
        return loss.sum(dim=1) if reduction == "sum" else loss.mean(dim=1)

    def _row_by_row(self, output, targets, inputs):
        losses = []
        for i in range(len(targets)):
            own = None if inputs is None else rows_of(inputs, slice(i, i + 1))
            loss = self.net.get_loss(
                output[i : i + 1], targets[i : i + 1], X=own, training=False
            )
            losses.append(loss.mean())
        return torch.stack(losses)

    def measure(self, loss):
        """Return a test loss as a function ``(output, targets, inputs) -> (n,)``.

        Parameters
        ----------
        loss : Loss
            Must have a slope.
        """
        loss.need_slope()
        if isinstance(loss, LogLoss) and self.trains_on_log_loss:
            return self._clipped_training_loss
        if loss.response == "predict_proba":
            return lambda output, targets, inputs=None: loss.of_log_probabilities(
                targets, self.log_proba(output)
            )
        return lambda output, targets, inputs=None: loss.value(
            targets.reshape(len(output), -1), output.reshape(len(output), -1)
        )

    def _clipped_training_loss(self, output, targets, inputs=None):
        return clip_log_loss(self.training_loss(output, targets, inputs))

    @property
    def trains_on_log_loss(self):
        """Whether the training loss is the log loss (apart from its clip)."""
        criterion = self.net.criterion_
        if getattr(criterion, "weight", None) is not None:
            return False
        if getattr(criterion, "pos_weight", None) is not None:
            return False
        plain = self.net.get_loss.__func__ in (
            NeuralNetClassifier.get_loss,
            NeuralNetBinaryClassifier.get_loss,
        )
        smoothed = getattr(criterion, "label_smoothing", 0) > 0
        known = (nn.CrossEntropyLoss, nn.BCEWithLogitsLoss)
        return plain and not smoothed and type(criterion) in known

    def log_proba(self, output):
        """Logarithm of what ``predict_proba`` returns, with a gradient, shape (n, k).

        ``predict_nonlinearity`` is applied if it is a function or None. Probabilities
        are clipped from below as in the log loss.
        """
        nonlinearity = self.net.predict_nonlinearity
        criterion = self.net.criterion_
        if nonlinearity == "auto" and isinstance(criterion, nn.CrossEntropyLoss):
            return F.log_softmax(output, dim=-1)
        if nonlinearity == "auto" and isinstance(criterion, nn.BCEWithLogitsLoss):
            z = output.reshape(-1)
            return torch.stack([F.logsigmoid(-z), F.logsigmoid(z)], dim=1)
        p = nonlinearity(output) if callable(nonlinearity) else output
        if p.ndim == 1 or p.shape[1] == 1:
            p = p.reshape(-1, 1)
            p = torch.cat([1 - p, p], dim=1)
        # In half precision the smallest probability of the log loss would be zero.
        p = p.to(torch.promote_types(p.dtype, torch.float32))
        return torch.log(p.clamp(min=SMALLEST_PROBABILITY))

    def state(self):
        """Copy parameters and buffers to the CPU."""
        return {
            k: v.detach().to("cpu", copy=True)
            for k, v in self.module.state_dict().items()
        }

    @staticmethod
    def _without_cudnn(modules):
        """Context for recurrent layers with a forward of their own.

        The others are computed in single operations. cuDNN's backward pass needs
        training mode, and cannot be differentiated again.
        """
        if any(isinstance(m, nn.RNNBase) and fused_forward(m) is None for m in modules):
            return torch.backends.cudnn.flags(enabled=False)
        return nullcontext()

    @contextmanager
    def at(self, state=None):
        """Evaluate at other parameters and buffers, in evaluation mode.

        Attention and recurrent layers are computed in single operations, which can be
        differentiated twice and batched.
        """
        before = None if state is None else self.state()
        modules = [*self.module.modules(), *self.net.criterion_.modules()]
        training = [m.training for m in modules]
        try:
            if state is not None:
                self.module.load_state_dict(state)
            for module in modules:
                module.training = False
            with self._without_cudnn(modules), replaced(unfused(self.module)):
                yield self
        finally:
            for module, flag in zip(modules, training, strict=True):
                module.training = flag
            if before is not None:
                self.module.load_state_dict(before)
