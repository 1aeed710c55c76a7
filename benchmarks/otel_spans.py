"""CPU that redaction adds to a clean OpenTelemetry span with 12 attributes, beside the bare SDK.

python -m benchmarks.otel_spans [--rounds N]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from benchmarks.measure import best_of, machine, number, ratio, table
from redactor.integrations.opentelemetry import RedactingSpanExporter, RedactingSpanProcessor, install

__all__ = ["main", "spans"]

_SPANS: Final = 2000
_NAME: Final = "GET /api/v1/orders/{order_id}"
_ATTRIBUTES: Final[dict[str, Any]] = {
    "http.request.method": "GET",
    "url.scheme": "https",
    "url.path": "/api/v1/orders/4711",
    "url.query": "page=2&sort=asc",
    "server.address": "shop.example.com",
    "server.port": 443,
    "http.response.status_code": 200,
    "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
    "client.address": "203.0.113.9",
    "network.protocol.version": "1.1",
    "http.route": "/api/v1/orders/{order_id}",
    "code.function.name": "orders.show",
}
_SESSION: Final[dict[str, Any]] = {
    **{name: value for name, value in _ATTRIBUTES.items() if name != "code.function.name"},
    "http.request.header.cookie": ("theme=dark; sessionid=4f1x9q8z7k2m5n0b3v6c1a8s7d4f9g2h",),
}


class _Nowhere(SpanExporter):
    """Takes spans and does nothing."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002 (the SDK's name)
        return SpanExportResult.SUCCESS


class _Encoded(_Nowhere):
    """Encodes spans as the OTLP exporters do, and sends nothing."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        encode_spans(spans).SerializeToString()
        return SpanExportResult.SUCCESS


def _bare(exporter: SpanExporter) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


def _installed(exporter: SpanExporter) -> TracerProvider:
    provider = _bare(exporter)
    install(tracer_provider=provider)
    return provider


def _processor(exporter: SpanExporter) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(RedactingSpanProcessor(SimpleSpanProcessor(exporter)))
    return provider


def _exporter(exporter: SpanExporter) -> TracerProvider:
    return _bare(RedactingSpanExporter(exporter))


_WAYS: Final[dict[str, Callable[[SpanExporter], TracerProvider]]] = {
    "bare SDK": _bare,
    "`install()`": _installed,
    "`RedactingSpanProcessor`": _processor,
    "`RedactingSpanExporter`": _exporter,
}


def _run(provider: TracerProvider, attributes: dict[str, Any]) -> None:
    tracer = provider.get_tracer("benchmarks")
    for _ in range(_SPANS):
        with tracer.start_as_current_span(_NAME) as span:
            for name, value in attributes.items():
                span.set_attribute(name, value)


def spans(rounds: int) -> str:
    """Measure a span's life, with an exporter that does nothing and with one that encodes OTLP."""
    rows = []
    for title, exporter, attributes in (
        ("clean, not encoded", _Nowhere(), _ATTRIBUTES),
        ("clean, encoded as OTLP", _Encoded(), _ATTRIBUTES),
        ("session cookie, not encoded", _Nowhere(), _SESSION),
    ):
        best = best_of({way: partial(_run, make(exporter), attributes) for way, make in _WAYS.items()}, rounds)
        bare = best["bare SDK"]
        for way, seconds in best.items():
            added = "-" if way == "bare SDK" else f"{(seconds / bare - 1):+.1%}"
            rows.append([f"{title}: {way}", number(seconds / _SPANS * 1e6), ratio(seconds, bare), added])
    return table(("span with 12 attributes", "CPU, us", "to the bare SDK", "added"), rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.otel_spans", description="Measure OpenTelemetry spans.")
    parser.add_argument("--rounds", type=int, default=15, help="rounds; the best of each is shown")
    options = parser.parse_args(arguments)
    print(f"{machine()}\n\n{spans(options.rounds)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
