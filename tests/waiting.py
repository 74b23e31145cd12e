"""How tests wait for what other threads and processes do, and how they kill one."""

import contextlib
import time

import psutil

PATIENCE_S = 60.0
"""How long a test waits before it calls a thing failed: others work on the machine as well, and a
process that starts was seen to take twenty seconds."""


def wait_until(holds, seconds=PATIENCE_S, every=0.01):
    """Wait until something holds, and return what it then is."""
    last = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < last, f"it did not come to that within {seconds:g} s"
        time.sleep(every)
    return found


@contextlib.contextmanager
def not_for_as_long_as(seconds):
    """Fail where what is done took half as long as what it must not wait for, which never comes
    before that: a machine that others work on as well may take its time."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < seconds / 2, f"it took {took:.1f} s: it waited for what takes {seconds:g} s"


def kill(process):
    """Kill a process with all that it began, as losing a machine does; return when all are gone."""
    family = []
    with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself
        family = psutil.Process(process.pid).children(recursive=True)
    for one in (process, *family):
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(family)
    process.wait()
