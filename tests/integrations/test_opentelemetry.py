"""OpenTelemetry: real SDK, real OTLP bytes, every path by which a secret could leave."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("opentelemetry.sdk")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

from google.protobuf.json_format import MessageToDict
from opentelemetry import _logs, metrics, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler, LogRecordProcessor
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    SpanLimits,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags, TraceState

from redactor import Redactor, known
from redactor.integrations import opentelemetry as ours
from redactor.integrations.opentelemetry import (
    RedactingLogRecordExporter,
    RedactingLogRecordProcessor,
    RedactingMetricExporter,
    RedactingSpanExporter,
    RedactingSpanProcessor,
    install,
)
from redactor.rulefiles import load_rules

ERROR = "[REDACTED:error]"


def _part(content: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


_JWT = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part({'sub': 'u1', 'exp': 1700000000})}.c2lnbmF0dXJlLW9mLTI0LWJ5dGVz"


@dataclass(frozen=True)
class Kind:
    """A secret as an attribute (key and value) and in a sentence, and what stands in its place."""

    secret: str
    key: str
    value: str
    text: str
    rule: str

    def __post_init__(self) -> None:
        assert not self.secret or (self.secret in self.value and self.secret in self.text)


KINDS = {
    "jwt": Kind(_JWT, "note", f"issued {_JWT} today", f"issued {_JWT} today", "jwt"),
    "cookie": Kind(
        "4f1x9q8z7k2m5n0b3v6c1a8s7d4f9g2h",
        "http.request.header.cookie",
        "theme=dark; sessionid=4f1x9q8z7k2m5n0b3v6c1a8s7d4f9g2h",
        "Cookie: theme=dark; sessionid=4f1x9q8z7k2m5n0b3v6c1a8s7d4f9g2h",
        "session",
    ),
    "bearer": Kind(
        "vF9dft4qmTcNJ3k8sLpQ2x",
        "http.request.header.authorization",
        "Bearer vF9dft4qmTcNJ3k8sLpQ2x",
        "Authorization: Bearer vF9dft4qmTcNJ3k8sLpQ2x",
        "bearer",
    ),
    "opaque": Kind(
        "kL9xQ2mZ8vBk3J7wT1aN4c",
        "session.id",
        "kL9xQ2mZ8vBk3J7wT1aN4c",
        "no such session_id=kL9xQ2mZ8vBk3J7wT1aN4c",
        "session",
    ),
    "csrf": Kind(
        "9vQ3xZ7pL2mK8wR4tY6uB1nC",
        "http.request.header.x-csrf-token",
        "9vQ3xZ7pL2mK8wR4tY6uB1nC",
        "csrf_token=9vQ3xZ7pL2mK8wR4tY6uB1nC",
        "csrf",
    ),
    "clean": Kind("", "url.path", "/orders/4711", "GET /orders/{id}", ""),
}


def spellings(secret: str) -> list[bytes]:
    """Return how a secret could be written in bytes that leave."""
    raw = secret.encode()
    encoded = []
    for shift in range(3):
        written = base64.b64encode(b"\0" * shift + raw)
        encoded.append(written[(0, 2, 3)[shift] : (shift + len(raw)) * 8 // 6])
    return [raw, quote(secret, safe="").encode(), raw.hex().encode(), *encoded]


def assert_absent(secret: str, data: bytes) -> None:
    assert not [spelling for spelling in spellings(secret) if spelling in data]


# --- a receiver on the loopback -------------------------------------------------------

_MESSAGES = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
}


class Receiver:
    """What was posted, in order: the path and the decompressed body."""

    def __init__(self) -> None:
        received: list[tuple[str, bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                received.append((self.path, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.received = received
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def take(self, path: str) -> bytes:
        """Return the one body posted to ``path`` and forget everything."""
        bodies = [body for posted, body in self.received if posted == path]
        self.received.clear()
        assert len(bodies) == 1
        return bodies[0]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()


def decoded(path: str, body: bytes) -> Any:
    return MessageToDict(_MESSAGES[path].FromString(body))


def replaced(content: Any, kind: Kind) -> Any:
    """Return ``content`` with the secret replaced, wherever it is."""
    text = json.dumps(content)
    return json.loads(text.replace(kind.secret, f"[REDACTED:{kind.rule}]") if kind.secret else text)


# --- spans ----------------------------------------------------------------------------

_START, _END = 1_700_000_000_000_000_000, 1_700_000_000_100_000_000
_RESOURCE = {"service.name": "shop"}


class FixedIds(IdGenerator):
    def generate_trace_id(self) -> int:
        return 0x4BF92F3577B34DA6A3CE929D0E0E4736

    def generate_span_id(self) -> int:
        return 0x00F067AA0BA902B7

    def is_trace_id_random(self) -> bool:
        return True


def tracers(resource: dict[str, Any] | None = None, **options: Any) -> TracerProvider:
    return TracerProvider(
        resource=Resource(resource or _RESOURCE), id_generator=FixedIds(), shutdown_on_exit=False, **options
    )


def ended(span: Any) -> None:
    span.end(end_time=_END)


def started(provider: TracerProvider, name: str = "GET /orders", **options: Any) -> Any:
    return provider.get_tracer("shop.orders", "1.2").start_span(name, start_time=_START, **options)


def _context(state: dict[str, str] | None = None) -> SpanContext:
    return SpanContext(1 << 100, 1 << 40, True, TraceFlags(1), TraceState(list((state or {}).items())))


def _in_name(provider: TracerProvider, kind: Kind) -> None:
    ended(started(provider, kind.text))


def _in_updated_name(provider: TracerProvider, kind: Kind) -> None:
    span = started(provider)
    span.update_name(kind.text)
    ended(span)


def _in_attribute(provider: TracerProvider, kind: Kind) -> None:
    ended(started(provider, attributes={"http.request.method": "GET", kind.key: kind.value, "retries": 3}))


def _in_text_attribute(provider: TracerProvider, kind: Kind) -> None:
    ended(started(provider, attributes={"http.request.method": "GET", "db.query.text": kind.text, "ok": True}))


def _in_list(provider: TracerProvider, kind: Kind) -> None:
    ended(started(provider, attributes={kind.key: [kind.value], "sizes": [1, 2, 3], "tags": ["a", "b", "c"]}))


def _in_text_list(provider: TracerProvider, kind: Kind) -> None:
    ended(started(provider, attributes={"process.command_args": ["serve", kind.text, "--port=80", "x"]}))


def _in_mapping(provider: TracerProvider, kind: Kind) -> None:
    ended(started(provider, attributes={"request": {"headers": {kind.key: kind.value}}}))


def _in_event_name(provider: TracerProvider, kind: Kind) -> None:
    span = started(provider)
    span.add_event(kind.text, {"n": 1}, timestamp=_START)
    ended(span)


def _in_event_attribute(provider: TracerProvider, kind: Kind) -> None:
    span = started(provider)
    span.add_event("refused", {"reason": "expired", kind.key: kind.value}, timestamp=_START)
    span.add_event("retried", {"reason": "again"}, timestamp=_START)
    ended(span)


def _in_exception(provider: TracerProvider, kind: Kind) -> None:
    span = started(provider)
    try:
        try:
            raise KeyError(kind.text)
        except KeyError as cause:
            raise ValueError(kind.text) from cause
    except ValueError as error:
        span.record_exception(error, timestamp=_START)
        span.set_status(StatusCode.ERROR, f"ValueError: {error}")
    ended(span)


def _in_link(provider: TracerProvider, kind: Kind) -> None:
    ended(started(provider, links=[Link(_context(), {kind.key: kind.value}), Link(_context(), {"n": 1})]))


def _in_status(provider: TracerProvider, kind: Kind) -> None:
    span = started(provider)
    span.set_status(Status(StatusCode.ERROR, kind.text))
    ended(span)


def _in_tracestate(provider: TracerProvider, kind: Kind) -> None:
    # No "=" may stand in a value, and no dot or capital in a key.
    value = kind.value.partition("sessionid=")[2] or kind.value
    key = "session_id" if kind.key in ("session.id", "http.request.header.cookie") else "authorization"
    key = {"csrf": "csrf_token", "": "shop", "jwt": "shop"}.get(kind.rule, key)
    parent = trace.NonRecordingSpan(_context({"vendor": "t61rcWkgMzE", key: value}))
    ended(started(provider, context=trace.set_span_in_context(parent)))


def _in_resource(provider: TracerProvider, kind: Kind) -> None:
    ended(started(provider))


def _in_scope(provider: TracerProvider, kind: Kind) -> None:
    tracer = provider.get_tracer(kind.text, "1.2", "https://example.com/schema", {kind.key: kind.value})
    ended(tracer.start_span("GET", start_time=_START))


SPAN_PATHS: dict[str, Callable[[TracerProvider, Kind], None]] = {
    name.removeprefix("_in_"): path
    for name, path in list(globals().items())
    if name.startswith("_in_") and callable(path)
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", SPAN_PATHS)
def test_span_paths(receiver: Receiver, path: str, kind: str) -> None:
    """The OTLP bytes of a span are those of the bare SDK with each secret replaced, and nothing else."""
    secret = KINDS[kind]
    resource = {**_RESOURCE, secret.key: secret.value} if path == "resource" else _RESOURCE
    sent = []
    for covered in (False, True):
        provider = tracers(resource)
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{receiver.url}/v1/traces")))
        if covered:
            install(tracer_provider=provider, logger_provider=LOGS, meter_provider=METERS)
        SPAN_PATHS[path](provider, secret)
        provider.shutdown()
        sent.append(receiver.take("/v1/traces"))
    bare, redacted = sent
    assert decoded("/v1/traces", redacted) == replaced(decoded("/v1/traces", bare), secret)
    if secret.secret:
        assert secret.secret.encode() in bare
        assert_absent(secret.secret, redacted)
    else:
        assert redacted == bare


LOGS, METERS = LoggerProvider(shutdown_on_exit=False), MeterProvider(shutdown_on_exit=False)
"""Providers of nothing, for tests that cover one signal."""
TRACERS = tracers()


def in_memory(provider: TracerProvider) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


def cover_traces(provider: TracerProvider, redactor: Redactor | None = None) -> ours.Coverage:
    return install(redactor, tracer_provider=provider, logger_provider=LOGS, meter_provider=METERS)


OPAQUE = KINDS["opaque"]
SECRET = {OPAQUE.key: OPAQUE.value}
HIDDEN = {OPAQUE.key: "[REDACTED:session]"}


def test_a_clean_span_is_the_same_object() -> None:
    """A span without secrets reaches the exporter as the object that the SDK made."""
    seen: list[ReadableSpan] = []

    class Watching(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            seen.append(span)

    provider = tracers()
    provider.add_span_processor(Watching())
    exporter = InMemorySpanExporter()
    provider.add_span_processor(RedactingSpanProcessor(SimpleSpanProcessor(exporter)))
    _in_attribute(provider, KINDS["clean"])
    assert exporter.get_finished_spans()[0] is seen[0]


def test_the_application_keeps_its_span() -> None:
    """The span object in the application's hands shows after its end what was put into it."""
    provider = tracers()
    exporter = in_memory(provider)
    cover_traces(provider)
    span = started(provider, OPAQUE.text, attributes=SECRET)
    span.add_event("e", SECRET)
    ended(span)
    assert (span.name, dict(span.attributes), dict(span.events[0].attributes)) == (OPAQUE.text, SECRET, SECRET)
    (exported,) = exporter.get_finished_spans()
    assert (dict(exported.attributes), dict(exported.events[0].attributes)) == (HIDDEN, HIDDEN)
    assert exported.context == span.context


