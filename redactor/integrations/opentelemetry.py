"""OpenTelemetry: no session secret leaves in a span, a log record, a metric or an exemplar.

``install()`` after the providers are set is all there is to it; ``opentelemetry-instrument``
calls it by an entry point, and ``install_always()`` may be called before. The processors and exporters here wrap one of the SDK's each,
for those who prefer explicit wiring.

What is clean passes as the same object. What is not is copied: the application's own
spans and records keep what they hold. A copy is read back through its public properties
before it leaves, so that a field which the SDK keeps elsewhere cannot pass by unnoticed.
Ids of traces and spans are never touched. Nothing here raises: what cannot be inspected
leaves as ``[REDACTED:error]`` with its ids and times, and is counted in
``redactor.summary.errors``.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from inspect import signature
from operator import add
from typing import Any, Final, TypeAlias, TypeVar

from opentelemetry import _logs, metrics, trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    Gauge,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceState

from redactor import known
from redactor.integrations._hooks import Installation
from redactor.model import Summary
from redactor.redactor import Redactor, default_redactor
from redactor.replace import ERROR_PLACEHOLDER

try:
    from opentelemetry.sdk._logs.export import LogRecordExporter
except ImportError:  # the name until 1.39
    from opentelemetry.sdk._logs.export import LogExporter as LogRecordExporter

__all__ = [
    "Coverage",
    "Installation",
    "RedactingLogRecordExporter",
    "RedactingLogRecordProcessor",
    "RedactingMetricExporter",
    "RedactingSpanExporter",
    "RedactingSpanProcessor",
    "install",
    "install_always",
    "instrument",
]

_T = TypeVar("_T")

_logger = logging.getLogger("redactor")

_BETWEEN: Final = "\n\0\n"
"""What no name, value or sentence reaches across, so that many texts are scanned as one."""

_LONGEST: Final = 65536
"""Texts that are longer together, in characters, are looked at one by one."""

_INERT: Final = frozenset((int, float, bool, type(None)))
_SEQUENCES: Final = frozenset((tuple, list))
_VALUE_KEYS: Final = frozenset(("value", "content", "stringvalue", "string_value"))
"""Keys whose value is named by a neighbour, in lower case."""

_REMEMBERED: Final = 4096
_LONGEST_KEY: Final = 96
_ERROR_KEY: Final = "redactor.error"
_MOST_BUCKETS: Final = 160
"""How many buckets of an exponential histogram the SDK keeps by default."""

_SHARED: Final = "_redactor_shared"
"""Marks a log record that a processor has been given."""

_LONGEST_STATE: Final = 256
"""The longest value of a tracestate entry (W3C Trace Context section 3.3.1.3.2)."""

_SPAN_FIELDS: Final = (
    "name",
    "context",
    "parent",
    "resource",
    "attributes",
    "events",
    "links",
    "kind",
    "status",
    "start_time",
    "end_time",
    "instrumentation_scope",
)
_KEPT_OF_LOG: Final = frozenset(
    ("timestamp", "observed_timestamp", "context", "trace_id", "span_id", "trace_flags", "severity_number", "limits")
)
# An argument that old versions need for attributes other than plain ones.
_EXTENDED: Final[dict[str, Any]] = (
    {"extended_attributes": True} if "extended_attributes" in signature(BoundedAttributes).parameters else {}
)


def _fields_shown() -> bool:
    """Return whether ``events`` and ``links`` of a span show what the fields ``_events`` and ``_links`` hold."""
    try:
        events = BoundedList.from_seq(1, [Event("probe")])
        links = BoundedList.from_seq(1, [Link(trace.INVALID_SPAN_CONTEXT)])
        span = ReadableSpan("probe", resource=Resource.get_empty(), events=events, links=links)
        shown = tuple(span.events) == tuple(events) and tuple(span.links) == tuple(links)
        return shown and span._events is events and span._links is links
    except Exception:
        return False


_FIELDS_SHOWN: Final = _fields_shown()


# --- what leaves ----------------------------------------------------------------------


class _Cleaner:
    """Redacts spans, log records and metrics. Without a redactor nothing can be inspected."""

    def __init__(self, redactor: Redactor | None) -> None:
        # None fails where it is used, and what fails leaves blank.
        self._redactor: Any = redactor
        self.summary = Summary() if redactor is None else redactor.summary
        self._plain: set[str] = set()
        self._telling: set[str] = set()
        self._seen: dict[int, tuple[Any, Any]] = {}
        self._unchanged: dict[int, Any] = {}
        self._span_judges: Mapping[str, Callable[[Any], Any]] = {
            "name": self._text,
            "attributes": self._attributes,
            "events": self._events,
            "links": self._links,
            "status": self._status,
            "resource": self._resource,
            "instrumentation_scope": self._scope,
            "context": self._context,
            "parent": self._context,
        }
        self._log_judges: Mapping[str, Callable[[Any], Any]] = {
            "body": self._value,
            "attributes": self._attributes,
            "event_name": self._text,
            "severity_text": self._text,
            "resource": self._resource,
        }

    # Spans

    def span(self, span: Any) -> Any:
        """Return ``span``, or a copy without its secrets."""
        try:
            texts: list[str] = []
            if self._gather_span(span, texts) and self._clean(texts):
                return span
            changes = _changes(span, self._span_judges)
            if not changes:
                return span
            _keep_dropped(span, changes)
            for make in (_copied_span, _constructed_span):
                with suppress(Exception):
                    other = make(span, changes)
                    if not _changes(other, self._span_judges):
                        return other
        except Exception:  # noqa: S110 (counted below)
            pass
        self.summary.add_error()
        return self._bare_span(span)

    def _gather_span(self, span: Any, texts: list[str]) -> bool:
        """Collect the texts of ``span``; return whether nothing else of it has to be judged."""
        unchanged = self._unchanged
        resource, scope = span.resource, span.instrumentation_scope
        if unchanged.get(id(resource)) is not resource and self._resource(resource) is not resource:
            return False
        if unchanged.get(id(scope)) is not scope and self._scope(scope) is not scope:
            return False
        status, context, parent = span.status, span.context, span.parent
        texts.append(span.name)
        if status is not None and status.description:
            texts.append(status.description)
        if context is not None and context.trace_state and not self._gather(context.trace_state, texts):
            return False
        if parent is not None and parent.trace_state and not self._gather(parent.trace_state, texts):
            return False
        # Most spans have neither events nor links, and asking for them is slow.
        known_type = type(span) is ReadableSpan and _FIELDS_SHOWN
        for event in () if known_type and not span._events else span.events:
            texts.append(event.name)
            if not self._gather(event.attributes, texts):
                return False
        for link in () if known_type and not span._links else span.links:
            if not self._gather(link.attributes, texts) or not self._gather(link.context.trace_state, texts):
                return False
        return self._gather(span.attributes, texts)

    def _gather(self, attributes: Any, texts: list[str]) -> bool:
        """Collect texts from ``attributes``; return whether no key or type asks for more than that."""
        if not attributes:
            return True
        items = _items(attributes)
        if not self._plain.issuperset(items) and not self._are_plain(items):
            return False
        append = texts.append
        for value in items.values():
            kind = type(value)
            if kind is str:
                append(value)
            elif kind in _SEQUENCES and len(value) != 2:  # of two, the first may name the second
                for each in value:
                    if type(each) is str:
                        append(each)
                    elif type(each) not in _INERT:
                        return False
            elif kind not in _INERT:
                return False
        if known.used:
            texts.extend(items)
        return True

    def _are_plain(self, keys: Iterable[Any]) -> bool:
        """Return whether none of ``keys`` says anything of its value or holds a secret itself."""
        if len(self._plain) + len(self._telling) >= _REMEMBERED:
            self._plain.clear()
            self._telling.clear()
        every = True
        for key in keys:
            if key not in self._plain:
                every = False if key in self._telling else self._is_plain(key) and every
        return every

    def _is_plain(self, key: Any) -> bool:
        redactor = self._redactor
        if type(key) is not str or len(key) > _LONGEST_KEY:
            return False
        telling = key.lower() in _VALUE_KEYS or redactor.scanner.rule_of_key(key) is not None or redactor.matches(key)
        (self._telling if telling else self._plain).add(key)
        return not telling

    def _clean(self, texts: list[str]) -> bool:
        """Return whether one scan of all ``texts`` finds nothing."""
        try:
            text = _BETWEEN.join(texts)
        except TypeError:  # a name that is no text
            return False
        if len(text) > _LONGEST:
            return False
        if known.used:
            return not self._redactor.matches(text)
        return not self._redactor.scanner.scan(text.encode("utf-8", "surrogatepass"))

    def _bare_span(self, span: Any) -> ReadableSpan:
        """Return a span of which only ids, times, kind and status code are left."""
        status = _part(_part(span, "status"), "status_code", StatusCode.UNSET)
        return ReadableSpan(
            name=ERROR_PLACEHOLDER,
            context=_bare_context(_part(span, "context")) or trace.INVALID_SPAN_CONTEXT,
            parent=_bare_context(_part(span, "parent")),
            resource=self._known_resource(_part(span, "resource")),
            kind=_part(span, "kind", SpanKind.INTERNAL),
            status=Status(status),
            start_time=_part(span, "start_time"),
            end_time=_part(span, "end_time"),
        )

    # Log records

    def log(self, data: Any) -> Any:
        """Return ``data``, what the SDK puts around a log record, or a copy without its secrets."""
        try:
            if self._is_clean_log(data):
                return data
            other = self._copied_log(data)
            if other is data or self._copied_log(other) is other:
                return other
        except Exception:  # noqa: S110 (counted below)
            pass
        self.summary.add_error()
        return self._bare_log(data)

    def _is_clean_log(self, data: Any) -> bool:
        record = data.log_record
        body, resource, scope = record.body, _part(data, "resource"), data.instrumentation_scope
        texts = [each for each in (body, record.severity_text, _part(record, "event_name")) if type(each) is str]
        return (
            (type(body) is str or type(body) in _INERT)
            and self._resource(resource) is resource
            and self._scope(scope) is scope
            and self._resource(_part(record, "resource")) is _part(record, "resource")
            and self._gather(record.attributes, texts)
            and self._clean(texts)
        )

    def _copied_log(self, data: Any) -> Any:
        record = data.log_record
        changes = _changes(record, self._log_judges)
        around = _changes(data, {"resource": self._resource, "instrumentation_scope": self._scope})
        if changes:
            if "attributes" in changes:
                changes["attributes"] = _bounded(changes["attributes"], _dropped(data), False)
            if _part(record, "exception") is not None:
                changes["exception"] = None  # its text is among the attributes
            around["log_record"] = _with(record, changes)
        return _with(data, around) if around else data

    def _bare_log(self, data: Any) -> Any:
        """Return a record of which only ids, times and severity are left; ``None`` if there are none."""
        try:
            record = data.log_record
            bare = dict.fromkeys(name for name in vars(record) if name not in _KEPT_OF_LOG)
            bare |= {"body": ERROR_PLACEHOLDER, "attributes": _bounded({}, 0, False)}
            if "resource" in bare:
                bare["resource"] = self._known_resource(record.resource)
            around: dict[str, Any] = {"log_record": _with(record, bare), "instrumentation_scope": None}
            if hasattr(data, "resource"):
                around["resource"] = self._known_resource(data.resource)
            return _with(data, around)
        except Exception:
            return None

    # Metrics

    def metrics(self, data: Any) -> Any:
        """Return ``data``, or a copy without its secrets.

        Points that differ in nothing but secrets become one point.
        """
        try:
            return _changed(data, resource_metrics=_each(self._resource_metrics, data.resource_metrics))
        except Exception:
            self.summary.add_error()
            return MetricsData(resource_metrics=())

    def _resource_metrics(self, given: Any) -> Any:
        return _changed(
            given,
            resource=self._resource(given.resource),
            scope_metrics=_each(self._scope_metrics, given.scope_metrics),
            schema_url=self._text(given.schema_url),
        )

    def _scope_metrics(self, given: Any) -> Any:
        return _changed(
            given,
            scope=self._scope(given.scope),
            metrics=_each(self._metric, given.metrics),
            schema_url=self._text(given.schema_url),
        )

    def _metric(self, metric: Any) -> Any:
        try:
            points = metric.data.data_points
            redacted = _each(self._point, points)
            data = metric.data if redacted is points else replace(metric.data, data_points=_merged(redacted, metric))
            return _changed(
                metric,
                name=self._text(metric.name),
                description=self._text(metric.description),
                unit=self._text(metric.unit),
                data=data,
            )
        except Exception:
            self.summary.add_error()
            return _bare_metric(metric)

    def _point(self, point: Any) -> Any:
        return _changed(
            point,
            attributes=self._attributes(point.attributes),
            exemplars=_each(self._exemplar, point.exemplars),
        )

    def _exemplar(self, exemplar: Any) -> Any:
        return _changed(exemplar, filtered_attributes=self._attributes(exemplar.filtered_attributes))

    # Parts. Each returns the same object if it is clean.

    def _text(self, text: Any) -> Any:
        return self._redactor.text(text) if type(text) is str else self._value(text)

    def _value(self, value: Any) -> Any:
        redacted = self._redactor.value(value)
        return value if redacted is value or redacted == value else redacted

    def _attributes(self, attributes: Any) -> Any:
        texts: list[str] = []
        if not attributes or (self._gather(attributes, texts) and self._clean(texts)):
            return attributes
        items = _items(attributes)
        redacted = self._judged(items)
        return attributes if redacted == items else redacted

    def _judged(self, items: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return ``items`` without secrets: only the keys that say something are judged with their values."""
        plain = self._plain
        if known.used or any(type(key) is str and key.lower() in _VALUE_KEYS for key in items):
            return self._mapping(items)
        telling = {key: value for key, value in items.items() if key not in plain}
        redacted = dict(self._mapping(telling)) if telling else {}
        joined: dict[str, Any] = {}
        for key, value in items.items():
            if key in plain:
                joined[key] = self._text(value)
            elif key in redacted:
                joined[key] = redacted.pop(key)
        return joined | redacted

    def _mapping(self, items: Mapping[str, Any]) -> Mapping[str, Any]:
        redacted = self._value(items)
        return redacted if isinstance(redacted, Mapping) else {_ERROR_KEY: redacted}

    def _events(self, events: Any) -> Any:
        return _each(self._event, events)

    def _event(self, event: Any) -> Any:
        name, attributes = self._text(event.name), self._attributes(event.attributes)
        if name is event.name and attributes is event.attributes:
            return event
        return Event(name=name, attributes=_bounded(attributes, _dropped(event)), timestamp=event.timestamp)

    def _links(self, links: Any) -> Any:
        return _each(self._link, links)

    def _link(self, link: Any) -> Any:
        context, attributes = self._context(link.context), self._attributes(link.attributes)
        if context is link.context and attributes is link.attributes:
            return link
        return Link(context, _bounded(attributes, _dropped(link)))

    def _status(self, status: Any) -> Any:
        description = None if status is None else self._text(status.description)
        return (
            status if status is None or description is status.description else Status(status.status_code, description)
        )

    def _context(self, context: Any) -> Any:
        if context is None or not context.trace_state:
            return context
        entries = list(context.trace_state.items())
        redacted = [
            (key, _state_value(self._redactor.beside(key, value)))
            for key, value in entries
            if not self._redactor.matches(key)
        ]
        return context if redacted == entries else _plain_context(context, TraceState(redacted))

    def _resource(self, resource: Any) -> Any:
        return self._remembered(resource, self._redacted_resource)

    def _redacted_resource(self, resource: Any) -> Any:
        attributes, url = self._attributes(resource.attributes), self._text(resource.schema_url)
        if attributes is resource.attributes and url is resource.schema_url:
            return resource
        return Resource(attributes, url)

    def _scope(self, scope: Any) -> Any:
        return self._remembered(scope, self._redacted_scope)

    def _redacted_scope(self, scope: Any) -> Any:
        name, version, url = (self._text(each) for each in (scope.name, scope.version, scope.schema_url))
        given = _part(scope, "attributes")
        attributes = self._attributes(given)
        if name is scope.name and version is scope.version and url is scope.schema_url and attributes is given:
            return scope
        return InstrumentationScope(name, version, url, *([attributes] if attributes else []))

    def _remembered(self, given: Any, judge: Callable[[Any], Any]) -> Any:
        """Judge a resource or scope once: there are few, and every span has one."""
        if given is None:
            return None
        seen = self._seen.get(id(given))
        if seen is not None and seen[0] is given:
            return seen[1]
        errors = self.summary.errors
        redacted = judge(given)
        if self.summary.errors == errors:
            if len(self._seen) >= _REMEMBERED:
                self._unchanged.clear()
                self._seen.clear()
            self._seen[id(given)] = given, redacted
            if redacted is given:
                self._unchanged[id(given)] = given
        return redacted

    def _known_resource(self, resource: Any) -> Any:
        """Return what is known to be left of ``resource``, without another look at it."""
        seen = self._seen.get(id(resource))
        return seen[1] if seen is not None and seen[0] is resource else Resource.get_empty()


