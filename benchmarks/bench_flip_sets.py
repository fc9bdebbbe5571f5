"""Certificates and sets of rows: known answers, speed, and what parts add.

CPU seconds of one thread. Known answers: the stars of CYG OB1, LifeCycleSavings and the
ten coefficients of diabetes (size of the set that was found, certified lower bound,
size that first-order effects predict, size that one-shot removal needs).

    python benchmarks/bench_flip_sets.py
"""

from time import process_time

import numpy as np
from timing import restart_single_threaded

restart_single_threaded()

from sklearn.datasets import (  # noqa: E402
    load_diabetes,
    load_digits,
    make_classification,
)
from sklearn.linear_model import LinearRegression, RidgeClassifier  # noqa: E402
from sklearn.neighbors import KNeighborsClassifier  # noqa: E402

from skinfluence import (  # noqa: E402
    LeaveOneOutInfluence,
    PartitionClassifier,
    PredictionCertificate,
    find_flip_set,
    most_influential_set,
)
from skinfluence.datasets import (  # noqa: E402
    load_cyg_ob1,
    load_life_cycle_savings,
)
from skinfluence.groups._ratio import most_influential_ratio_set  # noqa: E402


def coefficients(name, X, y, feature_names):
    """Print what turns the sign of every coefficient."""
    loo = LeaveOneOutInfluence(LinearRegression()).fit(X, y)
    print(f"\n{name:<24}{'found':>7}{'bound':>7}{'AMIP':>7}{'1-shot':>7}{'s':>8}")
    for j, feature in enumerate(feature_names):
        ask = {"target": "coefficient", "coefficient": j}
        start = process_time()
        found = find_flip_set(loo, **ask)
        seconds = process_time() - start
        one_shot = find_flip_set(loo, method="one_shot", **ask).size
        predicted = found.predicted_size or "never"
        print(
            f"{feature:<24}{found.size:>7}{found.lower_bound:>7}{predicted:>7}"
            f"{one_shot:>7}{seconds:>8.2f}"
        )
    return loo


def giants(loo):
    """Print what four stars do, together and one by one."""
    X, y = load_cyg_ob1(return_X_y=True)
    found = most_influential_set(loo, n_rows=4, target="coefficient", coefficient=0)
    alone = [
        LinearRegression().fit(np.delete(X, i, 0), np.delete(y, i)).coef_[0]
        - found.value_before
        for i in found.rows
    ]
    print(
        f"without {found.rows}: {found.value_before:.4f} -> {found.value_after:+.4f}, "
        f"single effects sum to {np.sum(alone):.3f}; no four go beyond "
        f"{found.value_bound:+.4f}"
    )
    proof = find_flip_set(
        loo, target="coefficient", coefficient=0, method="exhaustive", max_rows=2
    )
    print(f"exhaustive search: {proof.size} stars, bound {proof.lower_bound}")


def flips():
    """Print the time of label flips of a ridge classifier."""
    for n_classes in (2, 5):
        X, y = make_classification(
            11_000, 50, n_informative=20, n_classes=n_classes, random_state=0
        )
        start = process_time()
        certificate = PredictionCertificate(RidgeClassifier(), change="label_flip")
        found = certificate.fit(X[:10_000], y[:10_000]).robustness(X[10_000:])
        print(
            f"flips, 10,000 x 1,000, {n_classes} classes: "
            f"{process_time() - start:.2f} s, median {np.median(found.lower):.0f}, "
            f"exact for {np.mean(found.upper == found.lower + 1):.1%}"
        )


def ratio():
    """Print the time of the most influential 10^4 of 10^7 rows."""
    rng = np.random.default_rng(0)
    b = rng.exponential(size=10**7)
    a = b * rng.normal(size=10**7)
    start = process_time()
    _, value = most_influential_ratio_set(a, b, 10**4)
    print(
        f"ratio, 10^4 of 10^7 rows: {process_time() - start:.2f} s, "
        f"{a.sum() / b.sum():.5f} -> {value:.5f}"
    )


def partitions():
    """Print certified flips with and without the parts' own certificates."""
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[:1500], order[1500:1550]
    for base, parts in (
        (KNeighborsClassifier(5), 20),
        (KNeighborsClassifier(3), 40),
        (RidgeClassifier(1e4), 20),
    ):
        model = PartitionClassifier(base, n_partitions=parts)
        certificate = PredictionCertificate(model, change="label_flip", max_rows=300)
        certificate.fit(X[train], y[train])
        curve = certificate.certified_accuracy(X[test], y[test])
        own = np.array(
            [low for low, _ in certificate._certifier.bounds(X[test], 10**6)]
        )
        votes = certificate.predict_proba(X[test]) * parts
        best = votes.argmax(axis=1)
        top = votes[np.arange(len(test)), best]
        # A rival of larger number needs one vote more than a tie.
        gaps = top[:, None] - votes + (np.arange(votes.shape[1]) > best[:, None])
        gaps[np.arange(len(test)), best] = np.inf
        plain = np.ceil(gaps.min(axis=1) / 2) - 1
        half = [
            int((values >= 0.5).sum()) for values in (curve.certified, curve.attacked)
        ]
        print(
            f"{base!r:.40}, {parts} parts, accuracy {curve.certified[0]:.3f}: "
            f"certified flips {own.mean():.2f} (median {np.median(own):.0f}), by votes "
            f"alone {plain.mean():.2f} (median {np.median(plain):.0f}): "
            f"{own.mean() / plain.mean() - 1:+.0%}; half of the rows are right after "
            f"{half[0]} flips (certified), {half[1]} (attacked); certified above "
            f"attacked: {(curve.certified > curve.attacked).any()}"
        )


def main():
    stars, savings = load_cyg_ob1(), load_life_cycle_savings()
    diabetes = load_diabetes()
    loo = coefficients("CYG OB1", stars.data, stars.target, stars.feature_names)
    giants(loo)
    for name, table in (("LifeCycleSavings", savings), ("diabetes", diabetes)):
        coefficients(name, table.data, table.target, table.feature_names)
    print()
    flips()
    ratio()
    partitions()


if __name__ == "__main__":
    main()
