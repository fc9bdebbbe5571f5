"""Gradient products over the checkpoints of a recorded run of a net."""

import numpy as np
from sklearn.utils.parallel import delayed

from skinfluence._sklearn import final_estimator, take_rows
from skinfluence._skorch import jobs_of_training
from skinfluence._threads import Parallel
from skinfluence.nets.curvature._damping import Descent
from skinfluence.nets.gradients._gram import gram, matvec, self_dot, weighted_gradient
from skinfluence.nets.gradients._row_gradients import RowGradients
from skinfluence.nets.net._model import fitted_net, net_model, net_rows
from skinfluence.nets.net._target import NetTarget
from skinfluence.nets.run._checkpoint_recorder import CheckpointRecorder
from skinfluence.nets.run._training_run import TrainingRun


class CheckpointRun(TrainingRun):
    """A net, alone or at the end of a Pipeline, and checkpoints of its training.

    Parameters
    ----------
    estimator : estimator
        The user's estimator, not fitted.
    checkpoints : int or list of int
        As for `CheckpointRecorder`.
    directory : str or None
        Folder that keeps the checkpoints.
    layers : list of str or "last" or None
        Variables, as for `NetTarget`.
    """

    def __init__(self, estimator, checkpoints, directory, layers):
        super().__init__(net_model(estimator))
        self.layers = layers
        self.recorder = CheckpointRecorder(checkpoints, directory)
        self._gradients = None

    def __getstate__(self):
        return {**vars(self), "_gradients": None}  # hold references to live tensors

    def _train(self, X, y, fit_params):
        self._gradients = None
        with self.recorder.attached(final_estimator(self.model).net):
            self.model.fit(X, y, **fit_params)
        if not self.checkpoints:
            raise ValueError(
                "The net must be trained for an epoch at least, whose end is recorded. "
                f"Got max_epochs={fitted_net(self.model).max_epochs}, or training "
                "that was stopped before."
            )
        self._target()  # raises for unknown layers

    def partial_fit(self, X, y):
        """Train for ``max_epochs`` more, and record them too."""
        with self.recorder.attached(fitted_net(self.model)):
            self.model.partial_fit(X, y)

    @property
    def checkpoints(self):
        """The recorded checkpoints."""
        return self.recorder.checkpoints_

    def _target(self):
        net = fitted_net(self.model)
        layers = self.layers
        if layers == "last":
            layers = [NetTarget(net).last_layer]
        elif isinstance(layers, str):
            layers = [layers]
        return NetTarget(net, layers)

    def gradients(self):
        """Return the `RowGradients` of the net."""
        if self._gradients is None:
            self._gradients = RowGradients(self._target())
        return self._gradients

    def rows(self, X, y):
        """Return preprocessed rows, and targets in the shape of the net's outputs."""
        X = net_rows(self.model, X)
        y = np.asarray(y)
        if y.ndim == 2:  # of a regressor
            target = self.gradients().target
            with target.at():
                few = y[:1]
                output = target.output(target.batch(_first(X), few)[0])
            y = y[:, 0] if output.ndim == 1 else y
        return X, y

    def descent(self, checkpoint, train):
        """Return the `Descent` from the start of training to a checkpoint.

        ``train`` holds the rows it was trained on, as `rows` returns them.
        """
        start, target = self.recorder.start_, self.gradients().target
        if start is None:
            return None
        states, means = (start.state, checkpoint.state), []
        for state in states:
            with target.at(state):
                means.append(np.mean(_row_losses(target, *train)))
        first, last = states
        squares = {
            name: float(((last[name].double() - first[name].double()) ** 2).sum())
            for name in NetTarget(target.net).params
        }
        return Descent(
            float(means[0] - means[1]),
            sum(squares[name] for name in target.params),
            sum(squares.values()),
        )

    def _at_checkpoints(self):
        """Yield (checkpoint, RowGradients at its parameters)."""
        gradients = self.gradients()
        for checkpoint in self.checkpoints:
            with gradients.target.at(checkpoint.state):
                yield checkpoint, gradients

    def _measures(self, loss):
        target = self.gradients().target
        return target.training_loss, target.measure(loss)

    def influence(self, train, test, loss, cosine):
        """Weighted sum over checkpoints of gradient products, (n_test, n_train)."""
        train, test = self.rows(*train), self.rows(*test)
        out = np.zeros((len(test[1]), len(train[1])))
        measures = self._measures(loss)
        for checkpoint, gradients in self._at_checkpoints():
            product = gram(
                gradients,
                train,
                test,
                scale=checkpoint.spent,
                measures=measures,
                cosine=cosine,
            )
            out += self._trained(checkpoint, product, cosine).T
        return out

    def self_influence(self, train, loss, cosine):
        """Diagonal of the matrix between the training rows, in O(n)."""
        X, y = self.rows(*train)
        out, measures = np.zeros(len(y)), self._measures(loss)
        for checkpoint, gradients in self._at_checkpoints():
            dots = self_dot(
                gradients,
                X,
                y,
                scale=checkpoint.spent,
                measures=measures,
                cosine=cosine,
            )
            out += self._trained(checkpoint, dots, cosine)
        return out

    def values(self, train, test, loss, weight):
        """Weighted sum of the matrix over its test rows, in O(n_train + n_test)."""
        train, test = self.rows(*train), self.rows(*test)
        out, (_, measure) = np.zeros(len(train[1])), self._measures(loss)
        for checkpoint, gradients in self._at_checkpoints():
            mean = weighted_gradient(gradients, *test, weight, measure)
            dots = matvec(gradients, *train, mean, scale=checkpoint.spent)
            out += self._trained(checkpoint, dots, cosine=False)
        return out

    def mean_loss(self, train):
        """Mean training loss of each row over the checkpoints, shape (n_train,)."""
        X, y = self.rows(*train)
        parts = [_row_losses(g.target, X, y) for _, g in self._at_checkpoints()]
        return np.mean(parts, axis=0)

    @staticmethod
    def _trained(checkpoint, products, cosine):
        """Set rows held out to zero; weight cosines by the mean learning rate spent."""
        kept = np.zeros(len(products))
        kept[checkpoint.rows] = 1.0
        if cosine:
            kept *= np.mean(list(checkpoint.spent.values()))
        return products * kept.reshape((-1,) + (1,) * (products.ndim - 1))