def test_private_text_of_a_span_is_redacted_too() -> None:
    """What the console exporter writes, which reads private fields, holds no secret."""
    provider = tracers()
    exporter = in_memory(provider)
    cover_traces(provider)
    for path in SPAN_PATHS.values():
        path(provider, OPAQUE)
    spans = exporter.get_finished_spans()
    assert len(spans) == len(SPAN_PATHS)
    for span in spans:
        assert OPAQUE.secret not in span.to_json()


def test_counts_of_dropped_things_are_kept() -> None:
    """A redacted span tells as many dropped attributes, events and links as the SDK counted."""
    limits = SpanLimits(max_span_attributes=1, max_events=1, max_links=1, max_event_attributes=1)
    provider = tracers(span_limits=limits)
    exporter = in_memory(provider)
    cover_traces(provider)
    links = [Link(_context(), SECRET), Link(_context(), SECRET)]
    span = started(provider, attributes={"first": 1, **SECRET}, links=links)
    span.add_event("e", SECRET)
    span.add_event(OPAQUE.text, {"first": 1, **SECRET})
    ended(span)
    (exported,) = exporter.get_finished_spans()
    counts = (exported.dropped_attributes, exported.dropped_events, exported.dropped_links)
    assert (counts, exported.events[0].dropped_attributes) == ((1, 1, 1), 1)
    assert dict(exported.events[0].attributes) == dict(exported.links[0].attributes) == HIDDEN


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("first", ["install", "add", "wrap processor", "wrap exporter"])
def test_span_processors_in_any_order(first: str, batch: bool) -> None:
    """Simple or batch, added before or after, or wrapped by hand: the exporter sees no secret."""
    provider, exporter = tracers(), InMemorySpanExporter()
    make = BatchSpanProcessor if batch else SimpleSpanProcessor
    if first == "install":
        cover_traces(provider)
        provider.add_span_processor(make(exporter))
    elif first == "add":
        tracer_before = started(provider, attributes=SECRET)
        provider.add_span_processor(make(exporter))
        cover_traces(provider)
        ended(tracer_before)
    elif first == "wrap processor":
        provider.add_span_processor(RedactingSpanProcessor(make(exporter)))
    else:
        provider.add_span_processor(make(RedactingSpanExporter(exporter)))
    _in_attribute(provider, OPAQUE)
    assert provider.force_flush()
    provider.shutdown()
    spans = exporter.get_finished_spans()
    assert [span.attributes[OPAQUE.key] for span in spans] == ["[REDACTED:session]"] * (1 + (first == "add"))


