"""The methods for nets as textbooks state them, in plain torch.

A tanh net of one hidden layer, trained by SGD without momentum on batches. Gradients of
single rows are rows of a matrix of all parameters (`torch.func`). The classes have the
same methods and signs as those of `growth_textbook`.
"""

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap

LR, BATCH = 0.1, 50


class Net(nn.Sequential):
    """Inputs, a hidden layer of tanh, two logits."""

    def __init__(self, n_inputs, width):
        super().__init__(nn.Linear(n_inputs, width), nn.Tanh(), nn.Linear(width, 2))


class OnNet:
    """A recorded training run: parameters and rows of every step."""

    def __init__(self, width, epochs, checkpoints=1):
        self.width, self.epochs, self.checkpoints = width, epochs, checkpoints

    def fit(self, X, y):
        """Train, and keep the parameters of the last steps of some epochs."""
        torch.manual_seed(0)
        self.net = Net(X.shape[1], self.width)
        self.shapes = [(k, v.shape, v.numel()) for k, v in self.net.named_parameters()]
        self.X, self.y = torch.as_tensor(X), torch.as_tensor(y)
        theta = torch.cat([v.detach().ravel() for v in self.net.parameters()])
        after = np.linspace(0, self.epochs, self.checkpoints + 1).round()[1:] - 1
        self.kept, self.start = [], theta
        for epoch in range(self.epochs):
            for rows in torch.randperm(len(X)).split(BATCH):
                slope = self.mean_gradient(theta, self.X[rows], self.y[rows])
                self.before_step(theta, rows)
                theta = theta - LR * slope
            if epoch in after:
                self.kept.append(theta)
        self.theta = theta
        return self

    def before_step(self, theta, rows):
        """Do nothing."""

    def logits(self, theta, X):
        """Outputs of the net with its parameters as one vector."""
        parts, start = {}, 0
        for name, shape, size in self.shapes:
            parts[name] = theta[start : start + size].view(shape)
            start += size
        return functional_call(self.net, parts, (X,))

    def mean_loss(self, theta, X, y):
        """Mean cross-entropy."""
        return nn.functional.cross_entropy(self.logits(theta, X), y)

    def mean_gradient(self, theta, X, y):
        """Slope of the mean loss."""
        return grad(self.mean_loss)(theta, X, y)

    def row_gradients(self, theta, X, y):
        """Rows by parameters."""

        def one(x, target):
            return grad(self.mean_loss)(theta, x[None], target[None])

        return vmap(one)(torch.as_tensor(X), torch.as_tensor(y))

    def hessian_product(self, theta, X, y, v):
        """Product of the Hessian of the mean loss with a vector."""
        return jvp(lambda t: self.mean_gradient(t, X, y), (theta,), (v,))[1]


class InfluenceByConjugateGradients(OnNet):
    """One linear system per test row, 20 products with the Hessian of all rows."""

    DAMPING, STEPS = 0.1, 20

    def influence(self, X, y):
        """Solve for each test row, then multiply by the gradients of all rows."""
        rows = self.row_gradients(self.theta, self.X, self.y)
        out = []
        for b in self.row_gradients(self.theta, X, y):
            x, r, d = torch.zeros_like(b), b.clone(), b.clone()
            for _ in range(self.STEPS):
                product = self.hessian_product(self.theta, self.X, self.y, d)
                product = product + self.DAMPING * d
                step = r @ r / (d @ product)
                x, rest = x + step * d, r - step * product
                d = rest + d * (rest @ rest / (r @ r))
                r = rest
            out.append(rows @ x / len(self.X))
        return torch.stack(out).numpy()


class TracIn(OnNet):
    """Gradient products at checkpoints (Pruthi et al., 2020)."""

    def influence(self, X, y):
        """Sum over checkpoints, weighted by the learning rate spent on each row."""
        weight = LR * self.epochs / self.checkpoints / BATCH
        total = 0
        for theta in self.kept:
            test = self.row_gradients(theta, X, y)
            total = total + weight * test @ self.row_gradients(theta, self.X, self.y).T
        return total.numpy()


class TRAK(OnNet):
    """Ridge regression on randomly projected gradients (Park et al., 2023)."""

    N_PROJECTED, DAMPING = 256, 1.0

    def margin_gradients(self, theta, X, y):
        """Gradients of log p / (1 - p), projected, and 1 - p."""

        def margin(theta, x, target):
            z = self.logits(theta, x[None])[0]
            return (z[1] - z[0]) * (2 * target - 1)

        X, y = torch.as_tensor(X), torch.as_tensor(y)
        rows = vmap(grad(margin), (None, 0, 0))(theta, X, y)
        shares = torch.softmax(self.logits(theta, X), 1)
        return rows @ self.projection, 1 - shares[torch.arange(len(y)), y]

    def fit(self, X, y):
        """Train, and project the gradients of all rows at every checkpoint."""
        super().fit(X, y)
        size = (len(self.theta), self.N_PROJECTED)
        self.projection = torch.randn(size) / self.N_PROJECTED**0.5
        self.features = []
        for theta in self.kept:
            rows, wrong = self.margin_gradients(theta, X, y)
            gram = rows.T @ rows
            damping = self.DAMPING * gram.diagonal().mean()
            gram = gram + damping * torch.eye(self.N_PROJECTED)
            self.features.append((torch.linalg.solve(gram, rows.T), wrong))
        return self

    def influence(self, X, y):
        """Mean over checkpoints."""
        kernel = wrong = test = 0
        for theta, (features, one) in zip(self.kept, self.features, strict=True):
            rows, off = self.margin_gradients(theta, X, y)
            kernel, wrong, test = kernel + rows @ features, wrong + one, test + off
        return (test[:, None] * kernel * wrong / len(self.kept) ** 3).detach().numpy()


class HyDRA(OnNet):
    """The derivative of the parameters by every row's weight (Chen et al., 2021).

    Forward through the run: a vector of the size of the parameters for each training
    row. "fast" leaves out the products with the Hessian of the batch.
    """

    def __init__(self, width, epochs, exact):
        super().__init__(width, epochs)
        self.exact = exact

    def before_step(self, theta, rows):
        """Move the derivatives by one step."""
        if theta is self.start:
            self.moves = torch.zeros(len(self.X), len(theta))
        X, y = self.X[rows], self.y[rows]
        change = 0
        if self.exact:
            product = vmap(lambda v: self.hessian_product(theta, X, y, v))
            change = product(self.moves)
        own = self.row_gradients(theta, X, y) / len(rows)
        self.moves = self.moves - LR * change
        self.moves[rows] -= LR * own

    def influence(self, X, y):
        """Minus the derivative of the test loss."""
        return (-self.row_gradients(self.theta, X, y) @ self.moves.T).numpy()


class SOURCE(OnNet):
    """Segments of constant curvature (Bae et al., 2024), with the whole matrix."""

    def fit(self, X, y):
        """Train; eigenvectors of the Gauss-Newton matrix of every checkpoint."""
        super().fit(X, y)
        n, p = len(X), len(self.theta)
        spent = LR * self.epochs * -(-n // BATCH) / self.checkpoints
        self.terms, decay = [], torch.eye(p)
        for theta in reversed(self.kept):
            rows = self.row_gradients(theta, self.X, self.y)
            matrix = torch.zeros(p, p)
            jacobians = vmap(torch.func.jacrev(self.logits), (None, 0))
            for part in self.X.split(256):
                slopes = jacobians(theta, part[:, None])[:, 0]
                q = torch.softmax(self.logits(theta, part), 1)
                centred = slopes - (q[:, :, None] * slopes).sum(1, keepdim=True)
                weighted = (centred * q[:, :, None]).reshape(-1, p)
                matrix += weighted.T @ slopes.reshape(-1, p) / n
            values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
            values = values.clamp(min=1e-8)
            step = vectors * (-torch.expm1(-spent * values) / values)
            self.terms.append(decay @ (step @ (vectors.T @ rows.T)))
            decay = decay @ (vectors * torch.exp(-spent * values)) @ vectors.T
        return self

    def influence(self, X, y):
        """Product of the test gradient with the moves of the parameters."""
        test = self.row_gradients(self.theta, X, y)
        return (sum(test @ term for term in self.terms) / len(self.X)).detach().numpy()
