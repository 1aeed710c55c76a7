"""loguru: a patcher for the record and a wrapper for sinks.

The patcher cleans the message, ``extra`` and the exception once, for all sinks. The sink
wrapper cleans the text that is written, which adds what only the text shows: the values
of variables that ``diagnose=True`` prints. Use both, or ``install()``, which does the work
of both for every sink, whoever adds it and when.
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from redactor.integrations._hooks import Installation
from redactor.integrations._pieces import clean_exception, clean_mapping, hide, secrets_in_frames, swap
from redactor.redactor import Redactor, default_redactor
from redactor.replace import ERROR_PLACEHOLDER

if TYPE_CHECKING:
    from loguru import Message, Record

__all__ = ["Installation", "RedactingPatcher", "RedactingSink", "install", "redacting_sink"]


class RedactingPatcher:
    """For ``logger.configure(patcher=...)``: makes the record of every call clean.

    Message and ``extra`` are redacted (values by their keys too, and then in the message);
    the exception is replaced by a clean copy with its causes, contexts, groups and notes.
    ``after`` is a patcher of the application's, called first. Objects of the application
    are never changed. Our part never raises: a record that cannot be inspected reads
    ``[REDACTED:error]``. Patchers added with ``logger.patch`` run later than this one, and
    what they add is left to the sink wrapper.
    """

    def __init__(self, redactor: Redactor | None = None, *, after: Callable[[Record], None] | None = None) -> None:
        self._given = redactor
        self._after = after
        self._redactor = default_redactor() if redactor is None else redactor

    def __reduce__(self) -> tuple[Any, ...]:
        # loguru hands its logger, and us with it, to processes that are spawned.
        return _patcher, (self._given, self._after)

    def __call__(self, record: Record) -> None:
        """Make ``record`` clean."""
        if self._after is not None:
            self._after(record)
        record.update(_clean_record(self._redactor, record))  # type: ignore[typeddict-item]


def _patcher(redactor: Redactor | None, after: Callable[[Record], None] | None) -> RedactingPatcher:
    return RedactingPatcher(redactor, after=after)


class RedactingSink:
    """A stream for ``logger.add`` that writes to ``stream`` without secrets; see ``redacting_sink``."""

    def __init__(self, stream: Any, redactor: Redactor | None = None) -> None:
        self._stream = stream
        self._redactor = default_redactor() if redactor is None else redactor

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_stream":
            raise AttributeError(name)
        return getattr(self._stream, name)

    def __repr__(self) -> str:
        return f"<RedactingSink of {self._stream!r}>"

    def write(self, message: Message) -> None:
        """Write ``message`` without its secrets; errors of the stream are its own."""
        self._stream.write(_clean_message(self._redactor, message))


def redacting_sink(sink: Any, redactor: Redactor | None = None, **options: Any) -> Any:
    """Return a sink for ``logger.add`` that hands on every message without its secrets.

    ``sink`` is what loguru takes: a stream, a function, a coroutine function or a path, for
    which ``options`` are those of ``logger.add`` for files (``rotation``, ``retention``,
    ``encoding`` ...). The message's ``record`` is clean too. Our part never raises: a
    message that cannot be inspected reads ``[REDACTED:error]``. Raises ``TypeError`` for a
    ``logging.Handler``, which ``redactor.integrations.stdlib`` covers.
    """
    if isinstance(sink, logging.Handler):
        raise TypeError("a logging.Handler is covered by redactor.integrations.stdlib, not as a sink")
    if isinstance(sink, str | os.PathLike):
        from loguru._file_sink import FileSink  # loguru has no public name for its files

        make: Any = FileSink
        return RedactingSink(make(sink, **options), redactor)
    if options:
        raise TypeError(f"only a path takes the option '{next(iter(options))}'")
    if hasattr(sink, "write"):
        return RedactingSink(sink, redactor)
    clean = default_redactor() if redactor is None else redactor
    if inspect.iscoroutinefunction(sink) or inspect.iscoroutinefunction(getattr(sink, "__call__", None)):  # noqa: B004

        async def write_later(message: Message) -> None:
            await sink(_clean_message(clean, message))

        return write_later

    def write(message: Message) -> None:
        sink(_clean_message(clean, message))

    return write


def _clean_record(redactor: Redactor, record: Record) -> dict[str, Any]:
    """Return the changed entries of ``record``."""
    try:
        changed: dict[str, Any] = {}
        extra, pairs = clean_mapping(redactor, record["extra"])
        if extra is not record["extra"]:
            changed["extra"] = dict(extra)
        message = redactor.text(swap(record["message"], pairs))
        if message is not record["message"]:
            changed["message"] = message
        raised = record["exception"]
        if raised is not None and raised.value is not None:
            value = clean_exception(redactor, raised.value)
            if value is not raised.value:
                changed["exception"] = raised._replace(type=type(value), value=value)
        return changed
    except Exception:
        redactor.summary.add_error()
        return {
            "message": ERROR_PLACEHOLDER,
            "extra": dict.fromkeys(record["extra"], ERROR_PLACEHOLDER),
            "exception": None,
        }


def _clean_message(redactor: Redactor, message: Message) -> Message:
    """Return ``message``, a ``str`` with a record, or a clean copy."""
    record = message.record
    changed = _clean_record(redactor, record)
    try:
        text = str.__str__(message)
        clean = text
        raised = record["exception"]
        if raised is not None and raised.value is not None:
            clean = hide(clean, secrets_in_frames(redactor, raised.value, outer=True))
        clean = redactor.text(clean)
    except Exception:
        redactor.summary.add_error()
        clean = f"{ERROR_PLACEHOLDER}\n"
    if clean is text and not changed:
        return message
    new = type(message)(clean)
    new.record = {**record, **changed}  # type: ignore[typeddict-item]
    return new


# --- every sink ---------------------------------------------------------------------------


class _Sinks(Installation):
    """Cleans the record that a handler is given and the message that a sink is given."""

    parts = ("loguru: every sink",)

    def _install(self, redactor: Redactor | None) -> None:
        # loguru has public names for none of these. They are imported before a lock is taken,
        # as another thread may be in the middle of importing them, and come here for it.
        from loguru import _file_sink, _handler, _simple_sinks

        self._handler = _handler.Handler
        simple = (_simple_sinks.StreamSink, _simple_sinks.StandardSink, _simple_sinks.CallableSink)
        self._sinks = (*simple, _simple_sinks.AsyncSink, _file_sink.FileSink)
        super()._install(redactor)

    def _hook(self) -> None:
        self._put_emit(self._handler)
        for kind in self._sinks:
            self._put_write(kind)

    def _put_emit(self, kind: Any) -> None:
        original = kind.emit

        @functools.wraps(original)
        def emit(handler: Any, record: Record, *args: Any, **kwargs: Any) -> Any:
            redactor = self._redactor
            changed = {} if redactor is None else _clean_record(redactor, record)
            return original(handler, {**record, **changed} if changed else record, *args, **kwargs)

        self._replaced.put(kind, "emit", emit)

    def _put_write(self, kind: Any) -> None:
        original = kind.write

        @functools.wraps(original)
        def write(sink: Any, message: Message) -> Any:
            redactor = self._redactor
            return original(sink, message if redactor is None else _clean_message(redactor, message))

        self._replaced.put(kind, "write", write)


_sinks: Final = _Sinks()


def install(redactor: Redactor | None = None) -> Installation:
    """Cover every sink of every logger, added before or after; return what is covered.

    Each handler gets a clean record, whatever patchers did, and each sink a clean message.
    The logger's configuration is not touched. In a process that is spawned it has to be
    called again. Installing again changes the redactor (the shared default one unless
    given). Raises what making the default redactor raises.
    """
    _sinks._install(redactor)
    return _sinks