def _changes(given: Any, judges: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Return what has to be replaced, by the name of the public property that shows it."""
    changes = {}
    for name, judge in judges.items():
        value = getattr(given, name, None)
        redacted = judge(value)
        if redacted is not value:
            changes[name] = redacted
    return changes


def _changed(given: Any, **fields: Any) -> Any:
    """Return the dataclass ``given``, copied if one of ``fields`` is not what it has."""
    changes = {name: value for name, value in fields.items() if value is not getattr(given, name)}
    return replace(given, **changes) if changes else given


def _each(judge: Callable[[_T], _T], items: Sequence[_T]) -> Sequence[_T]:
    redacted = [judge(item) for item in items]
    return items if all(new is old for new, old in zip(redacted, items, strict=True)) else redacted


def _part(given: Any, name: str, default: Any = None) -> Any:
    try:
        return getattr(given, name, default)
    except Exception:
        return default


def _items(attributes: Any) -> Mapping[str, Any]:
    """Return attributes as a plain dict; the SDK's own mapping is slow to walk."""
    try:
        return attributes.copy()  # type: ignore[no-any-return]
    except AttributeError:
        return dict(attributes)


def _with(given: _T, fields: Mapping[str, Any]) -> _T:
    """Return a copy of ``given`` with other fields, also if it is frozen."""
    other = copy(given)
    for name, value in fields.items():
        object.__setattr__(other, name, value)
    return other


def _detached(data: Any) -> Any:
    """Return a copy of a log record whose attributes nobody else can change."""
    record = data.log_record
    attributes = None if record.attributes is None else _bounded(record.attributes.copy(), _dropped(data), False)
    return _with(data, {"log_record": _with(record, {"attributes": attributes})})


def _copied_span(span: Any, changes: Mapping[str, Any]) -> Any:
    """Return a copy of ``span`` of its own type, with the SDK's private fields set."""
    fields = {f"_{name}": value for name, value in changes.items()}
    if "instrumentation_scope" in changes:
        fields["_instrumentation_info"] = None  # an older name of the same
    return _with(span, fields)


def _constructed_span(span: Any, changes: Mapping[str, Any]) -> Any:
    """Return a new span with what the public properties of ``span`` show."""
    return ReadableSpan(**{name: changes.get(name, getattr(span, name)) for name in _SPAN_FIELDS})


def _keep_dropped(span: Any, changes: dict[str, Any]) -> None:
    """Put what changes into the SDK's own containers, which know how much was dropped before."""
    if "attributes" in changes:
        changes["attributes"] = _bounded(changes["attributes"], _dropped(span))
    for name in ("events", "links"):
        if name in changes:
            bounded = BoundedList.from_seq(len(changes[name]), changes[name])
            bounded.dropped = int(_part(span, f"dropped_{name}", 0))
            changes[name] = bounded


def _bounded(attributes: Any, dropped: int, immutable: bool = True) -> Any:
    if attributes is None or isinstance(attributes, BoundedAttributes):
        return attributes
    bounded = BoundedAttributes(attributes=attributes, immutable=immutable, **_EXTENDED)
    bounded.dropped = dropped
    # What the container would not take as it is stays in a plain one.
    return bounded if bounded.copy() == attributes else attributes


def _dropped(given: Any) -> int:
    return int(_part(given, "dropped_attributes", 0))


def _plain_context(context: Any, state: TraceState | None) -> SpanContext:
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags, state)


