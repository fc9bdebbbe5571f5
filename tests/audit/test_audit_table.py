"""Every fault that is planted is found, and clean tables are left alone."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.linear_model import LogisticRegression

from skinfluence import audit_table
from skinfluence.audit._shared_influence import influence_share
from skinfluence.cleaning.surprise._preprocessing import default_preprocessor

TABLES = {
    "iris": load_iris,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "diabetes": load_diabetes,
}


def mixed(n=600, seed=0):
    """Generate numbers, categories and missing values that say something of a label."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "weight": rng.gamma(2.0, size=n),
            "age": rng.integers(18, 90, n),
            "colour": rng.choice(["red", "green", "blue"], n),
            "town": rng.choice([f"town {i}" for i in range(40)], n),
        }
    )
    X.loc[rng.random(n) < 0.2, "weight"] = np.nan
    logit = 1.5 * X["size"] + (X["colour"] == "red") + 0.02 * (X["age"] - 50)
    y = np.where(rng.random(n) < 1 / (1 + np.exp(-logit)), "yes", "no")
    return X, pd.Series(y, name="label")


def clean(name, seed=0):
    """A table in random order."""
    if name == "mixed":
        return mixed(seed=seed)
    X, y = TABLES[name](return_X_y=True, as_frame=True)
    order = np.random.default_rng(seed).permutation(len(y))
    return X.iloc[order].reset_index(drop=True), y.iloc[order].reset_index(drop=True)


def found(findings, check, severity=None):
    """The places where a check found something."""
    of_check = findings[findings["check"] == check]
    if severity is not None:
        of_check = of_check[of_check["severity"] == severity]
    return of_check["where"].tolist()


NAMES = [*TABLES, "mixed"]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NAMES)
def test_clean_tables_are_left_alone(name, seed):
    X, y = clean(name, seed)
    n = len(y) * 3 // 4
    findings = audit_table(X[:n], y[:n], X_test=X[n:], random_state=seed)
    assert not findings["severity"].isin(["high", "medium"]).any(), findings.to_string()


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_of_the_target(name):
    X, y = clean(name)
    renamed = {value: f"code {i}" for i, value in enumerate(np.unique(y))}
    copies = {"renamed": y.map(renamed)}
    if name == "diabetes":
        copies = {"scaled": np.exp(y / 100)}
    for place, copy in copies.items():
        findings = audit_table(X.assign(**{place: copy}), y)
        assert found(findings, "leakage", "high") == [f"column {place}"]
        assert "under another name" in findings.iloc[0]["evidence"]


@pytest.mark.parametrize(
    ("name", "share"),
    [
        *((name, 0.002) for name in NAMES),
        # Of a hundred rows, two that are missed may be luck.
        *((name, 0.01) for name in NAMES if name not in ("iris", "wine")),
    ],
)
def test_a_column_that_predicts_all_but_a_few_targets(name, share):
    X, y = clean(name)
    rng = np.random.default_rng(1)
    leak = y.to_numpy().copy()
    changed = rng.random(len(y)) < share
    changed[0] = True
    leak[changed] = rng.permutation(leak)[changed]
    if name == "diabetes":
        leak = leak + rng.normal(0, 5, len(y))  # half a percent of the variance
    findings = audit_table(X.assign(paid_back=leak), y)
    places = found(findings, "leakage")
    assert places == ["column paid_back"]


def test_missing_values_that_predict_the_target():
    X, y = mixed()
    when = pd.Series(np.arange(600.0))
    when[(y == "no").to_numpy()] = np.nan
    findings = audit_table(X.assign(closed_on=when), y)
    assert found(findings, "leakage", "high") == ["column closed_on"]


