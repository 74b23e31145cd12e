"""The bar of a study."""

from coterie.cli.study_bar import study_bar
from coterie.tuning.study_progress import StudyProgress


def test_a_study_is_watched_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with study_bar("tuning social") as watch:
        watch(StudyProgress(0, 30, None, None, None, "fitting"))
        watch(StudyProgress(7, 30, 0.0903, 0.05, 21 * 60.0, "epoch 12 0.0813"))
    told = capsys.readouterr()
    assert told.out == ""
    for shown in ("tuning social", "7/30", "best 0.0903 (+5.0%)", "21 min left", "epoch 12 0.0813"):
        assert shown in told.err


def test_the_last_minute_is_counted_in_seconds(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with study_bar("tuning ease") as watch:
        watch(StudyProgress(2, None, 0.1, None, 59.9, ""))
    told = capsys.readouterr().err
    assert "60 s left" in told
    assert "best 0.1000 " in told


def test_nothing_is_shown_where_nobody_watches(monkeypatch, capsys):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    with study_bar("tuning social") as watch:
        watch(StudyProgress(1, 30, 0.1, 0.0, 3.0, ""))
    assert capsys.readouterr().err == ""
