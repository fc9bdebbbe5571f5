"""Names of test cases."""

import re


def short_name(value):
    """Write a value on one line, the same in every process: without addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", " ".join(repr(value).split()))
