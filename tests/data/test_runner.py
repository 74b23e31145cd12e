"""The switch between this machine and Ray: Daft has one runner a process."""

import os
import subprocess
import sys

import pytest
from shop_files import small_shop, write_shop

from coterie.data.engine import daft_on
from coterie.data.ingest import clean_files, ingest
from coterie.errors import BadInputError

ON_RAY = """
import sys
import ray
from coterie.data.ingest import IngestConfig, ingest
from coterie.local_ray import start_local_ray

start_local_ray(num_cpus=1)
ingest(*sys.argv[1:], IngestConfig(runner="ray"))
ray.shutdown()
"""


def in_a_process(code, *arguments):
    quiet = os.environ | {"RAY_AUTH_MODE": "disabled", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        env=quiet,
    )


@pytest.mark.slow
def test_ray_writes_the_bytes_that_one_machine_writes(tmp_path):
    pytest.importorskip("ray", reason="Ray comes with the extra train")
    shop = small_shop()
    shop["events"][3]["ts"] = "never"
    shop["events"] += shop["events"][5:9]
    shop["events"][4] |= {"event": "rating", "value": "9"}
    shop["users"] = [{"user_id": "u0", "may_be_used": "perhaps"}, {"user_id": "u1"}]
    source = write_shop(tmp_path / "raw", shop)
    ingest(source, str(tmp_path / "native"))
    done = in_a_process(ON_RAY, source, str(tmp_path / "ray"))
    assert done.returncode == 0, done.stderr[-2000:]
    written = {name: (tmp_path / "ray" / name).read_bytes() for name in clean_files()}
    assert written == {name: (tmp_path / "native" / name).read_bytes() for name in clean_files()}


def test_one_machine_needs_no_ray():
    code = (
        "import sys; from coterie.data import ingest, load, public, splits; "
        "from coterie.data.engine import daft_on; daft_on('native'); "
        "print([m for m in sys.modules if m.split('.')[0] == 'ray'])"
    )
    assert in_a_process(code).stdout.strip() == "[]"


def test_importing_ingest_starts_nothing():
    code = "import sys; from coterie.data import ingest; print('daft' in sys.modules)"
    assert in_a_process(code).stdout.strip() == "False"


def test_an_unknown_runner_is_refused():
    with pytest.raises(BadInputError, match="expected one of native, ray"):
        daft_on("spark")  # type: ignore[arg-type]


def test_a_process_that_works_here_cannot_move_to_ray():
    daft_on("native")
    with pytest.raises(BadInputError, match="start a new process to use 'ray'"):
        daft_on("ray")


def test_nothing_is_reported_to_anybody():
    code = (
        "import socket, sys\n"
        "def refuse(*_): print('called out'); raise OSError\n"
        "socket.getaddrinfo = refuse\n"
        "from coterie.data.engine import daft_on\n"
        "daft = daft_on('native')\n"
        "daft.from_pydict({'a': [1]}).collect()\n"
        "import time; time.sleep(0.5)\n"
    )
    assert in_a_process(code).stdout == ""
