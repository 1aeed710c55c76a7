"""One large plain file scrubbed by several processes, with the bytes that one stream would give.

The file is cut at starts of lines that no soft line break continues: there, any stream
may have given out everything before, so one that starts there knowing the bytes before
decides the same. A line that is longer than a segment makes the segment longer.

The processes send back only what is to be replaced, and by what; the parent copies
everything else.
"""

from __future__ import annotations

import codecs
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from typing import Final, NamedTuple

from redactor import known
from redactor.archive.content import BLOCK, Edit, Ledger, Noting, Sink, Source, Work, pass_on, scrub_text
from redactor.archive.identity import Identity
from redactor.archive.tally import note
from redactor.archive.workers import Ticket, Workers
from redactor.columns import HEAD
from redactor.errors import SourceError
from redactor.model import Found
from redactor.redactor import Redactor
from redactor.syntax import LEAD_LIMIT, soft_break

__all__ = [
    "LARGE",
    "SEGMENT",
    "ChangedError",
    "Edits",
    "Replacement",
    "edits_of",
    "scrub_plain_parallel",
    "splice",
    "worth_cutting",
]

SEGMENT: Final = 4 * 1024 * 1024
"""How many bytes a process looks at for one answer, or up to the end of the line they end in."""

LARGE: Final = 4 * SEGMENT
"""How many bytes a file must have to be worth cutting."""

_LINE: Final = 128
"""How many bytes before a line's end tell whether it is a soft line break."""


class ChangedError(SourceError):
    """A file is not, or not any more, what it was when its scrubbing began."""


class Replacement(NamedTuple):
    """A range of bytes of a file, and what stands there from now on."""

    start: int
    end: int
    text: bytes


class Edits(NamedTuple):
    """What is to be replaced in one segment. ``edits`` are there only if a receipt is wanted."""

    size: int
    replacements: list[Replacement]
    counts: dict[str, int]
    edits: list[Edit]


# --- in the parent --------------------------------------------------------------------------


def scrub_plain_parallel(
    work: Work, name: str, source: Source, sink: Sink, path: str, opened: Identity, workers: Workers
) -> bool:
    """Scrub plain text as ``pass_on(work, name, source, sink, scrub_text)`` does, by several processes.

    ``source`` is at the start of the file at ``path``, which was ``opened`` so. The bytes
    written, the ledger and the answer are the same; nothing is written before the first
    secret is found, or none was. What is not ``worth_cutting`` is scrubbed here. Raises
    ``ChangedError`` if a process does not find the file as it was, ``SourceError`` if it
    cannot read it, ``WorkerLostError`` if it is killed.
    """
    if work.looking or not worth_cutting(source.peek(2), opened.size):
        return pass_on(work, name, source, sink, scrub_text)
    before = work.ledger.total
    found = edits_of(path, opened, workers, receipt=work.ledger.receipt)
    splice(source, sink, _entered(work.ledger, found))
    return work.ledger.total > before


def worth_cutting(head: bytes, size: int) -> bool:
    """Tell whether a plain file of ``size`` bytes that starts with ``head`` is cut into segments.

    UTF-16 has its line ends elsewhere, and known values may reach over them.
    """
    return size >= LARGE and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and not known.used


def edits_of(
    path: str, opened: Identity, workers: Workers, *, receipt: bool = False, segment: int = SEGMENT
) -> Iterator[Edits]:
    """Yield what is to be replaced in a plain file, segment by segment, in order.

    Offsets count from the start of the file. A few segments are looked at ahead of what is
    asked for. Raises as ``scrub_plain_parallel`` does.
    """
    pending: deque[Ticket[Edits]] = deque()
    try:
        with _open(path, opened) as file:
            for start, end in _segments(file, opened.size, segment):
                pending.append(workers.submit(_Look(path, opened, start, end, receipt), first=True))
                if len(pending) > 2 * workers.jobs:
                    yield workers.result(pending.popleft())
        while pending:
            yield workers.result(pending.popleft())
    finally:
        workers.drop(pending)


