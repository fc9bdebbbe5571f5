"""Nobody waits for minutes without a word, and nobody is told of seconds."""

from skinfluence.cli._terminal import MANY_CELLS, progress


def test_large_tables_tell_how_far_they_are(capsys):
    with progress(3, MANY_CELLS) as step:
        assert "takes minutes" in capsys.readouterr().err
        step()
        assert capsys.readouterr().err == "valuing the rows: 1 of 3 parts done\n"
        step()
        assert capsys.readouterr().err == "valuing the rows: 2 of 3 parts done\n"
    with progress(3, MANY_CELLS - 1) as step:
        step()
    assert capsys.readouterr().err == ""
