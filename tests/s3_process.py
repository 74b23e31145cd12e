"""An object store for tests that speaks S3, in a process of its own: moto."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import fsspec
import pytest
from ports import free_port

KEYS = {"AWS_ACCESS_KEY_ID": "coterie", "AWS_SECRET_ACCESS_KEY": "change-me-please"}


class S3Process:
    def __init__(self) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        # Its answers must not go by somebody's proxy or address of another store.
        clean = {k: v for k, v in os.environ.items() if k != "AWS_ENDPOINT_URL"}
        self.process = subprocess.Popen(command, env=clean, **quiet)
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert self.process.poll() is None, "moto did not start"
            time.sleep(0.05)
        raise AssertionError("moto did not start")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """For whoever asks it."""
        return {"AWS_ENDPOINT_URL": self.endpoint, "AWS_DEFAULT_REGION": "us-east-1", **KEYS}

    def files(self):
        """As fsspec sees it."""
        return fsspec.filesystem(
            "s3",
            key=KEYS["AWS_ACCESS_KEY_ID"],
            secret=KEYS["AWS_SECRET_ACCESS_KEY"],
            client_kwargs={"endpoint_url": self.endpoint},
            skip_instance_cache=True,
        )

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def s3_server(bucket: str) -> Iterator[S3Process]:
    pytest.importorskip("moto", reason="no moto: pip install moto[s3] flask flask-cors")
    server = S3Process()
    try:
        server.files().mkdir(bucket)
        yield server
    finally:
        server.stop()
