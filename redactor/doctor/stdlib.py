"""Standard library ``logging``: every handler of every logger, and what is behind queues and buffers.

A handler is given records as a logger would, under its lock, with its last step replaced:
the stream of those that write text, ``emit`` of all others. So no file is opened, none is
rotated, and nothing is sent.
"""

from __future__ import annotations

import gc
import logging
import logging.handlers
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from redactor.doctor.report import COVERED, Judge, Row
from redactor.installation import INSTALL
from redactor.integrations import stdlib
from redactor.integrations._hooks import Replaced

__all__ = ["exception", "heard", "passed_on", "rows"]

_HOST: Final = "logging"
_LAST_RESORT: Final = "logging.lastResort"
_BEHIND: Final = ", behind "

_STREAM_EMITS: Final = frozenset(
    {
        logging.StreamHandler.emit,
        logging.FileHandler.emit,
        logging.handlers.BaseRotatingHandler.emit,
        logging.handlers.WatchedFileHandler.emit,
    }
)
"""The ``emit`` methods that write the formatted text to ``stream``."""

_TEXT_EMITS: Final = _STREAM_EMITS | {
    logging.handlers.SysLogHandler.emit,
    logging.handlers.SMTPHandler.emit,
    logging.handlers.NTEventLogHandler.emit,
}
"""The ``emit`` methods that send the formatted text and nothing else of the record."""

_FILE_STEPS: Final = ("shouldRollover", "reopenIfNeeded")
"""What handlers of files do with the file before they write; ``False`` makes it nothing."""

_ELSEWHERE: Final = {
    "sentry_sdk": "what it is given goes to Sentry, which has rows of its own",
    "opentelemetry": "what it is given goes to OpenTelemetry, which has rows of its own",
}

_Record = Callable[[logging.Logger, int, str], logging.LogRecord]


def rows(judge: Judge) -> Iterator[Row]:
    """Yield a row for each handler, and one for all that write nothing."""
    silent = 0
    for handler, logger, place in _handlers():
        if isinstance(handler, logging.NullHandler):
            silent += 1
        else:
            yield _row(judge, handler, logger, place)
    if silent:
        yield Row(_HOST, f"NullHandler, {silent} of them", COVERED)


def _row(judge: Judge, handler: Any, logger: logging.Logger, place: str) -> Row:
    what = f"{type(handler).__qualname__} of {place}"
    if not isinstance(handler, logging.Handler):
        return judge.unchecked(_HOST, what, "it is no logging.Handler")
    package = type(handler).__module__.partition(".")[0]
    if package in _ELSEWHERE:
        return judge.unchecked(_HOST, what, _ELSEWHERE[package])
    try:
        sent = heard(handler, logger, [canary.text for canary in judge.canaries])
    except Exception as error:
        return judge.unchecked(_HOST, what, f"it fails with {type(error).__name__}")
    return judge.row(_HOST, what, sent, _fix(place), dropped="its filters or its formatter let nothing pass")


def _fix(place: str) -> str:
    if stdlib._installed is None:
        return INSTALL
    # What replaced the handler's own "handle" goes past what is installed.
    filtering = "addFilter(redactor.integrations.stdlib.RedactingFilter())"
    return f"import logging, redactor.integrations.stdlib; {_expression(place)}.{filtering}"


def _expression(place: str) -> str:
    """Return what the handler at ``place`` is called, as far as there is a name for it."""
    name, _, number = place.partition(" #")
    if place == _LAST_RESORT:
        return place
    if _BEHIND in place:
        return "handler"
    return f"logging.getLogger({'' if name == 'root' else repr(name)}).handlers[{int(number or 1) - 1}]"


# --- what there is ------------------------------------------------------------------------


def _handlers() -> Iterator[tuple[Any, logging.Logger, str]]:
    """Yield each handler once, with a logger it serves and where it is."""
    seen: set[int] = set()
    root = logging.getLogger()
    named = [each for each in list(root.manager.loggerDict.values()) if isinstance(each, logging.Logger)]
    waiting: list[tuple[Any, logging.Logger, str]] = [
        (handler, logger, f"{logger.name} #{number}" if len(logger.handlers) > 1 else logger.name)
        for logger in (root, *named)
        for number, handler in enumerate(logger.handlers, 1)
    ]
    waiting.append((logging.lastResort, root, _LAST_RESORT))
    while waiting:
        handler, logger, place = waiting.pop(0)
        if handler is None or id(handler) in seen:
            continue
        seen.add(id(handler))
        yield handler, logger, place
        waiting += [(each, logger, f"{place}{_BEHIND}{type(handler).__qualname__}") for each in _behind(handler)]


def _behind(handler: Any) -> list[Any]:
    if isinstance(handler, logging.handlers.MemoryHandler):
        return [handler.target]
    if isinstance(handler, logging.handlers.QueueHandler):
        return [each for listener in _listeners(handler) for each in listener.handlers]
    return []


