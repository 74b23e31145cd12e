"""Both sources of counts, asked the same: the app's own endpoint, and a real Prometheus."""

import http.server
import json
import shutil
import subprocess
import threading
import time
import urllib.request
from functools import partialmethod

import pytest
from ports import free_port
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from coterie.http_client import Answer, HttpClient
from coterie.rollout.decide import MetricsStatus
from coterie.rollout.metrics import EndpointMetrics, MetricSample, PrometheusMetrics, read
from coterie.rollout.state import Target, Totals

TARGET = Target("old", "new", 0.1)
NOW = 1_700_000_000.0


class App:
    """What the app exports, at an address."""

    def __init__(self):
        self.registry = CollectorRegistry()
        self.down = False
        app = self

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if app.down:
                    self.send_error(500)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(generate_latest(app.registry))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def export(self, age_s=0.0, answers=(900, 100), failures=(9, 4), shown=(700, 60)):
        self.registry = CollectorRegistry()
        given = Counter("coterie_arm_answers", "x", ["arm"], registry=self.registry)
        signals = Counter("coterie_arm_signals", "x", ["arm", "signal"], registry=self.registry)
        seen = Counter("coterie_arm_shown", "x", ["arm"], registry=self.registry)
        for place, arm in enumerate(("stable", "canary")):
            given.labels(arm).inc(answers[place])
            signals.labels(arm, "failures").inc(failures[place])
            seen.labels(arm).inc(shown[place])
        beat = Gauge("coterie_heartbeat_timestamp_seconds", "x", registry=self.registry)
        beat.set(time.time() - age_s)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Endpoint:
    """Asks the app itself."""

    def __init__(self, app, _folder):
        self.metrics = EndpointMetrics(f"http://127.0.0.1:{app.port}/metrics")

    def totals(self, wanted):
        return self.metrics.totals(TARGET)

    def close(self):
        pass


class Prometheus:
    """Asks a Prometheus that scrapes the app."""

    def __init__(self, app, folder):
        binary = shutil.which("prometheus")
        if binary is None:
            pytest.skip("there is no prometheus here: apt-get install prometheus")
        scraped = {"job_name": "app", "static_configs": [{"targets": [f"127.0.0.1:{app.port}"]}]}
        config = {"global": {"scrape_interval": "500ms"}, "scrape_configs": [scraped]}
        (folder / "prometheus.yml").write_text(json.dumps(config))
        self.port = free_port()
        self.process = subprocess.Popen(
            [
                binary,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stderr=subprocess.DEVNULL,
        )
        self.metrics = PrometheusMetrics(f"http://127.0.0.1:{self.port}", 'job="app"')
        self._await_ready()

    def _await_ready(self):
        last = time.monotonic() + 60
        while time.monotonic() < last:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("prometheus did not start")

    def totals(self, wanted):
        """What it says once it has scraped what is exported now."""
        last = time.monotonic() + 30
        while time.monotonic() < last:
            told = self.metrics.totals(TARGET)
            if told[0] is wanted:
                return told
            time.sleep(0.2)
        return told

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=30)


@pytest.fixture(params=[Endpoint, Prometheus])
def asked(request, tmp_path):
    app = App()
    source = request.param(app, tmp_path)
    yield app, source
    source.close()
    app.close()


def of_arm(totals, arm):
    (found,) = [counts for key, counts in totals.items() if key.partition("@")[0] == arm]
    return found


def test_counts_of_both_arms_are_read(asked):
    app, source = asked
    app.export()
    told, totals = source.totals(MetricsStatus.OK)
    assert told is MetricsStatus.OK
    assert of_arm(totals, "stable") == Totals(900, {"failures": 9}, 700)
    assert of_arm(totals, "canary") == Totals(100, {"failures": 4}, 60)


def test_an_old_heartbeat_is_stale(asked):
    app, source = asked
    app.export(age_s=60)
    assert source.totals(MetricsStatus.STALE) == (MetricsStatus.STALE, {})


def test_series_that_are_not_there_are_empty(asked):
    _, source = asked
    assert source.totals(MetricsStatus.EMPTY) == (MetricsStatus.EMPTY, {})


def test_a_source_that_does_not_answer_is_down(asked):
    app, source = asked
    app.export()
    if isinstance(source, Prometheus):
        source.close()
    else:
        app.close()
    assert source.totals(MetricsStatus.DOWN) == (MetricsStatus.DOWN, {})


