"""Models, tables and the truth about them that certificates are held against."""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    TweedieRegressor,
)
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from truth import extended_precision as wide

WIDE = np.longdouble


@dataclass
class Case:
    """An estimator, its training rows, and what scikit-learn says it minimises."""

    name: str
    estimator: object
    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None = None
    seed: int = 0

    @property
    def s(self):
        return np.ones(len(self.y)) if self.weight is None else self.weight

    def fit(self, method):
        params = {} if self.weight is None else {"sample_weight": self.weight}
        return method.fit(self.X, self.y, **params)

    def test_rows(self, n):
        """Training rows, rows between and far outside them, of any leverage."""
        rng = np.random.default_rng(self.seed)
        rows = rng.integers(len(self.y), size=n)
        X = self.X[rows] + rng.normal(size=(n, self.X.shape[1])) * rng.choice(
            [0.0, 0.1, 3.0], size=(n, 1), p=[0.4, 0.4, 0.2]
        )
        return X, self.y[rows]

    def truth(self, sets, X_test, y_test):
        """Loss without each set minus with all rows, in long double."""
        out = self._truth(sets, X_test, y_test)
        nothing = [not self.s[rows].any() for rows in sets]
        out[:, nothing] = 0  # the same minimisation
        return out

    def _truth(self, sets, X_test, y_test):
        model, X, y, s = self.estimator, self.X, self.y, self.s
        intercept = model.fit_intercept
        if intercept:
            X, X_test = (np.column_stack([A, np.ones(len(A))]) for A in (X, X_test))
        d, mass, far = X.shape[1] - intercept, None, 0
        one = WIDE(1)
        if isinstance(model, LogisticRegression | LinearSVC):
            ridge = one / WIDE(model.C)
            if isinstance(model, LinearSVC):
                s, ridge, far = s * model.C, one, one / model.intercept_scaling**2
            elif model.solver == "liblinear":
                far = ridge / model.intercept_scaling**2
        elif isinstance(model, LinearRegression):
            ridge = WIDE(0)
        elif isinstance(model, Ridge | RidgeClassifier):
            ridge = WIDE(model.alpha)
        else:
            ridge, mass = WIDE(model.alpha) * s.astype(WIDE).sum(), s
        penalty = np.concatenate([np.full(d, ridge), [far] * intercept])
        args = X, y, s, penalty, sets, X_test, y_test
        classes = np.unique(y)
        if isinstance(model, LogisticRegression) and len(classes) > 2:
            return wide.softmax_influences(*args)
        if isinstance(model, LogisticRegression):
            return wide.influences(wide.Logistic(), *args)
        if isinstance(model, LinearSVC | RidgeClassifier):
            loss = (
                wide.SquaredHinge() if isinstance(model, LinearSVC) else wide.Squared()
            )
            columns = classes[1:] if len(classes) == 2 else classes
            return sum(
                wide.influences(
                    loss, X, code(y, c), s, penalty, sets, X_test, code(y_test, c)
                )
                for c in columns
            )
        if isinstance(model, Ridge | LinearRegression):
            return wide.influences(wide.Squared(), *args)
        powers = {PoissonRegressor: 1, GammaRegressor: 2}
        power = powers.get(type(model)) or model.power
        return wide.influences(wide.Tweedie(power), *args, mass=mass)


def code(y, c):
    """Targets +1 and -1 of one class against the rest."""
    return np.where(y == c, 1.0, -1.0)


def scaled(X, y):
    return StandardScaler().fit_transform(X), y


def breast_cancer():
    return scaled(*load_breast_cancer(return_X_y=True))


def digits_pair(a, b):
    X, y = load_digits(return_X_y=True)
    keep = np.isin(y, [a, b])
    return X[keep] / 16, (y[keep] == b).astype(int)


def diabetes():
    return scaled(*load_diabetes(return_X_y=True))


def wine():
    return scaled(*load_wine(return_X_y=True))


def weights(n, seed=0):
    """Sample weights over two orders of magnitude, some of them zero."""
    rng = np.random.default_rng(seed)
    return np.exp(rng.uniform(-2, 2, n)) * (rng.random(n) > 0.05)


