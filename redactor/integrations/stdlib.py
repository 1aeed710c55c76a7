"""Standard library ``logging``: nothing leaves a handler with a session secret in it.

Two ways to wire it. ``install()`` covers every handler of the process, those made later
too. ``RedactingFilter``, ``RedactingFormatter`` and ``redacting_formatter`` cover the
handlers they are given to, and ``logging.config.dictConfig`` can name them.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import logging
import logging.handlers
import os
import pkgutil
import re
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final

from redactor.integrations._pieces import Pairs, clean_exception, clean_mapping, swap, swap_value, take_apart
from redactor.redactor import Redactor, default_redactor
from redactor.replace import ERROR_PLACEHOLDER

__all__ = ["Installation", "RedactingFilter", "RedactingFormatter", "install", "redacting_formatter"]

_FIELDS: Final = len(vars(logging.LogRecord("", 0, "", 0, "", (), None)))
"""How many attributes a record has before a formatter adds ``message`` and ``asctime``."""

_STANDARD: Final = frozenset([*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "message", "asctime", "taskName"])
_NAMES: Final = ("name", "threadName", "processName", "taskName")
_EMPTY_SPEC: Final = "%.0s"
"""Takes an argument and prints nothing of it."""

_PRINTED_KEY: Final = re.compile(r"%\(([^)]*)\)")
_SPEC: Final = re.compile(r"%(?:\([^)]*\))?[#0\- +]*(?:\*|\d+)?(?:\.(?:\*|\d+))?[hlL]?[a-zA-Z]")
_ACCESS_ATOM: Final = re.compile(r"\{(.+)\}[ioe]")
"""How access logs name a header of the request or response, or a variable of the environment."""

_FILTERS_RETURN_RECORDS: Final = isinstance(
    logging.Filterer().filter(logging.LogRecord("", 0, "", 0, "", (), None)), logging.LogRecord
)
_TEXT_EMITS: Final = frozenset(
    {
        logging.StreamHandler.emit,
        logging.FileHandler.emit,
        logging.handlers.BaseRotatingHandler.emit,
        logging.handlers.WatchedFileHandler.emit,
        logging.handlers.SysLogHandler.emit,
    }
)
"""The ``emit`` methods that send the formatted text and nothing else of the record."""


class _Cleaner:
    """Makes records clean. Returns the same record if it is; never raises, never changes one."""

    def __init__(self, redactor: Redactor | None) -> None:
        self.redactor = default_redactor() if redactor is None else redactor
        self.redact = self.redactor.text

    def record(self, record: logging.LogRecord, *, whole: bool) -> logging.LogRecord:
        """Return ``record`` or a clean copy.

        ``whole`` cleans all that a handler could read; else only what decides how the
        text reads, which is to be redacted as text later.
        """
        try:
            fields = self._changed(record, whole)
            return _copied(record, fields) if fields else record
        except Exception:
            return self.failed(record)

    def failed(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return a copy of ``record`` with nothing in it that could hold a secret.

        Its message is ``[REDACTED:error]``; arguments keep their number, names and type.
        """
        self.redactor.summary.add_error()
        args = record.args
        fields: dict[str, Any] = {key: _blank(value) for key, value in vars(record).items() if key not in _STANDARD}
        fields["msg"] = ERROR_PLACEHOLDER
        if isinstance(args, tuple):
            fields["msg"] = ERROR_PLACEHOLDER + _EMPTY_SPEC * len(args)
            fields["args"] = tuple(_blank(arg) for arg in args)
        elif args is not None:
            fields["args"] = _with_items(args, {key: _blank(value) for key, value in args.items()})
        if "message" in vars(record):
            fields["message"] = ERROR_PLACEHOLDER
        if record.exc_info or record.exc_text:
            fields |= {"exc_info": None, "exc_text": ERROR_PLACEHOLDER}
        if record.stack_info:
            fields["stack_info"] = ERROR_PLACEHOLDER
        return _copied(record, fields)

    def text(self, text: Any) -> Any:
        """Return what a formatter made, without its secrets."""
        if isinstance(text, str):
            return self.redactor.text(text)
        return self.redactor.value(text)

    # --- the parts of a record ----------------------------------------------------------

    def _changed(self, record: logging.LogRecord, whole: bool) -> dict[str, Any]:
        """Return the attributes that have to change, with their new values."""
        held = vars(record)
        fields: dict[str, Any] = {}
        pairs: Pairs = ()
        extra = {key: value for key, value in held.items() if key not in _STANDARD}
        keyed = extra or type(record.msg) is not str or (record.args and type(record.args) is not tuple)
        if not whole and not keyed:
            return {}
        if extra:
            clean, pairs = clean_mapping(self.redactor, extra)
            if clean is not extra:
                fields.update({key: value for key, value in clean.items() if value is not extra.get(key)})
        fields.update(self._message(record, pairs, whole))
        if whole:
            fields.update(self._rest(record))
        return fields

    def _message(self, record: logging.LogRecord, pairs: Pairs, whole: bool) -> dict[str, Any]:
        start = record
        fields: dict[str, Any] = {}
        if isinstance(record.msg, Mapping | list):
            message = self.redactor.value(swap_value(record.msg, pairs))
            fields = {} if message is record.msg else {"msg": message}
        if isinstance(record.args, Mapping):
            args = self._named_args(record, whole)
            if args is not record.args:
                fields["args"] = args
        if fields:
            start = _copied(record, fields)
        if not isinstance(record.msg, Mapping | list):
            fields.update(self._pieces(start, pairs))
        if "message" in vars(record) and fields:
            fields["message"] = _copied(record, fields).getMessage()
        return fields

    def _named_args(self, record: logging.LogRecord, whole: bool) -> Any:
        """Judge the arguments of ``%(name)s`` by their names: all of them, or those printed."""
        args: Any = record.args
        printed = _printed_keys(str(record.msg))
        # Access logs look headers up in lower case.
        keys = [key for key in args if whole or str(key).lower() in printed]
        changed: dict[Any, Any] = {}
        for key in keys:
            value = args[key]
            atom = _ACCESS_ATOM.fullmatch(key) if isinstance(key, str) else None
            name = atom[1] if atom else key
            clean = self.redactor.value({name: value})
            if not isinstance(clean, dict):
                changed[key] = ERROR_PLACEHOLDER
            elif clean.get(name) is not value:
                changed[key] = next(iter(clean.values()))
        return _with_items(args, changed) if changed else args

    def _pieces(self, record: logging.LogRecord, pairs: Pairs) -> dict[str, Any]:
        """Find secrets in the formatted message and take them out of template and arguments."""
        read: Callable[[logging.LogRecord], str] = type(record).getMessage
        try:
            message = read(record)
        except Exception:
            # The host will report that the message cannot be formatted.
            read = _interleaved
            message = read(record)
        clean, found = take_apart(self.redactor, swap(message, pairs))
        if clean is message:
            return {}
        pairs = (*found, *pairs)
        msg, args = record.msg, record.args
        new_args = swap_value(args, pairs) if not isinstance(args, Mapping) else _swapped_items(args, pairs)
        attempts: list[dict[str, Any]] = [
            {"args": new_args},
            {"msg": _swapped_template(msg, pairs), "args": new_args},
            {"msg": self._template(msg), "args": new_args},
        ]
        for fields in attempts:
            if _read(read, _copied(record, fields)) == clean:
                return {key: value for key, value in fields.items() if value is not getattr(record, key)}
        return {"msg": clean, "args": ()}

    def _template(self, msg: object) -> str:
        return self.redactor.text(str(msg))

    def _rest(self, record: logging.LogRecord) -> dict[str, Any]:
        """Look at what is beside the message: names, tracebacks and stacks."""
        held = vars(record)
        fields: dict[str, Any] = {}
        names = "\n".join(str(held.get(key)) for key in _NAMES)
        if self.redactor.text(names) is not names:
            fields.update({key: self.redactor.value(held[key]) for key in _NAMES if key in held})
        for key in ("exc_text", "stack_info"):
            text = held.get(key)
            if text:
                fields[key] = self.text(text)
        exc_info = record.exc_info
        if isinstance(exc_info, tuple) and exc_info[1] is not None:
            exception = clean_exception(self.redactor, exc_info[1])
            if exception is not exc_info[1]:
                fields["exc_info"] = (type(exception), exception, exc_info[2])
        return {key: value for key, value in fields.items() if value is not held[key]}


