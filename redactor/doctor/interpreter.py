"""The interpreter: its hooks for exceptions and warnings, and what writes past every hook."""

from __future__ import annotations

import copy
import faulthandler
import io
import logging
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, Final

from redactor.doctor.report import Judge, Row
from redactor.installation import INSTALL
from redactor.integrations import interpreter
from redactor.integrations._hooks import Replaced

__all__ = ["rows"]

_HOST: Final = "interpreter"
_FAULT: Final = "faulthandler"
_HTTP: Final = "http.client debuglevel"
_QUIET: Final = "import http.client; http.client.HTTPConnection.debuglevel = 0"
_DIRECT: Final = "print, sys.stdout, sys.stderr"


def rows(judge: Judge) -> Iterator[Row]:
    """Yield a row for each hook, and for what has none."""
    yield _hook(judge, sys, "excepthook", sys.__excepthook__, _raised)
    yield _hook(judge, threading, "excepthook", threading.__excepthook__, _in_thread)
    yield _hook(judge, sys, "unraisablehook", sys.__unraisablehook__, _unraisable)
    if warnings.showwarning is getattr(logging, "_showwarning", None):
        reason = "warnings are captured: they go to the handlers of the logger py.warnings"
        yield judge.unchecked(_HOST, "warnings.showwarning", reason)
    else:
        yield _hook(judge, warnings, "showwarning", _stock_showwarning(), _warned)
    yield _faults(judge)
    if "http.client" in sys.modules:
        yield _debug_output(judge)
    yield judge.unchecked(_HOST, _DIRECT, "no hook sees it; pipe the process through 'redactor scrub'")


def _stock_showwarning() -> Any:
    """Return the function that writes warnings to stderr; ``None`` while ``catch_warnings`` keeps them for somebody."""
    kept = not isinstance(getattr(warnings, "_showwarnmsg_impl", None), FunctionType)
    return None if kept else getattr(warnings, "_showwarning_orig", None)


# --- hooks --------------------------------------------------------------------------------


def _hook(judge: Judge, place: Any, name: str, stock: Any, call: Callable[[Any, str], None]) -> Row:
    """Call a hook as the interpreter does. Hooks that are neither stock nor ours are not run: they may do anything.

    Of those it counts what they are given.
    """
    hook = _behind_sentry(getattr(place, name))
    sent: list[object] = []
    if isinstance(hook, interpreter.Hook):
        lent = copy.copy(hook)
        lent.original = lambda *args: sent.extend(_readable(args))
        for canary in judge.canaries:
            call(lent, canary.text)
    elif hook is stock:
        with _stderr() as sent:
            for canary in judge.canaries:
                call(hook, canary.text)
    else:
        given = judge.row(_HOST, f"{place.__name__}.{name}", [each.text for each in judge.canaries], INSTALL)
        return given._replace(reason=f"{_named(hook)} is given everything as it is")
    return judge.row(_HOST, f"{place.__name__}.{name}", sent, INSTALL)


def _named(hook: Any) -> str:
    return getattr(hook, "__qualname__", type(hook).__qualname__)


def _behind_sentry(hook: Any) -> Any:
    """Return the hook that those of Sentry call when they have captured the event."""
    while isinstance(hook, FunctionType) and hook.__module__ == "sentry_sdk.integrations.excepthook":
        cells = dict(zip(hook.__code__.co_freevars, hook.__closure__ or (), strict=True))
        if "old_excepthook" not in cells:
            break
        hook = cells["old_excepthook"].cell_contents
    return hook


def _readable(args: tuple[Any, ...]) -> Iterator[object]:
    for each in args:
        value = getattr(each, "exc_value", each)
        yield "".join(traceback.format_exception(value)) if isinstance(value, BaseException) else value


def _raised(hook: Any, canary: str) -> None:
    hook(ValueError, ValueError(canary), None)


def _in_thread(hook: Any, canary: str) -> None:
    hook(threading.ExceptHookArgs((ValueError, ValueError(canary), None, threading.current_thread())))


def _unraisable(hook: Any, canary: str) -> None:
    told: list[Any] = []
    replaced = Replaced()
    # The interpreter makes what the hook is given, for an exception that nobody can catch.
    replaced.put(sys, "unraisablehook", told.append)
    try:
        _Finalized(canary)
    finally:
        replaced.give_back()
    for each in told:
        hook(each)


class _Finalized:
    """An object whose finalizer raises."""

    def __init__(self, canary: str) -> None:
        self._canary = canary

    def __del__(self) -> None:
        raise ValueError(self._canary)


def _warned(hook: Any, canary: str) -> None:
    hook(UserWarning(canary), UserWarning, "redactor", 1)


@contextmanager
def _stderr() -> Iterator[list[object]]:
    """Keep what this thread writes to ``sys.stderr`` or ``sys.stdout``; what others write goes on."""
    sent: list[object] = []
    replaced = Replaced()
    try:
        for name in ("stderr", "stdout"):
            replaced.put(sys, name, _Watched(getattr(sys, name), sent))
        yield sent
    finally:
        replaced.give_back()


class _Watched(io.TextIOBase):
    def __init__(self, stream: Any, sent: list[object]) -> None:
        self._stream = stream
        self._sent = sent
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        if threading.get_ident() == self._thread:
            self._sent.append(text)
        elif self._stream is not None:
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()


# --- what has no hook ---------------------------------------------------------------------


def _faults(judge: Judge) -> Row:
    """Let ``faulthandler`` write of frames that hold canaries; it writes names of code and no values."""
    with tempfile.TemporaryFile() as file:

        def dump(canary: str) -> None:
            held = canary
            faulthandler.dump_traceback(file, all_threads=False)
            del held

        for canary in judge.canaries:
            dump(canary.text)
        file.seek(0)
        return judge.row(_HOST, _FAULT, [file.read()], "import faulthandler; faulthandler.disable()")


def _debug_output(judge: Judge) -> Row:
    """Send canaries over a connection that has no socket; with a debug level the module prints them."""
    from http.client import HTTPConnection

    with _stderr() as sent:
        for canary in judge.canaries:
            connection: Any = HTTPConnection("localhost")
            connection.sock = _Nowhere()
            connection.send(canary.text.encode())
    return judge.row(_HOST, _HTTP, sent or ["nothing is printed"], _QUIET)


class _Nowhere:
    """A socket that takes everything and sends nothing."""

    def sendall(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        pass
