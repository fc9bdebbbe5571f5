"""Semivalues: a game of training rows, a sampling of its coalitions, an estimate.

README.md in the folder `retraining` describes the modules. Their interfaces:

- A **scheme** of sampling (`Enumeration`, `PermutationSampling`, `CoalitionSampling`)
  defines the coalitions of draw k, ``start``s an estimate and ``add``s the losses of a
  draw to it.
- A **source** of losses (`RetrainedLosses`, `PrefixLosses`, what `KeptDraws.losses`
  returns) takes a range of draws and returns the losses of each.
- An **estimate** has ``mean`` and ``standard_error()``, shape (n_rows, n_players).
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
