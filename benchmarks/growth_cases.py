"""The methods whose growth is measured, each beside its textbook form.

A problem has n training rows, p columns (nets: parameters, through the width of the
hidden layer), T epochs or checkpoints, K retrainings or permutations, and m test rows.
One size varies at a time.
"""

from dataclasses import dataclass
from functools import partial

import growth_textbook as textbook
import growth_textbook_nets as nets
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from skorch import NeuralNetClassifier

import skinfluence as ours

N_INPUTS = 20  # of nets, so that p = 23 width + 2


@dataclass(eq=False)
class Case:
    """Two sides of one method.

    Attributes
    ----------
    name : str
        Of the method.
    talk : dict
        Per size the talk's exponents of time once, time per test row, and memory (space
        and storage together); None where the talk says nothing.
    sides : dict of str to function
        "textbook" and "ours": from a problem to an object with `fit` and `influence`.
    base : dict of str to dict
        The problem of each side, of which one size varies.
    sweeps : dict of str to dict
        Per side, the values of each size.
    shared : dict
        The problem that both sides solve.
    data : str
        "classes", "numbers" or "net".
    """

    name: str
    talk: dict
    sides: dict
    base: dict
    sweeps: dict
    shared: dict
    data: str = "classes"


def rows_of(kind, problem):
    """Return training rows and test rows of a problem."""
    rng = np.random.default_rng(0)
    columns = N_INPUTS if kind == "net" else problem["p"]
    n, m = problem["n"], problem["m"]
    X = rng.standard_normal((n + m, columns))
    signal = X @ rng.standard_normal(columns) / columns**0.5
    noisy = signal + rng.standard_normal(n + m)
    y = noisy if kind == "numbers" else (noisy > 0).astype(np.int64)
    X = X.astype(np.float32) if kind == "net" else X
    return X[:n], y[:n], X[n:], y[n:]


def logistic(tol=1e-4):
    """Logistic regression without intercept."""
    return LogisticRegression(fit_intercept=False, tol=tol, max_iter=1000)


def sgd(problem):
    """T epochs of stochastic gradient descent."""
    return SGDClassifier(
        loss="log_loss", alpha=0.01, max_iter=problem["T"], tol=None, random_state=0
    )


