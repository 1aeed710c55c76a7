"""How far a run is, in one line on a terminal that is gone when the run is over."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Protocol, Self, TextIO

__all__ = ["Progress"]

_PAUSE: Final = 0.1
"""How many seconds lie between two changes of what is shown."""

_WIDTH: Final = 80
"""How many columns a terminal has that does not tell."""

_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


class Progress:
    """Shows bytes, speed, findings and, if ``total`` bytes are known, the time left: a context manager.

    ``update`` is called as often as you like and shows at most ten states a second. With
    ``rich`` installed it is a bar, else a line no wider than the terminal. Nothing is
    written to a ``stream`` (by default stderr) that is no terminal. Nothing is raised, and no
    thread is started. What is said on ``stream`` meanwhile is said after ``hide``.
    """

    def __init__(
        self, total: int | None = None, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._began = clock()
        self._shown = -math.inf
        """When something was shown last."""
        self._display: _Display | None = None

    def __enter__(self) -> Self:
        self._began = self._clock()
        with suppress(Exception):  # a stream that is closed, or None
            if self._stream.isatty():
                self._display = _display(self._stream, self._total)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        display, self._display = self._display, None
        if display is not None:
            with suppress(Exception):
                display.close()

    def update(self, read: int, found: int) -> None:
        """Show that so many bytes were read and so many secrets found, in all."""
        if self._display is None:
            return
        now = self._clock()
        if now - self._shown < _PAUSE:
            return
        self._shown = now
        try:
            self._display.show(read, _told(read, found, self._total, now - self._began))
        except Exception:
            self._display = None  # the terminal is gone

    def hide(self) -> None:
        """Clear the line until the next ``update``, for something else to be said."""
        if self._display is not None:
            with suppress(Exception):
                self._display.hide()


def _told(read: int, found: int, total: int | None, seconds: float) -> list[str]:
    """Return what is told, the most important first."""
    speed = read / seconds if seconds > 0 else 0.0
    told = [_size(read) if total is None else f"{_size(read)} of {_size(total)}"]
    told.append(f"{found:,} finding{'' if found == 1 else 's'}")
    told.append(f"{_size(speed)}/s")
    if total is not None and speed > 0:
        told.append(f"{_duration(max(0.0, total - read) / speed)} left")
    return told


def _size(size: float) -> str:
    """Write a number of bytes with three significant digits: 1.23 GB."""
    unit = 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    if unit == 0 or size >= 99.95:
        return f"{size:.0f} {_UNITS[unit]}"
    return f"{size:.1f} {_UNITS[unit]}" if size >= 9.995 else f"{size:.2f} {_UNITS[unit]}"


def _duration(seconds: float) -> str:
    """Write a time as 0:07 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


# --- on the terminal --------------------------------------------------------------------------


class _Display(Protocol):
    def show(self, read: int, told: list[str]) -> None: ...
    def hide(self) -> None: ...
    def close(self) -> None: ...


def _display(stream: TextIO, total: int | None) -> _Display:
    try:
        return _Bar(stream, total)
    except ImportError:
        return _Line(stream)


class _Bar:
    """A bar of ``rich``, which keeps to ``NO_COLOR`` by itself."""

    def __init__(self, stream: TextIO, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        # Its thread would keep the processes of the run from being forked; stdout is for data.
        self._progress: Any = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False),
            console=Console(file=stream),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("", total=total)
        self._started = False

    def show(self, read: int, told: list[str]) -> None:
        if not self._started:
            self._progress.start()
            self._started = True
        self._progress.update(self._task, completed=read, description="  ".join(told), refresh=True)

    def hide(self) -> None:
        if self._started:
            self._progress.stop()
            self._started = False

    def close(self) -> None:
        self.hide()


class _Line:
    """One line that is written over: plain text, blanks and carriage returns."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._width = 0

    def show(self, read: int, told: list[str]) -> None:  # noqa: ARG002 (the bar's)
        # The last column stays empty: some terminals go to the next line when it is written.
        room = (os.get_terminal_size(self._stream.fileno()).columns or _WIDTH) - 1
        while len(told) > 1 and len("  ".join(told)) > room:
            told = told[:-1]
        text = "  ".join(told)[:room]
        self._write("\r" + text.ljust(min(self._width, room)))
        self._width = len(text)

    def hide(self) -> None:
        if self._width:
            self._write("\r" + " " * self._width + "\r")
            self._width = 0

    def close(self) -> None:
        self.hide()

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
