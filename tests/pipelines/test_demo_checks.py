"""What can be wrong with ``make demo`` is said before the work starts."""

import socket
from contextlib import contextmanager, nullcontext

import pytest

from coterie.errors import BadInputError, UnavailableError
from pipelines import demo as demo_module
from pipelines.client import Client
from pipelines.demo import Demo, main


@pytest.fixture
def busy_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.fixture
def no_work(monkeypatch):
    def fail(*_):
        raise AssertionError("the work started")

    for name in ("_simulated", "_run_pipeline", "_served"):
        monkeypatch.setattr(demo_module, name, fail)


def test_a_busy_port_is_named_with_one_that_is_free(busy_port, no_work, tmp_path, capsys):
    assert main(["--port", str(busy_port), "--work", str(tmp_path / "work")]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert f"port {busy_port} cannot be used" in line
    suggested = int(line.rsplit("PORT=", 1)[1])
    with socket.create_server(("127.0.0.1", suggested)):
        pass
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--dataset", "beidian"], "needs DATA="),
        (["--dataset", "netflix", "--data", "."], "expected one of beidian"),
        (["--mapping", "m.yaml"], "needs DATA="),
        (["--mapping", "m.yaml", "--data", ".", "--dataset", "ciao"], "no DATASET"),
        (["--mapping", "m.yaml", "--data", "."], "which is no file"),
        (["--data", "/no/such/folder"], "no folder"),
        (["--port", "70000"], "1 to 65535"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments, says, no_work, tmp_path, capsys):
    given = ["--work", str(tmp_path / "work"), *arguments]
    if "--port" not in arguments:
        given += ["--port", "0"]
    assert main(given) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert says in line
    assert not (tmp_path / "work").exists()


def test_a_pipeline_that_fails_ends_the_demo_with_one_line(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(demo_module, "show_metrics", None)
    code = main(["--work", str(tmp_path), "--port", "0", "--data", str(tmp_path), "epochs=3"])
    assert code == 1
    first, last = capfd.readouterr().err.splitlines()
    assert first.startswith("pipeline: no parameter 'epochs=3'")
    assert last == "demo: no release was made, so there is nothing to serve"


@pytest.mark.parametrize(("status", "kept"), [(0, False), (-9, True)])
def test_training_that_was_broken_off_is_kept_for_the_next_demo(
    monkeypatch, tmp_path, status, kept
):
    class Running:
        def wait(self):
            (tmp_path / "checkpoints").mkdir()
            (tmp_path / "pipeline").mkdir()
            (tmp_path / "pipeline" / "result.json").write_text("{}")
            return status

    @contextmanager
    def child(command, *_):
        assert f"checkpoints={tmp_path / 'checkpoints'}" in command
        yield Running()

    monkeypatch.setattr(demo_module, "child", child)
    with pytest.raises(BadInputError) if kept else nullcontext():
        demo_module._run_pipeline(Demo(tmp_path), "shop")
    assert (tmp_path / "checkpoints").exists() is kept


def test_somebody_elses_answers_are_not_taken_for_ours(monkeypatch, tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    monkeypatch.setattr(Client, "ready_release", lambda self: "another digest")
    with pytest.raises(UnavailableError, match="something else has taken the port"):
        demo_module._check_release(Client("http://127.0.0.1:1"), str(tmp_path))