def _listeners(handler: logging.handlers.QueueHandler) -> list[logging.handlers.QueueListener]:
    # Nothing lists them. The type is asked, not the object, which may be a proxy of something.
    kind = logging.handlers.QueueListener
    return [each for each in gc.get_objects() if issubclass(type(each), kind) and each.queue is handler.queue]


# --- what comes out of it -----------------------------------------------------------------


def heard(handler: logging.Handler, logger: logging.Logger, canaries: list[str]) -> list[object]:
    """Return what ``handler`` would have sent of records that hold ``canaries``, sending nothing.

    Tried are levels and shapes of records until something comes out.
    """
    for make in (_plain, _access):
        for level in (max(handler.level, logging.INFO), logging.ERROR, logging.DEBUG):
            with _intercepted(handler) as sent:
                for canary in canaries:
                    handler.handle(make(logger, level, canary))
            if sent:
                return sent
    return []


def _plain(logger: logging.Logger, level: int, canary: str) -> logging.LogRecord:
    return logger.makeRecord(logger.name, level, __file__, 1, "%s", (canary,), exception(canary))


def _access(logger: logging.Logger, level: int, canary: str) -> logging.LogRecord:
    """Make a record as uvicorn makes them for its access log, whose formatter takes no other."""
    args = ("127.0.0.1:1", "GET", canary, "1.1", 200)
    return logger.makeRecord(logger.name, level, __file__, 1, '%s - "%s %s HTTP/%s" %d', args, None)


def exception(text: str) -> tuple[type[BaseException], BaseException, None]:
    """Return the ``exc_info`` of an exception that says ``text``."""
    return ValueError, ValueError(text), None


@contextmanager
def _intercepted(handler: logging.Handler) -> Iterator[list[object]]:
    """Keep what ``handler`` would send, for as long as nobody else can use it."""
    sent: list[object] = []
    replaced = Replaced()
    handler.acquire()
    try:
        replaced.put(handler, "handleError", lambda _record: None)
        _intercept(handler, sent, replaced)
        yield sent
    finally:
        replaced.give_back()
        handler.release()


def _intercept(handler: Any, sent: list[object], replaced: Replaced) -> None:
    emit = type(handler).emit
    own = vars(handler).keys() & {"emit", "enqueue"}
    if emit in _STREAM_EMITS and not own and "stream" in vars(handler):
        for step in _FILE_STEPS:
            if hasattr(handler, step):
                replaced.put(handler, step, lambda *_: False)
        replaced.put(handler, "stream", _Written(sent))
    elif emit is logging.handlers.QueueHandler.emit and not own:
        replaced.put(handler, "enqueue", lambda record: sent.extend(_from_queue(handler, record)))
    elif emit is logging.handlers.BufferingHandler.emit and not own and isinstance(_target(handler), logging.Handler):
        replaced.put(handler, "emit", lambda record: sent.extend(passed_on([handler.target], record)))
    elif emit in _TEXT_EMITS and not own:
        replaced.put(handler, "emit", lambda record: sent.append(_formatted(handler, record)))
    else:
        replaced.put(handler, "emit", lambda record: sent.append([*_read(record), _formatted(handler, record)]))


class _Written:
    """A stream that keeps what is written."""

    def __init__(self, sent: list[object]) -> None:
        self._sent = sent

    def write(self, text: Any) -> int:
        self._sent.append(text)
        return len(text)

    def flush(self) -> None:
        pass


def _target(handler: Any) -> Any:
    return getattr(handler, "target", None)


def _from_queue(handler: Any, record: logging.LogRecord) -> list[object]:
    """Return what the listeners of a queue make of a record; without any, the record is what leaves."""
    listeners = _listeners(handler)
    if not listeners:
        return [_read(record)]
    return [sent for listener in listeners for sent in passed_on(listener.handlers, listener.prepare(record))]


def passed_on(handlers: Any, record: logging.LogRecord) -> list[object]:
    """Return what ``handlers`` would have sent of ``record``, sending nothing."""
    sent: list[object] = []
    for handler in handlers:
        if not isinstance(handler, logging.Handler):
            sent.append(_read(record))
            continue
        with _intercepted(handler) as here:
            handler.handle(record)
        sent += here
    return sent


def _formatted(handler: logging.Handler, record: logging.LogRecord) -> str:
    try:
        return handler.format(record)
    except Exception:
        return ""


def _read(record: logging.LogRecord) -> list[object]:
    """Return all that a handler could read in ``record``."""
    raised = record.exc_info[1] if record.exc_info else None
    shown = "".join(traceback.format_exception(raised)) if raised else ""
    return [record.getMessage(), shown, *vars(record).values()]
