"""TracIn's matrix against captum's TracInCP at its fastest setting.

CPU time of one checkpoint with one thread, both sides in one process, interleaved and
prepared: ``ours`` (`skinfluence.nets`, which TracIn calls at each checkpoint; its rules
are checked once in a run), ``captum`` (the
faster of sample-wise gradients with batches of 128 and of all rows) and ``vmap``
(torch.func, one matrix product). ``error`` is the largest difference from captum's
matrix, over its largest entry, once captum's is multiplied by the factor it leaves out.
``peak`` is the share of the machine's rate of matrix products that the Gram matrices
reach; ``memory`` is the growth of the resident set over that of vmap, each in a process
of its own. The last table is the search for mislabelled digits.

    pip install captum
    python benchmarks/bench_tracin.py
"""

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from timing import cpu, median, restart_single_threaded, table

restart_single_threaded()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits  # noqa: E402
from sklearn.metrics import average_precision_score, roc_auc_score  # noqa: E402
from sklearn.preprocessing import scale  # noqa: E402
from skorch import NeuralNetClassifier, NeuralNetRegressor  # noqa: E402
from torch import nn  # noqa: E402

from skinfluence import TracIn  # noqa: E402
from skinfluence.nets.gradients._gram import gram  # noqa: E402
from skinfluence.nets.gradients._row_gradients import RowGradients  # noqa: E402
from skinfluence.nets.net._target import NetTarget  # noqa: E402

torch.set_num_threads(1)
warnings.filterwarnings("ignore")
REPEATS = 3


class MLP(nn.Sequential):
    """Linear layers with ReLU in between."""

    def __init__(self, *sizes):
        layers = []
        for n_in, n_out in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        super().__init__(*layers[:-1])


class CNN(nn.Module):
    """Three convolutions of 16, 32 and 64 channels on 8 x 8 images."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1, stride=2),
            nn.ReLU(),
            nn.Conv2d(32, 24, 3, padding=1, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(24 * 4, 10),
        )

    def forward(self, x):
        return self.body(x.reshape(-1, 1, 8, 8))


class PooledCNN(nn.Sequential):
    """Two convolutions of 16 and 32 channels, pooled, then Linear layers."""

    def __init__(self):
        super().__init__(
            nn.Unflatten(1, (1, 8, 8)),
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )


class One(MLP):
    """A regressor."""


def data(name):
    """Return training and test rows."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        X, n = X / 16, 1297
    elif name == "cancer":
        X, y = load_breast_cancer(return_X_y=True)
        X, n = scale(X), 400
    else:
        X, y = load_diabetes(return_X_y=True)
        X, y, n = scale(X), scale(y)[:, None].astype(np.float32), 300
    X = X.astype(np.float32)
    return X[:n], y[:n], X[n:], y[n:]


CASES = {
    "MLP 64-128-64-10": ("digits", lambda: MLP(64, 128, 64, 10)),
    "MLP 64-256-256-10": ("digits", lambda: MLP(64, 256, 256, 10)),
    "CNN 16-32, 64-10": ("digits", PooledCNN),
    "CNN 16-32-24": ("digits", CNN),
    "cancer 30-64-32-2": ("cancer", lambda: MLP(30, 64, 32, 2)),
    "diabetes 10-64-32-1": ("diabetes", lambda: One(10, 64, 32, 1)),
}


def fitted(name):
    """Return a trained net and its data."""
    dataset, build = CASES[name]
    X, y, X_test, y_test = data(dataset)
    torch.manual_seed(0)
    settings = {"train_split": None, "max_epochs": 3, "lr": 0.05, "verbose": 0}

    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = build()

        def forward(self, x):
            return self.net(x)

    if dataset == "diabetes":
        net = NeuralNetRegressor(Module, **settings)
    else:
        net = NeuralNetClassifier(Module, criterion=nn.CrossEntropyLoss, **settings)
    return net.fit(X, y), X, y, X_test, y_test


def ours(net, X, y, X_test, y_test, gradients=None):
    """Return the Gram matrix (n_test, n_train)."""
    gradients = gradients or RowGradients(NetTarget(net))
    return gram(gradients, (X, y), (X_test, y_test)).T


def vmapped(net, X, y, X_test, y_test):
    """Return it by materialised gradients and one product."""
    gradients = RowGradients(NetTarget(net))
    target = gradients.target
    names, parts = list(target.params), []
    with target.at(), torch.no_grad():
        for rows, targets in ((X_test, y_test), (X, y)):
            found = gradients._vmapped(
                names, *target.batch(rows, targets), target.training_loss
            )
            parts.append(torch.cat(list(found.values()), dim=1))
    return (parts[0] @ parts[1].T).numpy()


def captums(net, X, y, batch_size, path):
    """Return captum's TracInCP over one checkpoint, learning rate 1."""
    from captum.influence import TracInCP

    def load(model, checkpoint):
        model.load_state_dict(torch.load(checkpoint))
        return 1.0

    if isinstance(net, NeuralNetRegressor):
        loss = nn.MSELoss(reduction="sum")
        target = torch.as_tensor(y)
    else:
        loss = nn.CrossEntropyLoss(reduction="sum")
        target = torch.as_tensor(y)
    dataset = torch.utils.data.TensorDataset(torch.as_tensor(X), target)
    torch.save(net.module_.state_dict(), path)
    net.module_.eval()
    return TracInCP(
        net.module_,
        dataset,
        [path],
        checkpoints_load_func=load,
        loss_fn=loss,
        batch_size=batch_size,
        sample_wise_grads_per_batch=True,
    )


