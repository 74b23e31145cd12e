"""How containers are named; that they run is seen where there is runc."""

import os
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "images"))
from containers import Image, build_step

# runc calls a container's control group by the container's name.
RUNC = """#!/bin/sh
if [ "$1" = spec ]; then echo '{"process": {}, "mounts": [], "linux": {}}' > config.json; exit; fi
for name; do :; done
mkdir "$GROUPS/$name" || exit 1
"""


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Control groups of a runc that makes them, and nothing else."""
    runc = tmp_path / "runc"
    runc.write_text(RUNC.replace("$GROUPS", str(tmp_path / "groups")))
    runc.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "groups").mkdir()
    return tmp_path / "groups"


def test_two_builds_at_once_have_control_groups_of_their_own(groups):
    failed = []

    def build():
        try:
            build_step(Image("/"), "true", {}, ())
        except RuntimeError as error:
            failed.append(error)

    builds = [threading.Thread(target=build) for _ in range(2)]
    for one in builds:
        one.start()
    for one in builds:
        one.join()
    assert not failed
    assert len(list(groups.iterdir())) == 2