def skorch_net(problem, epochs=None):
    """Wrap the net of `growth_textbook_nets`, of some 23 width + 2 parameters."""
    return NeuralNetClassifier(
        nets.Net,
        module__n_inputs=N_INPUTS,
        module__width=width(problem),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        lr=nets.LR,
        batch_size=nets.BATCH,
        max_epochs=problem["T"] if epochs is None else epochs,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


def width(problem):
    """Return the width that gives p parameters."""
    return (problem["p"] - 2) // 23


def doubled(first, count):
    """Return sizes that double."""
    return [first * 2**k for k in range(count)]


def parameters(*widths):
    """Return numbers of parameters of nets."""
    return [23 * w + 2 for w in widths]


def _leave_one_out():
    talk = {"n": (1, 1, 1), "p": (None, None, 1), "T": (1, 0, 0), "m": (None, 1, None)}
    exact_book = {"n": 100, "p": 20, "m": 100}
    exact_ours = {"n": 2000, "p": 40, "m": 200}
    exact_shared = {"n": 400, "p": 20, "m": 100}
    yield Case(
        "leave-one-out, exact",
        {k: v for k, v in talk.items() if k != "T"},
        {
            "textbook": lambda q: textbook.LeaveOneOut(logistic(1e-8)),
            "ours": lambda q: ours.LeaveOneOutInfluence(logistic()),
        },
        {"textbook": exact_book, "ours": exact_ours},
        {
            "textbook": {
                "n": doubled(25, 4),
                "p": doubled(20, 4),
                "m": doubled(200, 4),
            },
            "ours": {"n": doubled(1000, 4), "p": doubled(20, 4), "m": doubled(100, 4)},
        },
        exact_shared,
    )
    base = {"n": 50, "p": 20, "T": 20, "m": 100}
    sweeps = {
        "n": doubled(20, 4),
        "p": doubled(50, 4),
        "T": doubled(20, 4),
        "m": doubled(100, 4),
    }
    yield Case(
        "leave-one-out, retraining",
        talk,
        {
            "textbook": lambda q: textbook.LeaveOneOut(sgd(q)),
            "ours": lambda q: ours.LeaveOneOutInfluence(sgd(q), solver="refit"),
        },
        {"textbook": base, "ours": base},
        {"textbook": sweeps, "ours": sweeps},
        base,
    )


def _sampled():
    base = {"n": 400, "p": 20, "T": 20, "K": 25, "m": 100}
    sweeps = {
        "n": doubled(200, 4),
        "p": doubled(25, 4),
        "T": doubled(10, 4),
        "K": doubled(25, 4),
        "m": doubled(200, 4),
    }
    yield Case(
        "downsampling",
        {
            "n": (0, 0, 1),
            "p": (None, None, 1),
            "T": (1, 0, 0),
            "K": (1, 1, 1),
            "m": (None, 1, None),
        },
        {
            "textbook": lambda q: textbook.Downsampling(sgd(q), q["K"]),
            "ours": lambda q: ours.DownsamplingInfluence(
                sgd(q), n_retrainings=q["K"], control_variate=False, random_state=0
            ),
        },
        {"textbook": base, "ours": base},
        {"textbook": sweeps, "ours": sweeps},
        base,
    )
    small = {"n": 40, "p": 10, "K": 4, "m": 100}
    large = {"n": 200, "p": 20, "K": 20, "m": 100}
    talk = {
        "n": ("2ⁿ", "2ⁿ", "2ⁿ"),
        "p": (None, None, 1),
        "K": (None, None, None),
        "m": (None, 1, None),
    }
    retrained = {
        "n": doubled(16, 4),
        "p": doubled(10, 4),
        "K": doubled(2, 3),
        "m": doubled(100, 4),
    }
    for name, options, base, sweeps in (
        ("Shapley, permutations retrained", {"solver": "refit"}, small, retrained),
        (
            "Shapley, permutations, rows added",
            {},
            large,
            {
                "n": doubled(50, 4),
                "p": doubled(20, 4),
                "K": doubled(10, 4),
                "m": doubled(50, 4),
            },
        ),
    ):
        yield Case(
            name,
            talk,
            {
                "textbook": lambda q: textbook.PermutationShapley(Ridge(), q["K"]),
                "ours": partial(_shapley, options),
            },
            {"textbook": small, "ours": base},
            {"textbook": retrained, "ours": sweeps},
            small,
            "numbers",
        )
    base = {"n": 2000, "p": 20, "m": 50}
    yield Case(
        "Shapley values of neighbours",
        {"n": ("2ⁿ", "2ⁿ", "2ⁿ"), "p": (None, None, None), "m": (None, 1, None)},
        {
            "textbook": lambda q: textbook.NeighboursShapley(),
            "ours": lambda q: ours.KNNShapley(5),
        },
        {"textbook": base, "ours": {**base, "n": 8000, "m": 100}},
        {
            "textbook": {
                "n": doubled(500, 4),
                "p": doubled(50, 4),
                "m": doubled(10, 4),
            },
            "ours": {"n": doubled(4000, 4), "p": doubled(50, 4), "m": doubled(50, 4)},
        },
        base,
    )


def _shapley(options, problem):
    return ours.ShapleyInfluence(
        Ridge(), max_retrainings=problem["K"] * problem["n"], random_state=0, **options
    )


def _static():
    base = {"n": 4000, "p": 100, "m": 200}
    sweeps = {"n": doubled(4000, 4), "p": doubled(50, 4), "m": doubled(100, 4)}
    shared = {"n": 10_000, "p": 100, "m": 200}
    for name, book, method, talk in (
        (
            "influence functions, linear",
            textbook.InfluenceFunctions,
            ours.InfluenceFunctions,
            {"n": (1, 1, 1), "p": ("2–3", 1, 2), "m": (None, 1, None)},
        ),
        (
            "representer points, linear",
            textbook.RepresenterPoints,
            ours.RepresenterPoints,
            {"n": (1, 1, 1), "p": (0, 0, 1), "m": (None, 1, None)},
        ),
    ):
        yield Case(
            name,
            talk,
            {
                "textbook": partial(_on_logistic, book),
                "ours": partial(_on_logistic, method),
            },
            {"textbook": base, "ours": base},
            {"textbook": sweeps, "ours": sweeps},
            shared,
        )


def _on_logistic(method, problem):
    return method(logistic())


def _on_nets():
    widths = parameters(48, 96, 192, 384)
    incremental = {"m": (None, 1, None)}
    base = {"n": 500, "p": widths[1], "T": 4, "m": 50}
    short = {"n": 200, "p": widths[0], "T": 4, "m": 4}
    yield Case(
        "influence functions, net",
        {"n": (None, 1, 1), "p": (None, 1, 1), **incremental},
        {
            "textbook": lambda q: nets.InfluenceByConjugateGradients(width(q), q["T"]),
            "ours": lambda q: ours.InfluenceFunctions(
                skorch_net(q), checkpoints=1, random_state=0
            ),
        },
        {"textbook": short, "ours": base},
        {
            "textbook": {"n": doubled(200, 4), "p": widths[:3], "m": doubled(2, 3)},
            "ours": {"n": doubled(500, 4), "p": widths[:3], "m": doubled(100, 4)},
        },
        short,
    )
    epochs = 8
    nothing = dict.fromkeys("npTm", (None, None, None))
    for name, book, method in (
        ("TracIn", nets.TracIn, ours.TracIn),
        ("TRAK", nets.TRAK, ours.TRAK),
        ("SOURCE", nets.SOURCE, ours.SOURCE),
    ):
        talk = {"n": (None, 1, 1), "p": (None, 1, 1), "T": (None, 1, 1), **incremental}
        small = {"n": 250, "p": parameters(16)[0], "T": 2, "m": 50}
        dear = name == "SOURCE"
        yield Case(
            name,
            talk if name == "TracIn" else nothing,
            {
                "textbook": partial(_textbook_net, book, epochs),
                "ours": partial(_net_method, method, epochs),
            },
            {"textbook": small if dear else base, "ours": base},
            {
                "textbook": {
                    "n": doubled(250, 4),
                    "p": parameters(8, 16, 32, 48) if dear else widths,
                    "T": doubled(1, 4),
                    "m": doubled(50, 4),
                },
                "ours": {
                    "n": doubled(250 if name == "TRAK" else 500, 4),
                    "p": widths,
                    "T": doubled(1, 4),
                    "m": doubled(100, 4),
                },
            },
            small if dear else base,
        )
    epochs = {"n": 200, "p": widths[0], "T": 4, "m": 20}
    for mode in ("fast", "exact"):
        exact = mode == "exact"
        yield Case(
            f"HyDRA, {mode}",
            {"n": (1, 1, 1), "p": (1, 1, 1), "T": (1, 0, 0), **incremental},
            {
                "textbook": partial(_textbook_hydra, exact),
                "ours": partial(_hydra, mode),
            },
            {
                "textbook": {**epochs, "n": 100, "T": 2} if exact else epochs,
                "ours": epochs,
            },
            {
                "textbook": {
                    "n": doubled(50 if exact else 200, 4),
                    "p": widths[:3] if exact else widths,
                    "T": doubled(1 if exact else 4, 4),
                    "m": doubled(100, 4),
                },
                "ours": {
                    "n": doubled(200, 4),
                    "p": widths,
                    "T": doubled(2, 4),
                    "m": doubled(20, 4),
                },
            },
            epochs,
        )


def _textbook_net(method, epochs, problem):
    return method(width(problem), epochs, problem["T"])


def _net_method(method, epochs, problem):
    options = {"checkpoints": problem["T"], "random_state": 0}
    if method is ours.SOURCE:
        options["n_segments"] = problem["T"]
    return method(skorch_net(problem, epochs), **options)


def _textbook_hydra(exact, problem):
    return nets.HyDRA(width(problem), problem["T"], exact)


def _hydra(mode, problem):
    return ours.HyDRA(skorch_net(problem), approximation=mode, random_state=0)


def cases():
    """Return all cases, in the order of the taxonomy."""
    found = [*_leave_one_out(), *_sampled(), *_static()]
    on_nets = list(_on_nets())
    for case in on_nets:
        case.data = "net"
    return found + on_nets