def fit_runs(arguments, n_runs, data, *, seed, random_state):
    """Return a list of fitted `CheckpointRun`s that differ by their seeds.

    The first is that of ``n_runs=1``. The others are trained on the workers of
    ``joblib.parallel_config``.

    Parameters
    ----------
    arguments : tuple
        Of `CheckpointRun`.
    n_runs : int
    data : tuple of (X, y, fit_params)
    seed, random_state
        As for `TrainingRun.fit`.
    """
    run = CheckpointRun(*arguments)
    run.fit(*data, seed=seed, random_state=random_state)
    if n_runs == 1:
        return [run]
    if random_state is None:  # from the same generator as the first run
        import torch

        seed = int(torch.randint(2**31, ()))
    seeds = np.random.SeedSequence(seed).generate_state(n_runs - 1)
    n_jobs = jobs_of_training(run.model, None)
    others = Parallel(n_jobs=n_jobs, prefer="processes")(
        delayed(_fitted_run)(arguments, data, int(s)) for s in seeds
    )
    return [run, *others]


def _fitted_run(arguments, data, seed):
    run = CheckpointRun(*arguments)
    run.fit(*data, seed=seed, random_state=seed)
    return run


def _row_losses(target, X, y):
    """Training losses of rows at the current parameters, shape (n,)."""
    import torch

    out = np.empty(len(y))
    with torch.no_grad():
        for start in range(0, len(y), 1024):
            rows = np.arange(start, min(start + 1024, len(y)))
            inputs, targets = target.batch(take_rows(X, rows), y[rows])
            losses = target.training_loss(target.output(inputs), targets, inputs)
            out[rows] = losses.cpu().numpy()
    return out


def _first(X):
    return {k: v[:1] for k, v in X.items()} if isinstance(X, dict) else X[:1]
