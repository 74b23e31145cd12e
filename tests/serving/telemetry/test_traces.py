"""Traces: a span a request and a stage, and nobody's id in them."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@pytest.fixture
def spans(monkeypatch):
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    return kept


def test_a_request_is_a_span_with_its_stages_below_and_names_nobody(client, spans):
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    client.get("/v1/users/ana/recommendations", headers={"traceparent": parent})
    told = spans.get_finished_spans()
    (request,) = [span for span in told if "coterie.arm" in span.attributes]
    assert request.name == "GET /v1/users/{user_id}/recommendations"
    assert request.attributes["coterie.release"] == "v1"
    assert request.attributes["coterie.arm"] == "stable"
    assert request.attributes["http.response.status_code"] == 200
    assert {format(span.context.trace_id, "032x") for span in told} == {parent.split("-")[1]}
    assert {"features", "recommend", "explain"} <= {span.name for span in told}
    assert "ana" not in str([span.to_json() for span in told])


def test_without_a_collector_nothing_is_recorded(client):
    from serving.telemetry.traces import span, start_traces

    start_traces("")
    with span("request") as current:
        assert not current.is_recording()
