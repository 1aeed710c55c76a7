"""CPU that redaction adds to a clean record of a logging host, beside the bare host.

python -m benchmarks.logging_hosts [--rounds N] [--threads]
"""

from __future__ import annotations

import argparse
import io
import logging
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TextIO

import structlog
from loguru import logger as loguru_logger

from benchmarks.measure import best_of, machine, number, ratio, table
from redactor.integrations import stdlib
from redactor.integrations.loguru import RedactingPatcher, redacting_sink
from redactor.integrations.structlog import RedactingProcessor, RedactingRenderer

__all__ = ["garbled", "main", "records"]

_RECORDS: Final = 5000
_THREADS: Final = 8
_EACH: Final = 125_000
_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"

Run = Callable[[], None]


def _stdlib(file: TextIO, wire: Callable[[logging.Handler], Any], **given: Any) -> Run:
    tree = logging.Manager(logging.RootLogger(logging.INFO)).getLogger("shop.orders")
    handler = logging.StreamHandler(file)
    handler.setFormatter(logging.Formatter(_FORMAT))
    wire(handler)
    tree.addHandler(handler)

    def run() -> None:
        for _ in range(_RECORDS):
            tree.info("order %d placed by user %s in %d ms, %d items", 4711, "kim", 23, 3, **given)

    return run


def _installed(run: Run) -> Run:
    def covered() -> None:
        installation = stdlib.install()
        try:
            run()
        finally:
            installation.uninstall()

    return covered


def _with_formatter(handler: logging.Handler) -> None:
    handler.setFormatter(stdlib.RedactingFormatter(handler.formatter))


def _structlog(file: TextIO, *processors: Any) -> Run:
    log = structlog.wrap_logger(
        structlog.WriteLogger(file),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *processors,
        ],
    ).bind(service="shop", request_path="/api/v1/orders")

    def run() -> None:
        for _ in range(_RECORDS):
            log.info("order placed", order=4711, user="kim", ms=23, items=3)

    return run


def _loguru(sink: Any, patcher: Any) -> Run:
    def run() -> None:
        loguru_logger.configure(handlers=[{"sink": sink, "colorize": False}], patcher=patcher)
        try:
            for _ in range(_RECORDS):
                loguru_logger.info("order {} placed by user {} in {} ms, {} items", 4711, "kim", 23, 3)
        finally:
            loguru_logger.remove()

    return run


@contextmanager
def _file() -> Iterator[TextIO]:
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        yield file


def records(rounds: int) -> str:
    """Measure one clean record to a file, flushed line by line as each host does."""
    rows = []
    json = structlog.processors.JSONRenderer()
    with _file() as file:
        bare = _stdlib(file, lambda _: None)
        extra = _stdlib(file, lambda _: None, extra={"order": 4711, "user": "kim"})
        groups: dict[str, dict[str, Run]] = {
            "stdlib": {
                "bare": bare,
                "`install()`": _installed(bare),
                "`RedactingFilter`": _stdlib(file, lambda handler: handler.addFilter(stdlib.RedactingFilter())),
                "`RedactingFormatter`": _stdlib(file, _with_formatter),
            },
            "stdlib, `extra=` with two values": {"bare": extra, "`install()`": _installed(extra)},
            "structlog, JSON of nine keys": {
                "bare": _structlog(file, json),
                "`RedactingRenderer`": _structlog(file, RedactingRenderer(json)),
                "`RedactingProcessor`": _structlog(file, RedactingProcessor(), json),
            },
            "loguru": {
                "bare": _loguru(file, lambda _: None),
                "patcher and sink": _loguru(redacting_sink(file), RedactingPatcher()),
                "sink": _loguru(redacting_sink(file), lambda _: None),
            },
        }
        for title, ways in groups.items():
            best = best_of(ways, rounds)
            for way, seconds in best.items():
                added = "-" if way == "bare" else f"{(seconds / best['bare'] - 1):+.1%}"
                rows.append([f"{title}: {way}", number(seconds / _RECORDS * 1e6), ratio(seconds, best["bare"]), added])
    return table(("clean record", "CPU, us", "to the bare host", "added"), rows)


def garbled() -> str:
    """Log a million records from eight threads, one in ten with a secret, and compare every line."""
    stream = io.StringIO()
    tree = logging.Manager(logging.RootLogger(logging.INFO)).getLogger("shop.orders")
    tree.addHandler(logging.StreamHandler(stream))

    def work(thread: int) -> None:
        for count in range(_EACH):
            if count % 10:
                tree.info("order %d of %d placed", count, thread)
            else:
                tree.info("order %d of %d session_id=%s", count, thread, "q7Xw2LkR9vTz4BnM8sYd")

    installation = stdlib.install()
    try:
        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(_THREADS)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    finally:
        installation.uninstall()
    expected = Counter(
        f"order {count} of {thread} " + ("placed" if count % 10 else "session_id=[REDACTED:session]")
        for thread in range(_THREADS)
        for count in range(_EACH)
    )
    written = Counter(stream.getvalue().splitlines())
    lost, wrong = (expected - written).total(), (written - expected).total()
    return f"{_THREADS} threads, {_THREADS * _EACH:,} records: {lost} lost, {wrong} garbled"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or with ``--threads`` the result of the run with threads."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.logging_hosts", description="Measure logging hosts.")
    parser.add_argument("--rounds", type=int, default=15, help="rounds; the best of each is shown")
    parser.add_argument("--threads", action="store_true", help="log 1,000,000 records from 8 threads instead")
    options = parser.parse_args(arguments)
    print(f"{machine()}\n\n{garbled() if options.threads else records(options.rounds)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