def test_processors_that_run_in_parallel() -> None:
    """Under the SDK's concurrent processor every processor gets the span without its secrets."""
    every = ConcurrentMultiSpanProcessor(2)
    provider = tracers(active_span_processor=every)
    exporters = [in_memory(provider) for _ in range(3)]
    cover_traces(provider)
    _in_attribute(provider, OPAQUE)
    assert [exporter.get_finished_spans()[0].attributes[OPAQUE.key] for exporter in exporters] == [
        "[REDACTED:session]"
    ] * 3
    every._executor.shutdown()


def test_ids_are_never_touched() -> None:
    """Attributes that hold ids of traces and spans leave as they are, and so do the ids themselves."""
    ids = {
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
        "otelTraceID": "4bf92f3577b34da6a3ce929d0e0e4736",
        "messaging.message.id": "452a7c7c7c7048c2f887f61572b18fc2",
        "http.request.id": "7b0c2c6e-2d7b-4c3e-9d0e-0c9c3f6c2f11",
    }
    provider = tracers()
    exporter = in_memory(provider)
    cover_traces(provider)
    ended(started(provider, attributes={**ids, **SECRET}))
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes) == {**ids, **HIDDEN}
    assert (span.context.trace_id, span.context.span_id) == (0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"enduser.token": "kL9xQ2mZ8vBk3J7wT1aN4c"}, {"enduser.token": "[REDACTED:token]"}),
        ({"session.id": ["kL9xQ2mZ8vBk3J7wT1aN4c", "x"]}, {"session.id": ("[REDACTED:session]", "x")}),
        ({"headers": ["Cookie", "sid=kL9xQ2mZ8vBk3J7wT1aN4c"]}, {"headers": ("Cookie", "sid=[REDACTED:session]")}),
        ({"name": "sid", "value": "kL9xQ2mZ8vBk3J7wT1aN4c"}, {"name": "sid", "value": "[REDACTED:session]"}),
        ({"otp": 493817}, {"otp": "[REDACTED:otp]"}),
        ({"session.count": 3, "session.timeout": 3600}, {"session.count": 3, "session.timeout": 3600}),
        ({"sid": b"kL9xQ2mZ8vBk3J7wT1aN4c"}, {"sid": b"[REDACTED:session]"}),
        (
            {"note?token=kL9xQ2mZ8vBk3J7wT1aN4c&x": 1, "note?token=kL9xQ2mZ8vBk3J7wT1aN4d&x": 2},
            {"note?token=[REDACTED:token]&x": 1, "note?token=[REDACTED:token]&x (2)": 2},
        ),
    ],
)
def test_keys_judge_their_values(attributes: dict[str, Any], expected: dict[str, Any]) -> None:
    """A value is judged by its own key, a neighbour that names it, or the number it is beside a secret's name."""
    provider = tracers()
    exporter = in_memory(provider)
    cover_traces(provider)
    ended(started(provider, attributes=attributes))
    assert dict(exporter.get_finished_spans()[0].attributes) == expected


def test_many_texts_scanned_as_one_hide_nothing() -> None:
    """Every example of every rule is found among other attributes as it is found alone."""
    redactor = Redactor()
    cleaner = ours._Cleaner(redactor)
    checked = 0
    for rule in load_rules():
        for example in rule.examples:
            clean = {"a.path": "/orders session", "a.quote": "it's \"fine", "z.note": 'so "it" (is) = ok', "z.size": 3}
            given = {"a.path": clean["a.path"], "m.body": example.text, **clean}
            span = ReadableSpan("GET", resource=Resource.get_empty(), attributes=given)
            expected = {**given, "m.body": redactor.text(example.text)}
            assert dict(cleaner.span(span).attributes) == expected, rule.id
            checked += 1
    assert checked > 50


class _Str(str):
    __slots__ = ()

    def __repr__(self) -> str:
        raise RuntimeError("evil")


EVIL: dict[str, Any] = {
    "huge clean": "x y " * 500_000,
    "huge with a secret": "x y " * 500_000 + f" session_id={OPAQUE.secret}",
    "not utf-8": b"\xff\xfe\x00" * 10,
    "lone surrogate": "\udcff text",
    "not a number": float("nan"),
    "infinite": float("inf"),
    "mixed": ["a", 1, 2.5, True, None, b"b", ["c", {"d": "e"}]],
    "subclass": _Str(f"session_id={OPAQUE.secret}"),
    "subclass, clean": _Str("fine"),
    "nested": {"a": {"b": {"session_id": OPAQUE.secret}}},
    "empty": ["", {}, []],
    "many": [f"item {number}" for number in range(5000)],
}


@pytest.mark.parametrize("batch", [False, True])
def test_evil_values(batch: bool) -> None:
    """Values of any size and type leave, without the secrets in them, and nothing is raised."""
    redactor = Redactor()
    provider, exporter = tracers(), InMemorySpanExporter()
    provider.add_span_processor((BatchSpanProcessor if batch else SimpleSpanProcessor)(exporter))
    cover_traces(provider, redactor)
    for name, value in EVIL.items():
        ended(started(provider, attributes={"evil": value, "name": name}))
    provider.force_flush()
    provider.shutdown()
    spans = exporter.get_finished_spans()
    assert [span.attributes["name"] for span in spans] == list(EVIL)
    got = {span.attributes["name"]: span.attributes["evil"] for span in spans}
    assert not [name for name, value in got.items() if OPAQUE.secret in str(value) or ERROR in str(value)]
    assert got["huge clean"] is EVIL["huge clean"]
    assert got["huge with a secret"] == "x y " * 500_000 + " session_id=[REDACTED:session]"
    assert str.__eq__(got["subclass"], "session_id=[REDACTED:session]") is True
    assert got["nested"] == {"a": {"b": {"session_id": "[REDACTED:session]"}}}
    assert got["mixed"] == ("a", 1, 2.5, True, None, b"b", ("c", {"d": "e"}))
    assert redactor.summary.errors == 0


def test_a_name_that_is_no_text() -> None:
    """A span whose name is no text is passed on with its attributes redacted."""
    provider = tracers()
    exporter = in_memory(provider)
    cover_traces(provider)
    ended(started(provider, 42, attributes=SECRET))
    ended(started(provider, 42, attributes={"a": 1}))
    assert [(span.name, dict(span.attributes)) for span in exporter.get_finished_spans()] == [
        (42, HIDDEN),
        (42, {"a": 1}),
    ]


