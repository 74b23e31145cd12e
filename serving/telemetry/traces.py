"""OpenTelemetry traces: off unless a collector is named, and then a span a request and a stage."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.propagate import extract

SERVICE: Final = "coterie"
_PATH: Final = "/v1/traces"


def start_traces(collector: str) -> None:
    """Send spans to an OTLP collector over HTTP; without one, nothing is recorded.

    Args:
        collector: Its base URL, such as ``http://127.0.0.1:4318``; nowhere if empty.
    """
    if not collector:
        return
    # Only those who trace wait for the exporter's import.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
    exporter = OTLPSpanExporter(endpoint=collector.rstrip("/") + _PATH)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


@contextmanager
def span(name: str, headers: Mapping[str, str] | None = None) -> Iterator[trace.Span]:
    """Open a span, of the caller's trace where headers name one; cheap where none is kept.

    Attributes are for routes, releases and arms: never for ids of people, or what they wrote.
    """
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        # Nobody keeps spans. OpenTelemetry would still make some, a tenth of a millisecond a list.
        yield trace.INVALID_SPAN
        return
    context = extract(headers) if headers is not None else None
    tracer = trace.get_tracer(SERVICE)
    # An error is named by its type: its text may hold an id, or what somebody searched for.
    with tracer.start_as_current_span(
        name, context=context, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise
