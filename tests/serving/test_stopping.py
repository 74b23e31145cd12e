"""Asked to stop before the app is up."""

import signal
import subprocess
import sys

import psutil
import pytest
from ports import free_port
from small_shop import write_small_release
from waiting import PATIENCE_S, wait_until


@pytest.mark.slow
def test_a_signal_while_serve_starts_ends_all_that_was_started(folder):
    write_small_release(folder / "release")
    (folder / "feature_store.yaml").write_text("")
    command = [sys.executable, "-m", "serving.app", "--port", str(free_port())]
    command += ["--release", str(folder / "release"), "--features", str(folder)]
    command += ["--state", str(folder / "state")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        family = await_controller(process)
        assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
    # Ray's agents look for their node every few seconds.
    _, left = psutil.wait_procs(family, timeout=30)
    assert left == []
    # 0 where Python dropped the interruption, so that the app was up for a moment.
    assert process.returncode in (130, 0), said
    assert said == ("stopped before it was up\n" if process.returncode else "")


def await_controller(process):
    """The processes that are there when Ray is up, and Serve is starting."""

    def found():
        family = psutil.Process(process.pid).children(recursive=True)
        # Or it has ended by itself.
        starting = any("SERVE_CONTROLLER" in name_of(one) for one in family)
        return [*family, process] if starting or process.poll() is not None else None

    return wait_until(found, 3 * PATIENCE_S, every=0.05)[:-1]


def name_of(process):
    try:
        return " ".join(process.cmdline()[:1])
    except psutil.Error:
        return ""
