"""The disk of the state is full: what is refused, what goes on, and that it comes back."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SIZE = "8m"
TELL = """
import json, os, sys
from pathlib import Path
from coterie.errors import UnavailableError

state = Path(sys.argv[1])

def fill():
    with open(state / "filler", "ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass

def refused(work, *words):
    try:
        work()
    except UnavailableError as error:
        assert all(word in str(error) for word in words), error
        return
    raise AssertionError("it had room")

def make_room():
    (state / "filler").unlink()
"""


@pytest.fixture
def small_disk(tmp_path):
    """A file system of some megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except OSError:
        pytest.skip("no mount")
    if done.returncode:
        pytest.skip("only root mounts a file system")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def run(story, place, **environment):
    return subprocess.run(
        [sys.executable, "-c", TELL + textwrap.dedent(story), str(place)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_event_log_keeps_all_of_a_batch_or_none_and_can_be_read(small_disk):
    story = """
    from coterie.schema import EventKind
    from serving.events.event import Event
    from serving.events.sqlite_log import SqliteLog

    log = SqliteLog(state / "events.sqlite")
    def batch(n):
        return [Event(f"e{n}-{m}", "ana", "x" * 50, EventKind.VIEW, 1) for m in range(100)]
    log.append(batch(0))
    fill()
    kept = 1
    def until_full():
        global kept
        while True:
            log.append(batch(kept))
            kept += 1
    refused(until_full, "events.sqlite", "full")
    assert log.count() == kept * 100 == log.count_unpushed()
    with log.lock("push"):
        read = log.unpushed(150)
        assert [event.event_id for event in read.events[:2]] == ["e0-0", "e0-1"]
    (state / "events.other.lock").mkdir()
    refused(log.lock("other").__enter__, "lock 'other'")
    make_room()
    assert all(log.append(batch(kept))), "none of it was there before"
    """
    done = run(story, small_disk)
    assert done.returncode == 0, done.stderr


def test_a_rollout_stays_as_it_was_written_and_a_command_is_left_whole_or_not_at_all(small_disk):
    story = """
    from coterie.rollout.book import Book
    from coterie.rollout.decide import Command, Verb
    from coterie.rollout.state import State

    book = Book(state / "rollouts")
    version = book.write(State(stable="a"), 0)
    book.command(Command("c1", Verb.PAUSE, "ana", "lunch"))
    fill()
    refused(lambda: book.write(State(stable="b" * 9000), version), "rollouts", "No space left")
    def say_much():
        for n in range(100):
            book.command(Command("long", Verb.PAUSE, "ana", "x" * 500))
    refused(say_much, "rollouts", "No space left")
    assert book.read() == (State(stable="a"), version)
    make_room()
    book.command(Command("c2", Verb.RESUME, "ana", "back"))
    said = [command.id for command in book.commands(State())]
    assert (said[0], said[-1]) == ("c1", "c2") and set(said[1:-1]) <= {"long"}
    book.write(State(stable="b"), version)
    """
    done = run(story, small_disk)
    assert done.returncode == 0, done.stderr


def test_a_run_goes_on_and_its_standing_is_what_was_last_written_whole(small_disk):
    story = """
    from coterie.monitoring.runs import Outcome, Runs
    from coterie.workflow.status import recorded

    place = str(state / "status")
    with recorded(place, "v7", "ingest", "train"):
        pass
    fill()
    with recorded(place, "v7", "features"):
        done = True
    assert done
    [run] = Runs(place).read()
    assert run.outcome is Outcome.RUNNING and "ingest" in run.steps
    assert len(list((state / "status").iterdir())) == 1, "no halves"
    make_room()
    with recorded(place, "v7", "release"):
        pass
    [run] = Runs(place).read()
    assert run.outcome is Outcome.SUCCEEDED
    """
    done = run(story, small_disk)
    assert done.returncode == 0, done.stderr
    assert "how it stands is not recorded" in done.stderr


def test_counting_and_lists_go_on(small_disk):
    """Counts are mapped memory: without a block for a page, the kernel would kill the replica."""
    story = """
    from small_shop import make_router, people, write_small_release
    from serving.telemetry.instruments import METHODS
    from serving.telemetry.metrics import ServingMetrics
    import asyncio, tempfile

    metrics = ServingMetrics()
    with tempfile.TemporaryDirectory() as folder:
        release = write_small_release(Path(folder, "v1"))
        router = make_router(release, people(), metrics, state=str(state / "replicas"))
        router.beat()
        fill()
        for n in range(30):
            for method in METHODS:
                route = f"/v1/a/route/with/a/{{long}}/template/{n}"
                metrics.http.count_request(route, method, 200, 1.0)
        asyncio.run(router.answer("ana", 10, explain=True))
        for _ in range(2):
            try:
                router.beat()
            except OSError:
                pass  # as the replica's loop does
        (said,) = (state / "replicas").glob("*.json")
        assert json.loads(said.read_text())["live"]
        assert b"coterie_lists_total" in metrics.expose()
    """
    (small_disk / "metrics").mkdir()
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = run(
        story, small_disk, PROMETHEUS_MULTIPROC_DIR=str(small_disk / "metrics"), PYTHONPATH=path
    )
    assert done.returncode != -signal.SIGBUS, "killed by the kernel"
    assert done.returncode == 0, done.stderr


def test_all_counts_of_a_process_have_their_room(folder):
    """What prometheus-client calls its files is its own affair: this would show another name."""
    story = """
    import os
    from serving.telemetry.metrics import ServingMetrics
    ServingMetrics()
    from coterie.rollout.exported import RolloutMetrics
    from prometheus_client import CollectorRegistry
    RolloutMetrics(CollectorRegistry())
    for file in state.iterdir():
        found = file.stat()
        assert found.st_blocks * 512 >= found.st_size >= 1 << 20, file
    assert len(list(state.iterdir())) == 3
    """
    done = run(story, folder, PROMETHEUS_MULTIPROC_DIR=str(folder))
    assert done.returncode == 0, done.stderr


def test_a_process_that_finds_no_room_for_its_counts_says_so(small_disk):
    (small_disk / "metrics").mkdir()
    story = """
    fill()
    from serving.telemetry.metrics import ServingMetrics
    refused(ServingMetrics, "no room for counts", "3072 KiB", "COTERIE_STATE")
    """
    done = run(story, small_disk, PROMETHEUS_MULTIPROC_DIR=str(small_disk / "metrics"))
    assert done.returncode == 0, done.stderr


# Ray's own use of pydantic.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_sink_goes_on_trying_whatever_it_was_that_failed(monkeypatch):
    """An error that nobody foresaw ended its retries, and events waited until it was restarted."""
    from serving import deployments

    monkeypatch.setattr(deployments, "RETRY_S", 0.001)
    sink = object.__new__(deployments.EventSink)
    tried = []

    async def catch_up():
        tried.append(1)
        if len(tried) < 3:
            raise OSError(28, "No space left on device")

    async def in_thread(work):
        if len(tried) == 5:
            raise asyncio.CancelledError

    sink.catch_up, sink._in_thread = catch_up, in_thread
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(sink._retry())
    assert len(tried) == 5
