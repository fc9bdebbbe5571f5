"""The patience of tests that wait for threads and processes."""

# Seconds after which nothing goes on; no machine is so slow.
HANGING = 300