def test_known_values_of_a_request() -> None:
    """A value registered for a request is removed from its spans and records in the request's own thread."""
    value = "plain-looking-words-only"
    provider, exporter = tracers(), InMemorySpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    cover_traces(provider)
    with known.scope():
        known.register(value)
        ended(started(provider, f"seen {value}", attributes={"x": value, f"long key {value}": 1}))
    provider.force_flush()
    provider.shutdown()
    (span,) = exporter.get_finished_spans()
    assert span.name == "seen [REDACTED:known-value]"
    assert dict(span.attributes) == {"x": "[REDACTED:known-value]", "long key [REDACTED:known-value]": 1}


# --- whatever the SDK's fields do -----------------------------------------------------


class Elsewhere(ReadableSpan):
    """A span that keeps its attributes and its name where nobody expects them."""

    @property
    def attributes(self) -> Any:
        return dict(self.__dict__["hidden"])

    @property
    def name(self) -> str:
        return str(self.__dict__["title"])


def test_fields_that_the_sdk_keeps_elsewhere() -> None:
    """If writing a copy's fields does not show in its properties, a new span is made from the properties."""
    span = Elsewhere("unused", context=_context(), resource=Resource.get_empty(), start_time=1, end_time=2)
    span.__dict__.update(hidden=SECRET, title=OPAQUE.text)
    redacted = ours._Cleaner(Redactor()).span(span)
    assert type(redacted) is ReadableSpan
    assert (redacted.name, dict(redacted.attributes)) == ("no such session_id=[REDACTED:session]", HIDDEN)
    assert (redacted.context, redacted.start_time, redacted.end_time) == (span.context, 1, 2)
    assert (span.attributes, span.name) == (SECRET, OPAQUE.text)


def test_a_copy_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no way of copying a span shows the secret gone, the span leaves blank and is counted."""
    for name in ("_copied_span", "_constructed_span"):
        monkeypatch.setattr(ours, name, lambda span, changes: span)
    redactor = Redactor()
    provider = tracers()
    exporter = in_memory(provider)
    cover_traces(provider, redactor)
    _in_attribute(provider, OPAQUE)
    (span,) = exporter.get_finished_spans()
    assert (span.name, dict(span.attributes), redactor.summary.errors) == (ERROR, {}, 1)


def test_sdk_that_hides_its_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are asked for by their property where the SDK's field cannot be trusted."""
    monkeypatch.setattr(ours, "_FIELDS_SHOWN", False)
    provider = tracers()
    exporter = in_memory(provider)
    cover_traces(provider)
    _in_event_attribute(provider, OPAQUE)
    assert dict(exporter.get_finished_spans()[0].events[0].attributes) == {"reason": "expired", **HIDDEN}


class Sealed(SynchronousMultiSpanProcessor):
    """A processor of processors whose own methods cannot be replaced on the object."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "on_end":
            raise AttributeError(name)
        super().__setattr__(name, value)


def test_processors_that_are_covered_one_by_one() -> None:
    """If the provider's own processor cannot be covered, each one in it is, and each one added later."""
    provider = tracers(active_span_processor=Sealed())
    exporter = in_memory(provider)
    coverage = cover_traces(provider)
    later = in_memory(provider)
    _in_attribute(provider, OPAQUE)
    for each in (exporter, later):
        assert each.get_finished_spans()[0].attributes[OPAQUE.key] == "[REDACTED:session]"
    assert coverage.covered == ("traces: SimpleSpanProcessor",)
    assert coverage.uncovered == ()
    coverage.uninstall()
    _in_attribute(provider, OPAQUE)
    for each in (exporter, later):
        assert each.get_finished_spans()[1].attributes[OPAQUE.key] == OPAQUE.secret


def test_a_provider_that_moved_its_processor() -> None:
    """If the provider's field has another name, its tracers tell the processor."""

    class Moved(TracerProvider):
        _active_span_processor: Any = property(lambda self: None)

        def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
            tracer = inner.get_tracer("x")
            tracer.start_span("warm").end()
            return tracer

        def __init__(self) -> None:
            pass

    inner = tracers()
    exporter = in_memory(inner)
    cover_traces(Moved())
    exporter.clear()
    _in_attribute(inner, OPAQUE)
    assert exporter.get_finished_spans()[0].attributes[OPAQUE.key] == "[REDACTED:session]"


# --- logs -----------------------------------------------------------------------------


def loggers(resource: dict[str, Any] | None = None) -> LoggerProvider:
    return LoggerProvider(resource=Resource(resource or _RESOURCE), shutdown_on_exit=False)


def emitted(provider: LoggerProvider, **fields: Any) -> None:
    severity = {"severity_number": _logs.SeverityNumber.INFO, "severity_text": "INFO"}
    provider.get_logger("shop.orders", "1.2").emit(
        timestamp=_START, observed_timestamp=_START, **{**severity, **fields}
    )


def bridged(provider: LoggerProvider) -> tuple[logging.Logger, logging.Handler]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        handler = LoggingHandler(logger_provider=provider)
    logger = logging.Logger("shop.bridge")
    logger.addHandler(handler)
    return logger, handler


def _raised(kind: Kind) -> ValueError:
    try:
        raise ValueError(kind.text)
    except ValueError as error:
        return error


def _bridge(log: Callable[[logging.Logger, Kind], None]) -> Callable[[LoggerProvider, Kind], None]:
    def path(provider: LoggerProvider, kind: Kind) -> None:
        log(bridged(provider)[0], kind)

    return path


LOG_PATHS: dict[str, Callable[[LoggerProvider, Kind], None]] = {
    "body": lambda provider, kind: emitted(provider, body=kind.text),
    "mapping": lambda provider, kind: emitted(provider, body={"request": {kind.key: kind.value, "n": 1}}),
    "sequence": lambda provider, kind: emitted(provider, body=["a", kind.text, 3]),
    "attribute": lambda provider, kind: emitted(provider, body="refused", attributes={kind.key: kind.value, "n": 1}),
    "list": lambda provider, kind: emitted(provider, body="refused", attributes={kind.key: [kind.value]}),
    "event name": lambda provider, kind: emitted(provider, body="x", event_name=kind.text),
    "severity": lambda provider, kind: emitted(provider, body="x", severity_text=kind.text),
    "exception": lambda provider, kind: emitted(provider, body="failed", exception=_raised(kind)),
    "resource": lambda provider, kind: emitted(provider, body="x"),
    "scope": lambda provider, kind: provider.get_logger(kind.text, "1", attributes={kind.key: kind.value}).emit(
        timestamp=_START, observed_timestamp=_START, body="x"
    ),
    "bridge message": _bridge(lambda logger, kind: logger.warning("refused: %s", kind.text)),
    "bridge extra": _bridge(lambda logger, kind: logger.warning("refused", extra={kind.key: kind.value})),
    "bridge exception": _bridge(lambda logger, kind: logger.error("failed", exc_info=_raised(kind))),
}


