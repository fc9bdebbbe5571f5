"""Progress of a long ``fit``, reported to scikit-learn's callbacks.

Callbacks exist from scikit-learn 1.9 on; its user guide declares their underscored
``_init_callback_context`` part of the contract with estimators.
"""

from contextlib import contextmanager
from functools import wraps

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:
        """Empty fallback: scikit-learn before 1.9 has no callbacks."""

    def with_callbacks(method):
        """Call the method through a wrapper, as scikit-learn 1.9 does.

        The ``stacklevel`` of warnings counts this frame.
        """

        @wraps(method)
        def wrapper(*args, **kwargs):
            return method(*args, **kwargs)

        return wrapper


class FitCallbacks:
    """Reports the tasks of a fit to the callbacks of the estimator."""

    def __init__(self, estimator):
        self.estimator = estimator
        self._contexts = [estimator._init_callback_context(max_subtasks=None)]
        self._contexts[0].call_on_fit_task_begin(estimator=estimator)

    def begin(self, what, n_tasks):
        """Report the start of a number of tasks, for instance to a progress bar."""
        context = self._contexts[-1].subcontext(what, max_subtasks=n_tasks)
        self._contexts.append(context)
        context.call_on_fit_task_begin(estimator=self.estimator)

    def advance(self, n_tasks):
        """Report that tasks are finished."""
        for _ in range(n_tasks):
            context = self._contexts[-1].subcontext()
            context.call_on_fit_task_begin(estimator=self.estimator)
            context.call_on_fit_task_end(estimator=self.estimator)

    def end(self):
        """Report that no more of the announced tasks follow."""
        self._contexts.pop().call_on_fit_task_end(estimator=self.estimator)


@contextmanager
def fit_callbacks(estimator):
    """Set ``estimator._callbacks`` while it is fitted, if it has callbacks."""
    if not hasattr(estimator, "_skl_callbacks"):
        yield
        return
    estimator._callbacks = FitCallbacks(estimator)
    try:
        yield
    finally:
        estimator._callbacks.end()
        del estimator._callbacks
