"""One machine's counts on a port of their own."""

import urllib.request

from ports import free_port
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from serving.telemetry.metrics import ServingMetrics
from serving.telemetry.metrics_server import MetricsServer


def read(port, **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read().decode()


def test_one_replica_of_a_machine_has_the_port_and_another_takes_it_over():
    port = free_port()
    first, second = (MetricsServer("127.0.0.1", port, ServingMetrics()) for _ in range(2))
    first.open()
    first.open()
    assert "coterie_arm_answers_total" in read(port)
    first.close()
    second.open()
    assert "coterie_arm_answers_total" in read(port)
    second.close()


def test_with_port_0_nothing_is_opened():
    server = MetricsServer("127.0.0.1", 0, ServingMetrics())
    server.open()
    assert server._server is None


def test_a_prometheus_that_prefers_openmetrics_gets_the_same_names():
    port, metrics = free_port(), ServingMetrics()
    metrics.http.count_request("/x", "GET", 200, 0.01)
    server = MetricsServer("127.0.0.1", port, metrics)
    server.open()
    try:
        plain = read(port)
        text = read(port, Accept="application/openmetrics-text; version=1.0.0")
    finally:
        server.close()
    assert text.endswith("# EOF\n")
    samples = {s.name for one in text_string_to_metric_families(text) for s in one.samples}
    assert samples == {
        line.split("{")[0].split(" ")[0] for line in plain.splitlines() if line[0] != "#"
    }
