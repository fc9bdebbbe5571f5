"""A progress bar in a notebook, with IPython alone.

The bars of rich and tqdm need ipywidgets in a notebook, and warn without it. Every
notebook has IPython, whose outputs can be replaced after they were shown.
"""

import sys
from html import escape


def in_notebook():
    """Tell whether the code runs in a notebook, and not in a terminal."""
    # A notebook has imported IPython; other programs do not wait for its import.
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


class NotebookBar:
    """A bar below the cell, with a line of text beside it.

    What is shown later takes the place of what was shown before, so that several parts
    of a run can share one bar. A copy in another process starts a bar of its own.
    """

    def __init__(self):
        self._handle = None

    def show(self, done, total, text):
        """Show how much is done, in the place of what was shown before."""
        from IPython.display import display

        bundle = {
            "text/plain": text,
            "text/html": f'<progress value="{done}" max="{total}"></progress> '
            f"{escape(text)}",
        }
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)

    def __reduce__(self):
        return NotebookBar, ()
