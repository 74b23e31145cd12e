"""The API over HTTP, in a thread."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import yaml

from . import protobuf
from .api import FakeApi
from .errors import CutOffError, RefusedError


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    api: FakeApi

    def log_message(self, *args):
        """Say nothing."""

    def do_any(self):
        parts = urlsplit(self.path)
        kind = self.headers.get("Content-Type", "")
        try:
            query = parse_qs(parts.query)
            agent = self.headers.get("User-Agent", "")
            body = self._body(kind)
            user = self.headers.get("Authorization", "").removeprefix("Bearer ")
            content = self.api.answer(self.command, parts.path, query, body, kind, agent, user)
            if isinstance(content, Iterator):
                self._stream(content)
            else:
                self._send(201 if self.command == "POST" else 200, content, {})
        except RefusedError as error:
            if error.status == 0:
                self.close_connection = True
                self.connection.close()
                return
            self._send(error.status, error.as_status(), error.headers)
        except CutOffError as error:
            self._send(200, error.args[0], {}, cut=True)
        except (ConnectionError, BrokenPipeError):
            raise
        except Exception as error:
            # A slip of the fake: said, rather than a connection that breaks without a word.
            said = RefusedError(500, f"the fake failed: {error!r}")
            self._send(500, said.as_status(), {})

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_any  # noqa: N815

    def _body(self, kind):
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        if not data:
            return None
        if "protobuf" in kind:
            return protobuf.read(data)
        try:
            return json.loads(data)  # as helm and kubectl write what they call YAML
        except ValueError:
            if "yaml" not in kind:
                raise
            return yaml.load(data, yaml.CSafeLoader)

    def _send(self, status, content, headers, cut=False):
        text = isinstance(content, str)
        data = content.encode() if text else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True

    def _stream(self, events):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self.wfile.flush()
        for event in events:
            if event is not None:
                self.wfile.write(json.dumps(event).encode() + b"\n")
                self.wfile.flush()
            elif self.server.over:
                return


class Server(ThreadingHTTPServer):
    daemon_threads = True
    over = False

    def handle_error(self, request, client_address):
        """Connections that a test breaks off are no news."""


@contextmanager
def serving(api: FakeApi) -> Iterator[str]:
    """The address of an API, for as long as the context lasts."""
    handler = type("BoundHandler", (Handler,), {"api": api})
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.over = True
            server.shutdown()
            thread.join()


def kubeconfig(
    folder: Path, address: str, namespace: str = "shop", token: str = "a-secret-token"
) -> Path:
    """A file by which kubectl, helm and Kubernetes' client for Python find an API."""
    path = folder / f"kubeconfig-{namespace}-{token.rpartition(':')[2]}"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [
            {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": namespace}}
        ],
        "current-context": "x",
    }
    # Beside, then renamed: controllers, as threads, read it while another pod's is made.
    half = path.with_name(f"{path.name}.{threading.get_ident()}.half")
    half.write_text(json.dumps(content))
    return half.replace(path)
