"""Events and changes of writers that are killed: kept once, and rows as the log says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from redis_server import PASSWORD, RedisServer


@pytest.fixture(params=["sqlite", "redis"])
def place(request, folder):
    if request.param == "sqlite":
        yield f"sqlite://{folder}/events.sqlite"
        return
    server = RedisServer(folder / "redis", more="appendfsync no\n")
    yield server.place
    server.stop()


def test_writers_killed_fifty_times_lose_nothing_and_leave_rows_as_the_log_says(place):
    script = Path(__file__).with_name("writer_to_kill.py")
    done = subprocess.run(
        [sys.executable, script, place, PASSWORD, "50"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    left = json.loads(done.stdout)
    kept = left["kept"]
    assert len(kept) == len(set(kept)) > 200
    assert set(left["acknowledged"]) <= set(kept)
    assert {name: left[name] for name in ("items", "users", "ties", "pending")} == {
        "items": True,
        "users": True,
        "ties": True,
        "pending": True,
    }