def _without_times(content: Any) -> Any:
    for resource in content["resourceLogs"]:
        for scope in resource["scopeLogs"]:
            for record in scope["logRecords"]:
                record.pop("timeUnixNano", None)
                record.pop("observedTimeUnixNano", None)
    return content


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", LOG_PATHS)
def test_log_paths(receiver: Receiver, path: str, kind: str) -> None:
    """The OTLP bytes of a record are those of the bare SDK with each secret replaced, and nothing else."""
    secret = KINDS[kind]
    resource = {**_RESOURCE, secret.key: secret.value} if path == "resource" else _RESOURCE
    sent = []
    for covered in (False, True):
        provider = loggers(resource)
        provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{receiver.url}/v1/logs")))
        if covered:
            install(tracer_provider=TRACERS, logger_provider=provider, meter_provider=METERS)
        LOG_PATHS[path](provider, secret)
        provider.shutdown()
        sent.append(receiver.take("/v1/logs"))
    bare, redacted = sent
    expected = replaced(_without_times(decoded("/v1/logs", bare)), secret)
    assert _without_times(decoded("/v1/logs", redacted)) == expected
    if secret.secret:
        assert secret.secret.encode() in bare
        assert_absent(secret.secret, redacted)


def cover_logs(provider: LoggerProvider, redactor: Redactor | None = None) -> ours.Coverage:
    return install(redactor, tracer_provider=TRACERS, logger_provider=provider, meter_provider=METERS)


class Enriching(LogRecordProcessor):
    """Adds a session id to each record, as processors for baggage do."""

    def on_emit(self, log_record: Any) -> None:
        log_record.log_record.attributes["session.id"] = OPAQUE.secret

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("enriched", ["not", "before", "after"])
@pytest.mark.parametrize("first", ["install", "add", "wrap processor", "wrap exporter"])
def test_log_processors_in_any_order(first: str, enriched: str, batch: bool) -> None:
    """Simple or batch, covered before or after, with a processor that adds secrets: none is exported."""
    provider, exporter = loggers(), InMemoryLogRecordExporter()
    processor: Any = (BatchLogRecordProcessor if batch else SimpleLogRecordProcessor)(
        RedactingLogRecordExporter(exporter) if first == "wrap exporter" else exporter
    )
    if first == "wrap processor":
        processor = RedactingLogRecordProcessor(processor)
    processors = [processor] if enriched == "not" else [Enriching(), processor]
    if enriched == "after":
        processors.reverse()
    if first == "install":
        cover_logs(provider)
    for each in processors:
        provider.add_log_record_processor(each)
    if first == "add":
        cover_logs(provider)
    emitted(provider, body=OPAQUE.text, attributes={"n": 1, **SECRET})
    assert provider.force_flush()
    provider.shutdown()
    (data,) = exporter.get_finished_logs()
    assert data.log_record.body == "no such session_id=[REDACTED:session]"
    assert_absent(OPAQUE.secret, data.to_json().encode())
    if enriched != "after":
        assert dict(data.log_record.attributes) == {"n": 1, **HIDDEN}


def test_what_one_processor_adds_reaches_the_next() -> None:
    """A processor that changes a record works as without us, also behind a redacted record."""
    provider, exporter = loggers(), InMemoryLogRecordExporter()

    class Marking(Enriching):
        def on_emit(self, log_record: Any) -> None:
            log_record.log_record.attributes["mark"] = "seen"

    provider.add_log_record_processor(Marking())
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    cover_logs(provider)
    emitted(provider, body=OPAQUE.text)
    assert dict(exporter.get_finished_logs()[0].log_record.attributes) == {"mark": "seen"}


def test_the_application_keeps_its_record() -> None:
    """The record and the mapping that the application logged hold what they held."""
    provider, exporter = loggers(), InMemoryLogRecordExporter()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    cover_logs(provider)
    body = {"request": SECRET}
    error = _raised(OPAQUE)
    record = _logs.LogRecord(body=body, timestamp=1, severity_text=OPAQUE.text, exception=error)
    provider.get_logger("x").emit(record)
    assert (record.body, record.severity_text, record.exception) == ({"request": SECRET}, OPAQUE.text, error)
    data = exporter.get_finished_logs()[0].log_record
    assert (data.body, data.exception) == ({"request": HIDDEN}, None)


def test_log_processors_that_cannot_be_covered_alone() -> None:
    """Where a processor's method cannot be replaced, all are covered in front of them, and that is told."""

    class Slotted(LogRecordProcessor):
        __slots__ = ("seen",)

        def __init__(self) -> None:
            self.seen: list[Any] = []

        def on_emit(self, log_record: Any) -> None:
            self.seen.append(log_record.log_record.body)

        def shutdown(self) -> None:
            pass

        def force_flush(self, timeout_millis: int = 30000) -> bool:
            return True

    provider, processor = loggers(), Slotted()
    provider.add_log_record_processor(processor)
    cover_logs(provider)
    emitted(provider, body=OPAQUE.text)
    assert processor.seen == ["no such session_id=[REDACTED:session]"]


# --- metrics --------------------------------------------------------------------------


def _attribute(provider: MeterProvider, kind: Kind) -> None:
    provider.get_meter("shop").create_counter("requests").add(2, {kind.key: kind.value, "method": "GET"})


def _text_attribute(provider: MeterProvider, kind: Kind) -> None:
    provider.get_meter("shop").create_up_down_counter("open").add(2, {"why": kind.text})


def _list_attribute(provider: MeterProvider, kind: Kind) -> None:
    provider.get_meter("shop").create_gauge("level").set(2, {kind.key: (kind.value,)})


def _histogram(provider: MeterProvider, kind: Kind) -> None:
    provider.get_meter("shop").create_histogram("took").record(2.5, {kind.key: kind.value})


def _exponential(provider: MeterProvider, kind: Kind) -> None:
    provider.get_meter("shop").create_histogram("exponential").record(2.5, {kind.key: kind.value})


def _observable(provider: MeterProvider, kind: Kind) -> None:
    observation = metrics.Observation(7, {kind.key: kind.value})
    provider.get_meter("shop").create_observable_gauge("seen", [lambda options: [observation]])


def _exemplar(provider: MeterProvider, kind: Kind) -> None:
    provider.get_meter("shop").create_counter("filtered").add(2, {kind.key: kind.value, "method": "GET"})


def _description(provider: MeterProvider, kind: Kind) -> None:
    provider.get_meter("shop").create_counter("described", "1", kind.text).add(2)


def _meter_scope(provider: MeterProvider, kind: Kind) -> None:
    provider.get_meter(kind.text, "1", None, {kind.key: kind.value}).create_counter("requests").add(2)


def _resource(provider: MeterProvider, kind: Kind) -> None:
    provider.get_meter("shop").create_counter("requests").add(2)


METRIC_PATHS: dict[str, Callable[[MeterProvider, Kind], None]] = {
    "attribute": _attribute,
    "text attribute": _text_attribute,
    "list": _list_attribute,
    "histogram": _histogram,
    "exponential": _exponential,
    "observable": _observable,
    "exemplar": _exemplar,
    "description": _description,
    "scope": _meter_scope,
    "resource": _resource,
}
_VIEWS = [
    View(instrument_name="filtered", attribute_keys={"method"}),
    View(instrument_name="exponential", aggregation=ExponentialBucketHistogramAggregation()),
]


