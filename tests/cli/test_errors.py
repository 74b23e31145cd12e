import pytest

from coterie.cli import commands, main
from coterie.errors import BadInputError, UnavailableError


def fails_with(monkeypatch, error, *options):
    def fail(_):
        raise error

    monkeypatch.setattr(commands, "report", fail)
    return main(["report", "evaluation", "--data", "clean", *options])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInputError("tie names\nuser 9"), 2),
        (UnavailableError("the store is down"), 75),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("division by zero"), 70),
    ],
)
def test_each_failure_has_its_code_and_one_line(monkeypatch, capsys, error, code):
    assert fails_with(monkeypatch, error) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert "Traceback" not in told.err
    assert " ".join(str(error).split()) in told.err


def test_a_traceback_comes_with_debug_only(monkeypatch, capsys):
    assert fails_with(monkeypatch, BadInputError("wrong"), "--debug") == 2
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert told.splitlines()[-1] == "coterie: wrong"


def test_a_fault_of_ours_says_so(monkeypatch, capsys):
    fails_with(monkeypatch, KeyError("gone"))
    assert "a fault of Coterie's" in capsys.readouterr().err


@pytest.mark.parametrize(
    "typed",
    [
        "ingest {0}/absent --out {0}/clean",
        "train {0}/absent --out {0}/model",
        "evaluate {0}/absent --out {0}/evaluation",
        "recommend shopper-0001 --release {0}/absent --data {0}/absent",
        "report {0}/absent --data {0}/absent",
    ],
)
def test_a_folder_that_is_not_there_is_named(typed, tmp_path, capsys):
    assert main(typed.format(tmp_path).split()) == 2
    told = capsys.readouterr().err
    assert "absent" in told
    assert len(told.splitlines()) == 1
