"""gzip (RFC 1952): members with their headers as they are, BGZF blocks, zero padding.

A member that is written anew keeps its header byte for byte. A BGZF block (bgzip; the SAM
format specification, section 4.1) says its own length in its header; there it is put
right, and content that has grown goes to as many blocks as it takes.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from redactor.archive.compression.members import (
    CodedEncoder,
    Encoder,
    Form,
    Format,
    Input,
    Member,
    Padding,
    Place,
    refuse_secrets,
)
from redactor.archive.content import Sink
from redactor.redactor import Redactor

__all__ = ["GZIP"]

_deflate: ModuleType = zlib
_LEVELS: dict[int, int] = {2: 9, 4: 1}
_LEVEL = 6
try:
    from isal import isal_zlib
except ImportError:
    pass
else:
    _deflate, _LEVELS, _LEVEL = isal_zlib, {4: 1}, 3
# The levels are by XFL: 2 is the slowest that a compressor has, 4 the fastest.

_MAGIC: Final = b"\x1f\x8b"
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT, _RESERVED = 2, 4, 8, 16, 0xE0
_FIXED: Final = 10
_BLOCK_HEADER: Final = 128
_SHORT: Final = 512
_LONGEST: Final = 131072
_TRAILER: Final = 8
_FIRST_STEP: Final = 2048
_LARGEST_STEP: Final = 65536
_BLOCK: Final = 65280
"""How many bytes of content go into one BGZF block, as bgzip does it."""


def _recognises(head: bytes) -> bool:
    return head.startswith(_MAGIC)


def _begin(place: Place, data: Input, redactor: Redactor) -> Member | None:
    start = data.peek(_FIXED)
    if start[:1] == b"\0":
        return Padding(place)
    if not start.startswith(_MAGIC):
        return None
    if len(start) < _FIXED:
        place.cut()
    header = _header(place, data, start)
    if len(header) > _FIXED and _block_size_at(header) != len(header) - 2:
        refuse_secrets(place, header[_FIXED:], redactor)
    return _Member(place, header)


# --- headers ------------------------------------------------------------------------------


def _header(place: Place, data: Input, start: bytes) -> bytes:
    """Take the header of a member (section 2.3)."""
    method, flags = start[2], start[3]
    if method != 8:
        place.refuse(f"is compressed with method {method}, expected 8 (deflate)")
    if flags & _RESERVED:
        place.refuse("has reserved flags set, expected none")
    if not flags & (_FHCRC | _FEXTRA | _FNAME | _FCOMMENT):
        data.skip(_FIXED)
        return start
    end, known = None, b""
    for size in (_SHORT, _LONGEST):
        known = data.peek(size)
        end = _end_of_header(known, flags)
        if end is not None:
            break
        if len(known) < size:
            place.cut()
    if end is None:
        place.refuse(f"has a header of more than {_LONGEST} bytes, expected fewer")
    if flags & _FHCRC and known[end - 2 : end] != _header_check(known[: end - 2]):
        place.refuse("has a wrong header CRC, expected that of its header")
    data.skip(end)
    return known[:end]


def _end_of_header(known: bytes, flags: int) -> int | None:
    """Return where the header ends; None if that is beyond what is known."""
    end = _FIXED
    if flags & _FEXTRA:
        end += 2 + int.from_bytes(known[end : end + 2], "little")
    for flag in (_FNAME, _FCOMMENT):
        if flags & flag:
            zero = known.find(b"\0", end)
            if zero < 0:
                return None
            end = zero + 1
    if flags & _FHCRC:
        end += 2
    return end if end <= len(known) else None


def _header_check(header: bytes) -> bytes:
    return (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little")


def _block_size_at(header: bytes) -> int:
    """Return where a header holds the size of a BGZF block, 0 if it does not or is too long for one."""
    if not header[3] & _FEXTRA or len(header) > _BLOCK_HEADER:
        return 0
    at, end = _FIXED + 2, _FIXED + 2 + int.from_bytes(header[_FIXED : _FIXED + 2], "little")
    while at + 4 <= end:
        size = int.from_bytes(header[at + 2 : at + 4], "little")
        if header[at : at + 2] == b"BC" and size == 2 and at + 6 <= end:
            return at + 4
        at += 4 + size
    return 0


# --- members ------------------------------------------------------------------------------


class _Member:
    """Decodes one member, and checks its length and CRC-32."""

    stale = False

    def __init__(self, place: Place, header: bytes) -> None:
        self.form: Form | None = _Form(header)
        self.done = False
        self._place = place
        self._inflate = _deflate.decompressobj(-15)
        self._step = _FIRST_STEP
        self._check = 0
        self._length = 0

    def decode(self, data: Input, most: int) -> bytes:
        inflate = self._inflate
        chunk = data.view(self._step)
        self._step = min(4 * self._step, _LARGEST_STEP)
        made: bytes | None
        try:
            made = inflate.decompress(chunk, most)
        except _deflate.error:
            # Where the error came from has the input in its frames.
            made = None
        if made is None:
            self._place.refuse("is broken, expected deflate data")
        # At the end zlib may repeat in the tail what it gives as unused.
        data.skip(len(chunk) - len(inflate.unused_data if inflate.eof else inflate.unconsumed_tail))
        self._check = _deflate.crc32(made, self._check)
        self._length += len(made)
        if inflate.eof:
            self._end(data)
        elif not chunk and not made:
            self._place.cut()
        return made

    def _end(self, data: Input) -> None:
        trailer = data.peek(_TRAILER)
        if len(trailer) < _TRAILER:
            self._place.cut()
        data.skip(_TRAILER)
        if trailer[:4] != self._check.to_bytes(4, "little"):
            self._place.refuse("has a wrong CRC-32, expected that of its content")
        if trailer[4:] != (self._length & 0xFFFFFFFF).to_bytes(4, "little"):
            self._place.refuse("has a wrong length, expected that of its content")
        self.done = True


@dataclass(frozen=True, slots=True)
class _Form:
    header: bytes

    @property
    def window(self) -> int:
        return 32768

    @property
    def size(self) -> int:
        return len(self.header)

    def encoder(self, sink: Sink) -> Encoder:
        level = _LEVELS.get(self.header[8], _LEVEL)
        at = _block_size_at(self.header)
        return _Blocks(sink, self.header, at, level) if at else _Deflating(sink, self.header, level)


class _Deflating(CodedEncoder):
    """Writes one member with the header it had."""

    def __init__(self, sink: Sink, header: bytes, level: int) -> None:
        super().__init__(sink, _deflate.compressobj(level, _deflate.DEFLATED, -15))
        self._check = 0
        self._length = 0
        sink.write(header)

    def write(self, data: bytes | memoryview, /) -> None:
        self._check = _deflate.crc32(data, self._check)
        self._length += len(data)
        super().write(data)

    def finish(self) -> None:
        super().finish()
        self._sink.write(_trailer(self._check, self._length))


def _trailer(check: int, length: int) -> bytes:
    return check.to_bytes(4, "little") + (length & 0xFFFFFFFF).to_bytes(4, "little")


class _Blocks:
    """Writes BGZF blocks, one at least, each with the header it had and its own size in it."""

    def __init__(self, sink: Sink, header: bytes, size_at: int, level: int) -> None:
        self._sink = sink
        self._header = header
        self._size_at = size_at
        self._level = level
        self._kept = bytearray()
        self._some = False

    def write(self, data: bytes | memoryview, /) -> None:
        self._kept += data
        while len(self._kept) > _BLOCK:
            self._put(bytes(self._kept[:_BLOCK]))
            del self._kept[:_BLOCK]

    def finish(self) -> None:
        if self._kept or not self._some:
            self._put(bytes(self._kept))

    def _put(self, content: bytes) -> None:
        self._some = True
        body = _deflate.compress(content, self._level, wbits=-15)
        if len(body) > _BLOCK:
            body = _stored(content)
        size = len(self._header) + len(body) + _TRAILER
        header = bytearray(self._header)
        header[self._size_at : self._size_at + 2] = (size - 1).to_bytes(2, "little")
        if header[3] & _FHCRC:
            header[-2:] = _header_check(bytes(header[:-2]))
        self._sink.write(header + body + _trailer(zlib.crc32(content), len(content)))


def _stored(content: bytes) -> bytes:
    """Return ``content``, which is shorter than 64 KiB, as one stored block (RFC 1951, section 3.2.4)."""
    length = len(content)
    return b"\1" + length.to_bytes(2, "little") + (length ^ 0xFFFF).to_bytes(2, "little") + content


GZIP: Final = Format(
    "gzip",
    "gzip member",
    {".gz": "", ".bgz": "", ".tgz": ".tar", ".taz": ".tar", ".svgz": ".svg"},
    _recognises,
    _begin,
)
