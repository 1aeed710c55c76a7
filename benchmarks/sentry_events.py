"""CPU that redaction adds to clean Sentry events, beside the SDK's own work in the same run.

Run with ``python benchmarks/sentry_events.py``; prints a Markdown table. The transport
makes the body of a request, JSON under gzip -9 as the SDK's own does, and drops it: no
network. A second line for each event leaves the compression out.
"""

from __future__ import annotations

import argparse
import gzip
import logging
import statistics
import time
from collections.abc import Callable
from typing import Any

import sentry_sdk
from sentry_sdk.transport import Transport

from redactor import Redactor
from redactor.integrations.sentry import sentry_options

OWN_OPTIONS: dict[str, Any] = {
    "dsn": "http://key@localhost/1",
    "traces_sample_rate": 1.0,
    "auto_enabling_integrations": False,
    "auto_session_tracking": False,
}


class Bytes(Transport):
    """Makes the body of a request from each envelope, as the SDK's own transport does, and drops it."""

    def __init__(self) -> None:
        super().__init__({"dsn": OWN_OPTIONS["dsn"]})
        self.compressing = False
        self.size = 0

    def capture_envelope(self, envelope: Any) -> None:
        body = envelope.serialize()
        self.size = len(body)
        if self.compressing:
            gzip.compress(body, compresslevel=9)


def fail(depth: int, order: dict[str, Any]) -> None:
    """Raise under ``depth`` frames that have variables as an application has them."""
    customer = {"id": 4711 + depth, "name": "Grace Hopper", "plan": "business", "seats": [1, 2, 3]}
    query = "SELECT id, name, plan FROM customers WHERE id = %s ORDER BY name LIMIT 20"
    path = f"/api/v2/customers/{depth}/orders"
    retries, timeout, cached = 3, 2.5, False
    if depth == 0:
        raise ValueError(f"order {order['number']} of {customer['name']} has no lines ({path}, {retries}, {timeout})")
    fail(depth - 1, {**order, "parent": query, "cached": cached})


def error_event() -> None:
    """Capture an error with 20 frames, 30 breadcrumbs, a request, tags and contexts: 35 kB."""
    with sentry_sdk.isolation_scope() as scope:
        scope.set_user({"id": "4711", "username": "grace"})
        scope.set_tag("tenant", "acme-europe")
        scope.set_context("order", {"number": 1017, "lines": 0, "currency": "EUR", "warehouse": "Rotterdam"})
        for number in range(30):
            scope.add_breadcrumb(
                category="httplib",
                message=f"GET /api/v2/customers/{number}",
                data={"url": f"https://api.example.com/v2/customers/{number}", "method": "GET", "status_code": 200},
            )
        try:
            fail(20, {"number": 1017, "lines": [], "currency": "EUR"})
        except ValueError as error:
            scope.capture_event(*_with_request(error))


def _with_request(error: ValueError) -> tuple[Any, Any]:
    event, hint = sentry_sdk.utils.event_from_exception(
        error, client_options=sentry_sdk.get_client().options, mechanism={"type": "generic", "handled": True}
    )
    event["request"] = {
        "url": "https://shop.example.com/orders/1017",
        "method": "POST",
        "query_string": "page=2&sort=name",
        "headers": {"Host": "shop.example.com", "Accept": "application/json", "User-Agent": "Mozilla/5.0 (X11)"},
        "data": {"number": 1017, "comment": "please deliver before noon", "express": True},
    }
    return event, hint


def transaction() -> None:
    """Capture a transaction with 40 spans."""
    with sentry_sdk.isolation_scope(), sentry_sdk.start_transaction(op="http.server", name="GET /orders"):
        for number in range(40):
            with sentry_sdk.start_span(op="db", name="SELECT id, name FROM orders WHERE id = %s") as span:
                span.set_data("db.system", "postgresql")
                span.set_data("rows", number)


def log_message() -> None:
    """Capture a message of the logging integration."""
    logging.getLogger("shop").error("order %s of %s has no lines", 1017, "Grace Hopper")


def cpu_seconds(work: Callable[[], None], times: int) -> float:
    """Return CPU seconds of one call of ``work``."""
    before = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - before) / times


def clients() -> tuple[sentry_sdk.Client, sentry_sdk.Client]:
    """Return a client without redaction and one with."""
    logging.getLogger("shop").addHandler(logging.NullHandler())
    sentry_sdk.init(transport=Bytes(), **OWN_OPTIONS)
    bare = sentry_sdk.get_client()
    sentry_sdk.init(**sentry_options(Redactor(), transport=Bytes(), **OWN_OPTIONS))
    return bare, sentry_sdk.get_client()


def measure(work: Callable[[], None], bare: Any, redacting: Any, rounds: int, times: int) -> tuple[float, float]:
    """Return CPU seconds of one event without redaction, and what redaction adds to them."""
    alone, together = [], []
    for _ in range(rounds):
        for client, seconds in ((bare, alone), (redacting, together)):
            sentry_sdk.get_global_scope().set_client(client)
            seconds.append(cpu_seconds(work, times))
    # Rounds are paired, so that a slow moment of the machine counts on both sides.
    added = statistics.median(there - here for here, there in zip(alone, together, strict=True))
    return statistics.median(alone), added


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--times", type=int, default=30)
    arguments = parser.parse_args()
    bare, redacting = clients()
    # From the first secret on, registered values are looked for as well.
    redacting.capture_event({"extra": {"session_id": "9f8e7d6c5b4a39281706f5e4d3c2b1a0"}})
    print(f"sentry-sdk {sentry_sdk.VERSION}, median of {arguments.rounds} rounds of {arguments.times} events\n")
    print("| event | bytes | SDK's work | SDK alone | redaction adds | added/alone |")
    print("|---|---:|---|---:|---:|---:|")
    for work in (error_event, transaction, log_message):
        for compressing, scope in ((True, "capture to compressed body"), (False, "capture to JSON only")):
            bare.transport.compressing = redacting.transport.compressing = compressing
            alone, added = measure(work, bare, redacting, arguments.rounds, arguments.times)
            size = redacting.transport.size
            print(
                f"| {work.__name__} | {size:,} | {scope} | {alone * 1e6:,.0f} us "
                f"| {added * 1e6:,.0f} us | {added / alone:.1%} |"
            )


if __name__ == "__main__":
    main()
