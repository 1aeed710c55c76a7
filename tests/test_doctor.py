"""``redactor.doctor``: what leaks is found, what is covered is not accused, and nothing leaves or stays changed."""

from __future__ import annotations

import http.client
import inspect
import io
import json
import logging
import logging.handlers
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from loguru import logger as loguru_logger

from redactor import Policy, Redactor
from redactor.doctor import COVERED, LEAKS, NOT_CHECKED, Report, Row, examine
from redactor.integrations import interpreter, stdlib
from redactor.integrations import loguru as loguru_integration
from redactor.integrations import structlog as structlog_integration
from redactor.integrations.loguru import RedactingPatcher, redacting_sink
from redactor.integrations.stdlib import RedactingFilter, RedactingFormatter
from redactor.integrations.structlog import RedactingRenderer

KINDS = ("session cookie", "JWT", "bearer token", "refresh token in a URL")
INSTALL = "import redactor; redactor.install()"
NAME = "shop.doctor"


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.getLogger(NAME)
    yield logger
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        if isinstance(handler, logging.Handler):
            handler.close()


@pytest.fixture
def installed() -> Iterator[stdlib.Installation]:
    installation = stdlib.install()
    yield installation
    installation.uninstall()


def row_of(host: str, what: str, report: Report | None = None) -> Row:
    """Return the only row that says ``what``."""
    (row,) = [row for row in (report or examine()).rows if row.host == host and what in row.what]
    return row


def verdict(host: str, what: str) -> tuple[str, tuple[str, ...]]:
    row = row_of(host, what)
    return row.state, row.leaks


LEAKED = (LEAKS, KINDS)
CLEAN: tuple[str, tuple[str, ...]] = (COVERED, ())


# --- logging ------------------------------------------------------------------------------


class Reader(logging.Handler):
    """A handler that sends what it reads in the record."""

    sent = 0

    def emit(self, record: logging.LogRecord) -> None:
        Reader.sent += 1


