"""Semivalues: a game of training rows, a sampling of its coalitions, an estimate.

- **Game** (`_game`): `Players` are training rows or groups of them; an evaluation
  gives the losses of the model of a coalition. `_one_class` has the closed form of the
  part of the game that coalitions of one class play, `_neighbor_game` that of the game
  of nearest neighbours.
- **Sampling** (`_sampling`): `Sampling` chooses a scheme and the number of draws. A
  scheme (`_enumeration`; `_permutations`, with antithetic orders; `_sample_reuse`)
  defines the coalitions of draw k, ``start``s an estimate and ``add``s the losses of a
  draw to it. `_budget`, `_cost` and `_time_limit` are the stopping rules.
- **Losses of draws**: a source takes a range of draws and returns the losses of each.
  `RetrainedLosses` trains models, `KeptModels` uses models trained in ``fit``,
  `PrefixLosses` adds rows without training (`skinfluence.addition`).
- **Estimate** (`_estimate`): adds up the draws of a source; the result has ``mean`` and
  ``standard_error()``, shape (n_rows, n_players).
"""

from skinfluence.retraining.semivalues._budget import Limits
from skinfluence.retraining.semivalues._estimate import FixedRows, estimate_rows
from skinfluence.retraining.semivalues._game import Game
from skinfluence.retraining.semivalues._kept_models import KeptDraws
from skinfluence.retraining.semivalues._neighbor_game import NeighborGame
from skinfluence.retraining.semivalues._players import Players
from skinfluence.retraining.semivalues._sampling import Sampling, enumerates
from skinfluence.retraining.semivalues._size_probabilities import (
    SEMIVALUES,
    size_probabilities,
)

__all__ = [
    "SEMIVALUES",
    "FixedRows",
    "Game",
    "KeptDraws",
    "Limits",
    "NeighborGame",
    "Players",
    "Sampling",
    "enumerates",
    "estimate_rows",
    "size_probabilities",
]