@pytest.mark.parametrize("name", NAMES)
def test_texts_that_hold_the_target(name):
    X, y = clean(name)
    rng = np.random.default_rng(2)
    words = np.array("quite very rather somewhat fairly".split())
    names = y.map("{:.0f}".format if name == "diabetes" else "kind{}".format)
    texts = [
        f"case {rng.integers(10**6)} {rng.choice(words)} surely closed as {value}"
        for value in names
    ]
    findings = audit_table(X.assign(note=texts), y)
    severity = "high" if name == "diabetes" else "medium"
    assert found(findings, "leakage", severity) == ["column note"]
    assert not found(findings, "identifier")
    shuffled = audit_table(X.assign(note=rng.permutation(texts)), y)
    assert not found(shuffled, "leakage")


@pytest.mark.parametrize("name", ["wine", "breast_cancer", "diabetes", "mixed"])
def test_duplicate_rows(name):
    X, y = clean(name)
    again = pd.concat([X, X.iloc[3:9]], ignore_index=True)
    findings = audit_table(again, pd.concat([y, y.iloc[3:9]], ignore_index=True))
    (where,) = found(findings, "duplicates", "medium")
    assert where == "12 rows"
    (finding,) = findings[findings["check"] == "duplicates"].itertuples()
    n = len(X)
    assert finding.rows == [3, 4, 5, 6, 7, 8, n, n + 1, n + 2, n + 3]
    assert "6 rows repeat another one" in finding.evidence
    assert "of the self-influence" in finding.evidence


def test_copies_have_ids_of_their_own():
    X, y = clean("wine")
    X = X.drop(columns="color_intensity")
    X = pd.concat([X, X[:6]], ignore_index=True)
    y = pd.concat([y, y[:5], (y[5:6] + 1) % 3], ignore_index=True)
    test = X[2:4].assign(id=[900, 901])
    X = X.assign(id=np.arange(len(y)) + 100)
    findings = audit_table(X, y, X_test=test)
    of_check = findings.set_index("check")
    assert found(findings, "duplicates", "medium") == ["10 rows"]
    assert found(findings, "conflicts", "high") == ["2 rows"]
    assert found(findings, "train/test overlap") == ["2 test rows"]
    for check in ("duplicates", "conflicts", "train/test overlap"):
        assert of_check.loc[check, "evidence"].endswith("; compared without id")
    assert len(audit_table(X[["id"]], y)) == 1


