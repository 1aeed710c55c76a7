"""The contents of a file, decoded, one after another, and what scrubbing does to each.

A *content* is what stands at the bottom: a text, a document, a cookie file. Compressed
files and archives are opened down to it by their own kinds; nothing is written anywhere.
A content comes in *pieces*: bytes that stay, and edits. UTF-16 text is seen in its UTF-8
form, in which the offsets of edits count; an incomplete character at its end follows a
byte 0xFF there, which UTF-8 does not have.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from stat import S_ISREG
from typing import Final, Protocol

from redactor.archive import compression, cookie_files, documents, tar
from redactor.archive import zip as zip_
from redactor.archive.content import BLOCK, Edit, Kind, Limits, RefusedError, Sink, Source, Work
from redactor.errors import SourceError, shown
from redactor.redactor import Redactor

__all__ = ["LEAVES", "Pieces", "TakeContent", "as_utf8", "edited", "open_file", "scrubbed", "walk"]

_CONTAINERS: Final[tuple[Kind, ...]] = (*tar.KINDS, *zip_.KINDS, *compression.KINDS)

LEAVES: Final[tuple[Kind, ...]] = (*documents.KINDS, *cookie_files.KINDS)
"""The kinds of contents that are no plain text."""

_WIDE: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

_FLAGS: Final = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY")
)

TakeContent = Callable[[str, Source], None]
"""Takes one content: its name, as ``archive.zip!logs/app.log``, and its bytes, which it reads to their end."""


@contextmanager
def open_file(path: str) -> Iterator[Callable[[int], bytes]]:
    """Open a regular file and give what reads it, at most so many bytes at a time.

    Both raise ``SourceError``, also if it is no regular file.
    """
    name = shown(path)
    try:
        handle = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else "is no name a file can have"
        raise SourceError(f"{name}: {problem}, expected a readable file") from None
    try:
        if not S_ISREG(os.fstat(handle).st_mode):
            raise SourceError(f"{name}: is no regular file, expected one")
        yield partial(_read, handle, name)
    finally:
        os.close(handle)


def _read(handle: int, name: str, size: int) -> bytes:
    try:
        return os.read(handle, size)
    except OSError as error:
        raise SourceError(f"{name}: {error.strerror}, expected a readable file") from None


# --- down to the contents -------------------------------------------------------------------


def walk(redactor: Redactor, limits: Limits, name: str, source: Source, take: TakeContent) -> None:
    """Give every content in ``source`` to ``take``, in order.

    ``name`` decides with the first bytes what the file is. Raises ``RefusedError`` for what scrubbing
    would refuse, and what ``take`` raises.
    """
    _Walk(redactor, limits, take).scrub(name, source, _NoSink())
    if source.peek(1):
        raise RefusedError(f"{name}: goes on after its end, expected nothing there")


class _NoSink:
    def write(self, data: bytes, /) -> object:
        return len(data)


class _Walk(Work):
    """A look through the containers of a file that takes their contents instead of scrubbing them."""

    def __init__(self, redactor: Redactor, limits: Limits, take: TakeContent) -> None:
        super().__init__(redactor, _CONTAINERS, limits)
        self.looking = True  # containers write nothing then, and read each byte once
        self._take = take

    def scrub(self, name: str, source: Source, sink: Sink) -> None:
        if self.recognise(name, source) is _CONTENT:
            self._take(name, source)
        else:
            super().scrub(name, source, sink)

    def recognise(self, name: str, source: Source) -> Kind | None:
        # Never None: compressed text would not be asked to scrub its content.
        return super().recognise(name, source) or _CONTENT


def _not_called(_work: Work, name: str, _source: Source, _sink: Sink) -> None:
    raise AssertionError(name)


_CONTENT: Final = Kind("content", lambda _head, _name: True, _not_called)


# --- UTF-16 -----------------------------------------------------------------------------------


def as_utf8(source: Source) -> tuple[Source, bool]:
    """Return a content in its UTF-8 form, and whether it is UTF-16, which begins with a byte order mark."""
    codec = _WIDE.get(source.peek(2))
    return (source, False) if codec is None else (Source(_Narrow(source, codec).read), True)


class _Narrow:
    """Reads UTF-16 as UTF-8. Lone surrogates stay what they are."""

    def __init__(self, source: Source, codec: str) -> None:
        self._source = source
        self._codec = codec
        self._rest = b""

    def read(self, size: int) -> bytes:
        while data := self._source.read(min(size, BLOCK)):
            data = self._rest + data
            whole = len(data) & ~1
            if whole:
                # A pair of surrogates must not be cut.
                high = data[whole - 1] if self._codec == "utf-16-le" else data[whole - 2]
                whole -= 2 if 0xD8 <= high <= 0xDB else 0
            self._rest = data[whole:]
            if whole:
                return data[:whole].decode(self._codec, "surrogatepass").encode("utf-8", "surrogatepass")
        rest, self._rest = self._rest, b""
        return b"\xff" + rest if rest else b""


# --- pieces -----------------------------------------------------------------------------------


class Pieces(Protocol):
    """Takes what a content consists of, in order."""

    def same(self, data: bytes, /) -> None:
        """Take bytes of the original that stay."""

    def replaced(self, edit: Edit, lines: int, new: bytes, /) -> None:
        """Take an edit, how many line ends are in its range, and what stands there now (b"" if that is unknown).

        An edit of no bytes by none is a further secret of the edit before.
        """


def edited(edits: Iterable[Edit], source: Source, pieces: Pieces) -> None:
    """Give a content in pieces, given its edits in order. Ranges that go beyond its end are cut there."""
    for edit in edits:
        while source.position < edit.start and (data := source.read(min(BLOCK, edit.start - source.position))):
            pieces.same(data)
        lines = 0
        while source.position < edit.end and (data := source.read(min(BLOCK, edit.end - source.position))):
            lines += data.count(b"\n")
        pieces.replaced(edit, lines, b"")
    while data := source.read():
        pieces.same(data)


def scrubbed(redactor: Redactor, name: str, source: Source, pieces: Pieces, *, wide: bool = False) -> None:
    """Scrub a content and give it in pieces, in bounded memory. ``wide`` content, once UTF-16, is text."""
    work = Work(redactor, () if wide else LEAVES, receipt=True)
    splitting = _Splitting(work.ledger.edits, source, pieces)
    work.scrub(name, Source(splitting.read), splitting)
    splitting.finish()


class _Splitting:
    """Stands before and behind a scrubbing, and tells what stays and what is replaced.

    An edit is in ``edits`` before its replacement is written. The last one may still be
    prolonged until something is written that comes after it.
    """

    def __init__(self, edits: list[Edit], source: Source, pieces: Pieces) -> None:
        self._edits = edits
        self._source = source
        self._pieces = pieces
        self._original = bytearray()
        self._written = bytearray()
        self._at = 0
        """The offset in the original up to which all is told; it is where ``_original`` starts."""
        self._lines = 0
        """How many line ends there were so far in the range of the edit in hand."""

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        self._original += data
        return data

    def write(self, data: bytes, /) -> None:
        self._written += data
        self._settle(final=False)

    def finish(self) -> None:
        """Tell the rest."""
        self._settle(final=True)

    def _settle(self, *, final: bool) -> None:
        done = 0
        for edit in self._edits:
            self._stay(min(max(0, edit.start - self._at), len(self._written)))
            if self._at < edit.start or len(self._written) < edit.length:
                break
            self._lines += self._drop(max(0, edit.end - self._at)).count(b"\n")
            open_end = done == len(self._edits) - 1 and len(self._written) == edit.length
            if open_end and not final:
                break
            self._pieces.replaced(edit, self._lines, bytes(self._written[: edit.length]))
            del self._written[: edit.length]
            self._lines = 0
            done += 1
        else:
            self._stay(len(self._written))
        del self._edits[:done]

    def _stay(self, size: int) -> None:
        if size:
            self._pieces.same(self._drop(size))
            del self._written[:size]

    def _drop(self, size: int) -> bytes:
        data = bytes(self._original[:size])
        del self._original[:size]
        self._at += size
        return data