def adversarial(seed, n=60, d=4):
    """Small tables that are hard: separable, a high leverage, copies of columns."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    kind = seed % 4
    if kind == 1:  # one row far outside
        X[0] *= 1e3
    if kind == 2:  # duplicated columns, and one nearly so
        X = np.column_stack([X, X[:, :2], X[:, 0] + 1e-6 * rng.normal(size=n)])
    if kind == 3:  # a column that one row holds alone, an offset
        X = np.column_stack([X + 100, np.arange(n) == 5])
    noise = 0.0 if kind == 0 else 1.0  # separable
    margin = (X - X.mean(axis=0))[:, :3] @ [1.0, -1.0, 0.5]
    y = (margin + noise * rng.normal(size=n) > 0).astype(int)
    y[:4] = [0, 1, 0, 1] if noise else (margin[:4] > 0)
    return X, y


def stopped(C, **params):
    """Logistic regression that stops after a few steps."""
    return LogisticRegression(C=C, max_iter=params.pop("max_iter", 5), **params)


def big_cases():
    """Cases of the acceptance: over a million pairs."""
    bc, dia, win = breast_cancer(), diabetes(), wine()
    n = len(bc[1])
    for C in (1e-3, 1e-2, 1, 100, 1e4):
        yield Case(f"logistic cancer C={C}", stopped(C, max_iter=2000), *bc)
        yield Case(f"logistic cancer weights C={C}", stopped(C), *bc, weights(n))
    for pair in ((3, 8), (1, 7), (4, 9)):
        for C in (1e-2, 1, 100):
            yield Case(f"logistic digits {pair} C={C}", stopped(C), *digits_pair(*pair))
    for C in (1e-2, 1, 100):
        yield Case(f"multinomial wine C={C}", stopped(C, max_iter=2000), *win)
        yield Case(f"svc cancer C={C}", LinearSVC(C=C, max_iter=10000), *bc)
        yield Case(f"svc wine C={C}", LinearSVC(C=C, max_iter=10000), *win)
    for alpha in (1e-3, 1, 100):
        yield Case(f"ridge alpha={alpha}", Ridge(alpha=alpha), *dia)
        yield Case(f"ridge classifier {alpha}", RidgeClassifier(alpha=alpha), *bc)
        yield Case(f"ridge classifier wine {alpha}", RidgeClassifier(alpha=alpha), *win)
    yield Case(
        "least squares", LinearRegression(), *dia, np.maximum(weights(442), 0.01)
    )
    for alpha in (1e-2, 1):
        for kind in glms(alpha):
            yield Case(f"{kind} weights", kind, *dia, weights(442))


def glms(alpha):
    yield PoissonRegressor(alpha=alpha, max_iter=1000)
    yield GammaRegressor(alpha=alpha, max_iter=1000)
    yield TweedieRegressor(power=1.5, link="log", alpha=alpha, max_iter=1000)


def hard_cases(seeds):
    """Small adversarial tables under every kind of model."""
    for seed in seeds:
        X, y = adversarial(seed)
        weight = weights(len(y), seed) if seed % 3 == 0 else None
        if weight is not None:
            weight[:6] = 1.0  # both classes stay
        C = 10.0 ** ((seed % 8) - 3)
        name = f"seed {seed} C={C}"
        yield Case(f"logistic {name}", stopped(C), X, y, weight, seed)
        yield Case(
            f"liblinear {name}",
            LogisticRegression(C=C, solver="liblinear", intercept_scaling=2.0),
            X,
            y,
            weight,
            seed,
        )
        no = stopped(C, fit_intercept=False)
        yield Case(f"no intercept {name}", no, X, y, weight, seed)
        svc = LinearSVC(C=min(C, 100), max_iter=20000)
        yield Case(f"svc {name}", svc, X, y, weight, seed)
        rng = np.random.default_rng(seed)
        target = X[:, 0] + rng.normal(size=len(y))
        yield Case(f"ridge {name}", Ridge(alpha=1 / C), X, target, weight, seed)
        classifier = RidgeClassifier(alpha=1 / C)
        yield Case(f"ridge classifier {name}", classifier, X, y, weight, seed)
        if seed % 4 != 1:  # a mean of e^1000 has no double
            counts = np.round(np.exp(np.clip(target - X[:, 0].mean(), -2, 2)))
            X = (X - X.mean(axis=0)) / X.std(axis=0)
            for kind in glms(min(1 / C, 10)):
                y_of = counts + (0.5 if isinstance(kind, GammaRegressor) else 0)
                yield Case(f"{kind} {name}", kind, X, y_of, weight, seed)
        labels = (rng.integers(3, size=len(y)) + y) % 3
        several = stopped(min(C, 100))
        yield Case(f"multinomial {name}", several, X, labels, weight, seed)
