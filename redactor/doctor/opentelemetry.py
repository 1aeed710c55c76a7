"""OpenTelemetry: what the exporter of each processor and reader of the global providers is given.

The provider's own objects are not touched and nothing is exported: the hooks and wrappers
of ours run in copies, around a last step that keeps. Processors that are neither ours nor
the SDK's are not run; of those it counts what they are given.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import chain
from secrets import randbits
from time import time_ns
from typing import Any, Final

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from redactor.doctor.report import Judge, Row
from redactor.installation import INSTALL
from redactor.integrations import opentelemetry as ours

__all__ = ["rows"]

_HOST: Final = "opentelemetry"
_SCOPE: Final = InstrumentationScope("redactor.doctor")

_Take = Callable[[Any], object]


def rows(judge: Judge) -> Iterator[Row]:
    """Yield a row for each processor and reader of the global providers."""
    for signal, provider, kind, look in (
        ("traces", trace.get_tracer_provider(), TracerProvider, _traces),
        ("logs", _logs.get_logger_provider(), LoggerProvider, _log_records),
        ("metrics", metrics.get_meter_provider(), MeterProvider, _metrics),
    ):
        if isinstance(provider, kind):
            yield from look(judge, provider)
        elif not type(provider).__module__.startswith(f"opentelemetry.{kind.__module__.split('.')[2]}"):
            what = f"{signal}: {type(provider).__qualname__}"
            yield judge.unchecked(_HOST, what, "it is no provider of the SDK")


def _row(judge: Judge, what: str, send: Callable[[_Take], None]) -> Row:
    sent: list[object] = []
    try:
        send(sent.append)
    except Exception as error:
        return judge.unchecked(_HOST, what, f"it fails with {type(error).__name__}")
    return judge.row(_HOST, what, sent, INSTALL)


# --- through hooks and wrappers -----------------------------------------------------------


def _through(target: Any, name: str, last: Callable[..., Any]) -> Callable[..., Any]:
    """Return our hook in front of a method, around ``last`` instead of the method; ``last`` where there is none."""
    hook = vars(target).get(name)
    if not isinstance(hook, ours._Hook):
        return last
    lent = copy.copy(hook)
    lent.original = last
    return lent


class _LastStep:
    """Stands in for a processor or an exporter: every method of it is ``take``."""

    def __init__(self, take: Callable[..., Any]) -> None:
        self.on_end = self.on_emit = self.emit = self.export = take


def _given(processor: Any, name: str, take: _Take) -> Callable[[Any], Any]:
    """Return what gives an item to ``processor`` as its provider does, and what its exporter is given to ``take``."""

    def last(item: Any) -> Any:
        if isinstance(processor, ours.RedactingSpanProcessor | ours.RedactingLogRecordProcessor):
            lent = copy.copy(processor)
            lent._processor = _LastStep(_given(processor._processor, name, take))  # type: ignore[assignment]
            return getattr(lent, name)(item)
        return _exported(_exporter(processor), item, take)

    return _through(processor, name, last)


def _exported(exporter: Any, item: Any, take: _Take) -> None:
    if not isinstance(exporter, ours.RedactingSpanExporter | ours.RedactingLogRecordExporter):
        take(_texts(item))
        return
    lent = copy.copy(exporter)

    def export(batch: Any) -> None:
        for each in batch:
            _exported(exporter._exporter, each, take)

    lent._exporter = _LastStep(export)  # type: ignore[assignment]
    lent.export([item])


def _exporter(processor: Any) -> Any:
    """Return the exporter of one of the SDK's own processors, in any version; ``None`` of another."""
    for holder in (getattr(processor, "_batch_processor", None), processor):
        for name in ("_exporter", "span_exporter"):
            if hasattr(holder, name):
                return getattr(holder, name)
    return None


def _name(signal: str, processor: Any) -> str:
    parts = [processor]
    while isinstance(parts[-1], ours.RedactingSpanProcessor | ours.RedactingLogRecordProcessor):
        parts.append(parts[-1]._processor)
    exporter = _exporter(parts[-1])
    while exporter is not None:
        parts.append(exporter)
        redacts = isinstance(exporter, ours.RedactingSpanExporter | ours.RedactingLogRecordExporter)
        exporter = exporter._exporter if redacts else None
    return f"{signal}: {' > '.join(type(each).__qualname__ for each in parts)}"


