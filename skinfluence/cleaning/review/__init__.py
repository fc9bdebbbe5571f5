"""A reviewer's verdicts on suspects: checked, carried out, and learned from."""