def _bare_context(context: Any) -> SpanContext | None:
    try:
        return None if context is None else _plain_context(context, None)
    except Exception:
        return None


def _state_value(value: str) -> str:
    """Return ``value`` as the value of a tracestate entry may be, which has no ``=`` and no comma."""
    value = value.replace("=", ":").replace(",", ";")
    return value if 0 < len(value) <= _LONGEST_STATE else "[REDACTED]"


# --- points that have become the same -------------------------------------------------


def _merged(points: Iterable[Any], metric: Any) -> list[Any]:
    """Return ``points`` with those of equal attributes added up.

    Two points of one metric with the same attributes would overwrite each other.
    """
    merged: dict[Any, Any] = {}
    for point in points:
        attributes = (point.attributes or {}).items()
        key = (tuple(sorted((name, repr(value)) for name, value in attributes)), _shape(point))
        merged[key] = _added(merged[key], point, metric) if key in merged else point
    return list(merged.values())


def _shape(point: Any) -> object:
    return tuple(point.explicit_bounds) if isinstance(point, HistogramDataPoint) else None


def _added(one: Any, other: Any, metric: Any) -> Any:
    if isinstance(metric.data, Gauge):
        return one if one.time_unix_nano > other.time_unix_nano else other
    fields: dict[str, Any] = {
        "start_time_unix_nano": min(one.start_time_unix_nano, other.start_time_unix_nano),
        "time_unix_nano": max(one.time_unix_nano, other.time_unix_nano),
        "exemplars": [*one.exemplars, *other.exemplars],
    }
    if isinstance(one, NumberDataPoint):
        return replace(one, value=one.value + other.value, **fields)
    fields |= {
        "count": one.count + other.count,
        "sum": one.sum + other.sum,
        "min": min(one.min, other.min),
        "max": max(one.max, other.max),
    }
    if isinstance(one, HistogramDataPoint):
        counts = tuple(map(add, one.bucket_counts, other.bucket_counts))
        return replace(one, bucket_counts=counts, **fields)
    return replace(one, zero_count=one.zero_count + other.zero_count, **fields, **_added_buckets(one, other))


