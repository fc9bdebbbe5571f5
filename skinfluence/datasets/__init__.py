"""Planted label flips and attacks, and small tables in which few rows matter."""

from skinfluence.datasets._backdoor import apply_trigger, plant_backdoor
from skinfluence.datasets._feature_collision import plant_feature_collision
from skinfluence.datasets._label_flips import plant_label_flips
from skinfluence.datasets._tables import (
    load_cyg_ob1,
    load_life_cycle_savings,
    load_longley,
    load_stack_loss,
)

__all__ = [
    "apply_trigger",
    "load_cyg_ob1",
    "load_life_cycle_savings",
    "load_longley",
    "load_stack_loss",
    "plant_backdoor",
    "plant_feature_collision",
    "plant_label_flips",
]
