"""Progress of a long run, printed and reported to scikit-learn's callbacks."""

from time import monotonic

from skinfluence._display._notebook import NotebookBar, in_notebook

# Seconds between two reports: of a line that stays, of a bar that is replaced.
EVERY_LINE, EVERY_BAR = 2, 0.2


class Progress:
    """Counts finished tasks.

    Parameters
    ----------
    what : str
        Plural noun for the tasks.
    n_tasks : int
        Number of tasks.
    verbose : int, default=0
        Above 0, a line is printed at most every other second, with the time left; in a
        notebook a bar is shown in the place of lines.
    callbacks : FitCallbacks or None, default=None
        Callbacks of the estimator that is being fitted.
    bar : NotebookBar or None, default=None
        Of a run in a notebook, which may have several parts; see `bar_for`.
    """

    def __init__(self, what, n_tasks, verbose=0, callbacks=None, bar=None):
        self.what, self.n_tasks, self.verbose = what, n_tasks, verbose
        self.done, self.start, self.printed = 0, monotonic(), 0.0
        self.callbacks = callbacks
        self.bar = bar
        if callbacks is not None:
            callbacks.begin(what, n_tasks)

    def advance(self, n_tasks):
        """Report that more tasks are finished."""
        self.done += n_tasks
        if self.callbacks is not None:
            self.callbacks.advance(n_tasks)
        elapsed = monotonic() - self.start
        last = self.done == self.n_tasks
        every = EVERY_LINE if self.bar is None else EVERY_BAR
        if self.verbose > 0 and (last or elapsed - self.printed > every):
            self.printed = elapsed
            left = elapsed / max(self.done, 1) * (self.n_tasks - self.done)
            line = (
                f"{self.done}/{self.n_tasks} {self.what}, {duration(elapsed)} "
                f"elapsed, {duration(left)} left"
            )
            if self.bar is None:
                print(line, flush=True)
            else:
                self.bar.show(self.done, self.n_tasks, line)

    def close(self):
        """Report the end of the run, whether all tasks are finished or not."""
        if self.callbacks is not None:
            self.callbacks.end()


def bar_for(verbose):
    """Return a bar if a run is to be shown in a notebook, else None."""
    return NotebookBar() if verbose > 0 and in_notebook() else None


def duration(seconds):
    """Write seconds as hours, minutes and seconds."""
    minutes, seconds = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    if minutes:
        return f"{minutes} min {int(seconds):02d} s"
    return f"{seconds:.1f} s"