# --- the signals --------------------------------------------------------------------------


def _traces(judge: Judge, provider: Any) -> Iterator[Row]:
    every = provider._active_span_processor
    for processor in getattr(every, "_span_processors", (every,)):
        if type(processor).on_end is SpanProcessor.on_end:
            continue  # it adds to spans when they start, and sends nothing

        def send(take: _Take, processor: Any = processor) -> None:
            give = _given(processor, "on_end", take)
            receive = give if processor is every else _through(every, "on_end", give)
            for canary in judge.canaries:
                receive(_span(provider, canary.text))

        yield _row(judge, _name("traces", processor), send)


def _span(provider: Any, canary: str) -> ReadableSpan:
    context = SpanContext(randbits(128), randbits(64), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    now = time_ns()
    return ReadableSpan(
        canary,
        context=context,
        resource=provider.resource,
        attributes={"note": canary},
        events=(Event("exception", {"exception.message": canary}),),
        status=Status(StatusCode.ERROR, canary),
        start_time=now,
        end_time=now,
        instrumentation_scope=_SCOPE,
    )


def _log_records(judge: Judge, provider: Any) -> Iterator[Row]:
    every = provider._multi_log_record_processor
    method = "on_emit" if hasattr(every, "on_emit") else "emit"
    for processor in getattr(every, "_log_record_processors", (every,)):

        def send(take: _Take, processor: Any = processor) -> None:
            give = _given(processor, method, take)
            receive = give if processor is every else _through(every, method, give)
            for canary in judge.canaries:
                _emit(provider, canary.text, receive)

        yield _row(judge, _name("logs", processor), send)


def _emit(provider: Any, canary: str, receive: Callable[[Any], Any]) -> None:
    """Let a copy of a logger of ``provider`` make a record and give it to ``receive``."""
    logger = copy.copy(provider.get_logger("redactor.doctor"))
    logger._multi_log_record_processor = _LastStep(receive)
    logger.emit(_logs.LogRecord(timestamp=time_ns(), body=canary, attributes={"note": canary}))


def _metrics(judge: Judge, provider: Any) -> Iterator[Row]:
    for reader in ours.metric_readers(provider):
        exporter = getattr(reader, "_exporter", None)
        names = [type(each).__qualname__ for each in (reader, exporter) if each is not None]

        def send(take: _Take, reader: Any = reader, exporter: Any = exporter) -> None:
            def last(data: Any, *_: Any, **__: Any) -> None:
                if isinstance(exporter, ours.RedactingMetricExporter):
                    lent = copy.copy(exporter)
                    lent._exporter = _LastStep(lambda clean, **_: take(_points(clean)))  # type: ignore[assignment]
                    lent.export(data)
                else:
                    take(_points(data))

            _through(reader, "_receive_metrics", last)(_measured([canary.text for canary in judge.canaries]))

        yield _row(judge, f"metrics: {' > '.join(names)}", send)


def _measured(canaries: list[str]) -> MetricsData:
    now = time_ns()
    points = [NumberDataPoint({"note": canary}, now, now, 1) for canary in canaries]
    total = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)
    scope = ScopeMetrics(_SCOPE, [Metric("redactor", "", "1", total)], "")
    return MetricsData([ResourceMetrics(Resource.get_empty(), [scope], "")])


# --- what is in it ------------------------------------------------------------------------


def _texts(item: Any) -> list[object]:
    """Return the texts of a span or of a log record."""
    if isinstance(item, ReadableSpan):
        told = chain.from_iterable((event.name, dict(event.attributes or {})) for event in item.events)
        return [item.name, dict(item.attributes or {}), item.status.description or "", *told]
    record = item.log_record
    return [record.body, dict(record.attributes or {})]


def _points(data: MetricsData) -> list[object]:
    return [
        [metric.name, *(dict(point.attributes or {}) for point in metric.data.data_points)]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
