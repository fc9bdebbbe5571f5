"""The base class of the skorch callbacks that record a net's run."""

from contextlib import contextmanager

import numpy as np
from skorch.callbacks import Callback


class Recorder(Callback):
    """Observes a net while `attached`; runs after all of the net's own callbacks.

    Attributes
    ----------
    rows : ndarray of int
        Rows of the training set in the order of the epoch's data set, which may be
        a subset.
    """

    @contextmanager
    def attached(self, net):
        """Record the training of ``net`` in this context, and detach afterwards."""
        callbacks = net.callbacks
        given = [] if callbacks in (None, "disable") else list(callbacks)
        own = ("skinfluence_recorder", self)
        try:
            if callbacks == "disable":  # which also silences skorch's own print log
                net.callbacks__print_log = None
            net.callbacks = [*given, own]
            if hasattr(net, "callbacks_"):  # a continued run does not initialise them
                net.callbacks_ = [*net.callbacks_, own]
            yield self
        finally:
            net.callbacks = callbacks
            if hasattr(net, "callbacks_"):
                net.callbacks_ = [(k, c) for k, c in net.callbacks_ if c is not self]

    def on_epoch_begin(self, net, dataset_train=None, **kwargs):
        """Record which rows are trained on."""
        self.rows = original_rows(dataset_train)


def original_rows(dataset):
    """Return the rows of the data passed to ``fit`` that a (nested) Subset holds."""
    rows = np.arange(len(dataset))
    while hasattr(dataset, "indices") and hasattr(dataset, "dataset"):
        rows = np.asarray(dataset.indices)[rows]
        dataset = dataset.dataset
    return rows
