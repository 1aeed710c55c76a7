"""The interpreter: what it writes to stderr about exceptions and warnings that nobody handles.

``install()`` stands in front of ``sys.excepthook``, ``threading.excepthook``,
``sys.unraisablehook`` and ``warnings.showwarning``, whatever they are at that moment.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from redactor.integrations._hooks import Installation
from redactor.integrations._pieces import clean_exception
from redactor.redactor import Redactor

__all__ = ["HOOKS", "Hook", "Installation", "install"]

_Clean: TypeAlias = Callable[[Redactor, tuple[Any, ...]], tuple[Any, ...]]


class Hook:
    """Stands in front of ``original``, which it calls without secrets; never raises by itself."""

    def __init__(self, original: Any, installation: _Interpreter, clean: _Clean) -> None:
        self.original = original
        self._installation = installation
        self._clean = clean

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do what the original does with a clean copy of the exception."""
        redactor = self._installation._redactor
        return self.original(*(args if redactor is None else self._clean(redactor, args)), **kwargs)


def _raised(redactor: Redactor, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Clean the arguments of ``sys.excepthook``: type, exception, traceback."""
    exception = clean_exception(redactor, args[1])
    return args if exception is args[1] else (type(exception), exception, *args[2:])


def _told(redactor: Redactor, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Clean the only argument of the other two hooks, a structure that begins as the above."""
    told = args[0]
    if told.exc_value is None:
        return args
    exception = clean_exception(redactor, told.exc_value)
    if exception is told.exc_value:
        return args
    fields = {field: getattr(told, field) for field in told.__match_args__}
    return (type(told)((type(exception), exception, *list(fields.values())[2:])),)


def _warned(redactor: Redactor, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Clean the message of ``warnings.showwarning``."""
    message = args[0]
    clean: Any = clean_exception(redactor, message) if isinstance(message, Warning) else redactor.value(message)
    return args if clean is message else (clean, *args[1:])


HOOKS: Final[tuple[tuple[Any, str, _Clean], ...]] = (
    (sys, "excepthook", _raised),
    (threading, "excepthook", _told),
    (sys, "unraisablehook", _told),
    (warnings, "showwarning", _warned),
)
"""Where the interpreter's hooks are."""


class _Interpreter(Installation):
    parts = tuple(f"interpreter: {place.__name__}.{name}" for place, name, _ in HOOKS)

    def _install(self, redactor: Redactor | None) -> None:
        super()._install(redactor)
        with self._lock:
            self._hook()

    def _hook(self) -> None:
        """Stand in front of what is there now, unless that is ours already."""
        for place, name, clean in HOOKS:
            hook = getattr(place, name)
            if not isinstance(hook, Hook):
                self._replaced.put(place, name, Hook(hook, self, clean))


_interpreter: Final = _Interpreter()


def install(redactor: Redactor | None = None) -> Installation:
    """Take secrets out of uncaught exceptions, those of threads and finalizers, and warnings.

    Their texts, notes, causes, contexts and members are clean; tracebacks, source lines and the types'
    names are what they were. A hook that is set later and does not call the earlier one is
    not covered; installing again stands in front of it, and changes the redactor (the shared
    default one unless given). Raises what making the default redactor raises.
    """
    _interpreter._install(redactor)
    return _interpreter
