"""Linear models on sparse rows that are too many and too wide to be dense."""
