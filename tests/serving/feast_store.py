"""A Feast store on a Redis, and programs that use it in a process of their own."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import yaml
from redis_server import PASSWORD

ROOT = Path(__file__).parents[2]


def feast_on(server, folder):
    """A folder of Feast's whose online store is this Redis, with our definitions applied."""
    store = folder / "store"
    store.mkdir()
    where = f"127.0.0.1:{server.port},socket_timeout=5,password=${{FEAST_REDIS_PASSWORD}}"
    settings = {
        "project": "coterie",
        "provider": "local",
        "registry": str(folder / "registry.db"),
        "offline_store": {"type": "file"},
        "online_store": {"type": "redis", "connection_string": where},
        "entity_key_serialization_version": 3,
    }
    (store / "feature_store.yaml").write_text(yaml.safe_dump(settings))
    apply = [str(ROOT / "helm/coterie/files/features.py"), "apply", f"--folder={store}"]
    run(*apply, f"--offline={folder}")
    return store


def run(*arguments):
    with started(*arguments) as process:
        said, complained = process.communicate(timeout=120)
    assert process.returncode == 0, complained[-3000:]
    return said


@contextmanager
def started(*arguments):
    """Python, that can be talked to."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "FEAST_REDIS_PASSWORD": PASSWORD},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