def _added_buckets(one: Any, other: Any) -> dict[str, Any]:
    """Add up exponential buckets at the finest scale at which as many are left as the SDK keeps.

    Each step down in scale joins two neighbours.
    """
    scale = min(one.scale, other.scale)
    sides = {
        side: _joined(
            ((buckets.offset + place) >> (point.scale - scale), count)
            for point in (one, other)
            for buckets in (getattr(point, side),)
            for place, count in enumerate(buckets.bucket_counts)
            if count
        )
        for side in ("positive", "negative")
    }
    while any(counts and max(counts) - min(counts) >= _MOST_BUCKETS for counts in sides.values()):
        scale -= 1
        sides = {
            side: _joined((index >> 1, count) for index, count in counts.items()) for side, counts in sides.items()
        }
    return {"scale": scale, **{side: _buckets(getattr(one, side), counts) for side, counts in sides.items()}}


def _joined(counts: Iterable[tuple[int, int]]) -> dict[int, int]:
    joined: dict[int, int] = {}
    for index, count in counts:
        joined[index] = joined.get(index, 0) + count
    return joined


def _buckets(given: Any, counts: Mapping[int, int]) -> Any:
    low, high = (min(counts), max(counts)) if counts else (0, 0)
    return replace(given, offset=low, bucket_counts=[counts.get(index, 0) for index in range(low, high + 1)])