def operations(net, n, m):
    """Operations of the Gram matrices of Linear layers as our factors do them."""
    return sum(
        2 * n * m * (layer.in_features + layer.out_features)
        for layer in net.module_.modules()
        if isinstance(layer, nn.Linear)
    )


def gram_share(net, X, y, X_test, y_test):
    """Return the share of the rate of a large matrix product."""
    gradients = RowGradients(NetTarget(net))
    train, test = gradients(X, y), gradients(X_test, y_test)
    a, b = torch.randn(1297, 512), torch.randn(512, 512)
    shares = []
    for _ in range(9):
        best, _ = cpu(lambda: [a @ b for _ in range(20)])
        seconds, _ = cpu(lambda: [test.gram(train) for _ in range(20)])
        peak = 20 * 2 * 1297 * 512 * 512 / best
        shares.append(20 * operations(net, len(X), len(X_test)) / seconds / peak)
    return median(shares)


def growth(name, function):
    """Return by how many MiB a call raises the peak of the resident set."""
    arguments = fitted(name)
    function(arguments[0], *(rows[:8] for rows in arguments[1:]))

    def peak():  # ru_maxrss would be the parent's
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    start = peak()
    function(*arguments)
    return peak() - start


def memory(name, function):
    """Return the growth in a fresh process."""
    command = [sys.executable, __file__, "--growth", name, function.__name__]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(run.stdout)


def case(name, folder):
    """Return one row of the table."""
    arguments = fitted(name)
    net, X, y, X_test, y_test = arguments
    test = (torch.as_tensor(X_test), torch.as_tensor(y_test))
    rivals = [captums(net, X, y, size, f"{folder}/net.pt") for size in (128, len(X))]
    gradients = RowGradients(NetTarget(net))
    gradients(X[:4], y[:4])  # checks the rules
    times = {"ours": [], "vmap": [], "128": [], "all": []}
    for _ in range(REPEATS):
        seconds, found = cpu(ours, *arguments, gradients)
        times["ours"].append(seconds)
        times["vmap"].append(cpu(vmapped, *arguments)[0])
        for key, rival in zip(("128", "all"), rivals, strict=True):
            seconds, theirs = cpu(lambda rival=rival: rival.influence(test))
            times[key].append(seconds)
    theirs = theirs.detach().numpy()
    seconds = {key: median(values) for key, values in times.items()}
    captum = min(seconds["128"], seconds["all"])
    ratio = memory(name, ours) / memory(name, vmapped)
    return {
        "net": name,
        "ours ms": f"{1e3 * seconds['ours']:.1f}",
        "captum ms": f"{1e3 * captum:.0f}",
        "vmap ms": f"{1e3 * seconds['vmap']:.0f}",
        "captum / ours": f"{captum / seconds['ours']:.1f}",
        "error": f"{abs(found - theirs).max() / abs(theirs).max():.1e}",
        "peak": f"{gram_share(*arguments):.0%}" if "CNN" not in name else "",
        "memory": f"{ratio:.2f}",
    }


def mislabelled(seed):
    """Return scores of the search for a tenth of wrong labels."""
    rng = np.random.default_rng(seed)
    X, y = load_digits(return_X_y=True)
    X, y = (X / 16).astype(np.float32), y.copy()
    wrong = rng.random(len(y)) < 0.1
    y[wrong] = (y[wrong] + rng.integers(1, 10, wrong.sum())) % 10
    net = NeuralNetClassifier(
        MLP,
        criterion=nn.CrossEntropyLoss,
        train_split=None,
        max_epochs=30,
        batch_size=50,
        lr=0.05,
        optimizer__momentum=0.9,
        verbose=0,
    )

    class Digits(MLP):
        def __init__(self):
            super().__init__(64, 64, 32, 10)

    net.set_params(module=Digits)
    tracin = TracIn(net, checkpoints=6, random_state=seed).fit(X, y)
    for name, score in (
        ("self-influence", tracin.self_influence()),
        ("mean loss over checkpoints", tracin.mean_losses()),
    ):
        yield {
            "flips": seed,
            "score": name,
            "ROC AUC": f"{roc_auc_score(wrong, score):.4f}",
            "average precision": f"{average_precision_score(wrong, score):.3f}",
        }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--growth"]:
        print(growth(sys.argv[2], {"ours": ours, "vmapped": vmapped}[sys.argv[3]]))
        sys.exit()
    columns = ["net", "ours ms", "captum ms", "vmap ms", "captum / ours", "error"]
    with tempfile.TemporaryDirectory() as folder:
        table([case(name, folder) for name in CASES], [*columns, "peak", "memory"])
    print()
    rows = [row for seed in (0, 1) for row in mislabelled(seed)]
    table(rows, ["flips", "score", "ROC AUC", "average precision"])