HANDLERS: dict[str, Callable[[Path], logging.Handler]] = {
    "StreamHandler": lambda _: logging.StreamHandler(io.StringIO()),
    "FileHandler": lambda path: logging.FileHandler(path / "a.log"),
    "FileHandler, delayed": lambda path: logging.FileHandler(path / "a.log", delay=True),
    "RotatingFileHandler": lambda path: logging.handlers.RotatingFileHandler(path / "a.log", maxBytes=1, backupCount=3),
    "TimedRotatingFileHandler": lambda path: logging.handlers.TimedRotatingFileHandler(path / "a.log", "s", 1),
    "WatchedFileHandler": lambda path: logging.handlers.WatchedFileHandler(path / "a.log"),
    "SysLogHandler": lambda _: logging.handlers.SysLogHandler(("127.0.0.1", 9)),
    "SMTPHandler": lambda _: logging.handlers.SMTPHandler(("127.0.0.1", 9), "a@a", "b@b", "x"),
    "SocketHandler": lambda _: logging.handlers.SocketHandler("127.0.0.1", 9),
    "HTTPHandler": lambda _: logging.handlers.HTTPHandler("127.0.0.1:9", "/"),
    "QueueHandler": lambda _: logging.handlers.QueueHandler(queue.Queue()),
    "MemoryHandler": lambda _: logging.handlers.MemoryHandler(1),
    "Reader": lambda _: Reader(),
}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("covering", ["nothing", "install", "filter"])
@pytest.mark.parametrize("kind", HANDLERS)
def test_handler(
    kind: str, covering: str, log: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler leaks every canary until it is covered; either way it keeps its attributes and sends nothing."""
    handler = HANDLERS[kind](tmp_path)
    if covering == "filter":
        handler.addFilter(RedactingFilter())
    installation = stdlib.install() if covering == "install" else None
    log.addHandler(handler)
    before, files = dict(vars(handler)), contents(tmp_path)
    for name in ("send", "sendto", "sendall", "connect"):
        monkeypatch.setattr(socket.socket, name, lambda *_: pytest.fail("something is sent"))
    try:
        row = row_of("logging", f"{handler.__class__.__name__} of {NAME}")
    finally:
        if installation is not None:
            installation.uninstall()
    assert (row.state, row.leaks) == (LEAKED if covering == "nothing" else CLEAN)
    assert row.fix == (INSTALL if covering == "nothing" else "")
    assert vars(handler) == before
    assert contents(tmp_path) == files
    if isinstance(handler, logging.handlers.QueueHandler):
        assert handler.queue.empty()
    if isinstance(handler, logging.handlers.MemoryHandler):
        assert handler.buffer == []
    assert Reader.sent == 0


def test_formatter(log: logging.Logger) -> None:
    """A formatter covers a handler that sends text, and not one that reads records."""
    for handler in (logging.StreamHandler(io.StringIO()), logging.handlers.SysLogHandler(("127.0.0.1", 9)), Reader()):
        handler.setFormatter(RedactingFormatter())
        log.addHandler(handler)
    report = examine()
    assert [row_of("logging", f"{name} of {NAME}", report).state for name in ("StreamHandler", "SysLogHandler")] == [
        COVERED,
        COVERED,
    ]
    assert row_of("logging", f"Reader of {NAME} #3", report).leaks == KINDS


def test_only_the_exception(log: logging.Logger) -> None:
    """A formatter that redacts messages and forgets exceptions leaks."""

    class Forgetful(logging.Formatter):
        def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
            return "hidden"

    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(Forgetful())
    log.addHandler(handler)
    assert verdict("logging", f"of {NAME}") == LEAKED


@pytest.mark.parametrize("covered", [False, True])
def test_behind_a_queue(log: logging.Logger, covered: bool) -> None:
    """A queue is judged by what its listener writes, which is a row of its own."""
    target = logging.StreamHandler(io.StringIO())
    if covered:
        target.setFormatter(RedactingFormatter())
    handler = logging.handlers.QueueHandler(queue.Queue())
    listener = logging.handlers.QueueListener(handler.queue, target)
    log.addHandler(handler)
    report = examine()
    expected = CLEAN if covered else LEAKED
    for what in (f"QueueHandler of {NAME}", f"StreamHandler of {NAME}, behind QueueHandler"):
        row = row_of("logging", what, report)
        assert (row.state, row.leaks) == expected
    assert listener.queue.empty()
    assert target.stream.getvalue() == ""


@pytest.mark.parametrize("covered", [False, True])
def test_behind_a_buffer(log: logging.Logger, covered: bool) -> None:
    """A buffer is judged by what its target writes."""
    target = logging.StreamHandler(io.StringIO())
    if covered:
        target.setFormatter(RedactingFormatter())
    log.addHandler(logging.handlers.MemoryHandler(100, target=target))
    assert verdict("logging", f"MemoryHandler of {NAME}") == (CLEAN if covered else LEAKED)
    assert target.stream.getvalue() == ""


def test_access_log(log: logging.Logger) -> None:
    """A formatter that takes no records but uvicorn's gets such a record."""
    from uvicorn.logging import AccessFormatter

    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(AccessFormatter("%(request_line)s", use_colors=False))
    log.addHandler(handler)
    assert verdict("logging", f"of {NAME}") == LEAKED
    handler.setFormatter(RedactingFormatter(handler.formatter))
    assert verdict("logging", f"of {NAME}") == CLEAN


def test_what_is_not_checked(log: logging.Logger) -> None:
    """What cannot be judged says why: filters that drop everything, what is no handler, code that fails."""

    class Failing(logging.StreamHandler[Any]):
        def handle(self, record: logging.LogRecord) -> bool:
            raise LookupError

    dropping = logging.StreamHandler(io.StringIO())
    dropping.addFilter(lambda record: False)
    log.addHandler(dropping)
    log.addHandler(Failing(io.StringIO()))
    log.handlers.append(object())  # type: ignore[arg-type]
    report = examine()
    reasons = {
        "StreamHandler": "its filters or its formatter let nothing pass",
        "Failing": "it fails with LookupError",
        "object": "it is no logging.Handler",
    }
    for name, reason in reasons.items():
        row = row_of("logging", f"{name} of {NAME}", report)
        assert (row.state, row.reason, row.fix) == (NOT_CHECKED, reason, "")


def test_the_line_for_what_install_does_not_reach(log: logging.Logger, installed: stdlib.Installation) -> None:
    """Where a handler's own ``handle`` goes past the installation, the line names the handler, and covers it."""
    log.addHandler(logging.StreamHandler(io.StringIO()))
    handler = Reader()

    def handle(record: logging.LogRecord) -> bool:
        passed: Any = handler.filter(record)
        handler.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return True

    handler.handle = handle  # type: ignore[method-assign]
    log.addHandler(handler)
    row = row_of("logging", "Reader")
    assert (row.state, row.leaks) == LEAKED
    assert row.fix == (
        f"import logging, redactor.integrations.stdlib; logging.getLogger('{NAME}').handlers[1]"
        ".addFilter(redactor.integrations.stdlib.RedactingFilter())"
    )
    exec(row.fix, {})
    assert verdict("logging", "Reader") == CLEAN


@pytest.mark.parametrize("raised", [LookupError, KeyboardInterrupt])
def test_put_back_on_error(log: logging.Logger, raised: type[BaseException]) -> None:
    """Whatever a formatter raises, the handler has its stream and its lock back."""

    class Failing(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            raise raised

    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(Failing())
    log.addHandler(handler)
    before = dict(vars(handler))
    if raised is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            examine()
    else:
        assert row_of("logging", f"of {NAME}").state == NOT_CHECKED
    assert vars(handler) == before
    taken: list[bool] = []
    other = threading.Thread(target=lambda: taken.append(handler.lock.acquire(blocking=False)))  # type: ignore[union-attr]
    other.start()
    other.join()
    assert taken == [True]


def test_other_threads_go_on(log: logging.Logger, tmp_path: Path) -> None:
    """A thread that logs all the while loses no line, and its file gets nothing else."""
    log.addHandler(logging.FileHandler(tmp_path / "a.log", delay=True))
    log.propagate = False
    lines = [f"line {number}" for number in range(2000)]

    def work() -> None:
        for line in lines:
            log.error(line)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        assert row_of("logging", f"of {NAME}").state == LEAKS
    assert (tmp_path / "a.log").read_text().splitlines() == lines


# --- structlog, loguru --------------------------------------------------------------------


@pytest.fixture
def configured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


RENDERER = structlog.processors.JSONRenderer()
CHAINS: dict[str, tuple[list[Any], tuple[str, tuple[str, ...]]]] = {
    "renderer": ([RENDERER], LEAKED),
    "covered": ([RedactingRenderer(RENDERER)], CLEAN),
    "no processors": ([], LEAKED),
}


@pytest.mark.parametrize("chain", CHAINS)
def test_structlog(chain: str, configured: None, tmp_path: Path) -> None:
    """A chain is judged by what it hands to its logger, which writes nothing."""
    processors, expected = CHAINS[chain]
    with (tmp_path / "a.log").open("a") as file:
        structlog.configure(processors=processors, logger_factory=structlog.WriteLoggerFactory(file))
        assert verdict("structlog", "into WriteLoggerFactory") == expected
        installation = structlog_integration.install()
        try:
            assert verdict("structlog", "into WriteLoggerFactory") == CLEAN
        finally:
            installation.uninstall()
    assert contents(tmp_path) == {"a.log": b""}


@pytest.mark.parametrize("covered", [False, True])
def test_structlog_into_logging(covered: bool, configured: None, log: logging.Logger) -> None:
    """What goes to ``logging`` is judged by what its handlers make of it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    last = RedactingRenderer(RENDERER) if covered else RENDERER
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[meta, last]))
    root = logging.getLogger()
    others, root.handlers = root.handlers, [handler]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    try:
        assert verdict("structlog", "wrap_for_formatter into LoggerFactory") == (CLEAN if covered else LEAKED)
    finally:
        root.handlers = others
    assert stream.getvalue() == ""
    assert not any(name.startswith("redactor.doctor") for name in logging.Logger.manager.loggerDict)


def test_structlog_that_cannot_be_judged(configured: None) -> None:
    """A chain that drops or fails says so."""

    def drop(logger: Any, name: str, event: Any) -> Any:
        raise structlog.DropEvent

    def fail(logger: Any, name: str, event: Any) -> Any:
        raise LookupError

    structlog.configure(processors=[drop])
    assert row_of("structlog", "drop").reason == "its processors drop the event"
    structlog.configure(processors=[fail])
    assert row_of("structlog", "fail").reason == "its chain fails with LookupError"


class Sinks:
    """Sinks of every kind that loguru takes, none of which may be reached."""

    def __init__(self, folder: Path) -> None:
        async def later(message: Any) -> None:
            self.reached.append(message)

        self.reached: list[Any] = []
        self.stream = io.StringIO()
        self.every = [self.stream, folder / "a.log", self.reached.append, later, logging.StreamHandler(self.stream)]


@pytest.fixture
def sinks(tmp_path: Path) -> Iterator[Sinks]:
    loguru_logger.remove()
    yield Sinks(tmp_path)
    loguru_logger.remove()
    loguru_logger.configure(patcher=lambda record: None)


@pytest.mark.parametrize("covering", ["nothing", "install", "wrappers"])
@pytest.mark.parametrize("enqueue", [False, True])
def test_loguru(covering: str, enqueue: bool, sinks: Sinks, tmp_path: Path) -> None:
    """A sink of any kind leaks until it is covered, also by the variables of a traceback, and gets nothing."""
    every = [sink for sink in sinks.every if not (enqueue and inspect.iscoroutinefunction(sink))]
    if covering == "wrappers":
        every = [redacting_sink(sink) for sink in every[:-1]]
        loguru_logger.configure(patcher=RedactingPatcher())
    for sink in every:
        loguru_logger.add(sink, diagnose=True, enqueue=enqueue)
    before = [dict(vars(handler)) for handler in loguru_logger._core.handlers.values()]  # type: ignore[attr-defined]
    installation = loguru_integration.install() if covering == "install" else None
    try:
        rows = [row for row in examine().rows if row.host == "loguru"]
    finally:
        if installation is not None:
            installation.uninstall()
    assert [(row.state, row.leaks) for row in rows] == [LEAKED if covering == "nothing" else CLEAN] * len(every)
    assert [dict(vars(each)) for each in loguru_logger._core.handlers.values()] == before  # type: ignore[attr-defined]
    loguru_logger.complete()
    assert (sinks.reached, sinks.stream.getvalue(), contents(tmp_path)) == ([], "", {"a.log": b""})


def test_loguru_that_cannot_be_judged(sinks: Sinks) -> None:
    """A sink whose filter drops everything says so."""
    loguru_logger.add(sinks.stream, filter=lambda record: False)
    (row,) = [row for row in examine().rows if row.host == "loguru"]
    assert (row.state, row.reason) == (NOT_CHECKED, "its filter or level lets nothing pass")


# --- Sentry, OpenTelemetry, web -----------------------------------------------------------


def states(program: str) -> dict[str, str]:
    """Run a program that prints nothing, and return what becomes of each place of its hosts."""
    shown = """
import json, sys
from redactor.doctor import examine
hosts = ("sentry", "opentelemetry", "celery", "asgi", "wsgi")
kept = [row for row in examine(app=globals().get("app")).rows if row.host in hosts]
print(json.dumps({f"{row.host}: {row.what}": row.state for row in kept}))
"""
    done = subprocess.run([sys.executable, "-c", program + shown], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    # A line more would be something that has been exported to the console.
    (line,) = done.stdout.splitlines()
    return dict(json.loads(line))


def test_opentelemetry() -> None:
    """Processors, readers and exporters of every signal leak, and our wrappers around any of them do not."""
    found = states(
        """
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor, ConsoleLogRecordExporter, SimpleLogRecordProcessor
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from redactor.integrations.opentelemetry import *

class Own(SpanProcessor):
    def on_end(self, span):
        print("it is run")

class Starting(SpanProcessor):
    "Sends nothing."

tracers = TracerProvider(shutdown_on_exit=False)
console = ConsoleSpanExporter()
for processor in (
    SimpleSpanProcessor(console), BatchSpanProcessor(console), Own(), Starting(),
    RedactingSpanProcessor(BatchSpanProcessor(console)), BatchSpanProcessor(RedactingSpanExporter(console)),
):
    tracers.add_span_processor(processor)
trace.set_tracer_provider(tracers)
loggers = LoggerProvider(shutdown_on_exit=False)
lines = ConsoleLogRecordExporter()
for processor in (
    SimpleLogRecordProcessor(lines), BatchLogRecordProcessor(lines),
    RedactingLogRecordProcessor(SimpleLogRecordProcessor(lines)),
    BatchLogRecordProcessor(RedactingLogRecordExporter(lines)),
):
    loggers.add_log_record_processor(processor)
_logs.set_logger_provider(loggers)
readers = [
    PeriodicExportingMetricReader(ConsoleMetricExporter()), InMemoryMetricReader(),
    PeriodicExportingMetricReader(RedactingMetricExporter(ConsoleMetricExporter())),
]
metrics.set_meter_provider(MeterProvider(readers, shutdown_on_exit=False))
"""
    )
    assert found == {
        "opentelemetry: traces: SimpleSpanProcessor > ConsoleSpanExporter": LEAKS,
        "opentelemetry: traces: BatchSpanProcessor > ConsoleSpanExporter": LEAKS,
        "opentelemetry: traces: Own": LEAKS,
        "opentelemetry: traces: RedactingSpanProcessor > BatchSpanProcessor > ConsoleSpanExporter": COVERED,
        "opentelemetry: traces: BatchSpanProcessor > RedactingSpanExporter > ConsoleSpanExporter": COVERED,
        "opentelemetry: logs: SimpleLogRecordProcessor > ConsoleLogRecordExporter": LEAKS,
        "opentelemetry: logs: BatchLogRecordProcessor > ConsoleLogRecordExporter": LEAKS,
        "opentelemetry: logs: RedactingLogRecordProcessor > SimpleLogRecordProcessor > ConsoleLogRecordExporter": COVERED,
        "opentelemetry: logs: BatchLogRecordProcessor > RedactingLogRecordExporter > ConsoleLogRecordExporter": COVERED,
        "opentelemetry: metrics: PeriodicExportingMetricReader > ConsoleMetricExporter": LEAKS,
        "opentelemetry: metrics: InMemoryMetricReader": LEAKS,
        "opentelemetry: metrics: PeriodicExportingMetricReader > RedactingMetricExporter": COVERED,
    }


PROVIDERS = """
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from redactor.integrations.opentelemetry import install
tracers = TracerProvider(active_span_processor=ConcurrentMultiSpanProcessor(2), shutdown_on_exit=False)
tracers.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))
trace.set_tracer_provider(tracers)
loggers = LoggerProvider(shutdown_on_exit=False)
loggers.add_log_record_processor(SimpleLogRecordProcessor(ConsoleLogRecordExporter()))
_logs.set_logger_provider(loggers)
metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False))
install()
"""


def test_opentelemetry_installed() -> None:
    """What ``install`` of the integration has hooked is covered, for every signal."""
    assert states(PROVIDERS) == {
        "opentelemetry: traces: BatchSpanProcessor > ConsoleSpanExporter": COVERED,
        "opentelemetry: logs: SimpleLogRecordProcessor > ConsoleLogRecordExporter": COVERED,
        "opentelemetry: metrics: InMemoryMetricReader": COVERED,
    }


CLIENT = """
import sentry_sdk
from sentry_sdk.transport import Transport
from redactor.integrations.sentry import sentry_options

