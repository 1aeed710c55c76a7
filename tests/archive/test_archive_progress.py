"""Progress: one line on a terminal, of which nothing is left; elsewhere nothing at all."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

import pytest

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are those of POSIX", allow_module_level=True)

import fcntl
import struct
import termios

from redactor.archive.progress import Progress


class Terminal:
    """A real terminal, as wide as is asked for, and what has been written to it."""

    def __init__(self) -> None:
        self._ours, theirs = os.openpty()
        os.set_blocking(self._ours, False)
        self.stream: TextIO = os.fdopen(theirs, "w", encoding="utf-8")

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self.stream.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def written(self) -> str:
        """Return what was written since the last call."""
        pieces = []
        while True:
            try:
                pieces.append(os.read(self._ours, 65536))
            except BlockingIOError:
                return b"".join(pieces).decode()

    def hang_up(self) -> None:
        os.close(self._ours)
        self._ours = -1

    def close(self) -> None:
        if self._ours >= 0:
            os.close(self._ours)
        with suppress(OSError):  # what is left to be written has nowhere to go
            self.stream.close()


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    terminal.resize(100)
    yield terminal
    terminal.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def no_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no ``rich`` installed."""
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setitem(sys.modules, "rich.progress", None)


def screen(written: str) -> str:
    """Return what a line shows after ``written``, which holds no control characters but carriage returns."""
    shown: list[str] = []
    for piece in written.split("\r"):
        shown[: len(piece)] = piece
    return "".join(shown)


# --- without rich -----------------------------------------------------------------------------


def test_a_line_tells_bytes_findings_speed_and_the_time_left(no_rich: None, terminal: Terminal, clock: Clock) -> None:
    """The line has the bytes of how many, the findings, the speed, and the time left at that speed."""
    with Progress(4_000_000_000, terminal.stream, clock) as progress:
        clock.now += 2
        progress.update(1_000_000_000, 1234)
        assert terminal.written() == "\r1.00 GB of 4.00 GB  1,234 findings  500 MB/s  0:06 left"
        clock.now += 8000
        progress.update(2_000_000_000, 1)
        assert screen(terminal.written()) == "2.00 GB of 4.00 GB  1 finding  250 kB/s  2:13:22 left  "


def test_without_a_total_no_time_is_told(no_rich: None, terminal: Terminal, clock: Clock) -> None:
    """Where nobody knows how much there is, the line has what is known."""
    with Progress(None, terminal.stream, clock) as progress:
        progress.update(0, 0)
        assert terminal.written() == "\r0 B  0 findings  0 B/s"
        clock.now += 1
        progress.update(999, 0)
        assert screen(terminal.written()) == "999 B  0 findings  999 B/s"


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (999, "999 B"),
        (1000, "1.00 kB"),
        (9994, "9.99 kB"),
        (9996, "10.0 kB"),
        (99_949, "99.9 kB"),
        (99_951, "100 kB"),
        (999_499, "999 kB"),
        (999_501, "1.00 MB"),
        (5 * 10**18, "5000 PB"),
    ],
)
def test_sizes_have_three_digits(no_rich: None, terminal: Terminal, clock: Clock, size: int, told: str) -> None:
    """A size is rounded to three digits and the unit that fits."""
    with Progress(None, terminal.stream, clock) as progress:
        progress.update(size, 0)
        assert terminal.written() == f"\r{told}  0 findings  0 B/s"


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (55, "1.00 GB of 4.00 GB  12 findings  500 MB/s  0:06 left"),
        (53, "1.00 GB of 4.00 GB  12 findings  500 MB/s  0:06 left"),
        (52, "1.00 GB of 4.00 GB  12 findings  500 MB/s"),
        (30, "1.00 GB of 4.00 GB"),
        (8, "1.00 GB"),
        (1, ""),
        (0, "1.00 GB of 4.00 GB  12 findings  500 MB/s  0:06 left"),
    ],
)
def test_the_line_is_narrower_than_the_terminal(
    no_rich: None, terminal: Terminal, clock: Clock, columns: int, told: str
) -> None:
    """What has no room is left out, the least important first; the last column stays empty."""
    terminal.resize(columns)
    with Progress(4_000_000_000, terminal.stream, clock) as progress:
        clock.now += 2
        progress.update(1_000_000_000, 12)
        assert terminal.written() == "\r" + told


