"""Counts of one machine on a port of their own, for a Prometheus that scrapes each machine.

Behind a proxy ``/metrics`` is answered by any machine's replica. Of a machine's replicas the first
to come has the port; should it end, the next beat of another takes it over.
"""

import contextlib
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_wsgi_server

from serving.telemetry.metrics import ServingMetrics


class MetricsServer:
    """Answers with all counts, whatever the path, while the port is ours."""

    def __init__(self, host: str, port: int, metrics: ServingMetrics) -> None:
        """Open nothing yet; with port 0 nothing ever is."""
        self._host, self._port, self._metrics = host, port, metrics
        self._server: WSGIServer | None = None

    def open(self) -> None:
        """Take the port, if nobody else of this machine has it."""
        if self._server is not None or self._port == 0:
            return
        with contextlib.suppress(OSError):
            self._server, _ = start_wsgi_server(self._port, self._host, self._metrics.exposed)

    def close(self) -> None:
        """Give the port away."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
