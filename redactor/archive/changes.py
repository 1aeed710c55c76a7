"""What changes in a content, from two sides: what the text shows and what its format shows.

A format-aware scrub is the plain scrub and more: the same stream looks at the bytes, and
what it finds is put together with what the structure adds. Where both speak of the same
place the structure knows better what stands there, but no byte that the text alone would
have replaced is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

from redactor.archive.content import Sink, Work
from redactor.model import Found
from redactor.redactor import Redactor

__all__ = ["Change", "Origin", "Rewriting", "Secret", "apply", "of_found", "settle"]


class Origin(IntEnum):
    """Who found a change; of two that overlap, the later named says what stands there."""

    RECODED = 0
    """Several secrets inside an encoding, which is written anew from the first of them on."""
    KNOWN = 1
    """A secret of another place of the same document."""
    TEXT = 2
    STRUCTURE = 3


class Secret(NamedTuple):
    """One secret: its rule's index and its plain bytes, without the escapes of its place."""

    rule: int
    value: bytes

    def __repr__(self) -> str:
        return f"Secret(rule={self.rule})"


class Change(NamedTuple):
    """A range of bytes and what is to stand there instead."""

    start: int
    end: int
    new: bytes
    secrets: tuple[Secret, ...]
    origin: Origin

    def __repr__(self) -> str:
        return f"Change(start={self.start}, end={self.end}, origin={self.origin.name})"

    def moved(self, by: int) -> Change:
        """Return the change as seen from a place that lies ``by`` bytes further left."""
        return self._replace(start=self.start + by, end=self.end + by)


def of_found(redactor: Redactor, data: bytes, found: list[Found], origin: Origin = Origin.STRUCTURE) -> list[Change]:
    """Return the changes for what was found in ``data``, as the policy wants them."""
    wanted = redactor.replacer.wanted(data, found)
    return [
        Change(start, end, new, (Secret(rule, data[start:end]),), origin)
        for (start, end, rule), new in zip(wanted, redactor.replacer.replacements(data, wanted), strict=True)
    ]


def settle(changes: list[Change]) -> list[Change]:
    """Return ``changes`` in order, those that overlap as one that covers them all."""
    if len(changes) < 2:
        return changes
    settled: list[Change] = []
    for change in sorted(changes, key=lambda change: (change.start, -change.end)):
        if settled and change.start < settled[-1].end:
            settled[-1] = _together(settled[-1], change)
        else:
            settled.append(change)
    return settled


def _together(one: Change, other: Change) -> Change:
    """Return two changes that overlap as one; ``one`` starts no later and is the wider if both start alike."""
    if one.origin is Origin.RECODED and other.origin is Origin.KNOWN and other.end <= one.end:
        return one  # The encoding was opened and the value inside it replaced.
    winner = one if one.origin >= other.origin else other
    return winner._replace(start=one.start, end=max(one.end, other.end))


def apply(data: bytes, changes: Iterable[Change]) -> bytes:
    """Return ``data`` with settled ``changes`` made; all other bytes are the same."""
    pieces: list[bytes] = []
    position = 0
    for change in changes:
        pieces += data[position : change.start], change.new
        position = change.end
    return b"".join([*pieces, data[position:]])


class _TextStream:
    """The plain scrub of a content, of which only the findings are of interest."""

    def __init__(self, redactor: Redactor) -> None:
        self._stream = redactor.open_stream(observer=self)
        self._settled = 0
        self._finished = False
        self.found_so_far: deque[Change] = deque()
        """What was found and not yet taken; offsets count from the start of the content."""

    def feed(self, block: bytes) -> None:
        self._passed(self._stream.feed(block))

    def finish(self) -> None:
        self._passed(self._stream.finish())
        self._finished = True

    def _passed(self, redacted: bytes) -> None:
        # Not while the stream is at work: what it finds meanwhile counts as well.
        self._settled += len(redacted)

    @property
    def certain(self) -> int:
        """Before which offset nothing more will be found, and nothing found grows."""
        last = self.found_so_far[-1] if self.found_so_far else None
        growing = last is not None and last.end == self._settled and not self._finished
        return last.start if growing and last is not None else self._settled

    def found(self, data: bytes, found: Sequence[Found], replacements: Sequence[bytes], base: int) -> None:
        for (start, end, rule), new in zip(found, replacements, strict=True):
            secret = Secret(rule, data[start:end])
            self.found_so_far.append(Change(base + start, base + end, new, (secret,), Origin.TEXT))
            self._settled += end - start - len(new)

    def prolonged(self, end: int) -> None:
        last = self.found_so_far[-1]
        self._settled += end - last.end
        self.found_so_far[-1] = last._replace(end=end)


class Rewriting:
    """A content on its way: a window of its bytes, what the text shows in it, and the sink.

    ``data`` is the window; all offsets are into it until ``give`` moves it on.
    """

    def __init__(self, work: Work, name: str, sink: Sink) -> None:
        self._work = work
        self._name = name
        self._sink = sink
        self._text = _TextStream(work.redactor)
        self._base = 0
        self.data = bytearray()

    def feed(self, block: bytes) -> None:
        """Take the next bytes."""
        self._text.feed(block)
        self.data += block

    def finish(self) -> None:
        """Take note that there are no more bytes."""
        self._text.finish()

    @property
    def certain(self) -> int:
        """Up to where in the window the text has been looked at."""
        return self._text.certain - self._base

    def text_before(self, end: int) -> list[Change]:
        """Take what the text shows before ``end``; what reaches further is cut in two there."""
        waiting = self._text.found_so_far
        taken = []
        while waiting and waiting[0].start < self._base + end:
            change = waiting.popleft().moved(-self._base)
            if change.end > end:
                waiting.appendleft(change._replace(start=end).moved(self._base))
                change = change._replace(end=end)
                taken.append(change)
                break
            taken.append(change)
        return taken

    def give(self, end: int, changes: Iterable[Change]) -> None:
        """Write the window up to ``end`` with settled ``changes`` made and noted, and move on."""
        position = 0
        for change in changes:
            self._sink.write(bytes(self.data[position : change.start]))
            self._note(change)
            self._sink.write(change.new)
            position = change.end
        self._sink.write(bytes(self.data[position:end]))
        del self.data[:end]
        self._base += end

    def _note(self, change: Change) -> None:
        """Note every secret of a change: the first with the range, further ones at its end, empty."""
        start, end = self._base + change.start, self._base + change.end
        length = len(change.new)
        for rule, value in change.secrets:
            self._work.note(self._name, start, end, length, rule, value)
            start, length = end, 0