def test_nothing_is_left_of_the_line(no_rich: None, terminal: Terminal, clock: Clock) -> None:
    """At the end, and after ``hide``, the line is blank and the cursor at its start."""
    shown = ""
    with Progress(None, terminal.stream, clock) as progress:
        progress.update(10, 123_456_789)
        clock.now += 1
        progress.update(10, 0)
        progress.hide()
        shown += terminal.written()
        assert shown.endswith("\r")
        assert screen(shown).strip() == ""
        progress.hide()
        assert terminal.written() == ""
        clock.now += 1
        progress.update(20, 1)
        shown += terminal.written()
        assert screen(shown).rstrip() == "20 B  1 finding  10 B/s"
    shown += terminal.written()
    assert shown.endswith("\r")
    assert screen(shown).strip() == ""


def test_colours_are_not_used(no_rich: None, terminal: Terminal, clock: Clock) -> None:
    """The line is plain text."""
    with Progress(10, terminal.stream, clock) as progress:
        progress.update(5, 1)
    assert "\x1b" not in terminal.written()


@pytest.mark.parametrize("rich", [True, False])
def test_at_most_ten_states_a_second_are_shown(
    terminal: Terminal, clock: Clock, rich: bool, request: pytest.FixtureRequest
) -> None:
    """However often it is updated, something is written ten times a second at most, the first time at once."""
    if not rich:
        request.getfixturevalue("no_rich")
    shown = 0
    with Progress(1000, terminal.stream, clock) as progress:
        for step in range(1000):
            clock.now = 100 + step / 1000
            progress.update(step, 0)
            shown += bool(terminal.written())
    assert 9 <= shown <= 10


# --- with rich --------------------------------------------------------------------------------


def test_the_bar_of_rich_tells_the_same(terminal: Terminal, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``rich`` there is a bar, with the same words, which is erased at the end and shows the cursor again."""
    monkeypatch.setenv("TERM", "xterm-256color")
    with Progress(4_000_000_000, terminal.stream, clock) as progress:
        clock.now += 2
        progress.update(1_000_000_000, 1234)
        written = terminal.written()
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
        assert "1.00 GB of 4.00 GB  1,234 findings  500 MB/s  0:06 left" in plain
        assert "━" in plain
    assert terminal.written().endswith("\x1b[?25h\r\x1b[1A\x1b[2K")


def test_no_color_is_kept_to(terminal: Terminal, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``NO_COLOR`` set, the bar of ``rich`` has no colours."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    with Progress(10, terminal.stream, clock) as progress:
        progress.update(5, 1)
    assert re.findall(r"\x1b\[(?:3|4|9)[0-9][0-9;]*m", terminal.written()) == []


# --- no terminal ------------------------------------------------------------------------------


def test_nothing_is_written_to_what_is_no_terminal(clock: Clock) -> None:
    """A file or pipe gets not a byte."""
    stream = io.StringIO()
    with Progress(10, stream, clock) as progress:
        progress.update(5, 1)
        progress.hide()
    assert stream.getvalue() == ""


@pytest.mark.parametrize("rich", [True, False])
def test_nothing_is_raised_when_the_terminal_is_gone(
    terminal: Terminal, clock: Clock, rich: bool, request: pytest.FixtureRequest
) -> None:
    """A terminal that hangs up in between ends the display and nothing else."""
    if not rich:
        request.getfixturevalue("no_rich")
    with Progress(10, terminal.stream, clock) as progress:
        progress.update(1, 0)
        terminal.hang_up()
        for step in range(2, 10):
            clock.now += 1
            progress.update(step, 0)
        progress.hide()
    terminal.stream.write("x")
    with pytest.raises(OSError, match=r"Input/output error"):
        terminal.stream.flush()


def test_a_closed_stream_is_no_terminal(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Neither a closed stream nor none at all makes anything fail."""
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", None)
    for stream in (closed, None):
        with Progress(10, stream, clock) as progress:
            progress.update(5, 1)
            progress.hide()