def test_an_app_that_answers_with_errors_says_nothing_of_now(asked):
    app, source = asked
    app.export()
    assert source.totals(MetricsStatus.OK)[0] is MetricsStatus.OK
    app.down = True
    # Prometheus itself goes on, and says that the series have ended.
    wanted = MetricsStatus.EMPTY if isinstance(source, Prometheus) else MetricsStatus.DOWN
    assert source.totals(wanted)[0] is wanted


def remembered(folder, apart_s, newest_s, span_s=170):
    """A data folder of Prometheus with samples of the past: so far apart, the newest so old at the
    moment that is given back."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("there is no promtool here: apt-get install prometheus")
    now = int(time.time())
    times = range(now - newest_s, now - newest_s - span_s, -apart_s)
    lines = []
    for name, labels, kind in (
        ("coterie_heartbeat_timestamp_seconds", 'pid="1"', "gauge"),
        ("coterie_arm_answers_total", 'arm="stable"', "counter"),
        ("coterie_arm_answers_total", 'arm="canary"', "counter"),
    ):
        if f"# TYPE {name.removesuffix('_total')} {kind}" not in lines:
            lines.append(f"# TYPE {name.removesuffix('_total')} {kind}")
        for at in reversed(times):
            value = at if kind == "gauge" else 1000 - (now - at)
            lines.append(f'{name}{{{labels},instance="a",job="app"}} {value} {at}')
    (folder / "past.txt").write_text("\n".join([*lines, "# EOF", ""]))
    command = [tool, "tsdb", "create-blocks-from", "openmetrics", "past.txt", "data"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    return now


@pytest.mark.parametrize(
    ("apart_s", "newest_s", "told"),
    [
        (5, 3, MetricsStatus.OK),
        (5, 20, MetricsStatus.STALE),
        (30, 3, MetricsStatus.OK),
        (30, 28, MetricsStatus.OK),
        (30, 70, MetricsStatus.STALE),
        (60, 3, MetricsStatus.SPARSE),
        (60, 50, MetricsStatus.SPARSE),
    ],
)
def test_samples_may_be_as_old_as_scrapes_are_apart(monkeypatch, tmp_path, apart_s, newest_s, told):
    """Where they come each 30 s, half of the time the newest is older than 15 s."""
    app = App()
    app.down = True
    at = remembered(tmp_path, apart_s, newest_s)
    # Asked of that moment: on a busy machine seconds go by until it is up.
    monkeypatch.setattr(HttpClient, "get", partialmethod(HttpClient.get, time=at))
    server = Prometheus(app, tmp_path)
    try:
        found, totals = server.totals(told)
    finally:
        server.close()
        app.close()
    assert found is told
    arms = {key.partition("@")[0]: counts.samples for key, counts in totals.items()}
    assert (arms.get("canary", 0) > 900) is (told is MetricsStatus.OK)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"status": "error"}', b"<html>", b'{"status": "success", "data": {}}'],
)
def test_what_is_no_answer_of_prometheus_is_down(monkeypatch, body):
    monkeypatch.setattr(HttpClient, "get", lambda *_, **__: Answer("http://x", 200, body))
    assert PrometheusMetrics("http://x").totals(TARGET) == (MetricsStatus.DOWN, {})


def test_each_instance_counts_for_itself():
    samples = [MetricSample("coterie_heartbeat_timestamp_seconds", {"instance": "a"}, NOW)]
    samples += [
        MetricSample("coterie_arm_answers_total", {"arm": "stable", "instance": name}, count)
        for name, count in (("a", 5.0), ("b", 7.0))
    ]
    told, totals = read(samples, NOW + 1, by_instance=True)
    assert told is MetricsStatus.OK
    assert {key: counts.samples for key, counts in totals.items()} == {"stable@a": 5, "stable@b": 7}


@pytest.mark.parametrize(("age_s", "source"), [(5, MetricsStatus.OK), (20, MetricsStatus.STALE)])
def test_age_is_told_by_prometheus_time_whatever_the_time_here(monkeypatch, age_s, source):
    """A controller whose node is ten minutes ahead would else hold every rollout."""

    def series(name, value, **labels):
        return {"metric": {"__name__": name, **labels}, "value": [NOW, str(value)]}

    found = [
        series("coterie_arm_answers_total", 9, arm="stable"),
        series("coterie_heartbeat_timestamp_seconds", NOW - age_s),
    ]

    def get(_, path, query):
        kind = "matrix" if "[" in query else "vector"
        data = {"resultType": kind, "result": found if kind == "vector" else []}
        return Answer(path, 200, json.dumps({"status": "success", "data": data}).encode())

    monkeypatch.setattr(HttpClient, "get", get)
    assert PrometheusMetrics("http://x").totals(TARGET)[0] is source
