"""Nobody waits for minutes without a word, and nobody is told of seconds."""

from skinfluence.cli import _terminal
from skinfluence.cli._terminal import MANY_CELLS, progress


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_large_tables_tell_how_far_they_are(capsys, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_terminal, "monotonic", clock)
    with progress(3, MANY_CELLS) as step:
        assert "takes minutes" in capsys.readouterr().err
        clock.now += 40
        step()
        assert capsys.readouterr().err == (
            "valuing the rows: 1 of 3 parts done in 40.0 s, about 1 min 20 s left\n"
        )
        clock.now += 20
        step()
        assert capsys.readouterr().err == (
            "valuing the rows: 2 of 3 parts done in 1 min 00 s, about 30.0 s left\n"
        )
    with progress(3, MANY_CELLS - 1) as step:
        step()
    assert capsys.readouterr().err == ""
