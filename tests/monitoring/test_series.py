"""The number of series does not grow with requests, whatever callers come up with."""

from fastapi.testclient import TestClient
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from watched_shop import make_shop, use

from coterie.monitoring.runs import Run

MOST_SERIES = 1500
"""Of one instance; most are buckets of histograms, by route."""


def series(client, shop):
    text = client.get("/metrics").text + generate_latest(shop.others).decode()
    text = "\n".join(line for line in text.splitlines() if not line.startswith("# EOF"))
    return {
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def hammer(client, shop, n):
    odd = f"odd-{n}"
    use(client, n, shop.metrics)
    paths = (
        *(f"/{odd}", f"/v1/{odd}", f"//{odd}", f"/%00{odd}", f"/{'long' * 200}{odd}"),
        *(f"/v1/users/{odd}/recommendations?k={n}", f"/v1/users/{odd}/{odd}", f"/static/{odd}"),
        *(f"/v1/items/{odd}/similar", f"/v1/items?q={odd}", f"/v1/admin/{odd}"),
    )
    for path in paths:
        client.get(path)
    for method in (f"ODD{n}", "DELETE", "PUT", "PATCH", "TRACE", "get"):
        client.request(method, "/v1/events")
        client.request(method, f"/{odd}")
    one = {"event_id": odd, "user_id": odd, "item_id": odd, "event": odd}
    client.post("/v1/events", json={"events": [one]})
    client.post("/v1/events", json={"events": [one | {"event": "view"}]})
    client.post("/v1/events", content=b"x" * n, headers={"content-type": odd})
    client.get("/healthz", headers={"X-Request-ID": odd, "Host": f"{odd}.example"})


def test_strange_requests_add_no_series(tmp_path):
    shop = make_shop(tmp_path)
    client = TestClient(shop.app, raise_server_exceptions=False)
    for n in range(8):
        hammer(client, shop, n)
    series(client, shop)  # a scrape is a request too
    before = series(client, shop)
    for n in range(8, 30):
        hammer(client, shop, n)
    after = series(client, shop)
    shop.log.close()
    assert after - before == set()
    assert "odd" not in str(sorted(after))
    assert 300 < len(after) < MOST_SERIES


def test_strange_pipelines_add_no_series(tmp_path):
    shop = make_shop(tmp_path)
    client = TestClient(shop.app, raise_server_exceptions=False)
    series(client, shop)  # a scrape is a request too
    before = series(client, shop)
    for n in range(60):
        shop.pipelines._runs.change(f"odd-{n}", lambda run, n=n: odd_run(run, n))
    shop.pipelines.read()
    after = series(client, shop)
    shop.log.close()
    assert {labels for _, labels in after} >= {(("table", "events"),)}
    assert "odd-" not in str(sorted(after))
    assert len(after) <= len(before) + 10


def odd_run(run, n):
    content = run.as_json() | {"ingested": {f"odd-{n}": 1, "events": 5}}
    return Run.from_json(content).step_started(f"odd-{n}", 1.0)