def _bare_metric(metric: Any) -> Metric:
    """Return a metric of which only the numbers are left."""
    points = [replace(point, attributes={}, exemplars=[]) for point in metric.data.data_points]
    data = replace(metric.data, data_points=_merged(points, metric))
    return Metric(name=ERROR_PLACEHOLDER, description="", unit="", data=data)


# --- wrappers for explicit wiring -----------------------------------------------------


def _cleaner(redactor: Redactor | None) -> _Cleaner:
    return _Cleaner(default_redactor() if redactor is None else redactor)


class RedactingSpanProcessor(SpanProcessor):
    """Gives ``processor`` every ended span without its secrets.

    It wraps the processor that exports, so the order in which processors are added to
    the provider does not matter. Raises what making a ``Redactor`` raises.
    """

    def __init__(self, processor: SpanProcessor, redactor: Redactor | None = None) -> None:
        self._processor = processor
        self._cleaner = _cleaner(redactor)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Pass the started span on; nothing of it leaves yet."""
        self._processor.on_start(span, parent_context=parent_context)

    def _on_ending(self, span: Span) -> None:
        self._processor._on_ending(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Pass the ended span on without its secrets."""
        self._processor.on_end(self._cleaner.span(span))

    def shutdown(self) -> None:
        """Shut the wrapped processor down."""
        self._processor.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the wrapped processor."""
        return self._processor.force_flush(timeout_millis)


class RedactingSpanExporter(SpanExporter):
    """Gives ``exporter`` every span without its secrets.

    With a ``BatchSpanProcessor`` it runs in the SDK's own thread, where values that a
    request registered in ``redactor.known.scope()`` are not known.
    """

    def __init__(self, exporter: SpanExporter, redactor: Redactor | None = None) -> None:
        self._exporter = exporter
        self._cleaner = _cleaner(redactor)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export ``spans`` without their secrets."""
        return self._exporter.export([self._cleaner.span(span) for span in spans])

    def shutdown(self) -> None:
        """Shut the wrapped exporter down."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the wrapped exporter."""
        return self._exporter.force_flush(timeout_millis)


