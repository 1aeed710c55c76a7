"""Sentry: what each client would put into its envelopes, in a copy of it that sends nothing.

Captured is for real: event processors and hooks run, the transport is one that keeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import uuid4

import sentry_sdk
from sentry_sdk.utils import event_from_exception

from redactor.doctor.report import Judge, Row
from redactor.installation import INSTALL
from redactor.integrations.sentry import current_clients

__all__ = ["rows"]

_HOST: Final = "sentry"


def rows(judge: Judge) -> Iterator[Row]:
    """Yield a row for each kind of item that each client of the current scopes sends."""
    for number, client in enumerate(current_clients(), 1):
        of = "" if number == 1 else f" of client {number}"
        transport = type(client.transport).__qualname__ if client.transport is not None else "no transport"
        for what, (method, capture) in _CAPTURES.items():
            if not hasattr(client, method):
                continue  # this version of the SDK has no such items
            place = f"{what}{of} to {transport}"
            try:
                sent = _sent(client, capture, [canary.text for canary in judge.canaries])
            except Exception as error:
                yield judge.unchecked(_HOST, place, f"capturing fails with {type(error).__name__}")
                continue
            yield judge.row(_HOST, place, sent, INSTALL, dropped="the client drops it")


def _sent(client: Any, capture: Callable[[Any, str], None], canaries: list[str]) -> list[object]:
    lent, sent = _lent(client)
    for canary in canaries:
        capture(lent, canary)
    return sent


def _lent(client: Any) -> tuple[Any, list[object]]:
    """Return a copy of ``client`` that keeps what it would send, and samples everything."""
    lent = object.__new__(type(client))
    sent: list[object] = []
    keeping = _Keeping(sent)
    everything = {"sample_rate": 1.0, "error_sampler": None}
    batchers = dict.fromkeys(("log_batcher", "metrics_batcher", "span_batcher"), keeping)
    vars(lent).update(vars(client), **batchers, spotlight=None, transport=keeping)
    lent.options = {**client.options, **everything}
    return lent, sent


class _Keeping:
    """Stands in for a transport and for what collects logs and metrics."""

    def __init__(self, sent: list[object]) -> None:
        self._sent = sent

    def capture_envelope(self, envelope: Any) -> None:
        self._sent.append([envelope.headers, *(item.payload.json or item.payload.get_bytes() for item in envelope)])

    def add(self, item: Any) -> None:
        self._sent.append(item)

    def record_lost_event(self, *_: Any, **__: Any) -> None:
        pass


def _error(client: Any, canary: str) -> None:
    event, hint = event_from_exception(ValueError(canary), client_options=client.options)
    crumb = {"type": "default", "category": "redactor", "message": canary}
    beside = {"logentry": {"message": canary}, "extra": {"note": canary}, "breadcrumbs": {"values": [crumb]}}
    client.capture_event({**event, **beside}, hint, sentry_sdk.Scope())


def _transaction(client: Any, canary: str) -> None:
    now = time.time()
    ids = {"trace_id": uuid4().hex, "span_id": uuid4().hex[:16]}
    span = {**ids, "op": "redactor", "description": canary, "start_timestamp": now, "timestamp": now}
    event = {
        "type": "transaction",
        "transaction": canary,
        "contexts": {"trace": {**ids, "op": "redactor"}},
        "start_timestamp": now,
        "timestamp": now,
        "spans": [span],
    }
    client.capture_event(event, {}, sentry_sdk.Scope())


def _log(client: Any, canary: str) -> None:
    fields = {"severity_text": "info", "severity_number": 9, "time_unix_nano": time.time_ns()}
    log = {**fields, "body": canary, "attributes": {"note": canary}, "trace_id": uuid4().hex, "span_id": None}
    client._capture_log(log, sentry_sdk.Scope())


def _metric(client: Any, canary: str) -> None:
    fields = {"timestamp": time.time(), "type": "counter", "value": 1, "unit": None}
    metric = {**fields, "name": "redactor", "attributes": {"note": canary}, "trace_id": uuid4().hex, "span_id": None}
    client._capture_metric(metric, sentry_sdk.Scope())


_CAPTURES: Final = {
    "events": ("capture_event", _error),
    "transactions": ("capture_event", _transaction),
    "logs": ("_capture_log", _log),
    "metrics": ("_capture_metric", _metric),
}
"""The kinds of items, the method of a client that each goes through, and how one with a canary is made."""
