"""Which score finds mistakes in tables with categories, texts and uneven noise?

Tables of `noisy_tables` and `text_tables`: labels flipped at random, by class, or by a
column; rare classes; numbers exchanged, shifted or in a wrong unit; noise in the
columns. Average precision, F1 of two means on the values (the measure of published
tables) and seconds of CPU time on one thread for the fixed scorer, the same without
trees, and what is used instead: label quality of cleanlab with a forest, boosting and
logistic regression; out-of-bag loss of a random forest; the loss on the rows that the
model was trained on; the plain out-of-fold loss of a linear model. For numbers
cleanlab's place is taken by out-of-fold residuals of the same models. All of them are
given the columns of the fixed scorer, texts as components of n-grams among them.

Printed are means over seeds with their standard errors, and at the end the number of
columns in which each has the best mean or is tied with it: the mean of the difference,
seed by seed, is not more than its standard error.

    python benchmarks/bench_noise_in_tables.py [seeds] [table.csv target]

The table adds 1,000 random rows of a data set of labels. Seeds count from 200, which no
constant was chosen on. What becomes of texts was chosen on `text_tables.products`,
`comments`, `jobs` and `lessons`, which are not here. cleanlab's rows need cleanlab.
"""

import sys
from time import process_time
from unittest import mock

from timing import restart_single_threaded

restart_single_threaded()

