"""The fixed scorer: how badly models trained without a row predict that row."""
