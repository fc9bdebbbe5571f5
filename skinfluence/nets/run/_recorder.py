"""The skorch callback under every record of a net's run."""

from contextlib import contextmanager

import numpy as np
from skorch.callbacks import Callback


class Recorder(Callback):
    """Watches a net while `attached`, after all of its own callbacks.

    Attributes
    ----------
    rows : ndarray of int
        Rows of the training set in the order of the epoch's data set, which may be
        a subset.
    """

    @contextmanager
    def attached(self, net):
        """Record what ``net`` is trained inside; afterwards it is as without."""
        callbacks = net.callbacks
        given = [] if callbacks in (None, "disable") else list(callbacks)
        own = ("skinfluence_recorder", self)
        try:
            if callbacks == "disable":  # of skorch's own, only this one prints
                net.callbacks__print_log = None
            net.callbacks = [*given, own]
            if hasattr(net, "callbacks_"):  # a run that goes on initialises none
                net.callbacks_ = [*net.callbacks_, own]
            yield self
        finally:
            net.callbacks = callbacks
            if hasattr(net, "callbacks_"):
                net.callbacks_ = [(k, c) for k, c in net.callbacks_ if c is not self]

    def on_epoch_begin(self, net, dataset_train=None, **kwargs):
        """Note which rows are trained on."""
        self.rows = original_rows(dataset_train)


def original_rows(dataset):
    """Return the rows of the data passed to ``fit`` that a (nested) Subset holds."""
    rows = np.arange(len(dataset))
    while hasattr(dataset, "indices") and hasattr(dataset, "dataset"):
        rows = np.asarray(dataset.indices)[rows]
        dataset = dataset.dataset
    return rows
