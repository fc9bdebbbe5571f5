"""A recorded training run: checkpoints of it, or every step, replayed."""