class RedactingLogRecordProcessor(LogRecordProcessor):
    """Gives ``processor`` every log record without its secrets.

    It wraps the processor that exports, so the order in which processors are added to
    the provider does not matter. Raises what making a ``Redactor`` raises.
    """

    def __init__(self, processor: LogRecordProcessor, redactor: Redactor | None = None) -> None:
        self._processor = processor
        self._cleaner = _cleaner(redactor)

    def on_emit(self, log_record: Any) -> None:
        """Pass the record on without its secrets."""
        redacted = self._cleaner.log(log_record)
        if redacted is not None:
            self._processor.on_emit(_detached(redacted))

    def shutdown(self) -> None:
        """Shut the wrapped processor down."""
        self._processor.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the wrapped processor."""
        return self._processor.force_flush(timeout_millis)


class RedactingLogRecordExporter(LogRecordExporter):
    """Gives ``exporter`` every log record without its secrets.

    With a ``BatchLogRecordProcessor`` it runs in the SDK's own thread, where values that
    a request registered in ``redactor.known.scope()`` are not known.
    """

    def __init__(self, exporter: LogRecordExporter, redactor: Redactor | None = None) -> None:
        self._exporter = exporter
        self._cleaner = _cleaner(redactor)

    def export(self, batch: Sequence[Any]) -> Any:
        """Export ``batch`` without its secrets."""
        redacted = [self._cleaner.log(data) for data in batch]
        return self._exporter.export([data for data in redacted if data is not None])

    def shutdown(self) -> None:
        """Shut the wrapped exporter down."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the wrapped exporter."""
        return self._exporter.force_flush(timeout_millis)