def _read(read: Callable[[logging.LogRecord], str], record: logging.LogRecord) -> str | None:
    """Return the message; ``None`` where a piece no longer fits its place in the template."""
    try:
        return read(record)
    except Exception:
        return None


def _copied(record: logging.LogRecord, fields: Mapping[str, Any]) -> logging.LogRecord:
    new = type(record).__new__(type(record))
    new.__dict__.update(record.__dict__)
    new.__dict__.update(fields)
    return new


def _with_items(mapping: Any, items: Mapping[Any, Any]) -> Any:
    """Return a copy of ``mapping``, of the same type where that can be copied, with ``items`` in it."""
    try:
        new = copy.copy(mapping)
        for key, value in items.items():
            new[key] = value
    except Exception:
        return {**mapping, **items}
    return new


def _swapped_items(args: Mapping[Any, Any], pairs: Pairs) -> Any:
    changed = {key: swap_value(value, pairs) for key, value in args.items()}
    changed = {key: value for key, value in changed.items() if value is not args[key]}
    return _with_items(args, changed) if changed else args


def _swapped_template(msg: object, pairs: Pairs) -> str:
    """Take secrets out of a template, also where it writes their ``%`` as ``%%``."""
    escaped = tuple((secret.replace("%", "%%"), shown) for secret, shown in pairs)
    return swap(swap(str(msg), pairs), escaped)