def meters(reader: Any, resource: dict[str, Any] | None = None) -> MeterProvider:
    return MeterProvider(
        [reader],
        resource=Resource(resource or _RESOURCE),
        exemplar_filter=AlwaysOnExemplarFilter(),
        shutdown_on_exit=False,
        views=_VIEWS,
    )


def _without_metric_times(content: Any) -> Any:
    if isinstance(content, dict):
        return {
            key: _without_metric_times(value)
            for key, value in content.items()
            if key not in ("timeUnixNano", "startTimeUnixNano")
        }
    return [_without_metric_times(each) for each in content] if isinstance(content, list) else content


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", METRIC_PATHS)
def test_metric_paths(receiver: Receiver, path: str, kind: str) -> None:
    """The OTLP content of a metric is that of the bare SDK with each secret replaced, and nothing else."""
    secret = KINDS[kind]
    resource = {**_RESOURCE, secret.key: secret.value} if path == "resource" else _RESOURCE
    sent = []
    for covered in (False, True):
        exporter = OTLPMetricExporter(f"{receiver.url}/v1/metrics")
        provider = meters(PeriodicExportingMetricReader(exporter, float("inf")), resource)
        if covered:
            install(tracer_provider=TRACERS, logger_provider=LOGS, meter_provider=provider)
        METRIC_PATHS[path](provider, secret)
        assert provider.force_flush()
        sent.append(receiver.take("/v1/metrics"))
        provider.shutdown()
        receiver.received.clear()
    bare, redacted = sent
    expected = replaced(_without_metric_times(decoded("/v1/metrics", bare)), secret)
    assert _without_metric_times(decoded("/v1/metrics", redacted)) == expected
    if secret.secret:
        assert secret.secret.encode() in bare
        assert_absent(secret.secret, redacted)


def cover_metrics(provider: MeterProvider, redactor: Redactor | None = None) -> ours.Coverage:
    return install(redactor, tracer_provider=TRACERS, logger_provider=LOGS, meter_provider=provider)


