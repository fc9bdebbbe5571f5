"""Label flips and attacks planted in data, to measure how well methods detect them."""

from skinfluence.datasets._backdoor import apply_trigger, plant_backdoor
from skinfluence.datasets._feature_collision import plant_feature_collision
from skinfluence.datasets._label_flips import plant_label_flips

__all__ = [
    "apply_trigger",
    "plant_backdoor",
    "plant_feature_collision",
    "plant_label_flips",
]
