"""Content on its way from a source to a sink, one unit at a time.

A *unit* is what can be passed on by itself: a gzip member, a zip member, a document, a
text. Nothing is written for a unit before its first secret is found: up to there it is
only looked at, and a unit in which nothing changes is passed on as it is, byte for byte.
Only then is it gone through again and written anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from redactor.errors import SourceError
from redactor.model import Found
from redactor.redactor import Redactor
from redactor.replace import fingerprint
from redactor.syntax import TOKEN_LIMIT

__all__ = [
    "BLOCK",
    "NOWHERE",
    "REMEMBERED",
    "Edit",
    "Kind",
    "Ledger",
    "Limits",
    "Meter",
    "RefusedError",
    "Sink",
    "Source",
    "Work",
    "member_of",
    "pass_on",
]

BLOCK: Final = 262144
"""How many bytes are read at a time."""

REMEMBERED: Final = 4 * 1024 * 1024
"""How many bytes a source that cannot be read twice remembers, to go back to a mark."""

HEAD: Final = 4096
"""How many of its first bytes say what a content is."""


class RefusedError(SourceError):
    """Content that is not passed on: broken, not to be accounted for in whole, or over a limit."""


class Sink(Protocol):
    """Takes the bytes of a scrubbed content, in order."""

    def write(self, data: bytes, /) -> object:
        """Take all of ``data``."""


class _Nowhere:
    def write(self, data: bytes, /) -> object:
        return len(data)


NOWHERE: Final[Sink] = _Nowhere()
"""The sink of those who only look."""


# --- sources ------------------------------------------------------------------------------


class _Forgotten(Exception):  # noqa: N818 (no error)
    """A mark cannot be gone back to any more if reading goes on."""


class Source:
    """Bytes read from front to back, which can go back to a mark.

    ``read`` is asked for at most ``BLOCK`` bytes at a time and gives b"" at the end. With
    ``handle``, a descriptor of a regular file that ``read`` reads through, any mark can be
    gone back to; without it, one that is at most ``REMEMBERED`` bytes back.
    """

    def __init__(self, read: Callable[[int], bytes], handle: int | None = None) -> None:
        self._read = read
        self._handle = handle
        self._ahead = b""
        """What was read but not yet given out."""
        self._passed = bytearray()
        """What was given out since the mark."""
        self._mark: int | None = None
        self.position = 0
        """How many bytes have been given out, from the start of the source."""

    @property
    def seekable(self) -> bool:
        """Whether any mark can be gone back to."""
        return self._handle is not None

    def peek(self, size: int) -> bytes:
        """Return the next bytes without giving them out: ``size`` of them, or all there are."""
        while len(self._ahead) < size:
            more = self._read(BLOCK)
            if not more:
                break
            self._ahead += more
        return self._ahead[:size]

    def read(self, size: int = BLOCK) -> bytes:
        """Give out the next bytes, at most ``size``; b"" at the end."""
        if not self._ahead:
            self._ahead = self._read(BLOCK)
        if len(self._ahead) <= size:
            data, self._ahead = self._ahead, b""
        else:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
        if self._mark is not None and self._handle is None:
            if self.position + len(data) - self._mark > REMEMBERED:
                self._ahead = data + self._ahead
                raise _Forgotten
            self._passed += data
        self.position += len(data)
        return data

    def exactly(self, size: int) -> bytes:
        """Give out the next ``size`` bytes, or fewer at the end."""
        pieces = []
        while size and (data := self.read(size)):
            pieces.append(data)
            size -= len(data)
        return b"".join(pieces)

    def push_back(self, data: bytes) -> None:
        """Take back ``data``, the last bytes given out: a decoder read more than was its own."""
        self.position -= len(data)
        self._ahead = data + self._ahead
        if self._passed:
            del self._passed[len(self._passed) - len(data) :]

    def again(self, position: int, size: int) -> bytes:
        """Return bytes from ``position`` once more, at most ``size``, without giving them out.

        Only for a seekable source; b"" at the end.
        """
        assert self._handle is not None
        here = os.lseek(self._handle, 0, os.SEEK_CUR)
        os.lseek(self._handle, position - self.position - len(self._ahead), os.SEEK_CUR)
        try:
            return os.read(self._handle, size)
        finally:
            os.lseek(self._handle, here, os.SEEK_SET)

    # --- marks, for ``pass_on`` only: one at a time --------------------------------------

    def mark(self) -> None:
        """Remember this position."""
        assert self._mark is None
        self._mark = self.position

    def rewind(self) -> None:
        """Go back to the mark and forget it."""
        assert self._mark is not None
        if self._handle is None:
            self._ahead = bytes(self._passed) + self._ahead
        else:
            os.lseek(self._handle, self._mark - self.position - len(self._ahead), os.SEEK_CUR)
            self._ahead = b""
        self.position = self._mark
        self._passed.clear()
        self._mark = None

    def copy(self, sink: Sink) -> None:
        """Write all that was given out since the mark to ``sink`` as it is, and forget the mark."""
        end = self.position
        self.rewind()
        while self.position < end:
            sink.write(self.read(min(BLOCK, end - self.position)))


# --- what was found -------------------------------------------------------------------------


class Edit(NamedTuple):
    """One replacement: a range of bytes of a content as it was, and what stands there now.

    ``member`` names the content inside its file, "" for the file itself. ``start`` and
    ``end`` are offsets in the content once it is decoded and decompressed (of UTF-16, in
    its UTF-8 form). ``length`` is how many bytes stand there now. ``fingerprint`` is ""
    without a key and for secrets of low entropy.
    """

    member: str
    start: int
    end: int
    length: int
    rule: str
    fingerprint: str


def member_of(name: str) -> str:
    """Return what ``Edit.member`` is for the content ``name``."""
    return name.partition("!")[2]


@dataclass
class Ledger:
    """What was replaced in one file. ``edits`` are kept only if a receipt is wanted."""

    receipt: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    edits: list[Edit] = field(default_factory=list)

    @property
    def total(self) -> int:
        """The number of secrets replaced."""
        return sum(self.counts.values())

    def count(self, rule: str) -> None:
        """Count one replacement."""
        self.counts[rule] = self.counts.get(rule, 0) + 1


@dataclass(frozen=True)
class Limits:
    """How far content may unfold before it is refused.

    ``depth`` is how many containers may be inside one another. ``ratio`` is how many bytes
    may come out of one byte of compressed data, once more than ``free`` bytes have; ``size``
    how many bytes may come out of one file altogether.
    """

    depth: int = 4
    ratio: int = 2000
    free: int = 64 * 1024 * 1024
    size: int = 1 << 42


class Meter:
    """Weighs what a decoder makes of what it reads; refuses bombs. ``Work.meter`` makes it."""

    def __init__(self, name: str, limits: Limits, whole: Callable[[str, int], None] | None = None) -> None:
        self._name = name
        self._limits = limits
        self._whole = whole
        self._read = 0
        self._made = 0

    def weigh(self, read: int, made: int) -> None:
        """Note that ``made`` bytes came out of ``read`` more; raises ``RefusedError`` over a limit."""
        self._read += read
        self._made += made
        _check_weight(self._name, self._limits, self._read, self._made)
        if self._whole is not None:
            self._whole(self._name, made)


def _check_weight(name: str, limits: Limits, read: int, made: int) -> None:
    if made > max(limits.free, limits.ratio * read):
        raise RefusedError(f"{name}: unfolds to more than {limits.ratio} times its size, expected less (--max-ratio)")
    if made > limits.size:
        raise RefusedError(f"{name}: unfolds to more than {limits.size} bytes, expected less (--max-size)")


# --- units ----------------------------------------------------------------------------------


class _Change(Exception):  # noqa: N818 (no error)
    """Something has to be replaced, and so far it was only looked."""


@dataclass(frozen=True)
class Kind:
    """A kind of content that is recognised by its first bytes (up to ``HEAD``) or its name.

    ``scrub`` reads one content of the kind from the source to its very end and writes it
    scrubbed. It raises ``RefusedError``.
    """

    name: str
    recognises: Callable[[bytes, str], bool]
    scrub: Callable[[Work, str, Source, Sink], None]


class Work:
    """The scrubbing of one file: what with, within which limits, and what was replaced.

    ``looking`` means that nothing is written yet: the first replacement ends the look.
    """

    def __init__(
        self,
        redactor: Redactor,
        kinds: Sequence[Kind],
        limits: Limits | None = None,
        *,
        receipt: bool = False,
    ) -> None:
        self.redactor = redactor
        self.limits = Limits() if limits is None else limits
        self.ledger = Ledger(receipt)
        self.looking = False
        self.unfolded = 0
        """How many bytes came out of decoders, for ``pass_on`` only: it goes back when the source does."""
        self._kinds = kinds
        self._depth = 0
        self._origin: Source | None = None

    def scrub(self, name: str, source: Source, sink: Sink) -> None:
        """Scrub one content, of whatever kind it is, from ``source`` to its end.

        ``name`` is the path of a file, or of a member as ``archive.zip!logs/app.log``. Raises
        ``RefusedError`` and what ``source`` and ``sink`` raise.
        """
        if self._depth == 0:
            self._origin = source
        kind = self.recognise(name, source)
        if kind is None:
            pass_on(self, name, source, sink, scrub_text)
            return
        if self._depth >= self.limits.depth:
            raise RefusedError(
                f"{name}: more than {self.limits.depth} containers in one another, expected fewer (--max-depth)"
            )
        self._depth += 1
        try:
            kind.scrub(self, name, source, sink)
        finally:
            self._depth -= 1

    def recognise(self, name: str, source: Source) -> Kind | None:
        """Return the kind of the content that is next in ``source``; None for plain text."""
        head = source.peek(HEAD)
        return next((kind for kind in self._kinds if kind.recognises(head, name)), None)

    @property
    def outermost(self) -> bool:
        """Whether the container being scrubbed is the file itself, in no other: its sink is the file's own."""
        return self._depth == 1

    def meter(self, name: str) -> Meter:
        """Return a meter for one decoder of the content ``name``.

        What all decoders of the file make is held against what was read of the file as
        well: bombs inside one another multiply.
        """
        return Meter(name, self.limits, self._weigh_whole)

    def _weigh_whole(self, name: str, made: int) -> None:
        self.unfolded += made
        if self._origin is not None:
            _check_weight(name, self.limits, self._origin.position, self.unfolded)

    def note(self, name: str, start: int, end: int, length: int, rule: int, secret: bytes) -> None:
        """Note one replacement in the content ``name``; ends a look."""
        if self.looking:
            raise _Change
        found = self.redactor.ruleset.rules[rule]
        self.ledger.count(found.id)
        if self.ledger.receipt:
            key = self.redactor.policy.hmac_key
            shown = key is not None and not found.low_entropy and len(secret) <= TOKEN_LIMIT
            mark = fingerprint(secret, key) if shown and key is not None else ""
            self.ledger.edits.append(Edit(member_of(name), start, end, length, found.id, mark))

    def observer(self, name: str) -> Noting:
        """Return the observer for a stream of the redactor over the content ``name``."""
        return Noting(self, name)


