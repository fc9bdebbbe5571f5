"""The error of the command line for bad input."""


class BadInput(Exception):
    """An error that the user can correct, described in one line."""
