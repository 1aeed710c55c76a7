"""Signals that end the work: they unwind it, so that nothing is left behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

from redactor.cli import exits

__all__ = ["Interrupted", "interruptible", "received"]

_ENDING: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_last: list[int] = []


class Interrupted(BaseException):
    """A signal asked us to end. Not an ``Exception``: nobody may handle it as an error of the work."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = exits.of_signal(number)


def received() -> int:
    """Return the exit code for the signal that has arrived, or 0."""
    return exits.of_signal(_last[0]) if _last else 0


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn ending signals into ``Interrupted`` while the body runs.

    Signals that were ignored (``nohup``, a shell's background job) stay ignored, and those
    the caller handles stay handled. Outside the main thread nothing changes.
    """
    _last.clear()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in _ENDING:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    _last.append(number)
    # What is left to do is short, and a second signal must not keep it from being done.
    for ending in _ENDING:
        signal.signal(ending, signal.SIG_IGN)
    raise Interrupted(number)
