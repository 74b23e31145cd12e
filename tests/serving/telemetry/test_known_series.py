"""Series of metrics that are looked up once count as others do."""

from serving.telemetry.metrics import ServingMetrics


def test_what_is_counted_under_the_same_labels_adds_up_and_others_stay_apart():
    metrics, others = ServingMetrics(), ServingMetrics()
    for status in (200, 204, 404):
        metrics.http.count_request("/v1/x", "GET", status, 0.5)
    metrics.http.count_request("/v1/x", "BREW", 200, 0.5)
    others.http.count_request("/v1/x", "GET", 200, 0.5)

    def count(of, **labels):
        labels = {"route": "/v1/x", **labels}
        return of.exposed.get_sample_value("coterie_http_requests_total", labels)

    assert count(metrics, method="GET", status="2xx") == 2
    assert count(metrics, method="GET", status="4xx") == 1
    assert count(metrics, method="other", status="2xx") == 1
    assert count(others, method="GET", status="2xx") == 1
