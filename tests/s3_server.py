"""An S3 server of our own, which can go away and come back, or take requests and say nothing."""

import socket
import threading
import urllib.request

import pytest

BUCKET = "shop"
ACCESS = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "a-secret-of-tests",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class S3Server:
    def __init__(self):
        self._moto = pytest.importorskip("moto.server", reason="no moto: pip install moto[server]")
        self.port, self.silent = 0, None
        self.start()
        # What it holds is of this process, and was there before.
        urllib.request.urlopen(f"{self.address}/moto-api/reset", b"").close()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        """Come back, with all that there was."""
        self._server = self._moto.ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]

    def stop(self):
        """Go away: connections are refused."""
        self._server.stop()

    def fall_silent(self):
        """Take connections, and answer nothing."""
        self.stop()
        self.silent = Silent(self.port)

    def speak(self):
        self.silent.close()
        self.start()


class Silent:
    """Whoever connects waits."""

    def __init__(self, port=0):
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port, self.connections = self._listening.getsockname()[1], []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self):
        while True:
            try:
                self.connections.append(self._listening.accept()[0])
            except OSError:
                return

    def close(self):
        # Or the thread would go on waiting in it.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def s3(monkeypatch):
    """An empty bucket on a server; no attempt waits long."""
    import fsspec
    import s3fs

    server = S3Server()
    for name, value in {**ACCESS, "AWS_ENDPOINT_URL": server.address}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("coterie.data.s3.ANSWER_S", 0.1)
    monkeypatch.setattr("coterie.data.s3.TRIES", 1)
    s3fs.S3FileSystem.clear_instance_cache()
    fsspec.filesystem("s3").mkdir(BUCKET)
    s3fs.S3FileSystem.clear_instance_cache()
    yield server
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()