class Noting:
    """The observer of a stream: notes its replacements in the work's ledger."""

    def __init__(self, work: Work, name: str) -> None:
        self._work = work
        self._name = name

    def found(self, data: bytes, found: Sequence[Found], replacements: Sequence[bytes], base: int) -> None:
        for (start, end, rule), replacement in zip(found, replacements, strict=True):
            self._work.note(self._name, base + start, base + end, len(replacement), rule, data[start:end])

    def prolonged(self, end: int) -> None:
        edits = self._work.ledger.edits
        if edits:
            edits[-1] = edits[-1]._replace(end=end)


Transform = Callable[[Work, str, Source, Sink], None]


def pass_on(work: Work, name: str, source: Source, sink: Sink, transform: Transform) -> bool:
    """Pass one unit on; return whether anything in it was replaced.

    ``transform`` reads the unit from ``source``, to its end and not further, and writes it
    scrubbed. If nothing is replaced, the bytes of the unit are written as they were and
    what ``transform`` wrote does not count.
    """
    if work.looking:
        transform(work, name, source, NOWHERE)
        return False
    work.looking = True
    unfolded = work.unfolded
    source.mark()
    try:
        transform(work, name, source, NOWHERE)
    except (_Change, _Forgotten):
        work.looking = False
        work.unfolded = unfolded
        source.rewind()
    else:
        work.looking = False
        source.copy(sink)
        return False
    before = work.ledger.total
    transform(work, name, source, sink)
    return work.ledger.total > before


def scrub_text(work: Work, name: str, source: Source, sink: Sink) -> None:
    """Scrub plain text to the end of the source."""
    stream = work.redactor.open_stream(observer=work.observer(name))
    while block := source.read():
        sink.write(stream.feed(block))
    sink.write(stream.finish())
