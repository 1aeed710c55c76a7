"""Standard library logging: what a handler sends has no secret, and is else what it was."""

from __future__ import annotations

import asyncio
import copy
import http.client
import io
import json
import logging
import logging.config
import logging.handlers
import os
import pickle
import queue
import re
import socket
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from redactor import Redactor
from redactor.integrations import stdlib
from redactor.integrations.stdlib import RedactingFilter, RedactingFormatter, install, redacting_formatter

OPAQUE = "q7Xw2LkR9vTz4BnM8sYd"
OTHER = "Zk83nVq0PyTw5LsXb2Jc"
JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0"
    ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
)
KINDS = {
    "jwt": (f"login {JWT}", JWT, "[REDACTED:jwt]"),
    "cookie": (f"Cookie: sessionid={OPAQUE}; theme=dark", OPAQUE, "[REDACTED:session]"),
    "bearer": (f"Authorization: Bearer {OPAQUE}", OPAQUE, "[REDACTED:bearer]"),
    "opaque": (f"session_id={OPAQUE}", OPAQUE, "[REDACTED:session]"),
    "csrf": (f"csrftoken={OPAQUE}", OPAQUE, "[REDACTED:csrf]"),
    "clean": ("order 4711 placed in 23 ms", "", ""),
}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "percent": lambda text: quote(text, safe=""),
    "json": lambda text: json.dumps({"note": text}),
}


class OwnError(Exception):
    """An application's exception with a text of its own."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code)
        self.text = text

    def __str__(self) -> str:
        return f"{self.args[0]}: {self.text}"


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor()


@pytest.fixture
def installed(redactor: Redactor) -> Iterator[stdlib.Installation]:
    installation = install(redactor)
    yield installation
    installation.uninstall()


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    # A tree of its own, which pytest's handlers are no part of.
    logger = logging.Manager(logging.RootLogger(logging.DEBUG)).getLogger("shop.test")
    yield logger
    for handler in logger.handlers:
        handler.close()


class Reader(logging.Handler):
    """A handler that reads the record instead of formatting it."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def shown(self) -> str:
        lines = []
        for record in self.records:
            lines += [record.getMessage(), repr(vars(record))]
            if record.exc_info and record.exc_info[1]:
                lines += traceback.format_exception(record.exc_info[1])
        return "\n".join(lines)


def raising(kind: str, text: str) -> None:
    if kind == "cause":
        try:
            raise ValueError(text)
        except ValueError as error:
            raise RuntimeError("outer") from error
    if kind == "context":
        try:
            raise KeyError(text)
        except KeyError:
            raise RuntimeError("outer")  # noqa: B904
    if kind == "group":
        raise ExceptionGroup("several", [ValueError("one"), ExceptionGroup("more", [OSError(2, text)])])
    if kind == "note":
        error = ValueError("plain")
        error.add_note(text)
        raise error
    if kind == "own":
        raise OwnError(7, text)
    raise ValueError(text)


def log_exception(kind: str) -> Callable[[logging.Logger, str], None]:
    def run(logger: logging.Logger, text: str) -> None:
        try:
            raising(kind, text)
        except Exception:
            logger.exception("failed")

    return run


