"""The error of the command line that is no fault of the program."""


class BadInput(Exception):
    """What the user can mend, in one line."""
