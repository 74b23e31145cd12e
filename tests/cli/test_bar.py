from coterie.progress import bar


def test_progress_is_shown_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    with bar() as progress:
        progress("training social", 1, 10)
        progress("training social", 4, 10)
        progress("evaluate", 0, 3)
    told = capsys.readouterr()
    assert told.out == ""
    assert "training social" in told.err
    assert "4/4" in told.err.split("4/10")[-1]  # stopped early is done


def test_progress_is_silent_where_nobody_watches(monkeypatch, capsys):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    with bar() as progress:
        progress("training social", 1, 10)
    assert capsys.readouterr().err == ""
