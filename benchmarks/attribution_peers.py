"""Attributions of nets by other libraries, as their documentation shows their use.

Each library is a function of the trained module, its checkpoints and the training
rows. It prepares what does not depend on the setting (a damping) and returns a function
of test rows and setting, whose values are influences of shape (n_test, n_train),
positive = the row made the prediction better.
"""

import contextlib
import copy
import io
import itertools
import tempfile

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

BATCH = 512


def tensors(X, y):
    """Return a data set of rows and labels."""
    return TensorDataset(torch.as_tensor(X), torch.as_tensor(y).long())


def kronfluence(module, checkpoints, train):
    """EK-FAC of all Linear and Conv2d layers."""
    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments, ScoreArguments
    from kronfluence.task import Task

    class Classification(Task):
        def compute_train_loss(self, batch, model, sample=False):
            logits, labels = model(batch[0]), batch[1]
            if sample:
                labels = torch.multinomial(logits.detach().softmax(-1), 1)[:, 0]
            return cross_entropy(logits, labels, reduction="sum")

        def compute_measurement(self, batch, model):
            return self.compute_train_loss(batch, model)

    task, rows = Classification(), tensors(*train)
    torch.manual_seed(0)  # labels are sampled
    folder, names = tempfile.TemporaryDirectory(), map(str, itertools.count())
    analyzer = Analyzer(
        "nets",
        prepare_model(copy.deepcopy(module), task),
        task,
        cpu=True,
        disable_tqdm=True,
        output_dir=folder.name,
    )
    analyzer.fit_all_factors(
        "factors",
        rows,
        per_device_batch_size=BATCH,
        factor_args=FactorArguments(strategy="ekfac"),
    )

    def attribute(test, damping, folder=folder):
        name = next(names)
        analyzer.compute_pairwise_scores(
            name,
            "factors",
            tensors(*test),
            rows,
            per_device_query_batch_size=BATCH,
            per_device_train_batch_size=BATCH,
            score_args=ScoreArguments(damping_factor=damping),
        )
        return analyzer.load_pairwise_scores(name)["all_modules"].numpy()

    return attribute


def pydvl(module, checkpoints, train):
    """EK-FAC of the Linear layers, the only ones it supports."""
    from pydvl.influence.torch import EkfacInfluence

    module = copy.deepcopy(module)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            layer.requires_grad_(False)
    rows = tensors(*train)
    influence = EkfacInfluence(module, update_diagonal=True)
    influence.fit(DataLoader(rows, batch_size=BATCH))

    def attribute(test, damping):
        influence.hessian_regularization = damping
        values = influence.influences(*tensors(*test).tensors, *rows.tensors)
        return values.detach().numpy()

    return attribute


def dattri(module, checkpoints, train):
    """TRAK with the default projection to 512 dimensions."""
    from dattri.algorithm.trak import TRAKAttributor
    from dattri.task import AttributionTask

    module = copy.deepcopy(module)

    def log_probability(params, row):
        logits = torch.func.functional_call(module, params, row[0].unsqueeze(0))
        return -cross_entropy(logits, row[1].unsqueeze(0))

    def margin(params, row):
        own = log_probability(params, row)
        return own - torch.log(1 - torch.exp(own))

    task = AttributionTask(loss_func=margin, model=module, checkpoints=checkpoints)

    def attribute(test, regularization):
        attributor = TRAKAttributor(
            task=task,
            correct_probability_func=lambda *row: log_probability(*row).exp(),
            regularization=regularization,
        )
        with torch.no_grad(), contextlib.redirect_stderr(io.StringIO()):  # progress
            attributor.cache(DataLoader(tensors(*train), batch_size=BATCH))
            scores = attributor.attribute(DataLoader(tensors(*test), batch_size=BATCH))
        return scores.T.numpy()

    return attribute


def captum(module, checkpoints, train):
    """TracInCP, which has no damping, with the gradients of whole batches at once."""
    from captum.influence import TracInCP

    def load(module, state):
        module.load_state_dict(state)
        return 1.0

    rows = tensors(*train)
    tracin = TracInCP(
        copy.deepcopy(module),
        rows,
        checkpoints,
        load,
        loss_fn=nn.CrossEntropyLoss(reduction="sum"),
        batch_size=BATCH,
        sample_wise_grads_per_batch=True,
    )

    def attribute(test, setting):
        return tracin.influence(tensors(*test).tensors).detach().numpy()

    return attribute


# Library: (method, its default setting, others); pyDVL's default is no damping.
PEERS = {
    "kronfluence": (kronfluence, 1e-8, (None, 1e-2, 1e-1)),
    "pydvl": (pydvl, 0.1, (1e-2, 1.0, 10.0)),
    "dattri": (dattri, 0.0, (1e-2, 1.0, 100.0)),
    "captum": (captum, None, ()),
}
