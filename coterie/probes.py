"""What a program without a web framework says of itself: ``/metrics``, ``/healthz``, ``/readyz``.

It listens before it loads what it works with: on half a CPU that takes longer than a probe waits.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

ALIVE_S: Final = 120.0
"""Work that has not come round for so long hangs: requests and files take less than that."""


class Work(Protocol):
    """What probes ask after."""

    def alive(self) -> bool:
        """Tell whether it comes round; if not, it should be started again."""

    def ready(self) -> bool:
        """Tell whether it can do what it is for."""


@dataclass
class Starting:
    """Stands for work until there is some: it lives, for a while, and is not ready."""

    work: Work | None = None
    """The work, once it has begun; None before."""
    began: float = field(default_factory=time.monotonic)

    def alive(self) -> bool:
        """Tell whether the work lives, or may still be loading."""
        return self.work.alive() if self.work else time.monotonic() - self.began < ALIVE_S

    def ready(self) -> bool:
        """Tell whether the work is ready; not before it began."""
        return self.work is not None and self.work.ready()


@contextmanager
def pages(port: int, registry: CollectorRegistry, work: Work) -> Iterator[int]:
    """Answer on a port, 0 for any, from a thread beside; which port it is."""
    # Not prometheus_client's server: it has no room for probes, and its app beside them in one of
    # wsgiref's would take as many lines (ADR 25).
    probes = {"/healthz": work.alive, "/readyz": work.ready}

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with metrics, a probe, or nothing."""
            if self.path == "/metrics":
                self._answer(200, generate_latest(registry))
            elif self.path in probes:
                self._answer(200 if probes[self.path]() else 503, b"")
            else:
                self._answer(404, b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing: probes and scrapes are no news."""

    with ThreadingHTTPServer(("", port), Page) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="pages", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