class Printing(Transport):
    def capture_envelope(self, envelope):
        print("something is sent")

options = dict(dsn="http://key@localhost/1", transport=Printing, sample_rate=0.0, auto_enabling_integrations=False)
sentry_sdk.init(**{})
"""


@pytest.mark.parametrize(
    ("given", "events", "others"),
    [
        ("options", LEAKS, LEAKS),
        ("sentry_options(**options)", COVERED, COVERED),
        ("options, before_send=lambda event, hint: dict(event_id=event['event_id'], message='kept')", COVERED, LEAKS),
        ("options, before_send=lambda event, hint: None", NOT_CHECKED, LEAKS),
    ],
    ids=["bare", "covered", "own hook", "dropped"],
)
def test_sentry(given: str, events: str, others: str) -> None:
    """A client is judged by its envelopes, whatever it samples, and sends none."""
    kinds = ("transactions", "logs", "metrics")
    assert states(CLIENT.replace("{}", given)) == {
        "sentry: events to Printing": events,
        **{f"sentry: {kind} to Printing": others for kind in kinds},
    }


APPS = {
    "flask": ("from flask import Flask; app = Flask('x')", "wsgi: requests of Flask", LEAKS),
    "flask, wrapped": (
        "from flask import Flask; from redactor.integrations.wsgi import RedactorMiddleware; app = Flask('x'); "
        "app.wsgi_app = RedactorMiddleware(app.wsgi_app)",
        "wsgi: requests of Flask",
        COVERED,
    ),
    "starlette": ("from starlette.applications import Starlette as S; app = S()", "asgi: requests of Starlette", LEAKS),
    "starlette, middleware": (
        "from starlette.applications import Starlette as S; from redactor.integrations.asgi import RedactorMiddleware; "
        "app = S(); app.add_middleware(RedactorMiddleware)",
        "asgi: requests of Starlette",
        COVERED,
    ),
    "wrapped twice": (
        "from starlette.applications import Starlette as S; from redactor.integrations.asgi import RedactorMiddleware; "
        "from starlette.middleware.gzip import GZipMiddleware as G; app = G(RedactorMiddleware(S()))",
        "asgi: requests of GZipMiddleware",
        COVERED,
    ),
    "asgi function": (
        "async def app(scope, receive, send): print('called')\n",
        "asgi: requests of function",
        LEAKS,
    ),
    "wsgi function": ("def app(environ, start_response): print('called')\n", "wsgi: requests of function", LEAKS),
    "celery": ("from celery import Celery; kept = Celery('x')", "celery: arguments of tasks", LEAKS),
    "celery, installed": (
        "from celery import Celery; from redactor.integrations.celery import install; kept = Celery('x'); install()",
        "celery: arguments of tasks",
        COVERED,
    ),
    "no app": ("app = 7", None, None),
}


@pytest.mark.parametrize("name", APPS)
def test_app(name: str) -> None:
    """An app is covered if a middleware of ours is seen around or in it; it is not called."""
    program, what, state = APPS[name]
    assert states(program) == ({} if what is None else {what: state})


# --- the interpreter ----------------------------------------------------------------------

HOOKS = ("sys.excepthook", "threading.excepthook", "sys.unraisablehook", "warnings.showwarning")


def test_hooks() -> None:
    """The interpreter's own hooks leak until we stand in front of them, and nothing of it is printed."""
    code = """
from redactor.doctor import examine
from redactor.integrations import interpreter
def states():
    return [row.state for row in examine().rows if row.what in %r]
before = states()
installation = interpreter.install()
covered = states()
installation.uninstall()
print(before, covered, states() == before)
"""
    done = subprocess.run([sys.executable, "-c", code % (HOOKS,)], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{[LEAKS] * 4} {[COVERED] * 4} True\n"
    assert done.stderr == ""


def test_kept_warnings(recwarn: pytest.WarningsRecorder) -> None:
    """Warnings that somebody records are not given canaries; they leak by what they would hold."""
    assert verdict("interpreter", "warnings.showwarning") == LEAKED
    assert recwarn.list == []


def test_foreign_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook of somebody's is not run; it leaks by what it is given, until we stand in front of it."""

    def ending(*args: Any) -> None:
        pytest.fail("the hook is run")

    monkeypatch.setattr(sys, "excepthook", ending)
    row = row_of("interpreter", "sys.excepthook")
    assert (row.state, row.leaks, row.fix) == (*LEAKED, INSTALL)
    assert row.reason == f"{ending.__qualname__} is given everything as it is"
    installation = interpreter.install()
    try:
        assert verdict("interpreter", "sys.excepthook") == CLEAN
    finally:
        installation.uninstall()


def test_captured_warnings() -> None:
    """Warnings that go to ``logging`` are left to its handlers."""
    logging.captureWarnings(True)
    row = row_of("interpreter", "warnings.showwarning")
    assert (row.state, row.leaks) == (NOT_CHECKED, ())
    assert "py.warnings" in row.reason


def test_debug_output(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """A debug level of ``http.client`` leaks what is sent; the line switches it off."""
    assert verdict("interpreter", "http.client debuglevel") == CLEAN
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    row = row_of("interpreter", "http.client debuglevel")
    assert (row.state, row.leaks) == LEAKED
    exec(row.fix, {})
    assert verdict("interpreter", "http.client debuglevel") == CLEAN
    assert capfd.readouterr() == ("", "")


def test_what_has_no_hook() -> None:
    """``faulthandler`` writes no values; what is printed cannot be seen, and the report says so."""
    report = examine()
    assert row_of("interpreter", "faulthandler", report).state == COVERED
    assert row_of("interpreter", "print", report).state == NOT_CHECKED


# --- the report ---------------------------------------------------------------------------


def test_what_the_policy_leaves_alone(log: logging.Logger) -> None:
    """A canary whose rule is switched off is no leak."""
    log.addHandler(logging.StreamHandler(io.StringIO()))
    redactor = Redactor(policy=Policy(disabled=frozenset({"jwt"})))
    report = examine(redactor)
    assert row_of("logging", f"of {NAME}", report).leaks == ("session cookie", "bearer token", "refresh token in a URL")


def test_names_are_redacted() -> None:
    """A secret in the name of a file is not in the report."""
    loguru_logger.remove()
    number = loguru_logger.add(lambda message: None, format="{message}")
    secret = "4f1x9q8z7k2m5n0b3v6c1a8s"
    loguru_logger._core.handlers[number]._name = f"/var/log/sessionid={secret}.log"  # type: ignore[attr-defined]
    try:
        report = examine()
    finally:
        loguru_logger.remove()
    assert row_of("loguru", f"sink {number}", report).what.startswith(f"sink {number}, /var/log/sessionid=[REDACTED")
    assert secret not in repr(report)


def test_counts() -> None:
    """A report counts its rows by their states, and gives those that leak."""
    rows = (
        Row("a", "b", COVERED),
        Row("a", "c", LEAKS, KINDS),
        Row("a", "d", LEAKS, KINDS),
        Row("a", "e", NOT_CHECKED),
    )
    report = Report(rows)
    assert [report.count(state) for state in (COVERED, LEAKS, NOT_CHECKED)] == [1, 2, 1]
    assert report.leaks == rows[1:3]


def test_imports_no_host() -> None:
    """Examining a process that uses no host imports none."""
    hosts = ("structlog", "loguru", "sentry_sdk", "opentelemetry", "django", "celery", "flask")
    code = (
        "import sys; from redactor.doctor import examine; examine(); "
        f"print(*[name for name in {hosts} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("\n", "")
