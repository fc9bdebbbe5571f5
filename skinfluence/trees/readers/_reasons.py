"""Why parameters of boosters are refused, where several libraries have them."""

CLIPS = "it clips leaf values"
CONSTRAINTS = "constraints clip leaf values"
L1_CLIPS = "an L1 penalty clips leaf values"
NO_NEWTON_STEP = "leaf values must be Newton steps"
UNRECORDED = "otherwise each tree is fitted to rows that the model does not record"
