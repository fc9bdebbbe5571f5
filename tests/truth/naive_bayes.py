"""Losses of naive Bayes models of a table, by definition, in sixty digits.

Probabilities are products of the densities and smoothed frequencies that
scikit-learn's guide defines; nothing is subtracted from anything.
"""

from mpmath import mp, mpf

DIGITS = 60


def losses(estimator, X, y, weight, X_test, y_test, loss="log_loss", n_categories=None):
    """Loss of each test row by the model of the rows, a list of mpf."""
    with mp.workdps(DIGITS):
        X = [[mpf(float(v)) for v in row] for row in X]
        tests = [[mpf(float(v)) for v in row] for row in X_test]
        weight = [mpf(float(w)) for w in weight]
        classes = sorted(set(y_test) | set(y))
        scorer = _SCORERS[type(estimator).__name__]
        scores = scorer(estimator, X, list(y), weight, classes, tests, n_categories)
        pairs = zip(scores, y_test, strict=True)
        return [_loss(s, classes.index(c), loss) for s, c in pairs]


def _loss(scores, true, loss):
    top = max(scores)
    share = [mp.exp(s - top) for s in scores]
    p = [s / sum(share) for s in share]
    if loss == "log_loss":
        others = [mp.exp(s - scores[true]) for s in scores[:true] + scores[true + 1 :]]
        return min(mp.log1p(sum(others)), 52 * mp.log(2))
    if loss == "zero_one":
        return mpf(scores.index(top) != true)
    total = sum((q - (c == true)) ** 2 for c, q in enumerate(p))
    return total / 2 if len(p) == 2 else total


def _mean(values, weight):
    return sum(w * v for v, w in zip(values, weight, strict=True)) / sum(weight)


def _prior(estimator, weight, y, c):
    given = getattr(estimator, "priors", getattr(estimator, "class_prior", None))
    if given is not None:
        return mp.log(mpf(float(given[c])))
    if not getattr(estimator, "fit_prior", True):
        return mpf(0)
    return mp.log(sum(w for w, label in zip(weight, y, strict=True) if label == c))


def _gaussian(estimator, X, y, weight, classes, tests, _):
    spread = []
    for column in zip(*X, strict=True):
        ones = [mpf(1)] * len(column)
        mean = _mean(column, ones)
        spread.append(_mean([(v - mean) ** 2 for v in column], ones))
    smoothing = mpf(float(estimator.var_smoothing)) * max(spread)
    out = [[] for _ in tests]
    for c in classes:
        rows = [x for x, label in zip(X, y, strict=True) if label == c]
        own = [w for w, label in zip(weight, y, strict=True) if label == c]
        moments = []
        for column in zip(*rows, strict=True):
            mean = _mean(column, own)
            moments.append(
                (mean, _mean([(v - mean) ** 2 for v in column], own) + smoothing)
            )
        prior = _prior(estimator, weight, y, c)
        for score, test in zip(out, tests, strict=True):
            pairs = list(zip(test, moments, strict=True))
            square = sum((v - m) ** 2 / s for v, (m, s) in pairs)
            score.append(prior - (square + sum(mp.log(s) for _, (_, s) in pairs)) / 2)
    return out


def _alphas(estimator, d):
    alpha = estimator.alpha
    alpha = list(alpha) if hasattr(alpha, "__len__") else [alpha] * d
    return [mpf(float(a)) for a in alpha]


def _log_shares(rows, weight, alpha):
    counts = [
        sum(w * row[j] for row, w in zip(rows, weight, strict=True)) + a
        for j, a in enumerate(alpha)
    ]
    return [mp.log(count / sum(counts)) for count in counts]


def _of_class(X, y, weight, chosen):
    kept = [i for i, label in enumerate(y) if chosen(label)]
    return [X[i] for i in kept], [weight[i] for i in kept]


def _multinomial(estimator, X, y, weight, classes, tests, _):
    alpha, out = _alphas(estimator, len(X[0])), [[] for _ in tests]
    for c in classes:
        logs = _log_shares(*_of_class(X, y, weight, lambda v, c=c: v == c), alpha)
        prior = _prior(estimator, weight, y, c)
        for score, test in zip(out, tests, strict=True):
            score.append(prior + sum(v * g for v, g in zip(test, logs, strict=True)))
    return out


def _complement(estimator, X, y, weight, classes, tests, _):
    alpha, out = _alphas(estimator, len(X[0])), [[] for _ in tests]
    for c in classes:
        logs = _log_shares(*_of_class(X, y, weight, lambda v, c=c: v != c), alpha)
        size = sum(logs) if estimator.norm else mpf(-1)
        for score, test in zip(out, tests, strict=True):
            score.append(sum(v * g for v, g in zip(test, logs, strict=True)) / size)
    return out


def _bernoulli(estimator, X, y, weight, classes, tests, _):
    (alpha,) = set(_alphas(estimator, len(X[0])))
    threshold = estimator.binarize
    X, tests = ([[mpf(v > threshold) for v in r] for r in rows] for rows in (X, tests))
    out = [[] for _ in tests]
    for c in classes:
        rows, own = _of_class(X, y, weight, lambda v, c=c: v == c)
        chance = [
            (sum(w * row[j] for row, w in zip(rows, own, strict=True)) + alpha)
            / (sum(own) + 2 * alpha)
            for j in range(len(X[0]))
        ]
        prior = _prior(estimator, weight, y, c)
        for score, test in zip(out, tests, strict=True):
            pairs = zip(test, chance, strict=True)
            score.append(prior + sum(mp.log(p if v else 1 - p) for v, p in pairs))
    return out


def _categorical(estimator, X, y, weight, classes, tests, n_categories):
    (alpha,) = set(_alphas(estimator, len(X[0])))
    if n_categories is None:
        n_categories = [int(max(column)) + 1 for column in zip(*X, strict=True)]
    out = [[] for _ in tests]
    for c in classes:
        rows, own = _of_class(X, y, weight, lambda v, c=c: v == c)
        prior = _prior(estimator, weight, y, c)
        for score, test in zip(out, tests, strict=True):
            total = prior
            for j, v in enumerate(test):
                same = [w for row, w in zip(rows, own, strict=True) if row[j] == v]
                total += mp.log(sum(same) + alpha)
                total -= mp.log(sum(own) + n_categories[j] * alpha)
            score.append(total)
    return out


_SCORERS = {
    "GaussianNB": _gaussian,
    "MultinomialNB": _multinomial,
    "ComplementNB": _complement,
    "BernoulliNB": _bernoulli,
    "CategoricalNB": _categorical,
}
