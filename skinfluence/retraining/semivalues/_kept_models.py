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
        self.models, self.n_retrainings = [], 0
        self._train(engine, Budget(sampling.n_draws, max_time))
        sampling.stop_after(len(self.models))
        check_drawn(sampling, self.n_retrainings, limits.max_time, engine.store)

    def _train(self, engine, budget):
        """Train the models of draws until the budget is spent."""
        for draws in budget.rounds():
            sequences = [self._subsets(draw) for draw in draws]
            subsets, numbers = [], []
            for draw in sequences:
                for part in draw:
                    subsets.extend(part[0])
                    numbers.extend(part[1])
            models = engine.models(subsets, numbers, budget.deadline)
            self.n_retrainings += len(models)
            for draw in sequences:
                size = sum(len(part) for part, _ in draw)
                if len(models) < size:  # the deadline passed
                    break
                mine, models = iter(models[:size]), models[size:]
                self.models.append([[next(mine) for _ in part] for part, _ in draw])
                budget.count()

    def _subsets(self, draw):
        return subsets_of(self.scheme, draw, self.players.of_row)

    def losses(self, evaluation, empty, full):
        """Return the source of the losses of draws under an evaluation.

        ``empty`` and ``full`` are the losses of the prior model and of the full model.
        """
        return partial(self._losses, evaluation, empty, full)

    def _losses(self, evaluation, empty, full, draws):
        """Yield the losses of each draw, as ``scheme.add`` takes them."""
        for draw in draws:
            sequences = [
                self._evaluated(draw, j, models, evaluation)
                for j, models in enumerate(self.models[draw])
            ]
            if self.scheme.retrains_prefixes:
                yield [np.stack([empty, *part, full], axis=1) for part in sequences]
            else:
                yield np.stack(sequences[0], axis=1)

    def _evaluated(self, draw, sequence, models, evaluation):
        return [
            evaluate(
                model,
                evaluation,
                partial(self._describe, model, draw, sequence, k),
                self.error_score,
            )
            for k, model in enumerate(models)
        ]

    def _describe(self, model, draw, sequence, k):
        """Describe the rows that a model was trained on."""
        subsets, numbers = self._subsets(draw)[sequence]
        n = len(self.players.of_row)
        return describe_retraining(model, subsets[k], n, self.seed, numbers[k])