@pytest.mark.filterwarnings("error")
def test_the_influence_of_copies_takes_no_refits():
    """Rows with a rare category were refitted one by one, for minutes."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=60), "town": rng.zipf(1.5, 60).astype(str)})
    X = pd.concat([X[:50], X[:10]], ignore_index=True)
    y = np.where(X["x"].astype(float) + rng.normal(size=60) > 0, "yes", "no")
    copies = np.arange(60) >= 50
    X = X.astype({"x": float})
    features = default_preprocessor(X)[0].fit_transform(X)
    share = influence_share(X, y, copies, True)
    influence = np.empty(60)
    for i in range(60):
        loss = []
        for rows in (np.arange(60), np.delete(np.arange(60), i)):
            model = LogisticRegression(tol=1e-10).fit(features[rows], y[rows])
            p = model.predict_proba(features[[i]])[0]
            loss.append(-np.log(p[model.classes_ == y[i]][0]))
        influence[i] = abs(loss[1] - loss[0])
    assert share == pytest.approx(influence[copies].sum() / influence.sum(), rel=1e-2)


def test_repeated_rows_of_whole_numbers_are_no_coincidence():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({c: rng.integers(0, 9, 300) for c in "abcdefgh"})
    y = rng.choice(["x", "y"], 300)
    again = pd.concat([X, X[:4]], ignore_index=True)
    findings = audit_table(again, np.append(y, y[:4]))
    assert found(findings, "duplicates", "medium") == ["8 rows"]
    other = np.where(y[:4] == "x", "y", "x")
    findings = audit_table(again, np.append(y, other))
    assert found(findings, "conflicts", "high") == ["8 rows"]


def test_coincidence_is_no_duplicate():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({c: rng.integers(0, 3, 300) for c in "abcd"})
    y = np.where(rng.random(300) < 0.5, "x", "y")
    findings = audit_table(X, y)
    assert found(findings, "duplicates", "low")
    assert found(findings, "conflicts", "low")
    assert not findings["severity"].isin(["high", "medium"]).any()


@pytest.mark.parametrize("name", ["wine", "breast_cancer", "diabetes"])
def test_near_duplicate_rows(name):
    X, y = clean(name)
    rng = np.random.default_rng(0)
    near = X.iloc[3:6] + 1e-4 * X.std().to_numpy() * rng.normal(size=(3, X.shape[1]))
    again = pd.concat([X, near], ignore_index=True)
    findings = audit_table(again, pd.concat([y, y.iloc[3:6]], ignore_index=True))
    assert found(findings, "near duplicates", "medium") == ["6 rows"]
    n = len(X)
    (finding,) = findings[findings["check"] == "near duplicates"].itertuples()
    assert finding.rows == [3, 4, 5, n, n + 1, n + 2]


def test_equal_rows_with_other_targets():
    X, y = mixed()
    again = pd.concat([X, X.iloc[[5, 7]]], ignore_index=True)
    other = y.iloc[[5, 7]].map({"yes": "no", "no": "yes"})
    findings = audit_table(again, pd.concat([y, other], ignore_index=True))
    (finding,) = findings[findings["check"] == "conflicts"].itertuples()
    assert finding.severity == "high"
    assert finding.rows == [5, 7, 600, 601]
    assert not found(findings, "duplicates")


@pytest.mark.parametrize("noise", [0.0, 1e-5])
@pytest.mark.parametrize("name", ["wine", "breast_cancer", "diabetes"])
def test_test_rows_that_were_trained_on(name, noise):
    X, y = clean(name)
    n = len(y) * 3 // 4
    test = X[n:].copy()
    test.iloc[[2, 11]] = X.iloc[[40, 60]].to_numpy() + noise * X.std().to_numpy()
    findings = audit_table(X[:n], y[:n], X_test=test)
    (finding,) = findings[findings["check"] == "train/test overlap"].itertuples()
    assert finding.severity == "high"
    assert finding.rows == [2, 11]


def test_overlap_by_chance_is_told_apart():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({c: rng.integers(0, 4, 900) for c in "abcde"})
    y = rng.choice(["x", "y"], 900)
    findings = audit_table(X[:600], y[:600], X_test=X[600:])
    assert found(findings, "train/test overlap", "low")
    assert not found(findings, "train/test overlap", "high")
    test = X[600:].copy()
    test.iloc[:150] = X.iloc[:150].to_numpy()
    findings = audit_table(X[:600], y[:600], X_test=test)
    assert found(findings, "train/test overlap", "high")


def test_the_equal_rows_of_iris_in_both_tables():
    X, y = load_iris(return_X_y=True, as_frame=True)
    assert X.iloc[101].equals(X.iloc[142])
    test = np.isin(np.arange(150) % 4, 3) ^ np.isin(np.arange(150), [142, 143])
    assert test[142]
    assert not test[101]
    findings = audit_table(X[~test], y[~test], X_test=X[test])
    assert found(findings, "train/test overlap") == ["1 test row"]
    assert found(findings, "train/test overlap", "low") == ["1 test row"]


def test_columns_without_information():
    X, y = mixed()
    X = X.assign(
        same="x",
        empty=np.nan,
        half=np.where(np.arange(600) % 10 < 6, np.nan, 1.0),
        rare=np.where(np.arange(600) % 20, np.nan, np.arange(600) % 3),
        id=np.arange(600) + 1000,
        code=[f"c{i}" for i in np.random.default_rng(0).permutation(600)],
        drawn=np.random.default_rng(1).choice(10**6, 600, replace=False),
        income=np.random.default_rng(1).normal(1e6, 2e5, 600).round(),
        when=pd.date_range("2020-01-01", periods=600),
    )
    findings = audit_table(X, y)
    assert found(findings, "constant column", "low") == ["column same"]
    assert found(findings, "empty column", "low") == ["column empty"]
    assert found(findings, "missing values", "low") == ["column half"]
    assert found(findings, "missing values", "medium") == ["column rare"]
    ids = {f"column {name}" for name in ("id", "code", "drawn")}
    assert set(found(findings, "identifier", "low")) == ids


def test_rare_classes():
    X, y = mixed()
    y = y.copy()
    y[:3], y[3:33] = "perhaps", "never"
    findings = audit_table(X, y)
    assert found(findings, "rare class", "medium") == ["class perhaps"]
    assert found(findings, "rare class", "low") == ["class never"]
    y[1:3] = "never"
    rare = audit_table(X, y).query("check == 'rare class'")
    assert rare["evidence"].tolist()[0] == "has 1 row of 600"


@pytest.mark.parametrize("classification", [True, False])
def test_cases_that_folds_would_cut_in_two(classification):
    X, y = mixed()
    case = np.arange(600) // 5
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(600)
    if classification:
        target = np.where(rng.random(120)[case] < 0.5, "ill", "well")
    else:
        target = rng.normal(size=120)[case] + 0.1 * rng.normal(size=600)
    X = X.assign(patient=[f"p{c}" for c in case]).iloc[shuffled]
    target = target[shuffled]
    findings = audit_table(X, target)
    assert found(findings, "groups") == ["column patient"]
    findings = audit_table(X, target, groups="patient")
    assert found(findings, "groups") == []


@pytest.mark.parametrize("name", NAMES)
def test_tables_in_order_of_the_target(name):
    X, y = clean(name)
    order = np.argsort(y.to_numpy(), kind="stable")
    findings = audit_table(X.iloc[order], y.iloc[order])
    assert found(findings, "order", "high") == ["the order of the rows"]


def test_targets_that_follow_each_other():
    X, _ = mixed()
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(size=600))
    walk = walk - pd.Series(walk).rolling(40, min_periods=1).mean()
    findings = audit_table(X, walk + rng.normal(size=600))
    assert found(findings, "order", "medium") == ["the order of the rows"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("noise", [1.0, 2.0])
def test_targets_that_drift(name, noise):
    X, y = clean(name)
    rng = np.random.default_rng(0)
    rank = y.rank(method="dense").to_numpy()
    late = rank / rank.std() + rng.normal(0, noise, len(y))
    order = np.argsort(late)
    findings = audit_table(X.iloc[order], y.iloc[order])
    assert found(findings, "order", "medium") == ["the order of the rows"]


def test_the_most_serious_comes_first_and_arrays_will_do():
    X, y = load_wine(return_X_y=True)
    X = np.column_stack([X, y, np.ones(len(y))])
    findings = audit_table(X, y)
    assert list(findings["severity"]) == sorted(
        findings["severity"], key=["high", "medium", "low"].index
    )
    assert {"leakage", "order", "constant column"} == set(findings["check"])
    assert list(findings.columns) == [
        "severity",
        "check",
        "where",
        "evidence",
        "fix",
        "rows",
    ]


def test_bad_input():
    X, y = mixed()
    with pytest.raises(ValueError, match="same number of rows. Got 600 and 10"):
        audit_table(X, y[:10])
    with pytest.raises(ValueError, match="no missing values. Got 1 of 600"):
        audit_table(X, y.where(np.arange(600) != 4))
    with pytest.raises(ValueError, match="must have the 5 columns of X. Got 2"):
        audit_table(X, y, X_test=X.iloc[:, :2])
    for groups in ("nobody", np.arange(600)):
        with pytest.raises(ValueError, match="must be the name of a column of X"):
            audit_table(X, y, groups=groups)