def _segments(file: FileIO, size: int, segment: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges that cover ``file``, each of ``segment`` bytes and the rest of the last line."""
    start = 0
    while start < size:
        end = _cut(file, start + segment, size)
        yield start, end
        start = end


def _cut(file: FileIO, at: int, size: int) -> int:
    """Return the first place from ``at`` on where a stream can start, or ``size``."""
    seen = at - 1  # the line end itself may be just before
    while seen < size:
        base = max(0, seen - _LINE)
        data = _read(file, base, size)
        newline = data.find(b"\n", seen - base)
        while newline >= 0:
            stop = newline - 1 if data[newline - 1 : newline] == b"\r" else newline
            if stop <= 0 or soft_break(data, stop) is None:
                return base + newline + 1
            newline = data.find(b"\n", newline + 1)
        seen = base + len(data)
    return size


def _entered(ledger: Ledger, found: Iterable[Edits]) -> Iterator[Replacement]:
    """Enter what was found into the ledger, and pass on what it is replaced by."""
    for edits in found:
        for rule, count in edits.counts.items():
            ledger.counts[rule] = ledger.counts.get(rule, 0) + count
        ledger.edits += edits.edits
        note(edits.size, sum(edits.counts.values()))
        yield from edits.replacements


def splice(source: Source, sink: Sink, replacements: Iterable[Replacement]) -> None:
    """Write ``source`` to its end, with every range of ``replacements`` replaced.

    They are in order, do not overlap, and count from the start of the source. The first
    is waited for before anything is written.
    """
    ordered = iter(replacements)
    following = next(ordered, None)
    done = source.position
    while block := source.read(BLOCK):
        base, stop = source.position - len(block), source.position
        pieces: list[bytes] = []
        while following is not None and following.start < stop:
            pieces += (block[done - base : following.start - base], following.text)
            done = following.end
            following = next(ordered, None)
        if done < stop:
            pieces.append(block[done - base :])
            done = stop
        sink.write(b"".join(pieces))


# --- in the processes -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Look:
    """The job of one segment: bytes ``start`` to ``end`` of the file at ``path``, if it still is the one."""

    path: str
    opened: Identity
    start: int
    end: int
    receipt: bool

    def __call__(self, redactor: Redactor) -> Edits:
        work = Work(redactor, (), receipt=self.receipt)
        observer = _Gathering(work, self.start)
        stream = redactor.open_stream(observer=observer)
        with _open(self.path, self.opened) as file:
            if self.start:
                before = _read(file, max(0, self.start - LEAD_LIMIT), self.start)
                stream.start_after(before, _read(file, 0, min(HEAD, self.end)))
            for at in range(self.start, self.end, BLOCK):
                stream.feed(_read(file, at, self.end))
            stream.finish()
        return Edits(self.end - self.start, observer.replacements, work.ledger.counts, work.ledger.edits)


class _Gathering:
    """The observer of a stream that starts at ``offset``: gathers what is replaced, and by what."""

    def __init__(self, work: Work, offset: int) -> None:
        self._noting = Noting(work, "")
        self._offset = offset
        self.replacements: list[Replacement] = []

    def found(self, data: bytes, found: Sequence[Found], replacements: Sequence[bytes], base: int) -> None:
        base += self._offset
        self._noting.found(data, found, replacements, base)
        for (start, end, _), text in zip(found, replacements, strict=True):
            self.replacements.append(Replacement(base + start, base + end, text))

    def prolonged(self, end: int) -> None:
        self._noting.prolonged(self._offset + end)
        self.replacements[-1] = self.replacements[-1]._replace(end=self._offset + end)


# --- in both --------------------------------------------------------------------------------


def _open(path: str, expected: Identity) -> FileIO:
    """Open a file for reading without a buffer; raises ``ChangedError`` if it is not the ``expected`` one."""
    try:
        file = FileIO(path)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}, expected a readable file") from None
    if Identity.of(os.fstat(file.fileno())) != expected:
        file.close()
        raise _changed(path)
    return file


def _read(file: FileIO, start: int, end: int) -> bytes:
    """Return the bytes from ``start`` to ``end``, but at most ``BLOCK``; raises as ``_open`` does."""
    size = min(BLOCK, end - start)
    data = b""
    try:
        file.seek(start)
        while len(data) < size and (more := file.read(size - len(data))):
            data += more
    except OSError as error:
        raise SourceError(f"{file.name}: {error.strerror}, expected a readable file") from None
    if len(data) < size:
        raise _changed(str(file.name))
    return data


def _changed(path: str) -> ChangedError:
    return ChangedError(f"{path}: changed while it was read, expected it to stay")
