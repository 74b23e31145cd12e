"""Counts of one machine on a port of their own, for a Prometheus that scrapes each machine.

Behind a proxy ``/metrics`` is answered by any machine's replica. Of a machine's replicas the first
to come has the port; should it end, the next beat of another takes it over.
"""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from serving.telemetry.metrics import CONTENT_TYPE, ServingMetrics


class MetricsServer:
    """A page with all counts, while the port is ours."""

    def __init__(self, host: str, port: int, metrics: ServingMetrics) -> None:
        """Nothing is opened yet; with port 0 nothing ever is."""
        self._address, self._metrics = (host, port), metrics
        self._server: ThreadingHTTPServer | None = None

    def open(self) -> None:
        """Take the port, if nobody else of this machine has it."""
        if self._server is not None or self._address[1] == 0:
            return
        expose = self._metrics.expose

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Whatever the path."""
                body = expose()
                self.send_response(200)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Scrapes are not worth a line."""

        with contextlib.suppress(OSError):
            self._server = ThreadingHTTPServer(self._address, Page)
            threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Give the port away."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
