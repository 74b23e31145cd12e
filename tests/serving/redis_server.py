"""A real Redis for tests, with the chart's settings, that can be killed and comes back."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from ports import free_port

PASSWORD = "hunter2"
CHART = "appendonly yes\nmaxmemory-policy noeviction\nsave ''\n"


class RedisServer:
    def __init__(self, folder: Path, more: str = "appendfsync always\n", binary: str = "") -> None:
        self._binary = binary or shutil.which("redis-server")
        if not self._binary:
            pytest.skip("no redis-server: Debian has it")
        self.folder, self.more = folder, more
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.start()

    @property
    def place(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self._binary, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        # As the chart's pod does: the password by standard input, not among the arguments.
        where = f"port {self.port}\nbind 127.0.0.1\nrequirepass {PASSWORD}\ndir {self.folder}\n"
        self.process.stdin.write(where + CHART + self.more)
        self.process.stdin.close()
        for _ in range(3000):
            with contextlib.suppress(Exception):
                if self.client().ping():
                    return
            time.sleep(0.02)
        raise AssertionError("Redis did not start")

    def client(self):
        import redis

        return redis.Redis(port=self.port, password=PASSWORD, single_connection_client=True)

    def ask(self, *command):
        client = self.client()
        try:
            return client.execute_command(*command)
        finally:
            client.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.thaw()
            self.kill()
