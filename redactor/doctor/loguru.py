"""loguru: every sink, in a copy of its handler whose last step keeps what it is given.

The logger is a copy too, with that handler alone, so that nothing of the application's is
touched. Patchers, filters and format functions run for real.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import CellType, FunctionType
from typing import Any, Final
from weakref import WeakSet

from loguru import logger
from loguru._file_sink import FileSink
from loguru._simple_sinks import AsyncSink, CallableSink, StandardSink, StreamSink

from redactor.doctor.report import Judge, Row
from redactor.doctor.stdlib import passed_on
from redactor.installation import INSTALL
from redactor.integrations.loguru import RedactingSink

__all__ = ["rows"]

_HOST: Final = "loguru"
_OURS: Final = "redactor.integrations.loguru"


def rows(judge: Judge) -> Iterator[Row]:
    """Yield a row for each sink."""
    for number, handler in list(logger._core.handlers.items()):  # type: ignore[attr-defined]
        what = f"sink {number}, {getattr(handler, '_name', 'without a name')}"
        if _is_sentrys(handler._sink):
            yield judge.unchecked(_HOST, what, "what it is given goes to Sentry, which has rows of its own")
            continue
        try:
            sent = _sent(number, handler, [canary.text for canary in judge.canaries])
        except Exception as error:
            yield judge.unchecked(_HOST, what, f"it fails with {type(error).__name__}")
            continue
        yield judge.row(_HOST, what, sent, INSTALL, dropped="its filter or level lets nothing pass")


def _is_sentrys(sink: Any) -> bool:
    function = getattr(sink, "_function", None) or type(getattr(sink, "_handler", None))
    return str(getattr(function, "__module__", "")).startswith("sentry_sdk.")


def _sent(number: int, handler: Any, canaries: list[str]) -> list[object]:
    sent: list[object] = []
    core = _lent(logger._core, handlers={number: _lent_handler(handler, sent)})  # type: ignore[attr-defined]
    lent = type(logger)(core, *logger._options)  # type: ignore[call-arg, attr-defined]
    for canary in canaries:
        try:
            raise ValueError(canary)
        except ValueError:
            lent.opt(exception=True).bind(note=canary).critical("{}", canary)
    return sent


def _lent(original: Any, **fields: Any) -> Any:
    """Return a copy with other fields; no code of the object's runs."""
    lent = object.__new__(type(original))
    vars(lent).update(vars(original), **fields)
    return lent


def _lent_handler(handler: Any, sent: list[object]) -> Any:
    lock = threading.Lock()
    return _lent(handler, _enqueue=False, _lock=lock, _sink=_lent_sink(handler._sink, sent))


def _lent_sink(sink: Any, sent: list[object]) -> Any:
    """Return a sink that does what ``sink`` does, up to what it writes to or calls."""
    if isinstance(sink, StreamSink):
        return _lent(sink, _stream=_lent_stream(sink._stream, sent), _flushable=False)
    if isinstance(sink, FileSink):
        return _lent_file(sink, sent)
    if isinstance(sink, StandardSink):
        return _lent(sink, _handler=_Handler(sink._handler, sent))
    if isinstance(sink, AsyncSink):
        return _lent(sink, _function=_lent_function(sink._function, sent), _loop=_Loop(), _tasks=WeakSet())
    if isinstance(sink, CallableSink):
        return _lent(sink, _function=_lent_function(sink._function, sent))
    raise TypeError(type(sink).__name__)


def _lent_stream(stream: Any, sent: list[object]) -> Any:
    if isinstance(stream, RedactingSink):
        return _lent(stream, _stream=_lent_stream(stream._stream, sent))
    return _lent_file(stream, sent) if isinstance(stream, FileSink) else _Written(sent)


def _lent_file(sink: Any, sent: list[object]) -> Any:
    return _lent(sink, _file=_Written(sent), _rotation_function=None, _watch=False)


def _lent_function(function: Any, sent: list[object]) -> Callable[[Any], Any]:
    """Return what keeps a message; for a function of ours, the same function around that."""
    if getattr(function, "__module__", "") == _OURS and isinstance(function, FunctionType):
        code = function.__code__
        inner = _keeping(sent)
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        closure = tuple(CellType(inner) if name == "sink" else cell for name, cell in cells)
        return FunctionType(code, function.__globals__, function.__name__, function.__defaults__, closure)
    return _keeping(sent)


def _keeping(sent: list[object]) -> Callable[[Any], Any]:
    """Return what keeps a message and its record, which a function can read too, for both kinds of functions."""

    def keep(message: Any) -> Any:
        record = message.record
        raised = record["exception"]
        sent.append([message, record["message"], record["extra"], raised.value if raised else ""])
        return _Done()

    return keep


class _Done:
    """What a coroutine function returns, when it has nothing left to do."""

    def __await__(self) -> Iterator[None]:
        return iter(())

    def send(self, _value: None) -> None:
        raise StopIteration

    def close(self) -> None:
        pass


class _Loop:
    """An event loop that runs a coroutine at once, as far as it goes, and is the task too."""

    def create_task(self, coroutine: Any) -> _Loop:
        try:
            coroutine.send(None)
        except StopIteration:
            pass
        finally:
            coroutine.close()
        return self

    def add_done_callback(self, _callback: Any) -> None:
        pass


class _Handler:
    """Stands in for a ``logging.Handler`` that is used as a sink."""

    def __init__(self, handler: Any, sent: list[object]) -> None:
        self._handler = handler
        self._sent = sent

    def handle(self, record: Any) -> None:
        self._sent.extend(passed_on([self._handler], record))


class _Written:
    """A stream that keeps what is written."""

    def __init__(self, sent: list[object]) -> None:
        self._sent = sent

    def write(self, message: Any) -> None:
        self._sent.append(message)
