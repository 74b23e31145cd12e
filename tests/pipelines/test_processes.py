import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from waiting import wait_until

from pipelines.processes import StopRequestedError, child, end, stoppable

STUBBORN = (
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('up', flush=True); time.sleep(600)"
)
PARENT = (
    "import subprocess, sys, time; "
    f"one = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], start_new_session=True); "
    "two = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    "print(one.pid, two.pid, flush=True); time.sleep(600)"
)


def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def log(tmp_path):
    with (tmp_path / "log").open("w+") as file:
        yield file


def pids_in(log):
    for _ in range(1200):
        log.seek(0)
        words = log.read().replace("up", "").split()
        if len(words) >= 2:
            return [int(word) for word in words[:2]]
        time.sleep(0.05)
    raise AssertionError("the child printed nothing")


def test_a_child_ends_with_all_its_own_even_the_stubborn(log):
    with child([sys.executable, "-c", PARENT], {}, log) as running:
        family = [running.pid, *pids_in(log)]
        assert all(alive(pid) for pid in family)
    assert not any(alive(pid) for pid in family)


def test_a_child_that_ended_first_leaves_nobody(log):
    with child([sys.executable, "-c", PARENT], {}, log) as running:
        emigrant, brother = pids_in(log)
        running.kill()
        running.wait()
        assert alive(brother)
    assert not alive(brother)
    # In a session of its own, its parent gone: nothing tells that it was one of ours.
    os.kill(emigrant, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a parent's end")
def test_a_child_ends_when_we_are_killed(log):
    sleeper = "import os, time; print(os.getpid(), os.getppid(), flush=True); time.sleep(600)"
    program = (
        "import sys, time; from pipelines.processes import child\n"
        f"with child([sys.executable, '-c', {sleeper!r}], {{}}): time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=log) as parent:
        grandchild, its_parent = pids_in(log)
        assert its_parent == parent.pid
        assert alive(grandchild)
        parent.kill()
    wait_until(lambda: not alive(grandchild))


def test_ending_who_is_gone_is_no_error():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    end(gone.pid)


def test_a_child_gets_our_variables_and_its_own(log, monkeypatch):
    monkeypatch.setenv("OURS", "1")
    program = "import os; print(os.environ['OURS'], os.environ['ITS'])"
    with child([sys.executable, "-c", program], {"ITS": "2"}, log) as running:
        assert running.wait() == 0
    log.seek(0)
    assert log.read() == "1 2\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_to_stop_once(number):
    before = signal.getsignal(number)
    heard = 0
    with stoppable():
        try:
            os.kill(os.getpid(), number)
            time.sleep(1)
        except StopRequestedError:
            heard += 1
            os.kill(os.getpid(), number)  # ignored: cleaning up has begun
            time.sleep(0.05)
    assert heard == 1
    assert signal.getsignal(number) == before
