"""Dashboards drawn from a Prometheus."""

import http.server
import json
import threading
import time
import urllib.parse

import pytest

from coterie.errors import UnavailableError
from coterie.monitoring.__main__ import main
from coterie.monitoring.dashboards import DASHBOARDS
from coterie.monitoring.drawn import draw


class Server:
    """Answers each query with one line."""

    def __init__(self):
        self.asked = []
        asked = self.asked

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
                asked.append(query["query"][0])
                metric = {"arm": "canary", "signal": "<b>odd</b>"}
                values = [[time.time() - 60, "0.25"], [time.time(), "0.5"]]
                body = {"data": {"result": [{"metric": metric, "values": values}]}}
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def prometheus():
    server = Server()
    yield server
    server.server.shutdown()
    server.server.server_close()


def test_every_panel_of_every_dashboard_is_drawn(prometheus, tmp_path):
    paths = draw(prometheus.url, DASHBOARDS, str(tmp_path), 5)
    assert len(paths) == len(DASHBOARDS)
    for dashboard in DASHBOARDS:
        page = (tmp_path / f"{dashboard.name}.html").read_text()
        assert page.count("<section") == len(list(dashboard.panels))
    assert len(prometheus.asked) == sum(len(p.queries) for d in DASHBOARDS for p in d.panels)
    assert not [query for query in prometheus.asked if "$" in query]


def test_a_prometheus_that_does_not_answer_is_named(tmp_path, capsys):
    with pytest.raises(UnavailableError, match="did not answer"):
        draw("http://127.0.0.1:1", DASHBOARDS, str(tmp_path), 5)
    assert main(["--draw", "http://127.0.0.1:1", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: http://127.0.0.1:1/api/v1/query_range did not answer")
