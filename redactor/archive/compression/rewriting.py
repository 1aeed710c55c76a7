"""Writing members anew, but only those that change.

The content of all members is one text, so a line or a secret may begin in one member and
end in the next. The text is redacted as one; each edit is traced back to the members it
touches. They are encoded again in their own form; all others are copied as they are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from redactor.archive.compression.aside import Aside
from redactor.archive.compression.members import HEAVY, Decoded, Encoder, Form, Format, Input, Member
from redactor.archive.content import BLOCK, REMEMBERED, Noting, RefusedError, Sink, Source, Work
from redactor.model import Found

__all__ = ["Change", "Changes", "Raw", "Rewriting"]

_PENDING: Final = 4 * 1024 * 1024
"""About how many bytes are kept of members under way; then what follows is one with the last."""

_RECORD: Final = 200
"""About how many bytes are kept of one member, its form aside."""


class Change(NamedTuple):
    """The content from offset ``start`` to ``end`` becomes ``length`` other bytes."""

    start: int
    end: int
    length: int


class Changes:
    """The observer of a stream: collects what changes, and has it noted as well.

    ``met`` is called with the offset of a change before it is noted.
    """

    def __init__(self, noting: Noting, met: Callable[[int], None] | None = None) -> None:
        self._noting = noting
        self._met = met
        self._changes: list[Change] = []
        self._end = 0

    def found(self, data: bytes, found: Sequence[Found], replacements: Sequence[bytes], base: int) -> None:
        if self._met is not None:
            self._met(base + found[0][0])
        self._noting.found(data, found, replacements, base)
        self._changes += [
            Change(base + start, base + end, len(replacement))
            for (start, end, _), replacement in zip(found, replacements, strict=True)
        ]
        self._end = base + found[-1][1]

    def prolonged(self, end: int) -> None:
        self._noting.prolonged(end)
        if end > self._end:
            self._changes.append(Change(self._end, end, 0))
            self._end = end

    def take(self) -> list[Change]:
        """Return the changes since the last call, in order."""
        changes, self._changes = self._changes, []
        return changes


class Raw:
    """The bytes of a content as they are in its source, to be read and then read once more.

    Of a source that is not seekable only the first ``REMEMBERED`` bytes are.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._base = source.position
        self._kept: bytearray | None = None if source.seekable else bytearray()

    def read(self) -> bytes:
        """Return the next bytes of the source; none at its end."""
        data = self._source.read()
        if self._kept is not None and len(self._kept) < REMEMBERED:
            self._kept += data[: REMEMBERED - len(self._kept)]
        return data

    def remembers(self, stop: int) -> bool:
        """Whether the bytes before ``stop`` can be read once more."""
        return self._kept is None or stop <= len(self._kept)

    def again(self, start: int, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from ``start`` to ``stop``, or of all that was read or more."""
        while stop is None or start < stop:
            size = BLOCK if stop is None else min(BLOCK, stop - start)
            if self._kept is None:
                piece = self._source.again(self._base + start, size)
            else:
                piece = bytes(self._kept[start : start + size])
            if not piece:
                break
            yield piece
            start += len(piece)


@dataclass(slots=True)
class _Record:
    """One member on its way: bytes ``start`` to ``stop``, content from ``begin`` to ``end``.

    ``weight`` is about how many bytes are kept of it.
    """

    start: int
    begin: int
    form: Form | None
    stale: bool
    changed: bool
    weight: int
    stop: int = -1
    end: int = -1

    @property
    def whole(self) -> bool:
        """Whether its end is known."""
        return self.stop >= 0

    def holds(self, offset: int) -> bool:
        """Whether the content at ``offset`` is this member's, if it is not an earlier one's."""
        return self.form is not None and (not self.whole or offset < self.end)

    def take_in(self, following: _Record) -> None:
        """Become one with the member that follows, of which the end is not known yet."""
        self.form = self.form or following.form
        self.changed |= following.changed
        self.stale = False
        self.stop = self.end = -1


class Rewriting:
    """Takes redacted content and writes members: tracks what is decoded, is a sink for what comes out.

    If the content is ``traced``, changes are told with it, and members without any are
    copied. If not, it is cut into members as it was, as far as it goes, and all of them are
    written anew. ``first`` is where the member starts of which it is known from the look
    that it changes.
    """

    def __init__(self, kind: Format, name: str, work: Work, raw: Raw, sink: Sink, first: int) -> None:
        self.traced = True
        self._kind = kind
        self._name = name
        self._work = work
        # Asked now: the first write may come from inside a container that this one holds.
        self._outermost = work.outermost
        self._raw = raw
        self._sink = sink
        self._first = first
        self._under_way: deque[_Record] = deque()
        self._weight = 0
        self._at = 0
        """The offset in the content, as it was, of what comes next."""
        self._encoder: Encoder | None = None
        self._form: Form | None = None
        self._same = (0, 0)
        self._anew = False
        self._written = False

    # --- what is decoded ------------------------------------------------------------------

    def begins(self, start: int, begin: int, member: Member) -> None:
        form = member.form
        changed = form is not None and (start == self._first or form.window > HEAVY)
        record = _Record(start, begin, form, member.stale, changed, _RECORD + (form.size if form else 0))
        self._form = self._form or form
        if self._weight > _PENDING:
            self._under_way[-1].take_in(record)
        else:
            self._under_way.append(record)
            self._weight += record.weight

    def goes_on(self, position: int) -> None:
        if not self._raw.remembers(position):
            self._under_way[-1].changed = True

    def ends(self, stop: int, end: int) -> None:
        record = self._under_way[-1]
        record.stop, record.end = stop, end

    # --- what comes out -------------------------------------------------------------------

    def write(self, data: bytes, /) -> None:
        """Take the next bytes of content."""
        self._keep(memoryview(data))

    def put(self, data: bytes, changes: Sequence[Change]) -> None:
        """Take the next bytes of content, in which ``changes`` were made."""
        view, position = memoryview(data), 0
        if changes and self._fits(changes[-1].end + len(data)):
            grown = sum(change.length - (change.end - change.start) for change in changes)
            self._write(view)
            self._at += len(data) - grown
            return
        for change in changes:
            same = change.start - self._at
            self._keep(view[position : position + same])
            position += same
            self._change(view[position : position + change.length], change.end)
            position += change.length
        self._keep(view[position:])

    def finish(self) -> None:
        """Write what remains of the members; at least one is written."""
        while self._under_way:
            self._pass()
        self._copy_same()
        if not self._written and self._form is not None:
            self._form.encoder(self._sink).finish()

    def abandon(self) -> None:
        """Leave off in the middle: nothing more is written."""
        if isinstance(self._encoder, Aside):
            self._encoder.abandon()

    def _fits(self, offset: int) -> bool:
        """Whether the content up to ``offset`` surely goes to the member that is being written."""
        record = self._under_way[0]
        return self._encoder is not None and (not record.whole or offset <= record.end)

    def _keep(self, view: memoryview) -> None:
        """Pass content on that is as it was."""
        while view:
            record = self._current()
            room = min(len(view), record.end - self._at) if record.holds(self._at) and record.whole else len(view)
            if record.changed or not self.traced:
                self._open(record)
                self._write(view[:room])
            self._at += room
            view = view[room:]

    def _change(self, view: memoryview, end: int) -> None:
        """Pass on what stands in the place of the content from here to ``end``."""
        while True:
            record = self._current()
            record.changed = True
            self._open(record)
            self._write(view)
            view = view[:0]
            if not record.whole or end <= record.end:
                break
            self._at = record.end
        self._at = end

    def _current(self) -> _Record:
        """Return the member to which the next content goes, and have done with those before it.

        What is more than there was, which only untraced content can be, goes to the last member.
        """
        passed = next((number for number, each in enumerate(self._under_way) if each.holds(self._at)), 0)
        for _ in range(passed):
            self._pass()
        return self._under_way[0]

    def _write(self, view: memoryview) -> None:
        assert self._encoder is not None
        self._encoder.write(view)

    def _pass(self) -> None:
        """Have done with the first member: end it if it is being written, else copy it."""
        record = self._under_way[0]
        empty = record.begin == record.end
        if record.changed and self.traced and not empty:
            self._open(record)
        if self._encoder is not None:
            self._encoder.finish()
            self._encoder = None
        elif (self.traced or empty) and self._raw.remembers(record.stop):
            self._copy(record)
        self._under_way.popleft()
        self._weight -= record.weight

    # --- members --------------------------------------------------------------------------

    def _open(self, record: _Record) -> None:
        """Begin to write a member anew, if that is not so yet, with the content that was passed already."""
        if self._encoder is not None:
            return
        assert record.form is not None
        self._copy_same()
        self._anew = self._written = True
        encoder = record.form.encoder(self._sink)
        # Inside another container, the sink looks at what this thread reads.
        self._encoder = Aside(encoder) if self._outermost else encoder
        if self.traced and self._at > record.begin:
            self._repeat(record, self._at - record.begin)

    def _repeat(self, record: _Record, size: int) -> None:
        """Decode the first ``size`` bytes of a member once more, and write them."""
        pieces = self._raw.again(record.start, record.stop if record.whole else None)
        data = Input(lambda: next(pieces, b""), record.start)
        decoded = Decoded(self._kind, self._name, self._work, data)
        while size and (piece := decoded.read(min(size, BLOCK))):
            self._write(memoryview(piece))
            size -= len(piece)
        if size:
            raise RefusedError(f"{self._name}: changed while it was read, expected the same bytes twice")

    def _copy(self, record: _Record) -> None:
        """Have the bytes of a member copied; those of members in a row are copied together."""
        if record.stale and self._anew:
            return
        if self._same[1] != record.start:
            self._copy_same()
            self._same = (record.start, record.start)
        self._same = (self._same[0], record.stop)

    def _copy_same(self) -> None:
        start, stop = self._same
        self._same = (0, 0)
        for piece in self._raw.again(start, stop):
            self._written = True
            self._sink.write(piece)
            start += len(piece)
        if start != stop:
            raise RefusedError(f"{self._name}: changed while it was read, expected the same bytes twice")
