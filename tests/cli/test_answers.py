"""How many rows would have to go, against refits without every small set."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from people_table import people
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence.__main__ import main
from skinfluence.cleaning._run import Cleaning, CleaningSettings
from skinfluence.cli._answers import Answer, find_answers
from skinfluence.cli._settings import Settings

MODEL = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, tol=1e-8))


def answers(X, y, n_answers, seed=0):
    task = SimpleNamespace(X=X, y=y, classification=True, groups=None)
    cleaning = Cleaning(MODEL, X, y, CleaningSettings(random_state=seed), seed)
    return find_answers(task, MODEL, cleaning, n_answers, seed)


def test_no_fewer_rows_change_the_prediction_and_these_do():
    X, y = make_blobs([10, 10], 2, cluster_std=4.0, random_state=1)
    X, y = np.concatenate([X, X[:5] + 0.1]), np.concatenate([y, y[:5]])
    y = np.array(["no", "yes"])[y]
    train, test = next(
        StratifiedKFold(5, shuffle=True, random_state=2).split(X, y)
    )  # the first fold
    held, last = clone(MODEL[:-1]).fit(X[train]), MODEL[-1]
    Z, found = held.transform(X[train]), answers(X, y, 3, seed=2)
    assert {answer.row for answer in found} < set(test)
    probability = [answer.probability for answer in found]
    assert probability == sorted(probability)
    exact = 0
    for answer in found:
        x = held.transform(X[[answer.row]])
        model = clone(last).fit(Z, y[train])
        assert model.predict(x)[0] == answer.predicted
        assert model.predict_proba(x).max() == pytest.approx(answer.probability)

        def turns(rows, x=x, answer=answer):
            left = np.setdiff1d(np.arange(len(train)), rows)
            model = clone(last).fit(Z[left], y[train][left])
            return model.predict(x)[0] != answer.predicted

        for size in range(1, min(answer.lower, 2) + 1):
            assert not any(map(turns, combinations(range(len(train)), size)))
        if np.isfinite(answer.upper):
            assert len(answer.rows) == answer.upper
            assert turns(np.searchsorted(np.sort(train), np.sort(answer.rows)))
            exact += answer.upper == answer.lower + 1
    assert exact
    assert any(answer.lower > 0 for answer in found)


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        (0, 1, "1 row"),
        (2, 3, "3 rows, and no fewer"),
        (1, 7, "7 rows; no single row does, by proof"),
        (0, 7, "7 rows; fewer may do as well"),
        (2, np.inf, "no 2 rows do, by proof; no set of up to 20 rows was found that"),
        (0, np.inf, "no set of up to 20 rows was found that does"),
    ],
)
def test_sentences_about_answers(lower, upper, said):
    answer = Answer(0, "yes", 0.7, lower, upper, np.arange(0))
    assert answer.in_words.startswith(said)


def test_the_command_prints_answers_only_with_the_option(tmp_path, capsys):
    path, page = tmp_path / "people.csv", tmp_path / "r.html"
    people().to_csv(path, index=False)
    arguments = ["clean", str(path), "--target", "label", "--report", str(page)]
    assert main([*arguments, "--answers", "3"]) == 0
    out = capsys.readouterr().out
    block = out.split("\nwhich training rows would have to go")[1].splitlines()
    lines = [line for line in block if line.startswith("  line ")]
    assert len(lines) == 3
    assert "What would have to go" in page.read_text()
    assert main([*arguments, "--force"]) == 0
    assert "would have to go" not in capsys.readouterr().out
    assert "What would have to go" not in page.read_text()
    assert Settings().answers == 0


def test_amounts_do_not_turn(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "".join(f"{i},{i * 1.5}\n" for i in range(40)))
    assert main(["clean", str(path), "--target", "y", "--answers", "2"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "--answers is about predicted labels" in err
    assert "'y' holds numbers, which have no label that could change" in err
    assert main(["clean", str(path), "--target", "y", "--answers", "21"]) == 2
    assert "--answers must be in [0, 20], not 21" in capsys.readouterr().err