def _interleaved(record: logging.LogRecord) -> str:
    """Write template and arguments of a message that ``%`` refuses in the order they are meant in."""
    pieces = _SPEC.split(str(record.msg))
    args = record.args if isinstance(record.args, tuple) else (record.args,)
    texts = []
    for number in range(max(len(pieces), len(args))):
        texts.append(pieces[number] if number < len(pieces) else " ")
        if number < len(args):
            texts.append(_readable(args[number]))
    return "".join(texts)


def _readable(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return ERROR_PLACEHOLDER


def _blank(value: object) -> Any:
    return value if value is None or isinstance(value, bool | int | float) else ERROR_PLACEHOLDER


@functools.lru_cache(maxsize=256)
def _printed_keys(template: str) -> frozenset[str]:
    return frozenset(key.lower() for key in _PRINTED_KEY.findall(template))


# --- explicit wiring ----------------------------------------------------------------------


class RedactingFilter(logging.Filter):
    """A filter that lets every record pass, without its secrets.

    It covers message, arguments, ``extra``, exceptions, stack and names. From Python 3.12
    the record that goes on is a clean copy. In 3.11 a filter cannot hand on another
    record, so the record itself is made clean: a handler that sees it later sees it clean.
    Never raises; a record that cannot be inspected reads ``[REDACTED:error]``.
    A filter on a logger does not see the records of child loggers: put it on handlers.
    """

    def __init__(self, redactor: Redactor | None = None) -> None:
        super().__init__()
        self._clean = _Cleaner(redactor)

    def filter(self, record: logging.LogRecord) -> Any:
        """Return the clean record (3.12 and later), or ``True`` with the record made clean."""
        clean = self._clean.record(record, whole=True)
        if sys.version_info >= (3, 12):
            return clean
        if clean is not record:
            record.__dict__.update(clean.__dict__)
        return True


class RedactingFormatter(logging.Formatter):
    """Formats as ``formatter`` does (by default as ``logging`` does) and removes the secrets.

    What the wrapped formatter is asked for is clean, and so is every text it returns.
    Other attributes are those of the wrapped formatter. Never raises where that does not.
    """

    def __init__(self, formatter: logging.Formatter | None = None, redactor: Redactor | None = None) -> None:
        super().__init__()
        self.formatter = logging.Formatter() if formatter is None else formatter
        self._clean = _Cleaner(redactor)
        for name in ("_style", "_fmt", "datefmt"):
            # The base class sets these; those of the wrapped formatter are the ones that count.
            self.__dict__.pop(name, None)

    def __getattr__(self, name: str) -> Any:
        if name == "formatter":
            raise AttributeError(name)
        return getattr(self.formatter, name)

    def format(self, record: logging.LogRecord) -> Any:
        """Return the formatted record without its secrets."""
        text = self.formatter.format(self._clean.record(record, whole=True))
        return _clean_text(self._clean, text, record, self.formatter.format)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Return what the wrapped formatter writes for the time."""
        return self.formatter.formatTime(record, datefmt)

    def formatException(self, ei: Any) -> Any:  # noqa: N802
        """Return the traceback without its secrets."""
        return self._clean.text(self.formatter.formatException(ei))

    def formatStack(self, stack_info: str) -> Any:  # noqa: N802
        """Return the stack without its secrets."""
        return self._clean.text(self.formatter.formatStack(stack_info))

    def formatMessage(self, record: logging.LogRecord) -> Any:  # noqa: N802
        """Return the line of the record without its secrets."""
        return self._clean.text(self.formatter.formatMessage(self._clean.record(record, whole=True)))

    def usesTime(self) -> bool:  # noqa: N802
        """Return whether the wrapped formatter writes the time."""
        return self.formatter.usesTime()


def redacting_formatter(**options: Any) -> RedactingFormatter:
    """Make a ``RedactingFormatter`` for ``dictConfig``: ``{"()": "...redacting_formatter", ...}``.

    ``class`` names the formatter to wrap (default ``logging.Formatter``), ``redactor`` the
    redactor; every other key is given to that class. Raises what making that class raises.
    """
    redactor = options.pop("redactor", None)
    kind = options.pop("class", logging.Formatter)
    make: Callable[..., logging.Formatter] = pkgutil.resolve_name(kind) if isinstance(kind, str) else kind
    if make is logging.Formatter and "format" in options:
        options["fmt"] = options.pop("format")
    return RedactingFormatter(make(**options), redactor)


def _clean_text(
    clean: _Cleaner, text: Any, record: logging.LogRecord, again: Callable[[logging.LogRecord], Any]
) -> Any:
    """Redact a formatted text; if that fails, format a record with nothing in it."""
    try:
        return clean.text(text)
    except Exception:
        try:
            return again(clean.failed(record))
        except Exception:
            return ERROR_PLACEHOLDER


# --- the whole process --------------------------------------------------------------------


class Installation:
    """What ``install`` changed: ``covered`` names it, ``uninstall`` undoes it."""

    def __init__(self, cleaner: _Cleaner) -> None:
        self._cleaner: _Cleaner | None = cleaner
        self._changed: list[tuple[type, str, Any, Any]] = []
        self._sends_text: dict[type, bool] = {}

    def __repr__(self) -> str:
        return f"<Installation of {len(self.covered)} hooks>"

    @property
    def covered(self) -> tuple[str, ...]:
        """The functions that redact now, by their dotted names."""
        changed = [change for change in self._changed if change[1] != "__init__"]
        return tuple(f"{kind.__module__}.{kind.__qualname__}.{name}" for kind, name, _, _ in changed)

    def uninstall(self) -> None:
        """Restore everything; doing so twice does no harm.

        A function that someone else has wrapped since stays where it is, and does
        nothing of ours any more.
        """
        global _installed
        with _lock:
            self._cleaner = None
            for kind, name, original, ours in reversed(self._changed):
                if kind.__dict__.get(name) is ours:
                    setattr(kind, name, original)
            self._changed.clear()
            self._sends_text.clear()
            if _installed is self:
                _installed = None

    def _hook(self) -> None:
        handler = logging.Handler
        self._replace(handler, "format", self._format_hook)
        self._replace(handler, "handleError", self._error_hook)
        self._replace(handler, "handle", self._handle_hook if _is_stock(handler.handle) else self._outer_handle_hook)
        self._replace(handler, "__init__", self._init_hook)
        waiting: list[type[logging.Handler]] = [handler]
        while waiting:
            kind = waiting.pop()
            waiting += kind.__subclasses__()
            self._cover(kind)

    def _replace(self, kind: type, name: str, make: Callable[[Any], Any]) -> None:
        original = kind.__dict__[name]
        ours = functools.wraps(original)(make(original))
        self._changed.append((kind, name, original, ours))
        setattr(kind, name, ours)

    def _cover(self, kind: type) -> None:
        """Cover a handler class that has a ``handle`` of its own."""
        done = {changed for changed, name, _, _ in self._changed if name == "handle"}
        if "handle" in kind.__dict__ and kind not in done and kind is not logging.NullHandler:
            self._replace(kind, "handle", self._outer_handle_hook)

    def _init_hook(self, original: Any) -> Any:
        seen: set[type] = set()

        def __init__(handler: logging.Handler, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            original(handler, *args, **kwargs)
            kind = type(handler)
            if kind in seen:
                return
            seen.add(kind)
            with _lock:
                if self._cleaner is not None:
                    for each in kind.__mro__:
                        if each is not logging.Handler and issubclass(each, logging.Handler):
                            self._cover(each)

        return __init__

    def _handle_hook(self, original: Any) -> Any:
        sends_text = self._sends_text

        def handle(handler: logging.Handler, record: logging.LogRecord) -> Any:
            clean = self._cleaner
            if clean is None:
                return original(handler, record)
            stock = sends_text.get(type(handler))
            if stock is None:
                stock = sends_text[type(handler)] = _sends_text(type(handler))
            # The same as the original, with fewer calls where none of them is overridden.
            passed: Any = True
            if handler.filters or not stock:
                passed = handler.filter(record)
                if not passed:
                    return passed
                if passed is not True and isinstance(passed, logging.LogRecord):
                    record = passed
            elif _FILTERS_RETURN_RECORDS:
                passed = record
            held = handler.__dict__
            if not stock or "emit" in held or "format" in held:
                record = clean.record(record, whole=True)
            elif len(record.__dict__) != _FIELDS or type(record.msg) is not str or type(record.args) is not tuple:
                record = clean.record(record, whole=False)
            lock = handler.lock
            if lock is None:
                handler.emit(record)
            else:
                with lock:
                    handler.emit(record)
            return passed

        return handle

    def _outer_handle_hook(self, original: Any) -> Any:
        def handle(handler: logging.Handler, record: logging.LogRecord) -> Any:
            clean = self._cleaner
            return original(handler, record if clean is None else clean.record(record, whole=True))

        return handle

    def _format_hook(self, original: Any) -> Any:
        stock = _is_stock(original)

        def format(handler: logging.Handler, record: logging.LogRecord) -> Any:  # noqa: A001
            formatter = handler.formatter
            text = formatter.format(record) if stock and formatter else original(handler, record)
            clean = self._cleaner
            if clean is None:
                return text
            try:
                return clean.redact(text) if type(text) is str else clean.text(text)
            except Exception:
                return _clean_text(clean, text, record, functools.partial(original, handler))

        return format

    def _error_hook(self, original: Any) -> Any:
        stock = _is_stock(original)

        def handleError(handler: logging.Handler, record: logging.LogRecord) -> None:  # noqa: N802
            clean = self._cleaner
            if clean is None or not stock:
                original(handler, record if clean is None else clean.record(record, whole=True))
            elif logging.raiseExceptions and sys.stderr:
                try:
                    report = clean.text(_report(clean.record(record, whole=True)))
                except Exception:
                    report = f"--- Logging error ---\n{ERROR_PLACEHOLDER}\n"
                with contextlib.suppress(OSError):
                    sys.stderr.write(report)

        return handleError


def _sends_text(kind: type[logging.Handler]) -> bool:
    """Return whether handlers of ``kind`` send the text of our ``format`` and nothing else."""
    base = logging.Handler
    overridden = ("format", "handleError", "filter", "acquire", "release", "createLock")
    return kind.emit in _TEXT_EMITS and all(getattr(kind, name) is getattr(base, name) for name in overridden)


def _is_stock(function: Any) -> bool:
    """Return whether a function of ``logging`` is still its own, wrapped by nobody."""
    return getattr(function, "__globals__", None) is vars(logging)


_lock: Final = threading.RLock()
_installed: Installation | None = None

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def install(redactor: Redactor | None = None) -> Installation:
    """Cover every handler of the process, whoever makes it and when; return what is covered.

    Message, arguments, ``extra``, exceptions with their causes, contexts, groups and notes,
    stacks, and what ``handleError`` writes to stderr are clean. Clean records are passed on as the
    same objects; of others a copy is made for the handler. Nothing raises into the host: a
    record that cannot be inspected reads ``[REDACTED:error]``. Installing again changes the
    redactor (the shared default one unless given); one ``uninstall`` restores everything.
    Raises what making the default redactor raises.
    """
    global _installed
    cleaner = _Cleaner(redactor)
    with _lock:
        if _installed is None:
            installation = Installation(cleaner)
            installation._hook()
            _installed = installation
        else:
            _installed._cleaner = cleaner
        return _installed


def _report(record: logging.LogRecord) -> str:
    """Return what ``logging.Handler.handleError`` writes, without the frames of this module."""
    kind, error, trace = sys.exc_info()
    if kind is None or error is None or trace is None:
        return "--- Logging error ---\n"
    shown = traceback.TracebackException(kind, error, trace)
    _forget_frames(shown)
    lines = ["--- Logging error ---\n", *shown.format(), "Call stack:\n"]
    frame: FrameType | None = trace.tb_frame
    inside = (os.path.dirname(logging.__file__), os.path.dirname(__file__))  # noqa: PTH120
    while frame is not None and os.path.dirname(frame.f_code.co_filename) in inside:  # noqa: PTH120
        frame = frame.f_back
    if frame is not None:
        stack = traceback.extract_stack(frame)
        lines += traceback.StackSummary.from_list([each for each in stack if each.filename != __file__]).format()
    else:
        lines.append(f"Logged from file {record.filename}, line {record.lineno}\n")
    try:
        lines.append(f"Message: {record.msg!r}\nArguments: {record.args}\n")
    except Exception:
        lines.append(
            "Unable to print the message and arguments - possible formatting error.\n"
            "Use the traceback above to help find the error.\n"
        )
    return "".join(lines)


def _forget_frames(shown: traceback.TracebackException) -> None:
    waiting: list[traceback.TracebackException | None] = [shown]
    while waiting:
        each = waiting.pop()
        if each is not None:
            each.stack[:] = [frame for frame in each.stack if frame.filename != __file__]
            waiting += (each.__cause__, each.__context__, *(each.exceptions or ()))