class RedactingMetricExporter(MetricExporter):
    """Gives ``exporter`` every metric and exemplar without its secrets."""

    def __init__(self, exporter: MetricExporter, redactor: Redactor | None = None) -> None:
        super().__init__(
            preferred_temporality=_part(exporter, "_preferred_temporality"),
            preferred_aggregation=_part(exporter, "_preferred_aggregation"),
        )
        self._exporter = exporter
        self._cleaner = _cleaner(redactor)

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Export ``metrics_data`` without its secrets."""
        return self._exporter.export(self._cleaner.metrics(metrics_data), timeout_millis=timeout_millis, **kwargs)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Flush the wrapped exporter."""
        return self._exporter.force_flush(timeout_millis=timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Shut the wrapped exporter down."""
        self._exporter.shutdown(timeout_millis=timeout_millis, **kwargs)


# --- one call for everything ----------------------------------------------------------


class _Hook:
    """Stands in front of one method of one of the SDK's objects."""

    def __init__(self, target: Any, name: str, cleaner: _Cleaner) -> None:
        self.original: Callable[..., Any] = getattr(target, name)
        self.cleaner = cleaner
        self._target = target
        self._name = name
        self._own = name in vars(target)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do what the method does, without secrets."""
        raise NotImplementedError

    def put(self) -> bool:
        """Take the method's place; return whether reading it back shows that."""
        setattr(self._target, self._name, self)
        return getattr(self._target, self._name) is self

    def remove(self) -> None:
        """Give the method its place back, unless something else has taken it since."""
        if vars(self._target).get(self._name) is not self:
            return
        if self._own:
            setattr(self._target, self._name, self.original)
        else:
            delattr(self._target, self._name)


class _SpanHook(_Hook):
    def __call__(self, span: Any) -> Any:
        return self.original(self.cleaner.span(span))


class _LogHook(_Hook):
    """Redacts the record that all processors share, as the SDK means it to be changed.

    So what one processor adds is seen by the next, and judged before that one. The
    application's own record is inside it, and is replaced, not changed.
    """

    def __call__(self, log_record: Any) -> Any:
        redacted = self.cleaner.log(log_record)
        if redacted is None:
            return None
        try:
            shared = vars(log_record)
            # What an earlier processor has queued must not change any more.
            changed = _detached(redacted) if _SHARED in shared else redacted
            if changed is not log_record:
                shared.update(vars(changed))
            shared[_SHARED] = True
        except Exception:
            return self.original(redacted)
        return self.original(log_record)


class _MetricsHook(_Hook):
    def __call__(self, metrics_data: Any, *args: Any, **kwargs: Any) -> Any:
        return self.original(self.cleaner.metrics(metrics_data), *args, **kwargs)


class _AddHook(_Hook):
    """Covers what is added later, then adds it."""

    cover: Callable[[Any, _Cleaner], object]

    def __call__(self, added: Any) -> Any:
        self.cover(added, self.cleaner)
        return self.original(added)


@dataclass(frozen=True)
class Coverage:
    """What ``install`` found: each signal and component, covered or not.

    A line of ``uncovered`` says why, and what covers it.
    """

    covered: tuple[str, ...]
    uncovered: tuple[str, ...]
    _hooks: list[_Hook] = field(repr=False, compare=False)

    def uninstall(self) -> None:
        """Put every method back that ``install`` replaced, unless it was replaced again since."""
        for hook in self._hooks:
            hook.remove()


def install(
    redactor: Redactor | None = None,
    *,
    tracer_provider: Any = None,
    logger_provider: Any = None,
    meter_provider: Any = None,
) -> Coverage:
    """Redact all that leaves the providers, by default the global ones, from now on.

    Call it after the providers are set. Processors, exporters and readers may be added
    before or after. Called again, it takes the new ``redactor``. What cannot be covered
    is in the result, and a provider of an SDK that is not known is also logged as a
    warning. Raises what making a ``Redactor`` raises.
    """
    return _install(
        _cleaner(redactor),
        tracer_provider or trace.get_tracer_provider(),
        logger_provider or _logs.get_logger_provider(),
        meter_provider or metrics.get_meter_provider(),
    )


def instrument() -> None:
    """Cover the global providers: the entry point for ``opentelemetry-instrument``.

    Never raises. If no redactor can be made, because of a key file or a setting that
    cannot be used, everything leaves as ``[REDACTED:error]`` and a warning says why.
    ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=redactor`` switches it off.
    """
    disabled = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    if "redactor" in (name.strip() for name in disabled.split(",")):
        return
    try:
        cleaner = _cleaner(None)
    except Exception as error:
        _logger.warning("telemetry leaves as %s, for no redactor can be made: %s", ERROR_PLACEHOLDER, error)
        cleaner = _Cleaner(None)
    try:
        _install(cleaner, trace.get_tracer_provider(), _logs.get_logger_provider(), metrics.get_meter_provider())
    except Exception as error:
        _logger.warning("telemetry is not redacted: %s", type(error).__name__)


def _install(cleaner: _Cleaner, tracers: Any, loggers: Any, meters: Any) -> Coverage:
    work = _Installation(cleaner)
    for signal, cover, provider in (
        ("traces", work.traces, tracers),
        ("logs", work.logs, loggers),
        ("metrics", work.metrics, meters),
    ):
        kind = type(provider)
        if kind.__module__.startswith(("opentelemetry.trace", "opentelemetry._logs", "opentelemetry.metrics")):
            work.uncovered.append(f"{signal}: no provider is set; call install() after it is")
        elif not cover(provider):
            problem = f"{signal}: {kind.__module__}.{kind.__qualname__} is not known; wrap its exporters"
            work.uncovered.append(problem)
            _logger.warning("not redacted: %s", problem)
    return Coverage(tuple(work.covered), tuple(work.uncovered), work.hooks)


class _Providers(Installation):
    """Covers the global providers that are the SDK's, and each provider when it is made."""

    parts = ("opentelemetry: every provider",)

    def __init__(self) -> None:
        super().__init__()
        self._hooks: list[_Hook] = []

    def _install(self, redactor: Redactor | None) -> None:
        super()._install(redactor)
        with self._lock:
            for hook in self._hooks:
                hook.cleaner = _cleaner(self._redactor)
            self._cover(trace.get_tracer_provider(), _Installation.traces, TracerProvider)
            self._cover(_logs.get_logger_provider(), _Installation.logs, LoggerProvider)
            self._cover(metrics.get_meter_provider(), _Installation.metrics, MeterProvider)

    def _hook(self) -> None:
        self._put_init(TracerProvider, _Installation.traces)
        self._put_init(LoggerProvider, _Installation.logs)
        self._put_init(MeterProvider, _Installation.metrics)

    def _put_init(self, kind: Any, cover: _Cover) -> None:
        original = kind.__init__

        @functools.wraps(original)
        def init(provider: Any, *args: Any, **kwargs: Any) -> None:
            original(provider, *args, **kwargs)
            with self._lock:
                self._cover(provider, cover, kind)

        self._replaced.put(kind, "__init__", init)

    def _cover(self, provider: Any, cover: _Cover, kind: type) -> None:
        if self._redactor is None or not isinstance(provider, kind):
            return
        work = _Installation(_cleaner(self._redactor))
        work.hooks = self._hooks
        if not cover(work, provider):
            _logger.warning("not redacted: %s.%s is not known", type(provider).__module__, type(provider).__qualname__)

    def uninstall(self) -> None:
        """Restore everything; doing so twice does no harm. Hooks that ``install`` had put before are removed too."""
        with self._lock:
            while self._hooks:
                self._hooks.pop().remove()
            super().uninstall()


_Cover: TypeAlias = Callable[["_Installation", Any], bool]

_providers: Final = _Providers()


def install_always(redactor: Redactor | None = None) -> Installation:
    """Redact all that leaves the SDK's providers: the global ones, and every one that is made from now on.

    So it may be called before ``set_tracer_provider`` and its like, and covers providers
    that are never global. Those made before and not global are for ``install``, and so is
    what is no provider of the SDK. Installing again changes the redactor (the shared default
    one unless given). Raises what making the default redactor raises.
    """
    _providers._install(redactor)
    return _providers


def metric_readers(provider: Any) -> list[Any]:
    """Return the readers of a meter provider of the SDK."""
    readers = [
        *(_part(_part(provider, "_measurement_consumer"), "_reader_storages") or ()),
        *(_part(provider, "_metric_readers") or ()),
        *(_part(_part(provider, "_sdk_config"), "metric_readers") or ()),
    ]
    return list({id(reader): reader for reader in readers}.values())


class _Installation:
    """One run of ``install``: puts hooks in place and notes where."""

    def __init__(self, cleaner: _Cleaner) -> None:
        self._cleaner = cleaner
        self.covered: list[str] = []
        self.uncovered: list[str] = []
        self.hooks: list[_Hook] = []

    def traces(self, provider: Any) -> bool:
        """Cover all span processors at once, also those added later: spans cannot change once ended."""
        every = _part(provider, "_active_span_processor")
        if every is None:
            every = _part(provider.get_tracer("redactor"), "span_processor")
        if every is not None and self._hook(every, "on_end", _SpanHook):
            self._note("traces", every, "_span_processors")
            return True
        return self._processors("traces", every, ("_span_processors", "add_span_processor"), ("on_end", _SpanHook))

    def logs(self, provider: Any) -> bool:
        """Cover each log record processor, as one may add to the record what the next exports."""
        every = _part(provider, "_multi_log_record_processor")
        method = "on_emit" if hasattr(every, "on_emit") else "emit"
        names = ("_log_record_processors", "add_log_record_processor")
        if self._processors("logs", every, names, (method, _LogHook)):
            return True
        if every is not None and self._hook(every, method, _LogHook):
            self._note("logs", every, names[0])
            return True
        return False

    def metrics(self, provider: Any) -> bool:
        """Cover each metric reader, where it receives what was collected."""
        readers = metric_readers(provider)
        if not readers and _part(provider, "_measurement_consumer") is None:
            return False
        done = [self._cover("metrics", reader, "_receive_metrics", _MetricsHook) for reader in readers]
        if hasattr(provider, "add_metric_reader"):
            done.append(self._later(provider, "add_metric_reader", "metrics", ("_receive_metrics", _MetricsHook)))
        return all(done)

    def _processors(self, signal: str, every: Any, names: tuple[str, str], how: tuple[str, type[_Hook]]) -> bool:
        processors = _part(every, names[0])
        if not isinstance(processors, Sequence):
            return False
        done = [self._cover(signal, processor, *how) for processor in processors]
        return self._later(every, names[1], signal, how) and all(done)

    def _later(self, target: Any, name: str, signal: str, how: tuple[str, type[_Hook]]) -> bool:
        """Cover what will be added, with the redactor of the latest ``install``."""
        hook = self._hook(target, name, _AddHook)
        if not isinstance(hook, _AddHook):
            return False

        def cover(added: Any, cleaner: _Cleaner) -> None:
            work = _Installation(cleaner)
            work._cover(signal, added, *how)
            self.hooks.extend(work.hooks)

        hook.cover = cover
        return True

    def _cover(self, signal: str, target: Any, name: str, kind: type[_Hook]) -> bool:
        hook = self._hook(target, name, kind)
        if hook is None:
            problem = f"{signal}: {type(target).__qualname__} cannot be covered; wrap its exporter"
            self.uncovered.append(problem)
            _logger.warning("not redacted: %s", problem)
            return False
        self.covered.append(f"{signal}: {type(target).__qualname__}")
        return True

    def _note(self, signal: str, every: Any, name: str) -> None:
        parts = [type(each).__qualname__ for each in _part(every, name) or ()]
        self.covered.extend(f"{signal}: {part}" for part in parts or [type(every).__qualname__])

    def _hook(self, target: Any, name: str, kind: type[_Hook]) -> _Hook | None:
        """Return the hook in front of a method, new or there before; ``None`` if it cannot be put there."""
        hook = _part(target, name)
        if isinstance(hook, _Hook):
            hook.cleaner = self._cleaner
        else:
            try:
                hook = kind(target, name, self._cleaner)
                if not hook.put():
                    return None
            except Exception:
                return None
        self.hooks.append(hook)
        return hook
