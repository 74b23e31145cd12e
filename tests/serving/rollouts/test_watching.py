"""Metrics and logs: what they count, and whom they never name."""

import json
import logging
import subprocess
import sys
import textwrap

import pytest
from asking import event, post
from prometheus_client.parser import text_string_to_metric_families
from small_shop import item

from coterie.json_logs import JsonFormatter
from serving.telemetry.logs import LOGGER, Pseudonyms


def samples(client):
    text = client.get("/metrics").text
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def value(client, name, **labels):
    return samples(client).get((name, tuple(sorted(labels.items()))), 0.0)


def test_requests_are_counted_by_route_method_and_status_class(client):
    client.get("/v1/users/ana/recommendations")
    client.get("/v1/users/max/recommendations?k=0")
    route = "/v1/users/{user_id}/recommendations"
    for status in ("2xx", "4xx"):
        labels = {"route": route, "method": "GET", "status": status}
        assert value(client, "coterie_http_requests_total", **labels) == 1
    count = "coterie_http_request_duration_seconds_count"
    assert value(client, count, route=route, method="GET") == 2


def test_lists_events_and_reasons_are_counted(client):
    client.get("/v1/users/ana/recommendations?k=5")
    client.get("/v1/users/nobody/recommendations?k=5")
    post(client, event("a"), event("b", kind="view"))
    post(client, event("a"))
    assert value(client, "coterie_lists_total", source="own") == 1
    assert value(client, "coterie_lists_total", source="popular") == 1
    assert value(client, "coterie_list_items_total") == 10
    shares = [
        value(client, "coterie_reason_share_total", kind=kind)
        for kind in ("own", "friend", "popular", "others")
    ]
    assert sum(shares) == pytest.approx(10, abs=1e-3)
    assert value(client, "coterie_events_total", kind="purchase", outcome="accepted") == 1
    assert value(client, "coterie_events_total", kind="purchase", outcome="duplicate") == 1
    assert value(client, "coterie_events_total", kind="view", outcome="accepted") == 1


def test_the_release_is_shown(client, release):
    labels = {"arm": "stable", "version": "v1", "digest": release.digest[:12]}
    assert value(client, "coterie_release_info", **labels) == 1


def test_callers_cannot_add_labels_or_ids(client):
    def ask(n):
        client.get(f"/no-such-path-{n}")
        client.get(f"/v1/users/secret-{n}/recommendations")
        client.get(f"/v1/items/secret-{n}/similar")
        client.request(f"ODD{n}", "/healthz")
        post(client, event(f"secret-{n}", f"secret-{n}", item(n)))
        return set(samples(client))

    ask(0)
    first = ask(1)
    for n in range(2, 30):
        after = ask(n)
    assert after == first
    assert "secret" not in str(after)
    routes = {dict(labels).get("route") for _, labels in after}
    assert not {route for route in routes if route and "-path-" in route}


def test_every_metric_has_our_prefix_and_help(client):
    for family in text_string_to_metric_families(client.get("/metrics").text):
        assert family.name.startswith("coterie_")
        assert family.documentation.endswith(".")


def test_several_processes_of_a_machine_count_as_one(folder):
    """What two replicas counted is added up by either, and outlives the one that ended."""
    script = textwrap.dedent(
        """
        import sys
        from serving.telemetry.metrics import ServingMetrics
        metrics = ServingMetrics()
        for _ in range(int(sys.argv[1])):
            metrics.http.count_request("/x", "GET", 200, 0.01)
        metrics.arms.show_release("stable", "v1", "abc", 1.0)
        print(metrics.expose().decode())
        """
    )
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(folder), "PATH": "/usr/bin"}
    for calls in ("3", "4"):
        text = subprocess.run(
            [sys.executable, "-c", script, calls],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    found = {s.name: s.value for f in text_string_to_metric_families(text) for s in f.samples}
    assert found["coterie_http_requests_total"] == 7
    assert found["coterie_http_request_duration_seconds_count"] == 7
    assert found["coterie_release_info"] == 1


@pytest.fixture
def lines():
    logger = logging.getLogger(LOGGER)
    found = []

    class Keep(logging.Handler):
        def emit(self, record):
            found.append(self.format(record))

    handler = Keep()
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_request_is_one_line_with_a_pseudonym_and_no_id(make_client, lines):
    client = make_client(log_salt="0123456789abcdef")
    answer = client.get("/v1/users/ana/recommendations?k=3")
    (line,) = [json.loads(line) for line in lines]
    assert line["route"] == "/v1/users/{user_id}/recommendations"
    assert (line["status"], line["method"], line["level"]) == (200, "GET", "INFO")
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["user"] == Pseudonyms("0123456789abcdef").of("ana")
    assert line["ms"] > 0


def test_no_line_ever_holds_an_id(client, features, lines):
    secret = "sue-secret-4711"
    client.get(f"/v1/users/{secret}/recommendations")
    client.get(f"/v1/users/{secret}/recommendations?k=0")
    client.get(f"/{secret}")
    post(client, event(secret, secret))
    post(client, event(secret, secret, secret))
    features.recent[secret] = secret
    assert client.get(f"/v1/users/{secret}/recommendations").status_code == 500
    features.down = True
    assert client.get(f"/v1/users/{secret}/recommendations").status_code == 503
    assert len(lines) >= 7
    assert secret not in "\n".join(lines)


def test_a_fault_is_logged_with_its_place(client, features, lines):
    features.recent["ana"] = "not a list"
    answer = client.get("/v1/users/ana/recommendations")
    failed = next(found for line in lines if (found := json.loads(line))["level"] == "ERROR")
    assert failed["request_id"] == answer.headers["x-request-id"]
    assert any("list_maker.py" in place for place in failed["trace"])


def test_another_salt_gives_another_pseudonym():
    assert Pseudonyms("a" * 16).of("ana") != Pseudonyms("b" * 16).of("ana")
    assert Pseudonyms("a" * 16).of("ana") == Pseudonyms("a" * 16).of("ana")


def test_events_that_wait_for_the_feature_store_are_counted(client, features):
    features.down = True
    post(client, event("a"), event("b"))
    assert value(client, "coterie_unpushed_events") == 2
    assert value(client, "coterie_push_failures_total") == 1
    features.down = False
    post(client, event("c"))
    assert value(client, "coterie_unpushed_events") == 0
