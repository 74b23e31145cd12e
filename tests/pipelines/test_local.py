import io
import subprocess
import sys
import time

import psutil
import pytest
from rich.console import Console
from waiting import PATIENCE_S

from coterie.errors import BadInputError
from pipelines.local import LogWatcher, parse_parameters
from pipelines.step_display import LineDisplay

CYAN, RESET = "\033[96m", "\033[0m"


class Told:
    """A display that remembers."""

    def __init__(self):
        self.heard = []

    def start(self, step):
        self.heard.append(("start", step))

    def advance(self, what, done, total):
        self.heard.append(("advance", what, done, total))

    def note(self, text):
        self.heard.append(("note", text))

    def finish(self, well):
        self.heard.append(("finish", well))


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def watcher(told):
    return LogWatcher(io.StringIO(), told)


def test_kfps_log_becomes_steps(watcher, told):
    log = (
        f"05:11:21.803 - INFO - Executing task {CYAN}'train'{RESET}\n"
        "    coterie-progress\t3\t10\ttraining social\n"
        "    Epoch said something\n"
        "    coterie-note\t3 of 9 rows of ties are bad\n"
        f"05:11:29.052 - INFO - Task {CYAN}'train'{RESET} finished with status "
        f"{CYAN}SUCCESS{RESET}\n"
    )
    for start in range(0, len(log), 7):  # prints arrive in pieces
        watcher.write(log[start : start + 7])
    assert told.heard == [
        ("start", "train"),
        ("advance", "training social", 3, 10),
        ("note", "3 of 9 rows of ties are bad"),
        ("finish", True),
    ]
    assert watcher._log.getvalue() == log


def test_what_a_step_found_is_told_below_its_line():
    screen = io.StringIO()
    lines = LineDisplay(Console(file=screen, width=40))
    for step in ("ingest", "train"):
        lines.start(step)
        if step == "ingest":
            lines.note("3 of 9 rows of ties are bad: " + "x" * 60)
        lines.finish(True)
    first, note, second = screen.getvalue().splitlines()
    assert (first.split()[0], second.split()[0]) == ("ingest", "train")
    assert note == "  3 of 9 rows of ties are bad: " + "x" * 60


def test_our_own_errors_are_quoted_without_their_name(watcher):
    watcher.write("    coterie.errors.BadInputError: events.csv lacks column ts\n")
    assert watcher.cause == "events.csv lacks column ts"


def test_other_errors_are_quoted_with_their_name(watcher):
    watcher.write("    KeyError: 'ts'\n    NotImplementedError\n")
    assert watcher.cause == "NotImplementedError"


def test_parameters_have_the_pipelines_types():
    given = ["source=x", "workers=2", "use_gpu=true", "min_gain=0.1", "version=7"]
    assert parse_parameters(given) == {
        "source": "x",
        "workers": 2,
        "use_gpu": True,
        "min_gain": 0.1,
        "version": "7",
    }


def test_a_whole_number_will_do_for_any_number():
    assert repr(parse_parameters(["min_gain=-1"])["min_gain"]) == "-1.0"


@pytest.mark.parametrize(
    "given",
    ["epochs=3", "source", "workers=two", "workers=2.5", "workers=true", "use_gpu=1", "min_gain="],
)
def test_a_parameter_that_does_not_fit_is_refused(given):
    with pytest.raises(BadInputError, match="expected"):
        parse_parameters([given])


def test_a_run_that_is_asked_to_stop_takes_its_step_along(tmp_path):
    events = tmp_path / "shop" / "events.jsonl"
    events.parent.mkdir()
    # Numbers and texts in one column are read value by value, which takes long enough.
    line = (
        '{"event_id": %s, "user_id": "a", "item_id": "i1", "event": "view", "ts": "2024-01-01"}\n'
    )
    events.write_text((line % 1 + line % '"b"') * 500_000)
    (tmp_path / "shop" / "items.csv").write_text("item_id,title\ni1,Pan\n")
    (tmp_path / "shop" / "ties.csv").write_text("src_user_id,dst_user_id,kind\na,b,friend\n")
    root = tmp_path / "run"
    command = [sys.executable, "-m", "pipelines.local", "--root", str(root)]
    command.append(f"source={tmp_path / 'shop'}")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        while "ingest events" not in log_of(root):
            assert running.poll() is None
            time.sleep(0.1)
        family = psutil.Process(running.pid).children(recursive=True)
        running.terminate()
        said = running.communicate(timeout=PATIENCE_S)[1]
    assert (running.returncode, said) == (130, "pipeline: stopped\n")
    assert family
    assert psutil.wait_procs(family, timeout=PATIENCE_S)[1] == []


def log_of(root):
    path = root / "pipeline.log"
    return path.read_text() if path.exists() else ""


def test_a_step_that_fails_leaves_one_line_with_the_cause_and_the_log(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "events.csv").write_text("event_id,user_id,item_id,event\n1,a,b,view\n")
    root = tmp_path / "run"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pipelines.local",
            "--root",
            str(root),
            f"source={tmp_path / 'shop'}",
        ],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("pipeline: step ingest failed: ")
    assert line.endswith(f"(log: {root / 'pipeline.log'})")
    assert "events.csv lacks column ts" in line
    assert "Traceback" in (root / "pipeline.log").read_text()
    assert not (root / "result.json").exists()
    assert done.stdout.split()[0] == "ingest"