def points(data: MetricsData | None) -> dict[str, list[Any]]:
    assert data is not None
    return {
        metric.name: list(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def _filled(point: Any) -> dict[int, int]:
    buckets = point.positive
    return {buckets.offset + place: count for place, count in enumerate(buckets.bucket_counts) if count}


def test_points_that_become_the_same_are_added_up() -> None:
    """Points that differed in nothing but a secret are one point, as if the secret had never been there."""
    values = [0.001, 2.5, 2.5, 70.0, 4000.0]
    readers = []
    for covered in (True, False):
        reader = InMemoryMetricReader()
        provider = meters(reader)
        if covered:
            cover_metrics(provider)
        meter = provider.get_meter("shop")
        counter, gauge = meter.create_counter("c"), meter.create_gauge("g")
        plain, exponential = meter.create_histogram("h"), meter.create_histogram("exponential")
        for number, value in enumerate(values):
            secret = f"{number}{OPAQUE.secret}" if covered else "[REDACTED:session]"
            for record in (counter.add, gauge.set, plain.record, exponential.record):
                record(value, {"session.id": secret, "method": "GET"})
        readers.append(points(reader.get_metrics_data()))
        provider.shutdown()
    merged, plain_points = readers
    for name in ("c", "g", "h"):
        (got,), (expected,) = merged[name], plain_points[name]
        fields = [field for field in vars(expected) if "time" not in field and field != "exemplars"]
        assert {field: getattr(got, field) for field in fields} == {field: getattr(expected, field) for field in fields}
    (got,), (expected,) = merged["exponential"], plain_points["exponential"]
    assert (got.count, got.sum, got.min, got.max) == (expected.count, expected.sum, expected.min, expected.max)
    assert (got.scale, _filled(got)) == (expected.scale, _filled(expected))
    for data_points in merged.values():
        assert dict(data_points[0].attributes) == {"session.id": "[REDACTED:session]", "method": "GET"}


def test_exponential_points_of_different_scales() -> None:
    """Exponential histograms are added at the coarser scale, so that no count is lost or moved to another bucket."""
    reader = InMemoryMetricReader()
    provider = meters(reader)
    cover_metrics(provider)
    histogram = provider.get_meter("shop").create_histogram("exponential")
    wide, narrow = [1.0, 10_000.0, 0.0], [3.0, 3.1]
    for number, values in enumerate((wide, narrow)):
        for value in values:
            histogram.record(value, {"session.id": f"{number}{OPAQUE.secret}"})
    ((point,),) = points(reader.get_metrics_data()).values()
    base = 2.0 ** (2.0**-point.scale)
    found = {
        value: sum(
            count for index, count in _filled(point).items() if base**index < value <= base ** (index + 1) * 1.0001
        )
        for value in (3.0, 10_000.0)
    }
    assert (point.count, point.zero_count, sum(_filled(point).values())) == (5, 1, 4)
    assert len(point.positive.bucket_counts) <= 160
    assert all(found.values())
    provider.shutdown()


def test_readers_added_later_and_wrapped_exporters() -> None:
    """A reader added after ``install`` is covered, and so is an exporter wrapped by hand."""
    seen: list[MetricsData] = []

    class Keeping(OTLPMetricExporter):
        def export(self, metrics_data: MetricsData, *args: Any, **kwargs: Any) -> Any:
            seen.append(metrics_data)
            return None

    wrapped = PeriodicExportingMetricReader(RedactingMetricExporter(Keeping("http://127.0.0.1:9")), float("inf"))
    provider = meters(wrapped)
    _attribute(provider, OPAQUE)
    provider.force_flush()
    assert points(seen[0])["requests"][0].attributes == {**HIDDEN, "method": "GET"}
    if hasattr(provider, "add_metric_reader"):
        cover_metrics(provider)
        reader = InMemoryMetricReader()
        provider.add_metric_reader(reader)
        _attribute(provider, OPAQUE)
        assert points(reader.get_metrics_data())["requests"][0].attributes == {**HIDDEN, "method": "GET"}
    provider.shutdown()


# --- our hook fails -------------------------------------------------------------------


def _raise(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError(OPAQUE.secret)


FAILURES = {
    "scanner": ("scanner.scan", "scanner.scan_value"),
    "everything": ("scanner.scan", "scanner.scan_value", "scanner.rule_of_key", "text", "value", "beside", "matches"),
    "only values": ("value", "beside"),
}


def broken(failure: str, monkeypatch: pytest.MonkeyPatch) -> Redactor:
    redactor = Redactor()
    for name in FAILURES[failure]:
        owner, _, method = name.rpartition(".")
        monkeypatch.setattr(redactor.scanner if owner else redactor, method, _raise)
    return redactor


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("path", [*SPAN_PATHS])
def test_a_failing_span_hook(path: str, failure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If redaction fails, the span is exported with its ids and times and without its content, and counted."""
    redactor = broken(failure, monkeypatch)
    resource = {**_RESOURCE, **SECRET} if path == "resource" else _RESOURCE
    provider = tracers(resource)
    exporter = in_memory(provider)
    cover_traces(provider, redactor)
    SPAN_PATHS[path](provider, OPAQUE)
    (span,) = exporter.get_finished_spans()
    assert_absent(OPAQUE.secret, span.to_json().encode())
    assert (span.context.trace_id, span.context.span_id)[1] == 0x00F067AA0BA902B7
    assert (span.start_time, span.end_time) == (_START, _END)
    if failure != "only values":
        assert span.name == ERROR
        assert redactor.summary.errors >= 1


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("path", [*LOG_PATHS])
def test_a_failing_log_hook(path: str, failure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If redaction fails, the record is exported with its ids and times and without its content, and counted."""
    redactor = broken(failure, monkeypatch)
    provider = loggers({**_RESOURCE, **SECRET} if path == "resource" else _RESOURCE)
    exporter = InMemoryLogRecordExporter()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    cover_logs(provider, redactor)
    LOG_PATHS[path](provider, OPAQUE)
    (data,) = exporter.get_finished_logs()
    assert_absent(OPAQUE.secret, data.to_json().encode())
    assert data.log_record.timestamp
    if failure != "only values":
        assert data.log_record.body == ERROR
        assert redactor.summary.errors >= 1


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("path", [*METRIC_PATHS])
def test_a_failing_metric_hook(path: str, failure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If redaction fails, nothing of a metric but its numbers is exported, and it is counted."""
    redactor = broken(failure, monkeypatch)
    reader = InMemoryMetricReader()
    provider = meters(reader, {**_RESOURCE, **SECRET} if path == "resource" else _RESOURCE)
    cover_metrics(provider, redactor)
    METRIC_PATHS[path](provider, OPAQUE)
    data = reader.get_metrics_data()
    assert data is not None
    assert_absent(OPAQUE.secret, repr(data).encode() + data.to_json().encode())
    assert failure == "only values" or redactor.summary.errors >= 1
    provider.shutdown()


def test_without_a_redactor_everything_is_blank() -> None:
    """Where no redactor can be made, spans and records leave with ids and times only."""
    cleaner = ours._Cleaner(None)
    provider = tracers()
    exporter = in_memory(provider)
    ours._install(cleaner, provider, LOGS, METERS)
    ended(started(provider, "fine", attributes={"a": "b"}))
    (span,) = exporter.get_finished_spans()
    assert (span.name, dict(span.attributes), span.start_time) == (ERROR, {}, _START)
    assert cleaner.summary.errors == 1


# --- install --------------------------------------------------------------------------


def test_install_tells_what_it_covered() -> None:
    """The result names every processor and reader that is covered; doing it twice covers once."""
    provider, logs = tracers(), loggers()
    exporter = in_memory(provider)
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    logs.add_log_record_processor(SimpleLogRecordProcessor(InMemoryLogRecordExporter()))
    meter_provider = meters(InMemoryMetricReader())
    redactors = [Redactor(), Redactor()]
    results = [
        install(each, tracer_provider=provider, logger_provider=logs, meter_provider=meter_provider)
        for each in redactors
    ]
    for coverage in results:
        assert coverage.covered == (
            "traces: SimpleSpanProcessor",
            "traces: BatchSpanProcessor",
            "logs: SimpleLogRecordProcessor",
            "metrics: InMemoryMetricReader",
        )
        assert coverage.uncovered == ()
    _in_attribute(provider, OPAQUE)
    assert exporter.get_finished_spans()[0].attributes[OPAQUE.key] == "[REDACTED:session]"
    assert [each.summary.total for each in redactors] == [0, 1]
    provider.shutdown()


def test_uninstall_restores_everything() -> None:
    """After ``uninstall`` every object of the SDK has the methods it had, and a second one changes nothing."""
    provider, logs, reader = tracers(), loggers(), InMemoryMetricReader()
    in_memory(provider)
    processor = SimpleLogRecordProcessor(InMemoryLogRecordExporter())
    logs.add_log_record_processor(processor)
    meter_provider = meters(reader)
    touched = [provider._active_span_processor, logs._multi_log_record_processor, processor, meter_provider, reader]
    before = [dict(vars(each)) for each in touched]
    coverage = install(tracer_provider=provider, logger_provider=logs, meter_provider=meter_provider)
    assert [dict(vars(each)) for each in touched] != before
    coverage.uninstall()
    coverage.uninstall()
    assert [dict(vars(each)) for each in touched] == before


def test_providers_that_are_not_set_or_not_known(caplog: pytest.LogCaptureFixture) -> None:
    """A provider that is not the SDK's is told as uncovered, and logged if it could export."""

    class Foreign:
        def get_tracer(self, name: str) -> object:
            return object()

    with caplog.at_level(logging.WARNING, "redactor"):
        coverage = install(
            tracer_provider=Foreign(),
            logger_provider=_logs.NoOpLoggerProvider(),
            meter_provider=metrics.NoOpMeterProvider(),
        )
    assert coverage.covered == ()
    assert coverage.uncovered == (
        f"traces: {__name__}.{Foreign.__qualname__} is not known; wrap its exporters",
        "logs: no provider is set; call install() after it is",
        "metrics: no provider is set; call install() after it is",
    )
    assert [record.getMessage() for record in caplog.records] == [f"not redacted: {coverage.uncovered[0]}"]


# --- threads and processes ------------------------------------------------------------


def test_threads_lose_and_garble_nothing() -> None:
    """Spans ended in eight threads at once are all exported, each with its own attributes, none with a secret."""
    provider, exporter = tracers(), InMemorySpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=10_000))
    redactor = Redactor()
    cover_traces(provider, redactor)
    barrier = threading.Barrier(8)

    def work(thread: int) -> None:
        barrier.wait()
        for number in range(250):
            secret = {"session.id": f"{OPAQUE.secret}{thread}{number}"} if number % 2 else {}
            ended(started(provider, f"{thread}-{number}", attributes={"n": number, f"key.{thread}": "v", **secret}))

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    provider.force_flush()
    provider.shutdown()
    got = sorted((span.name, sorted(span.attributes.items())) for span in exporter.get_finished_spans())
    hidden = ("session.id", "[REDACTED:session]")
    expected = sorted(
        (f"{thread}-{number}", [(f"key.{thread}", "v"), ("n", number), *([hidden] if number % 2 else [])])
        for thread in range(8)
        for number in range(250)
    )
    assert got == expected
    assert (redactor.summary.total, redactor.summary.errors) == (1000, 0)


_FORKING = """
import os, sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry import trace
from redactor.integrations.opentelemetry import install
provider, exporter = TracerProvider(), InMemorySpanExporter()
trace.set_tracer_provider(provider)
provider.add_span_processor(SimpleSpanProcessor(exporter))
coverage = install()
def check():
    with trace.get_tracer("x").start_as_current_span("s") as span:
        span.set_attribute("session.id", "kL9xQ2mZ8vBk3J7wT1aN4c")
    return exporter.get_finished_spans()[-1].attributes["session.id"] == "[REDACTED:session]"
good = check()
child = os.fork()
if child == 0:
    os._exit(0 if check() else 1)
good = good and os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 and check()
assert coverage.covered == ("traces: SimpleSpanProcessor",), coverage
assert len(coverage.uncovered) == 2, coverage
sys.exit(0 if good else 1)
"""


def _environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return {**kept, **more}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_global_providers_and_fork() -> None:
    """Without arguments the global providers are covered, in a forked child as well."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", _FORKING], env=_environment(), capture_output=True)
    assert (done.returncode, done.stderr.decode()) == (0, "")


_APP = """
from opentelemetry import _logs, metrics, trace
secret = "kL9xQ2mZ8vBk3J7wT1aN4c"
with trace.get_tracer("app").start_as_current_span(f"login session_id={secret}") as span:
    span.set_attribute("session.id", secret)
    span.set_attribute("url.path", "/orders")
    _logs.get_logger("app").emit(body=f"session_id={secret}", attributes={"session.id": secret})
metrics.get_meter("app").create_counter("logins").add(1, {"session.id": secret})
for provider in (trace.get_tracer_provider(), _logs.get_logger_provider(), metrics.get_meter_provider()):
    provider.shutdown()
print("app done")
"""


def _instrumented(folder: Path, receiver: Receiver, **more: str) -> subprocess.CompletedProcess[bytes]:
    """Run an application under ``opentelemetry-instrument`` with our entry point installed."""
    program = Path(sys.executable).with_name("opentelemetry-instrument")
    if not program.exists():
        pytest.skip("opentelemetry-instrument is not installed")
    info = folder / "site" / "redactor_entry-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: redactor-entry\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[opentelemetry_pre_instrument]\nredactor = redactor.integrations.opentelemetry:instrument\n"
    )
    (folder / "app.py").write_text(_APP)
    environment = _environment(
        PYTHONPATH=str(folder / "site"),
        PATH=f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_LOGS_EXPORTER="otlp",
        OTEL_METRICS_EXPORTER="otlp",
        OTEL_SERVICE_NAME="shop",
        **more,
    )
    receiver.received.clear()
    return subprocess.run(
        [program, "python", "app.py"], cwd=folder, env=environment, capture_output=True, timeout=50, check=False
    )


def test_opentelemetry_instrument(tmp_path: Path, receiver: Receiver) -> None:
    """``opentelemetry-instrument python app.py`` redacts traces, logs and metrics without a line of code."""
    done = _instrumented(tmp_path, receiver)
    assert (done.returncode, done.stdout) == (0, b"app done\n"), done.stderr.decode()
    sent = dict(receiver.received)
    receiver.received.clear()
    assert sorted(sent) == ["/v1/logs", "/v1/metrics", "/v1/traces"]
    for body in sent.values():
        assert_absent(OPAQUE.secret, body)
    span = decoded("/v1/traces", sent["/v1/traces"])["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert span["name"] == "login session_id=[REDACTED:session]"
    assert {each["key"]: each["value"]["stringValue"] for each in span["attributes"]} == {
        "session.id": "[REDACTED:session]",
        "url.path": "/orders",
    }


def test_opentelemetry_instrument_without_a_redactor(tmp_path: Path, receiver: Receiver) -> None:
    """With a key file that cannot be used, the application runs, everything leaves blank and stderr says why."""
    done = _instrumented(tmp_path, receiver, REDACTOR_HMAC_KEY_FILE=str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (0, b"app done\n")
    assert b"telemetry leaves as [REDACTED:error], for no redactor can be made" in done.stderr
    sent = dict(receiver.received)
    receiver.received.clear()
    for body in sent.values():
        assert_absent(OPAQUE.secret, body)
    span = decoded("/v1/traces", sent["/v1/traces"])["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert (span["name"], "attributes" in span) == (ERROR, False)


def test_opentelemetry_instrument_switched_off(tmp_path: Path, receiver: Receiver) -> None:
    """Named in ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS``, the entry point does nothing."""
    done = _instrumented(tmp_path, receiver, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="flask, redactor")
    assert done.returncode == 0
    assert all(OPAQUE.secret.encode() in body for _, body in receiver.received)
    receiver.received.clear()


# --- install_always -------------------------------------------------------------------


@pytest.fixture
def always() -> Iterator[ours.Installation]:
    installation = ours.install_always()
    yield installation
    installation.uninstall()


def test_always_covers_what_is_made_later(always: ours.Installation) -> None:
    """Providers made after it are covered, global or not, with what is added to them."""
    provider, logs, reader = tracers(), loggers(), InMemoryMetricReader()
    records = InMemoryLogRecordExporter()
    exporter = in_memory(provider)
    logs.add_log_record_processor(SimpleLogRecordProcessor(records))
    meter_provider = meters(reader)
    _in_attribute(provider, OPAQUE)
    emitted(logs, body="x", attributes=SECRET)
    meter_provider.get_meter("m").create_counter("c").add(1, SECRET)
    points = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert exporter.get_finished_spans()[0].attributes[OPAQUE.key] == "[REDACTED:session]"
    assert dict(records.get_finished_logs()[0].log_record.attributes) == HIDDEN
    assert [dict(point.attributes) for point in points] == [HIDDEN]
    assert always.covered == ("opentelemetry: every provider",)
    provider.shutdown()


def test_always_again(always: ours.Installation) -> None:
    """Providers that are covered already get the redactor of the latest call."""
    provider = tracers()
    exporter = in_memory(provider)
    redactor = Redactor()
    assert ours.install_always(redactor) is always
    _in_attribute(provider, OPAQUE)
    assert exporter.get_finished_spans()[0].attributes[OPAQUE.key] == "[REDACTED:session]"
    assert redactor.summary.total == 1
    provider.shutdown()


def test_always_uninstalled() -> None:
    """Uninstalling restores the SDK's classes and every provider, and those made later are left alone."""
    kinds = (TracerProvider, LoggerProvider, MeterProvider)
    before = [dict(vars(kind)) for kind in kinds]
    installation = ours.install_always()
    assert [dict(vars(kind)) for kind in kinds] != before
    provider = tracers()
    exporter = in_memory(provider)
    installation.uninstall()
    installation.uninstall()
    assert [dict(vars(kind)) for kind in kinds] == before
    assert "on_end" not in vars(provider._active_span_processor)
    _in_attribute(provider, OPAQUE)
    _in_attribute(later := tracers(), OPAQUE)
    assert exporter.get_finished_spans()[0].attributes[OPAQUE.key] == OPAQUE.value
    assert "on_end" not in vars(later._active_span_processor)
    assert installation.covered == ()