def log_warning(logger: logging.Logger, text: str) -> None:
    warned = logging.getLogger("py.warnings")
    kept = (warned.propagate, list(warned.handlers))
    warned.propagate, warned.handlers = False, list(logger.handlers)
    logging.captureWarnings(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = logging._showwarning  # type: ignore[attr-defined]
            warnings.warn(text, UserWarning, stacklevel=1)
    finally:
        logging.captureWarnings(False)
        warned.propagate, warned.handlers = kept


def log_stack(logger: logging.Logger, text: str) -> None:
    logger.handle(logger.makeRecord(logger.name, 20, "a.py", 1, "here", (), None, "f", None, text))


class Printed:
    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


PATHS: dict[str, Callable[[logging.Logger, str], None]] = {
    "message": lambda logger, text: logger.info(text),
    "percent sign in message": lambda logger, text: logger.info("100% " + text),
    "argument": lambda logger, text: logger.info("%s took %d ms (%5.1f%%)", text, 23, 99.5),
    "repr argument": lambda logger, text: logger.info("got %r", text),
    "object argument": lambda logger, text: logger.info("got %s and %d", Printed(text), 1),
    "container argument": lambda logger, text: logger.info("got %s %s", {"note": text}, [1]),
    "template and argument": lambda logger, text: logger.info(text.replace("%", "%%") + " took %d ms", 23),
    "named argument": lambda logger, text: logger.info("%(note)s took %(ms)d ms", {"note": text, "ms": 23}),
    "object as message": lambda logger, text: logger.info(Printed(text)),
    "extra": lambda logger, text: logger.info("hello", extra={"note": text}),
    "child logger": lambda logger, text: logger.getChild("a.b").info(text),
    "warning": log_warning,
    "exception": log_exception("plain"),
    "cause": log_exception("cause"),
    "context": log_exception("context"),
    "group": log_exception("group"),
    "note": log_exception("note"),
    "own exception": log_exception("own"),
    "stack": log_stack,
}
FORMAT = logging.Formatter("%(levelname)s %(name)s %(message)s [%(note)s]", defaults={"note": "-"})


def written(logger: logging.Logger, path: Callable[[logging.Logger, str], None], text: str) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(FORMAT)
    logger.addHandler(handler)
    try:
        path(logger, text)
    finally:
        logger.removeHandler(handler)
    return stream.getvalue()


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", PATHS)
def test_stream(path: str, kind: str, spelling: str, log: logging.Logger, redactor: Redactor) -> None:
    """A stream gets the bytes it gets without us, with a placeholder in the place of the secret."""
    text, secret, shown = KINDS[kind]
    text = SPELLINGS[spelling](text)
    bare = written(log, PATHS[path], text)
    installation = install(redactor)
    try:
        ours = written(log, PATHS[path], text)
    finally:
        installation.uninstall()
    assert ours == (bare.replace(secret, shown) if secret else bare)
    assert written(log, PATHS[path], text) == bare


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", PATHS)
def test_reader(path: str, kind: str, log: logging.Logger, installed: stdlib.Installation) -> None:
    """A handler that reads records finds no secret in any part of them, and clean records are the application's."""
    text, secret, shown = KINDS[kind]
    reader = Reader()
    passed: list[logging.LogRecord] = []
    log.addFilter(lambda record: passed.append(record) or True)
    log.addHandler(reader)
    PATHS[path](log, text)
    if secret:
        assert secret not in reader.shown()
        assert shown in reader.shown()
        assert all(record is not reader.records[0] for record in passed)
        assert path in ("warning", "child logger") or secret in Reader.shown(_reader(passed))
    elif path not in ("warning", "child logger"):
        assert reader.records[0] is passed[0]


def _reader(records: list[logging.LogRecord]) -> Reader:
    reader = Reader()
    reader.records = [copy.copy(record) for record in records]
    for record in reader.records:
        if not isinstance(record.msg, str):
            record.msg = str(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(str(arg) if isinstance(arg, Printed) else arg for arg in record.args)
        record.msg, record.args = record.getMessage(), ()
    return reader


@pytest.mark.parametrize("path", ["message", "argument", "extra", "cause", "note"])
def test_both(path: str, log: logging.Logger, installed: stdlib.Installation) -> None:
    """Handlers that share a record each get a clean one, in whatever order they come."""
    first, reader, last = logging.StreamHandler(io.StringIO()), Reader(), logging.StreamHandler(io.StringIO())
    for handler in (first, reader, last):
        handler.setFormatter(FORMAT)
        log.addHandler(handler)
    PATHS[path](log, KINDS["opaque"][0])
    assert first.stream.getvalue() == last.stream.getvalue()
    assert "session_id=[REDACTED:session]" in first.stream.getvalue()
    assert OPAQUE not in first.stream.getvalue() + reader.shown()


def test_beside_its_name(log: logging.Logger, installed: stdlib.Installation) -> None:
    """A value in extra or in named arguments is judged by its name, and goes from the message too."""
    stream, reader = io.StringIO(), Reader()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(session_id)s", defaults={"session_id": "-"}))
    log.addHandler(handler)
    log.addHandler(reader)
    log.info("login of %s: %s", "kim", OPAQUE, extra={"session_id": OPAQUE})
    log.info("%(sid)s %(n)03d", {"sid": OPAQUE, "n": 7})
    assert stream.getvalue() == ("login of kim: [REDACTED:session] [REDACTED:session]\n[REDACTED:session] 007 -\n")
    assert [record.args for record in reader.records] == [
        ("kim", "[REDACTED:session]"),
        {"sid": "[REDACTED:session]", "n": 7},
    ]
    assert reader.records[0].msg == "login of %s: %s"


def test_objects_are_unchanged(log: logging.Logger, installed: stdlib.Installation) -> None:
    """Nothing that the application gave to a call is changed."""
    held = {"session_id": OPAQUE, "deep": [{"token": JWT}]}
    error = OwnError(1, f"session_id={OPAQUE}")
    error.add_note(f"token={JWT}")
    error.__cause__ = ValueError(f"sid={OPAQUE}")
    before = (json.dumps(held), str(error), list(error.__notes__), str(error.__cause__))
    reader = Reader()
    log.addHandler(reader)
    log.error("%(session_id)s", held, exc_info=error, extra={"held": held})
    log.error("got %s", held, extra={"held": held})
    assert (json.dumps(held), str(error), list(error.__notes__), str(error.__cause__)) == before
    assert OPAQUE not in reader.shown()
    assert JWT not in reader.shown()


def test_exception_copies(log: logging.Logger, installed: stdlib.Installation) -> None:
    """A clean copy of an exception has its type, its attributes and its place in the chain."""
    reader = Reader()
    log.addHandler(reader)
    one = OSError(2, "no such file", f"/x?access_token={OTHER}")
    two = UnicodeDecodeError("utf-8", f"token={JWT}".encode(), 0, 1, f"token={JWT}")
    three = OwnError(3, f"session_id={OPAQUE}")
    one.__cause__, two.__context__ = two, three
    three.__context__ = one
    log.error("x", exc_info=one)
    made = reader.records[0].exc_info[1]  # type: ignore[index]
    assert (type(made), made.errno, made.filename) == (FileNotFoundError, 2, "/x?access_token=[REDACTED:token]")
    assert type(made.__cause__) is UnicodeDecodeError
    assert type(made.__cause__.__context__) is OwnError
    assert made.__cause__.__context__.text == "session_id=[REDACTED:session]"
    assert made.__cause__.__context__.__context__ is made


def test_awkward_exceptions(log: logging.Logger, installed: stdlib.Installation) -> None:
    """An exception that cannot be copied is replaced by one with the same name and a clean text."""

    class FrozenError(Exception):
        __slots__ = ("secret",)

        def __init__(self, secret: str) -> None:
            self.secret = secret

        def __str__(self) -> str:
            return f"session_id={object.__getattribute__(self, 'secret')}"

    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    reader = Reader()
    log.addHandler(reader)
    silent = SilentError()
    silent.add_note(f"token={JWT}")
    silent.__cause__ = FrozenError(OPAQUE)
    log.error("x", exc_info=silent)
    made = reader.records[0].exc_info[1]  # type: ignore[index]
    assert (type(made).__name__, made.__notes__) == ("SilentError", ["token=[REDACTED:jwt]"])
    assert (type(made.__cause__).__name__, str(made.__cause__)) == ("FrozenError", "session_id=[REDACTED:session]")
    assert isinstance(made, Exception)


def test_long_chain(log: logging.Logger, installed: stdlib.Installation) -> None:
    """A chain of 100,000 exceptions is cut, not walked without end, and comes out clean."""
    first = error = ValueError("0")
    for number in range(100_000):
        error.__context__ = ValueError(f"session_id={OPAQUE}" if number == 99_999 else "x")
        error = error.__context__  # type: ignore[assignment]
    reader = Reader()
    log.addHandler(reader)
    log.error("x", exc_info=first)
    made, length = reader.records[0].exc_info[1], 0  # type: ignore[index]
    while made is not None:
        made, length = made.__context__, length + 1
    assert length == 1000
    while first is not None:  # taken apart link by link: freeing it in one go overflows the stack
        first.__context__, first = None, first.__context__  # type: ignore[assignment]


def test_filters_are_seen(log: logging.Logger, installed: stdlib.Installation) -> None:
    """What a handler's filter adds to a record is clean when the handler sends it."""

    def add(record: logging.LogRecord) -> bool:
        record.session_id = OPAQUE
        return True

    stream, reader = io.StringIO(), Reader()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(session_id)s"))
    for each in (handler, reader):
        each.addFilter(add)
        log.addHandler(each)
    log.info("hello")
    assert stream.getvalue() == "hello [REDACTED:session]\n"
    assert OPAQUE not in reader.shown()


def test_dropped_records(log: logging.Logger, installed: stdlib.Installation) -> None:
    """A record that a filter drops is not sent."""
    reader, stream = Reader(), io.StringIO()
    for handler in (reader, logging.StreamHandler(stream)):
        handler.addFilter(lambda record: False)
        log.addHandler(handler)
    log.info("hello")
    assert (reader.records, stream.getvalue()) == ([], "")


def test_queue(log: logging.Logger, installed: stdlib.Installation) -> None:
    """What waits in a queue is clean already, and what the listener sends is what was logged."""
    waiting: queue.Queue[logging.LogRecord] = queue.Queue()
    log.addHandler(logging.handlers.QueueHandler(waiting))
    stream = io.StringIO()
    log.info("login %s in %d ms", JWT, 5, extra={"session_id": OPAQUE})
    log_exception("cause")(log, f"session_id={OPAQUE}")
    held = pickle.dumps(list(waiting.queue))
    assert OPAQUE.encode() not in held
    assert JWT.encode() not in held
    listener = logging.handlers.QueueListener(waiting, logging.StreamHandler(stream))
    listener.start()
    listener.stop()
    assert stream.getvalue().startswith("login [REDACTED:jwt] in 5 ms\nfailed\nTraceback")
    assert "ValueError: session_id=[REDACTED:session]\n" in stream.getvalue()


def test_network_handlers(log: logging.Logger, installed: stdlib.Installation) -> None:
    """Handlers that send a record's attributes over the network send no secret."""
    sockets = logging.handlers.SocketHandler("localhost", 1)
    web = logging.handlers.HTTPHandler("localhost", "/", method="POST")
    memory = logging.handlers.MemoryHandler(10, target=Reader(), flushLevel=60)
    sent: list[str] = []
    sockets.send = lambda data: sent.append(repr(pickle.loads(data[4:])))  # type: ignore[method-assign]

    class Connection(http.client.HTTPConnection):
        def connect(self) -> None:
            ours, self.sock = socket.socketpair()
            ours.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            self.peer = ours

        def send(self, data: Any) -> None:
            if not self.sock:
                self.connect()
            sent.append(repr(data))

        def close(self) -> None:
            super().close()
            if hasattr(self, "peer"):
                self.peer.close()

    made: list[Connection] = []
    web.getConnection = lambda host, secure: made.append(Connection(host)) or made[-1]  # type: ignore[method-assign, func-returns-value]
    for handler in (sockets, web, memory):
        log.addHandler(handler)
    log.info("login %s", JWT, extra={"session_id": OPAQUE})
    for connection in made:
        connection.close()
    assert len(sent) >= 3
    assert OPAQUE not in "".join(sent) + Reader.shown(_reader(memory.buffer))
    assert JWT not in "".join(sent) + Reader.shown(_reader(memory.buffer))


def test_last_resort(log: logging.Logger, installed: stdlib.Installation, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any handler, what logging's last resort writes to stderr is clean."""
    log.warning("login %s", JWT)
    assert capsys.readouterr().err == "login [REDACTED:jwt]\n"


@pytest.mark.parametrize(
    ("msg", "args"),
    [
        ("order %d", ("x",)),
        ("order %s %s", ("x",)),
        ("order", ("x", "y")),
        ("order %(n)d", ({"n": "x"},)),
        ("session %s %d", (OPAQUE, "x")),
        ("login %d", (JWT,)),
        (f"login {JWT} %d", ("x",)),
        ("session_id=", (OPAQUE,)),
    ],
)
def test_handle_error(
    msg: str, args: tuple[Any, ...], log: logging.Logger, redactor: Redactor, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report on a message that cannot be formatted is logging's own, without the secrets."""

    def run() -> str:
        log.info(msg, *args)
        return capsys.readouterr().err

    log.addHandler(logging.StreamHandler(io.StringIO()))
    reports = []
    for redacting in (False, True):
        installation = install(redactor) if redacting else None
        reports.append(run())
        if installation is not None:
            installation.uninstall()
    bare, ours = reports
    assert bare.startswith("--- Logging error ---\nTraceback")
    expected = bare.replace(JWT, "[REDACTED:jwt]").replace(OPAQUE, "[REDACTED:session]")
    assert ours == expected


def test_own_handle_error(log: logging.Logger, installed: stdlib.Installation) -> None:
    """A handler with a report of its own is given a clean record for it."""
    seen: list[str] = []

    class Own(logging.StreamHandler):  # type: ignore[type-arg]
        def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
            seen.append(f"{record.msg} {record.args}")

    log.addHandler(Own(io.StringIO()))
    log.info("session %s %d", OPAQUE, "x")
    assert seen == ["session %s %d ('[REDACTED:session]', 'x')"]


def test_awkward_handlers(log: logging.Logger, installed: stdlib.Installation) -> None:
    """Handlers with methods of their own, on the class or the instance, get clean records."""
    seen: list[str] = []

    class OwnHandle(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            seen.append(record.getMessage())
            return True

    class OwnFormat(logging.StreamHandler):  # type: ignore[type-arg]
        def format(self, record: logging.LogRecord) -> str:
            return record.getMessage()

    stream = io.StringIO()
    patched, replaced = logging.StreamHandler(stream), logging.StreamHandler(stream)
    patched.emit = lambda record: seen.append(record.getMessage())  # type: ignore[method-assign]
    replaced.format = lambda record: record.getMessage()  # type: ignore[method-assign]
    for handler in (OwnHandle(), OwnFormat(stream), patched, replaced):
        log.addHandler(handler)
    log.info("login %s", JWT)
    assert seen == ["login [REDACTED:jwt]"] * 2
    assert stream.getvalue() == "login [REDACTED:jwt]\n" * 2
    assert any(name.endswith("OwnHandle.handle") for name in installed.covered)


def test_handlers_of_before(log: logging.Logger, redactor: Redactor) -> None:
    """Handlers and handler classes made before the installation are covered as well."""
    seen: list[str] = []

    class Early(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            seen.append(record.getMessage())
            return True

    original = Early.handle
    log.addHandler(Early())
    installation = install(redactor)
    log.info("login %s", JWT)
    installation.uninstall()
    log.info("login %s", JWT)
    assert seen == ["login [REDACTED:jwt]", f"login {JWT}"]
    assert Early.handle is original


def test_uninstall(redactor: Redactor) -> None:
    """Uninstalling restores every function, however often one installed, and may be done twice."""
    names = ("handle", "format", "handleError", "__init__")
    before = [logging.Handler.__dict__[name] for name in names]
    first = install(redactor)
    assert install(redactor) is first
    assert first.covered[:3] == (
        "logging.Handler.format",
        "logging.Handler.handleError",
        "logging.Handler.handle",
    )
    assert [logging.Handler.__dict__[name] for name in names] != before
    first.uninstall()
    first.uninstall()
    assert [logging.Handler.__dict__[name] for name in names] == before
    assert first.covered == ()
    assert repr(first) == "<Installation of 0 hooks>"


def test_wrapped_since(log: logging.Logger, redactor: Redactor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that others wrapped before or after us keeps their wrapper, and works after we are gone."""
    calls: list[str] = []
    stock = logging.Handler.handle

    def before(handler: logging.Handler, record: logging.LogRecord) -> Any:
        calls.append("before")
        return stock(handler, record)

    monkeypatch.setattr(logging.Handler, "handle", before)
    installation = install(redactor)
    ours = logging.Handler.handle

    def after(handler: logging.Handler, record: logging.LogRecord) -> Any:
        calls.append("after")
        return ours(handler, record)

    logging.Handler.handle = after  # type: ignore[method-assign]
    reader = Reader()
    log.addHandler(reader)
    log.info("login %s", JWT)
    installation.uninstall()
    log.info("login %s", JWT)
    assert calls == ["after", "before"] * 2
    assert [record.getMessage() for record in reader.records] == ["login [REDACTED:jwt]", f"login {JWT}"]


# --- explicit wiring ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", PATHS)
def test_filter(path: str, kind: str, log: logging.Logger, redactor: Redactor) -> None:
    """A handler with the filter sends what it sends without, with a placeholder in the place of the secret."""
    text, secret, shown = KINDS[kind]
    bare = written(log, PATHS[path], text)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(FORMAT)
    handler.addFilter(RedactingFilter(redactor))
    log.addHandler(handler)
    PATHS[path](log, text)
    assert stream.getvalue() == (bare.replace(secret, shown) if secret else bare)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", PATHS)
def test_formatter(path: str, kind: str, log: logging.Logger, redactor: Redactor) -> None:
    """A handler with the formatter sends what it sends without, with a placeholder in the place of the secret."""
    text, secret, shown = KINDS[kind]
    bare = written(log, PATHS[path], text)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter(FORMAT, redactor))
    log.addHandler(handler)
    PATHS[path](log, text)
    assert stream.getvalue() == (bare.replace(secret, shown) if secret else bare)


def test_formatter_methods(redactor: Redactor) -> None:
    """Each method of the formatter is that of the wrapped one, without the secrets."""
    inner = logging.Formatter("{asctime} {message}", "%H", style="{")
    wrapped = RedactingFormatter(inner, redactor)
    record = logging.LogRecord("a", 20, "a.py", 1, "login %s", (JWT,), None)
    error = ValueError(f"session_id={OPAQUE}")
    assert wrapped.formatTime(record, "%H:%M") == inner.formatTime(record, "%H:%M")
    assert wrapped.formatException((ValueError, error, None)) == "ValueError: session_id=[REDACTED:session]"
    assert wrapped.formatStack(f"token={JWT}") == "token=[REDACTED:jwt]"
    record.message = record.getMessage()
    record.asctime = "10"
    assert wrapped.formatMessage(record) == "10 login [REDACTED:jwt]"
    assert (wrapped.usesTime(), wrapped.datefmt, wrapped._fmt) == (True, "%H", inner._fmt)


def test_dict_config(redactor: Redactor, tmp_path: Path) -> None:
    """dictConfig can name the filter and the formatter, with the wrapped formatter's options."""
    target = tmp_path / "app.log"
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"redacting": {"()": "redactor.integrations.stdlib.RedactingFilter"}},
            "formatters": {
                "plain": {"()": "redactor.integrations.stdlib.redacting_formatter", "format": "A %(message)s"},
                "access": {
                    "()": "redactor.integrations.stdlib.redacting_formatter",
                    "class": "uvicorn.logging.AccessFormatter",
                    "fmt": "B %(client_addr)s %(request_line)s %(status_code)s",
                    "use_colors": False,
                },
                "bare": {"format": "C %(message)s"},
            },
            "handlers": {
                name: {"class": "logging.FileHandler", "filename": target, "formatter": name, "filters": filters}
                for name, filters in (("plain", []), ("access", []), ("bare", ["redacting"]))
            },
            "loggers": {"configured": {"handlers": ["plain", "access", "bare"], "level": "INFO", "propagate": False}},
        }
    )
    logger = logging.getLogger("configured")
    logger.info('%s - "%s %s HTTP/%s" %d', "10.0.0.7:1", "GET", f"/cb?access_token={OPAQUE}", "1.1", 200)
    for handler in list(logger.handlers):
        handler.close()
        logger.removeHandler(handler)
    line = "/cb?access_token=[REDACTED:token] HTTP/1.1"
    assert target.read_text().splitlines() == [
        f'A 10.0.0.7:1 - "GET {line}" 200',
        f"B 10.0.0.7:1 GET {line} 200 OK",
        f'C 10.0.0.7:1 - "GET {line}" 200',
    ]


def test_dict_config_after_install(installed: stdlib.Installation, tmp_path: Path) -> None:
    """Handlers that dictConfig makes after the installation are covered."""
    target = tmp_path / "app.log"
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"file": {"class": "logging.handlers.RotatingFileHandler", "filename": target}},
            "loggers": {"configured.later": {"handlers": ["file"], "level": "INFO", "propagate": False}},
        }
    )
    logger = logging.getLogger("configured.later")
    logger.info("login %s", JWT)
    for handler in list(logger.handlers):
        handler.close()
        logger.removeHandler(handler)
    assert target.read_text() == "login [REDACTED:jwt]\n"


def test_factory_options(redactor: Redactor) -> None:
    """The factory wraps logging's own formatter by default and gives a class all other options."""
    made = redacting_formatter(redactor=redactor, fmt="%(message)s!")
    assert made.format(logging.LogRecord("a", 20, "a.py", 1, "login %s", (JWT,), None)) == "login [REDACTED:jwt]!"
    with pytest.raises(TypeError):
        redacting_formatter(redactor=redactor, colours=True)


# --- hosts --------------------------------------------------------------------------------


def test_access_records(log: logging.Logger, installed: stdlib.Installation) -> None:
    """uvicorn's five arguments stay five and gunicorn's atoms keep their type, for formatters and readers."""
    from gunicorn.glogging import SafeAtoms
    from uvicorn.logging import AccessFormatter

    stream, reader = io.StringIO(), Reader()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(AccessFormatter("%(client_addr)s %(request_line)s %(status_code)s", use_colors=False))
    log.addHandler(reader)
    log.addHandler(handler)
    log.info('%s - "%s %s HTTP/%s" %d', "10.0.0.7:1", "GET", f"/cb?access_token={OPAQUE}", "1.1", 200)
    log.removeHandler(handler)
    assert stream.getvalue() == "10.0.0.7:1 GET /cb?access_token=[REDACTED:token] HTTP/1.1 200 OK\n"
    assert reader.records[0].args == ("10.0.0.7:1", "GET", "/cb?access_token=[REDACTED:token]", "1.1", 200)

    handler.setFormatter(None)
    log.addHandler(handler)
    atoms = SafeAtoms({"h": "10.0.0.7", "{x-csrf-token}i": OPAQUE, "{authorization}i": f"Bearer {OPAQUE}", "s": 200})
    log.info('%(h)s %(missing)s %(s)s "%({X-CSRF-Token}i)s"', atoms)
    assert stream.getvalue().splitlines()[1] == '10.0.0.7 - 200 "[REDACTED:csrf]"'
    assert type(reader.records[1].args) is SafeAtoms
    assert dict(reader.records[1].args) == {
        "h": "10.0.0.7",
        "{x-csrf-token}i": "[REDACTED:csrf]",
        "{authorization}i": "Bearer [REDACTED:bearer]",
        "s": 200,
    }
    assert atoms["{x-csrf-token}i"] == OPAQUE


def test_templates_are_kept(log: logging.Logger, installed: stdlib.Installation) -> None:
    """Tools that group records by their template see the template of the application."""
    reader = Reader()
    log.addHandler(reader)
    log.info("login %s of %s after %d ms", JWT, "kim", 5)
    log.info("code %d", 5)
    assert [(record.msg, record.args) for record in reader.records] == [
        ("login %s of %s after %d ms", ("[REDACTED:jwt]", "kim", 5)),
        ("code %d", (5,)),
    ]


def test_secret_across_pieces(log: logging.Logger, installed: stdlib.Installation) -> None:
    """A secret that template and arguments make together, or a number that is one, is redacted as text."""
    reader = Reader()
    log.addHandler(reader)
    head, body, tail = JWT.split(".")
    log.info("login %s.%s.%s", head, body, tail)
    log.info("otp=%d", 493817)
    log.info("otp=%s", 493817)
    assert [record.getMessage() for record in reader.records] == [
        "login [REDACTED:jwt]",
        "otp=[REDACTED:otp]",
        "otp=[REDACTED:otp]",
    ]
    assert tail not in reader.shown()
    assert "493817" not in reader.shown()


WSGI = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2"), ("Content-Type", "text/plain")])
    return [b"ok"]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""
SETUP = "from redactor.integrations import stdlib\nstdlib.install()\n"


@pytest.mark.parametrize("redacting", [True, False])
@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_servers(server: str, redacting: bool, tmp_path: Path) -> None:
    """The access log of a real server has every line, with a placeholder in the place of the token."""
    (tmp_path / "web.py").write_text((SETUP if redacting else "") + WSGI)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bind = ["--host", "127.0.0.1", "--port", str(port), "--no-use-colors", "web:asgi"]
    if server == "gunicorn":
        access = ["--access-logfile", "-", "--access-logformat", '%(h)s "%(r)s" %(s)s %({x-csrf-token}i)s']
        bind = ["-b", f"127.0.0.1:{port}", "--no-control-socket", *access, "web:app"]
    process = subprocess.Popen(
        [sys.executable, "-m", server, *bind],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    try:
        for number in range(5):
            _get(port, f"/cb?access_token={OPAQUE}&n={number}")
    finally:
        process.terminate()
        output = process.communicate(timeout=20)[0]
    shown = "[REDACTED:token]" if redacting else OPAQUE
    lines = [line for line in output.splitlines() if "GET /cb" in line]
    assert [re.search(r"GET (\S+) HTTP", line)[1] for line in lines] == [  # type: ignore[index]
        f"/cb?access_token={shown}&n={number}" for number in range(5)
    ]
    assert (OPAQUE in output) is not redacting
    assert "Logging error" not in output
    if server == "gunicorn":
        assert all(line.endswith(" 200 [REDACTED:csrf]" if redacting else f" 200 {OPAQUE}") for line in lines)


def _get(port: int, path: str) -> None:
    for _ in range(200):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path, headers={"X-CSRF-Token": OPAQUE})
            connection.getresponse().read()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
        finally:
            connection.close()
    raise AssertionError("the server does not answer")


# --- trouble ------------------------------------------------------------------------------


class Broken(Redactor):
    """A redactor whose every method raises, as none should."""

    def text(self, text: str) -> str:
        raise RuntimeError(f"session_id={OPAQUE}")

    def value(self, value: Any) -> Any:
        raise RuntimeError(f"session_id={OPAQUE}")


@pytest.mark.parametrize("path", PATHS)
def test_our_failure(path: str, log: logging.Logger, redactor: Redactor, capsys: pytest.CaptureFixture[str]) -> None:
    """If our hook fails, the record is sent with [REDACTED:error] for a message and nothing raises."""
    stream, reader = io.StringIO(), Reader()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(FORMAT)
    log.addHandler(handler)
    log.addHandler(reader)
    broken = copy.copy(redactor)
    broken.__class__ = Broken
    installation = install(broken)
    try:
        PATHS[path](log, KINDS["opaque"][0])
    finally:
        installation.uninstall()
    name = {"child logger": "shop.test.a.b", "warning": "py.warnings"}.get(path, "shop.test")
    level = "WARNING" if path == "warning" else "ERROR" if path in EXCEPTIONS else "INFO"
    note = "[REDACTED:error]" if path == "extra" else "-"
    tail = "[REDACTED:error]\n" if path in (*EXCEPTIONS, "stack") else ""
    assert stream.getvalue() == f"{level} {name} [REDACTED:error] [{note}]\n{tail}"
    assert reader.records[0].getMessage() == "[REDACTED:error]"
    assert OPAQUE not in reader.shown() + capsys.readouterr().err


EXCEPTIONS = ("exception", "cause", "context", "group", "note", "own exception")


def test_our_failure_in_reports(log: logging.Logger, redactor: Redactor, capsys: pytest.CaptureFixture[str]) -> None:
    """If our hook fails, arguments keep their number and type, and a report on an error shows none of them."""
    reader = Reader()
    log.addHandler(reader)
    log.addHandler(logging.StreamHandler(io.StringIO()))
    broken = copy.copy(redactor)
    broken.__class__ = Broken
    installation = install(broken)
    try:
        log.info("%s %d", f"sid={OPAQUE}", 7)
        log.info("%(a)s %(b)d", {"a": OPAQUE, "b": 7})
        log.removeHandler(reader)
        log.info("%d", f"sid={OPAQUE}")
    finally:
        installation.uninstall()
    assert [record.args for record in reader.records] == [
        ("[REDACTED:error]", 7),
        {"a": "[REDACTED:error]", "b": 7},
    ]
    assert [record.getMessage() for record in reader.records] == ["[REDACTED:error]"] * 2
    assert capsys.readouterr().err == "--- Logging error ---\n[REDACTED:error]\n"


class Evil:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__


def test_evil_objects(log: logging.Logger, redactor: Redactor, capsys: pytest.CaptureFixture[str]) -> None:
    """Objects that raise, cycles and deep nesting do in the host what they do without us."""
    cycle: list[Any] = [f"session_id={OPAQUE}"]
    cycle.append(cycle)
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    stream = io.StringIO()
    log.addHandler(logging.StreamHandler(stream))

    def run() -> tuple[str, str]:
        start = stream.tell()
        for value in (Evil(), cycle, deep, {"evil": 1, "cycle": cycle}):
            log.info("got %s", value, extra={"held": value})
        return stream.getvalue()[start:], re.sub(r"0x[0-9a-f]+|line \d+", "", capsys.readouterr().err)

    results = []
    reader = Reader()
    for redacting in (False, True):
        if redacting:
            installation = install(redactor)
        results.append(run())
    bare, ours = results
    try:
        log.addHandler(reader)
        log.info("session_id=%s", OPAQUE, extra={"a": Evil(), "b": cycle})
        log.info("session_id=%s %s", OPAQUE, Evil())
    finally:
        installation.uninstall()
    assert ours == tuple(part.replace(OPAQUE, "[REDACTED:session]") for part in bare)
    assert "Unable to print the message and arguments" in ours[1]
    assert reader.records[0].getMessage() == "session_id=[REDACTED:session]"
    assert isinstance(vars(reader.records[0])["a"], Evil)
    assert reader.records[1].args[0] == "[REDACTED:session]"  # type: ignore[index]


def test_large_messages(log: logging.Logger, installed: stdlib.Installation) -> None:
    """A message of 10 MB loses its secrets and nothing else."""
    stream = io.StringIO()
    log.addHandler(logging.StreamHandler(stream))
    filler = "x y z " * (10_000_000 // 12)
    log.info("%s session_id=%s %s", filler, OPAQUE, filler)
    assert stream.getvalue() == f"{filler} session_id=[REDACTED:session] {filler}\n"


def test_reentrancy(log: logging.Logger, installed: stdlib.Installation) -> None:
    """An argument whose text is made by code that logs is logged after what that code logs."""

    class Chatty:
        def __str__(self) -> str:
            log.info("inner %s", JWT)
            return f"session_id={OPAQUE}"

    stream = io.StringIO()
    log.addHandler(logging.StreamHandler(stream))
    log.info("outer %s", Chatty())
    assert stream.getvalue() == "inner [REDACTED:jwt]\nouter session_id=[REDACTED:session]\n"


def test_threads(log: logging.Logger, installed: stdlib.Installation) -> None:
    """Eight threads that log 100,000 records lose none and garble none."""
    stream = io.StringIO()
    log.addHandler(logging.StreamHandler(stream))
    each = 12_500

    def work(thread: int) -> None:
        for number in range(each):
            if number % 10:
                log.info("order %d of %d placed", number, thread)
            else:
                log.info("order %d of %d session_id=%s", number, thread, OPAQUE)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = Counter(
        f"order {number} of {thread} " + ("placed" if number % 10 else "session_id=[REDACTED:session]")
        for thread in range(8)
        for number in range(each)
    )
    assert Counter(stream.getvalue().splitlines()) == expected


def test_asyncio(log: logging.Logger, installed: stdlib.Installation) -> None:
    """Tasks that log in turns each get their own record, clean."""
    stream = io.StringIO()
    log.addHandler(logging.StreamHandler(stream))

    async def work(number: int) -> None:
        for _ in range(10):
            log.info("task %d session_id=%s", number, OPAQUE)
            await asyncio.sleep(0)

    async def everything() -> None:
        await asyncio.gather(*(work(number) for number in range(10)))

    asyncio.run(everything())
    assert Counter(stream.getvalue().splitlines()) == {
        f"task {number} session_id=[REDACTED:session]": 10 for number in range(10)
    }


FORKED = f"""
import logging, os, sys, threading
from redactor.integrations import stdlib
stdlib.install()
logging.basicConfig(stream=sys.stdout, format="%(message)s", level=20)
logging.info("parent session_id=%s", "{OPAQUE}")
sys.stdout.flush()
child = os.fork()
if child == 0:
    class Own(logging.Handler):
        def handle(self, record):
            print(record.getMessage())
    logging.getLogger().addHandler(Own())
    logging.info("child session_id=%s", "{OPAQUE}")
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
logging.info("parent again session_id=%s", "{OPAQUE}")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_fork() -> None:
    """A forked process redacts as its parent does, and covers handlers of its own."""
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == [
        "parent session_id=[REDACTED:session]",
        "child session_id=[REDACTED:session]",
        "child session_id=[REDACTED:session]",
        "parent again session_id=[REDACTED:session]",
    ]
    assert done.stderr == ""


def test_record_classes(log: logging.Logger, installed: stdlib.Installation) -> None:
    """Records of an application's own class, with a template syntax of its own, are redacted as such."""

    class Braces(logging.LogRecord):
        def getMessage(self) -> str:  # noqa: N802
            return str(self.msg).format(*(self.args or ()))

    reader, stream = Reader(), io.StringIO()
    log.addHandler(reader)
    log.addHandler(logging.StreamHandler(stream))
    kept = logging.getLogRecordFactory()
    logging.setLogRecordFactory(Braces)
    try:
        log.info("login {} after {}", JWT, 7)
    finally:
        logging.setLogRecordFactory(kept)
    assert stream.getvalue() == "login [REDACTED:jwt] after 7\n"
    assert (type(reader.records[0]), reader.records[0].args) == (Braces, ("[REDACTED:jwt]", 7))


def test_names(log: logging.Logger, installed: stdlib.Installation) -> None:
    """Secrets in the names of a logger, a thread or a task are gone for handlers that read them."""
    reader = Reader()
    log.addHandler(reader)
    thread = threading.Thread(target=log.info, args=("x",), name=f"session_id={OPAQUE}")
    thread.start()
    thread.join()
    assert reader.records[0].threadName == "session_id=[REDACTED:session]"


def test_imports() -> None:
    """Importing redactor imports no host."""
    code = "import sys, redactor; print([n for n in ('logging', 'structlog', 'loguru') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