import noisy_tables as noisy  # noqa: E402
import numpy as np  # noqa: E402
import text_tables as texts  # noqa: E402
from bench_noise_detection import CleanLearning, log_loss  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402
from sklearn.ensemble import (  # noqa: E402
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge  # noqa: E402
from sklearn.metrics import average_precision_score, f1_score  # noqa: E402
from sklearn.model_selection import (  # noqa: E402
    KFold,
    StratifiedKFold,
    cross_val_predict,
)

from skinfluence._sklearn import take_columns  # noqa: E402
from skinfluence.cleaning.surprise import _scorer  # noqa: E402
from skinfluence.cleaning.surprise._preprocessing import text_columns  # noqa: E402
from skinfluence.cleaning.surprise._scorer import score_rows  # noqa: E402
from skinfluence.cleaning.surprise._scorer_matrix import (  # noqa: E402
    MAX_COLUMNS,
    scorer_matrix,
)
from skinfluence.cleaning.surprise._text_columns import TextComponents  # noqa: E402
from skinfluence.cleaning.surprise._tree_columns import tree_columns  # noqa: E402

FIRST_SEED = 200
# Of a text, for boosting: those of skrub's StringEncoder. All of them are slow.
N_COMPONENTS = 30
CASES = {
    "credit, flipped": (noisy.credit(1000, 0.3), noisy.flipped),
    "credit, 5% bad": (noisy.credit(1000, 0.05), noisy.flipped),
    "credit, by column": (noisy.credit(1000, 0.3), noisy.flipped_by_column),
    "fifths, flipped": (noisy.diamonds(1000, True), noisy.flipped),
    "fifths, by class": (noisy.diamonds(1000, True), noisy.flipped_by_class),
    "fried, flipped": (noisy.fried(1000), noisy.flipped),
    "2dplanes, flipped": (noisy.two_planes(1000), noisy.flipped),
    "fried, columns": (noisy.fried(1000), noisy.noisy_columns),
    "prices, swapped": (noisy.diamonds(1000, False), noisy.swapped),
    "prices, shifted": (noisy.diamonds(1000, False), noisy.shifted),
    "prices, unit": (noisy.diamonds(1000, False), noisy.wrong_unit),
    "friedman1, swapped": (noisy.friedman1(1000), noisy.swapped),
    "friedman1, columns": (noisy.friedman1(1000), noisy.noisy_columns),
    "diabetes, swapped": (noisy.diabetes, noisy.swapped),
    "addresses, flipped": (texts.addresses(1000, True), noisy.flipped),
    "addresses, swapped": (texts.addresses(1000, False), noisy.swapped),
    "log lines, flipped": (texts.log_lines(1000), noisy.flipped),
}


def fixed_scorer(X, y, labels):
    """The fixed scorer."""
    return score_rows(X, y, labels).values


def without_trees(X, y, labels):
    """Its regressions alone."""
    with mock.patch.object(_scorer, "MIN_ROWS_OF_MORE", np.inf):
        return fixed_scorer(X, y, labels)


def _columns(X, kind):
    """Return columns as a kind of model takes them, and the model's parameters."""
    if kind != "boosting":
        return scorer_matrix(X), {}
    found, at = tree_columns(X, MAX_COLUMNS), text_columns(X)
    columns, categorical = found.values, found.categorical
    if at:
        components = TextComponents(N_COMPONENTS).fit_transform(take_columns(X, at))
        columns = np.hstack([columns, components])
        categorical = np.append(categorical, np.zeros(components.shape[1], dtype=bool))
    return columns, {"categorical_features": categorical}


MODELS = {
    "forest": (RandomForestClassifier, RandomForestRegressor, {"random_state": 0}),
    "boosting": (HistGradientBoostingClassifier, HistGradientBoostingRegressor, {}),
    "linear": (LogisticRegression, Ridge, {}),
}


def cleanlab(kind):
    """Label quality by cleanlab; for numbers out-of-fold residuals."""

    def score(X, y, labels):
        columns, params = _columns(X, kind)
        model = MODELS[kind][0 if labels else 1](**MODELS[kind][2], **params)
        if labels:
            found = CleanLearning(model, seed=0).find_label_issues(columns, y)
            return found["label_quality"].to_numpy()
        folds = KFold(5, shuffle=True, random_state=0)
        return -np.abs(y - cross_val_predict(model, columns, y, cv=folds))

    score.__name__ = f"cleanlab_{kind}"
    return score


def out_of_bag(X, y, labels):
    """Out-of-bag loss of a random forest of 300 trees."""
    kind = RandomForestClassifier if labels else RandomForestRegressor
    model = kind(300, oob_score=True, random_state=0).fit(scorer_matrix(X), y)
    if labels:
        return -log_loss(np.nan_to_num(model.oob_decision_function_), y)
    return -np.abs(y - model.oob_prediction_)


def training_loss(X, y, labels):
    """Loss of a linear model on the rows that it was trained on: the margin."""
    Z = scorer_matrix(X)
    if labels:
        return -log_loss(LogisticRegression().fit(Z, y).predict_proba(Z), y)
    return -np.abs(y - Ridge().fit(Z, y).predict(Z))


def plain_loss(X, y, labels):
    """Out-of-fold loss of a linear model."""
    Z = scorer_matrix(X)
    if labels:
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        model = LogisticRegression()
        said = cross_val_predict(model, Z, y, cv=folds, method="predict_proba")
        return -log_loss(said, y)
    folds = KFold(5, shuffle=True, random_state=0)
    return -np.abs(y - cross_val_predict(Ridge(), Z, y, cv=folds))


def two_means(values, wrong):
    """F1 of the lower of two clusters of values."""
    found = KMeans(2, n_init=5, random_state=0).fit(values[:, None])
    return f1_score(wrong, found.labels_ == found.cluster_centers_[:, 0].argmin())


def tied(of_scorer):
    """Tell who has the best mean over seeds, or misses it by one standard error.

    Parameters
    ----------
    of_scorer : dict of str to ndarray of shape (n_seeds,)
        Average precision.
    """
    best = max(of_scorer.values(), key=np.mean)
    return [name for name, found in of_scorer.items() if _misses(best - found) <= 0]


def _misses(gap):
    return gap.mean() - standard_error(gap)


def standard_error(found):
    """Standard error of the mean over seeds, 0 for one seed."""
    if len(found) < 2:
        return 0.0
    return np.std(found, ddof=1) / np.sqrt(len(found))


def main(seeds="3", *table):
    """Print one line per table, share and scorer, and who is first how often."""
    cases = dict(CASES)
    if table:
        rows = noisy.rows_of(*table, 1000)
        cases["table, flipped"] = rows, noisy.flipped
        cases["table, by class"] = rows, noisy.flipped_by_class
        cases["table, by column"] = rows, noisy.flipped_by_column
    scorers = [fixed_scorer, without_trees, out_of_bag, training_loss, plain_loss]
    scorers += [cleanlab(kind) for kind in MODELS if CleanLearning]
    layout = "{:<20} {:>4} {:<18} {:>8} {:>6} {:>6} {:>8} {}"
    head = "data", "part", "score", "av.prec.", "error", "F1", "seconds", ""
    print(layout.format(*head))
    first = dict.fromkeys((scorer.__name__ for scorer in scorers), 0)
    for name, (make, spoil) in cases.items():
        for share in (0.1, 0.2):
            runs = {scorer.__name__: [] for scorer in scorers}
            for seed in range(FIRST_SEED, FIRST_SEED + int(seeds)):
                clean, right = make(seed)
                X, y, wrong = spoil(clean, right, share, seed)
                labels = y.dtype.kind in "iu"
                for scorer in scorers:
                    start = process_time()
                    values = scorer(X, y, labels)
                    seconds = process_time() - start
                    precision = average_precision_score(wrong, -values)
                    f1 = two_means(values, wrong)
                    runs[scorer.__name__].append((precision, f1, seconds))
            runs = {scorer: np.array(found) for scorer, found in runs.items()}
            ahead = tied({scorer: found[:, 0] for scorer, found in runs.items()})
            for scorer, found in runs.items():
                precision, f1, seconds = found.mean(axis=0)
                first[scorer] += scorer in ahead
                shown = f"{precision:.3f}", f"{standard_error(found[:, 0]):.3f}"
                shown += f"{f1:.3f}", f"{seconds:.2f}", "*" * (scorer in ahead)
                print(layout.format(name, f"{share:.0%}", scorer, *shown), flush=True)
    print(f"\nfirst or within one standard error of it, of {2 * len(cases)} columns")
    for scorer, count in first.items():
        print(f"{count:>3}  {scorer}")


if __name__ == "__main__":
    main(*sys.argv[1:])
