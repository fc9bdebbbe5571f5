"""A recorded run on the net's device: few copies, none of them once per step."""

import torch

from skinfluence.nets._device import working_bytes
from skinfluence.nets.net._functions import n_bytes, take


class DeviceRecord:
    """Rows, batches, settings and states of the steps of a `Trajectory`.

    Rows that need more than a quarter of the device's free memory stay on the CPU, from
    which every batch is then moved. States are read in chunks that fit.

    Parameters
    ----------
    functions, trajectory, X, y
        As for `Replay`.
    """

    def __init__(self, functions, trajectory, X, y):
        self.trajectory, self.device = trajectory, functions.device
        steps = trajectory.steps
        members = torch.cat([step.rows for step in steps]).to(self.device)
        self._rows = members.split([len(step.rows) for step in steps])
        self._divisors = [functions.divisor(y[step.rows]) for step in steps]
        budget = working_bytes(self.device)
        self._fits = n_bytes(X) + n_bytes(y) <= budget
        home = self.device if self._fits else torch.device("cpu")
        self._X, self._y = take(X, slice(None), home), take(y, slice(None), home)
        self._groups = trajectory.groups.to(self.device)
        self._tables = {
            name: torch.tensor(
                [step.settings[name] for step in steps],
                dtype=functions.parameters.dtype,
                device=self.device,
            )
            for name in steps[0].settings
            if any(len(set(step.settings[name])) > 1 for step in steps)
        }
        self._chunk, self._first = 1, None
        if self.device.type != "cpu":
            self._chunk = max(1, int(budget // trajectory.kept[0].nbytes))

    def rows(self, k):
        """Training rows of the batch of step ``k``."""
        return self._rows[k]

    def batch(self, k):
        """Batch of step ``k``: (X, y, divisor)."""
        rows = self._rows[k] if self._fits else self.trajectory.steps[k].rows
        X, y = take(self._X, rows, self.device), take(self._y, rows, self.device)
        return X, y, self._divisors[k]

    def settings(self, k):
        """Optimiser settings of step ``k``: numbers, or vectors if groups differ."""
        return {
            name: self._tables[name][k][self._groups]
            if isinstance(value, torch.Tensor)
            else value
            for name, value in self.trajectory.settings(k).items()
        }

    def state(self, index):
        """State at the start of segment ``index``, or the end of the run."""
        trajectory = self.trajectory
        if index >= trajectory.n_segments:
            return tuple(torch.as_tensor(trajectory.end.copy(), device=self.device))
        first = index - index % self._chunk
        if first != self._first:
            chunk = trajectory.kept[first : first + self._chunk].copy()
            self._states = torch.as_tensor(chunk, device=self.device)
            self._first = first
        return tuple(self._states[index - first])
