"""Models of draws that are trained once and kept, for any test rows."""

from functools import partial

import numpy as np

from skinfluence.retraining.engine import check_models, describe_retraining, evaluate
from skinfluence.retraining.semivalues._budget import Budget
from skinfluence.retraining.semivalues._cost import announce
from skinfluence.retraining.semivalues._retrained_losses import subsets_of
from skinfluence.retraining.semivalues._time_limit import check_drawn


class KeptDraws:
    """Trains the models of draws and keeps them.

    Parameters
    ----------
    sampling : Sampling
        Its ``n_draws`` is set to the number of draws that were finished in time.
    engine : Coalitions
    players : Players
    limits : Limits

    Attributes
    ----------
    models : list of list of list of fitted estimators
        Of each draw, for each of its orders where it has any, one per coalition.
    n_retrainings : int
        Models that were trained, including those of an unfinished draw.
    """

    def __init__(self, sampling, engine, players, limits):
        model = announce(sampling, engine, players, limits)
        if model is not None:
            check_models(
                model,
                sampling.n_retrainings,
                "Pass X_val and y_val to fit, so that models are evaluated at once and "
                "discarded, or use a smaller max_retrainings.",
            )
        self.scheme, self.players = sampling.scheme, players
        self.seed, self.error_score = engine.seed, engine.error_score
        max_time = None if sampling.enumerates else limits.max_time
        budget = Budget(sampling.n_draws, max_time)
        self.models, self.n_retrainings = train(
            engine, self.scheme, players.of_row, budget
        )
        sampling.stop_after(budget.n_done)
        check_drawn(sampling, self.n_retrainings, limits.max_time, engine.store)

    def losses(self, evaluation, empty, full):
        """Return the source of the losses of draws under an evaluation."""
        return KeptModels(
            self.models,
            self.scheme,
            evaluation,
            empty,
            full,
            self._describe,
            self.error_score,
        )

    def _describe(self, model, draw, sequence, k):
        """Describe the rows that a model was trained on."""
        subsets, numbers = subsets_of(self.scheme, draw, self.players.of_row)[sequence]
        n = len(self.players.of_row)
        return describe_retraining(model, subsets[k], n, self.seed, numbers[k])


class KeptModels:
    """Evaluates models that were trained for draws and kept.

    Parameters
    ----------
    models : list of list of list of fitted estimators
        Of each draw, for each of its orders where it has any, one per coalition.
    scheme : Enumeration, PermutationSampling or CoalitionSampling
        Defines the coalitions of a draw.
    evaluation : callable
        Returns the losses of a model.
    empty, full : ndarray of shape (n_rows,)
        Losses of the prior model (no training rows) and of the full model.
    describe : callable
        ``describe(model, draw, sequence, k)`` returns a text that says which rows a
        model was trained on.
    error_score : "raise" or float
        Loss of models that cannot predict.
    """

    def __init__(
        self, models, scheme, evaluation, empty, full, describe, error_score="raise"
    ):
        self.models, self.scheme, self.evaluation = models, scheme, evaluation
        self.empty, self.full = empty, full
        self.describe, self.error_score = describe, error_score

    def __call__(self, draws):
        """Yield the losses of each draw, as ``scheme.add`` takes them."""
        for draw in draws:
            sequences = [
                self._losses(draw, j, models)
                for j, models in enumerate(self.models[draw])
            ]
            if not self.scheme.retrains_prefixes:
                yield np.stack(sequences[0], axis=1)
            else:
                yield [
                    np.stack([self.empty, *losses, self.full], axis=1)
                    for losses in sequences
                ]

    def _losses(self, draw, sequence, models):
        return [
            evaluate(
                model,
                self.evaluation,
                partial(self.describe, model, draw, sequence, k),
                self.error_score,
            )
            for k, model in enumerate(models)
        ]


def train(engine, scheme, player, budget):
    """Train the models of draws until the budget is spent.

    Returns
    -------
    models : list of list of list of fitted estimators
        As `KeptModels` takes them.
    n_trained : int
        Including the models of an unfinished draw.
    """
    out, trained = [], 0
    for draws in budget.rounds():
        sequences = [subsets_of(scheme, draw, player) for draw in draws]
        subsets, numbers = [], []
        for draw in sequences:
            for part in draw:
                subsets.extend(part[0])
                numbers.extend(part[1])
        models = engine.models(subsets, numbers, budget.deadline)
        trained += len(models)
        for draw in sequences:
            size = sum(len(part) for part, _ in draw)
            if len(models) < size:  # the deadline passed
                break
            mine, models = iter(models[:size]), models[size:]
            out.append([[next(mine) for _ in part] for part, _ in draw])
            budget.n_done += 1
    return out, trained
