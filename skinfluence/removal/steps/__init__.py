"""How fitted transformers change where they are refitted without some rows."""

from skinfluence.removal.steps import (  # they register themselves
    _encoders,
    _imputer,
    _parts,
    _scalers,
)
from skinfluence.removal.steps._changes import Changes, Fill, step_changes
from skinfluence.removal.steps._parts import follow_steps
from skinfluence.removal.steps._removed import Groups, Removed, SingleRows
