"""Tar archives: v7, ustar (POSIX.1-1988), pax (POSIX.1-2001) and GNU.

Members are gone through in the order of the archive. Only content changes: of a member in
which something was replaced, the size (in its header and in a pax ``size`` record) and
the checksums change with it, and every other byte of headers, pax records and the
archive's end stays. A member in which nothing was replaced stays byte for byte; only one
over 4 MiB that holds compressed data and comes from a pipe may be compressed anew.
Several members may have the same name (``tar -r``): each is scrubbed.

Refused, because nobody could vouch for what is passed on:

- broken: a wrong checksum, a number or pax record that cannot be read, an archive that
  does not end with two blocks of zeros, anything but zeros after them or behind a content;
- names and links that lead out of the archive, and secrets in names or other metadata
  (see ``members``);
- what readers take differently: links and directories with a size, global pax records
  that name or measure members, types of unknown meaning, parts of multi-volume archives;
- sparse members and GNU's directory lists in which something would have to be replaced,
  since offsets into the content stand elsewhere. They are scanned with one NUL for each hole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from redactor.archive.content import NOWHERE, Kind, RefusedError, Sink, Source, Work, pass_on
from redactor.archive.members import (
    check_name,
    check_text,
    leads_out,
    part,
    pass_zeros,
    rejoin,
    scrub_member,
    spool,
)
from redactor.errors import shown

__all__ = ["KINDS"]

_BLOCK: Final = 512

_EXTENSION_LIMIT: Final = 1024 * 1024
"""How many bytes of pax records or of a long name a member may have."""

_SEGMENT_LIMIT: Final = 65536
"""How many pieces a sparse member may have."""

_SIZE: Final = slice(124, 136)
_CHECKSUM: Final = slice(148, 156)
_MAGIC: Final = slice(257, 263)
_MAGICS: Final = (b"ustar\0", b"ustar ", bytes(6))
_OCTAL: Final = re.compile(rb" *([0-7]+)[ \0]*|[ \0]*")
_ASCII: Final = bytes(range(0x80))
_LARGEST: Final = (1 << 63) - 1

_REGULAR: Final = frozenset(b"0\x007")
_LINKS: Final = frozenset(b"12")
_WITHOUT_CONTENT: Final = frozenset(b"123456V")
_SPARSE: Final = ord("S")
_DIRECTORY_LIST: Final = ord("D")
_GLOBAL: Final = ord("g")
_PAX: Final = frozenset(b"xX")
_LONG_NAME: Final = ord("L")
_LONG_LINK: Final = ord("K")
_EXTENSIONS: Final = _PAX | {_LONG_NAME, _LONG_LINK}

_DECIDING: Final = (b"path", b"linkpath", b"size")
"""The pax records that say how the archive is to be read."""


# --- header blocks --------------------------------------------------------------------------


def _number(text: bytes) -> int | None:
    """Return the number in a field of a header, octal or GNU's base 256; None if it is none."""
    if text[0] == 0x80:
        return int.from_bytes(text[1:])
    octal = _OCTAL.fullmatch(text)
    return int(octal[1] or b"0", 8) if octal else None


def _size(header: bytes, place: str) -> int:
    size = _number(header[_SIZE])
    if size is None or size > _LARGEST:
        raise RefusedError(f"{place} has a size that cannot be read, expected an octal number")
    return size


def _with_size(header: bytes, size: int) -> bytes:
    """Return ``header`` with another size, written the way the old one was, and its checksum."""
    old = header[_SIZE]
    terminator = b"" if old[-1:].isdigit() else old[-1:]
    octal = (b"%o" % size).rjust(len(old) - len(terminator), b" " if old[:1] == b" " else b"0") + terminator
    new = octal if old[0] != 0x80 and len(octal) == len(old) else b"\x80" + size.to_bytes(len(old) - 1)
    sized = header[: _SIZE.start] + new + header[_SIZE.stop :]
    return sized[: _CHECKSUM.start] + b"%06o\0 " % _sum(sized) + sized[_CHECKSUM.stop :]


def _sum(header: bytes) -> int:
    """Return the checksum: the sum of all bytes, its own taken as spaces."""
    return sum(header) - sum(header[_CHECKSUM]) + 8 * ord(" ")


def _sum_holds(header: bytes) -> bool:
    """Return whether the checksum is right, over unsigned bytes or, as old programs did it, signed ones."""
    expected = _number(header[_CHECKSUM])
    if expected is None:
        return False
    negative = len(header.translate(None, _ASCII))
    return _sum(header) - expected in (0, 256 * negative)


def _text(header: bytes, start: int, end: int) -> bytes:
    return header[start:end].partition(b"\0")[0]


def _header_name(header: bytes) -> bytes:
    name = _text(header, 0, 100)
    prefix = _text(header, 345, 500) if header[_MAGIC] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _read_header(source: Source, place: str) -> bytes:
    header = source.exactly(_BLOCK)
    if len(header) < _BLOCK:
        raise RefusedError(f"{place} is truncated, expected a header of {_BLOCK} bytes")
    if header[_MAGIC] not in _MAGICS or not _sum_holds(header):
        raise RefusedError(f"{place} has a broken header, expected one whose checksum holds")
    return header


def _padding(size: int) -> int:
    return -size % _BLOCK


def _read_padding(source: Source, size: int, place: str) -> None:
    """Read what fills the last block of a content; it is written anew, so it must be zeros."""
    padding = source.exactly(_padding(size))
    if padding != bytes(_padding(size)):
        raise RefusedError(f"{place} is truncated or has data behind its content, expected zeros up to the block's end")


# --- pax records ----------------------------------------------------------------------------


class _Record(NamedTuple):
    key: bytes
    value: bytes
    raw: bytes


def _record(key: bytes, value: bytes) -> bytes:
    """Return a pax record; the length that it starts with counts its own digits."""
    rest = len(b" %s=%s\n" % (key, value))
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _records(data: bytes, place: str) -> list[_Record]:
    """Return the pax records that ``data`` consists of."""
    records = []
    start = 0
    while start < len(data):
        digits = data[start : start + 8].partition(b" ")[0]
        end = start + int(digits) if digits.isdigit() else start
        key, equals, value = data[start + len(digits) + 1 : end].partition(b"=")
        if not equals or end > len(data) or not value.endswith(b"\n"):
            raise RefusedError(f"{place} has a broken pax record, expected LENGTH KEY=VALUE")
        records.append(_Record(key, value[:-1], data[start:end]))
        start = end
    return records


# --- what stands before a content -----------------------------------------------------------


@dataclass(frozen=True)
class _Extension:
    """A pax header or a long name: a header block and its own content."""

    header: bytes
    data: bytes
    records: list[_Record] = field(default_factory=list)

    def written(self) -> bytes:
        return self.header + self.data + bytes(_padding(len(self.data)))

    def resized(self, size: int) -> _Extension:
        """Return it with ``size`` as the member's size, if it is this that gives the size."""
        if all(record.key != b"size" for record in self.records):
            return self
        given = _record(b"size", b"%d" % size)
        data = b"".join(given if record.key == b"size" else record.raw for record in self.records)
        return _Extension(_with_size(self.header, len(data)), data)


def _read_extension(source: Source, header: bytes, place: str) -> _Extension:
    size = _size(header, place)
    if size > _EXTENSION_LIMIT:
        raise RefusedError(f"{place} has {size} bytes of metadata, expected at most {_EXTENSION_LIMIT}")
    data = part(source, size, place).exactly(size)
    _read_padding(source, size, place)
    pax = header[156] in _PAX or header[156] == _GLOBAL
    return _Extension(header, data, _records(data, place) if pax else [])


@dataclass(frozen=True)
class _Head:
    """All that stands before the content of a member. ``maps`` are blocks of GNU's sparse map."""

    place: str
    extensions: dict[int, _Extension]
    header: bytes
    maps: bytes

    @property
    def type(self) -> int:
        return self.header[156]

    def pax(self, key: bytes) -> list[bytes]:
        """Return the values of the pax records called ``key``."""
        return [
            record.value for extension in self.extensions.values() for record in extension.records if record.key == key
        ]

    def _alternatives(self, keys: Iterable[bytes], long: int, short: bytes) -> list[bytes]:
        pax = [value for key in keys for value in self.pax(key)]
        gnu = [self.extensions[long].data.removesuffix(b"\0")] if long in self.extensions else []
        given = [*pax, *gnu]
        return [*given, short] if short or not given else given

    def names(self) -> list[bytes]:
        """Return every name that the member has, first the one that counts."""
        return self._alternatives((b"GNU.sparse.name", b"path"), _LONG_NAME, _header_name(self.header))

    def targets(self) -> list[bytes]:
        """Return every target that a link has, first the one that counts."""
        return self._alternatives((b"linkpath",), _LONG_LINK, _text(self.header, 157, 257))

    def size(self) -> int:
        """Return how many bytes of content the archive holds, padding not counted."""
        given = self.pax(b"size")
        if not given:
            return _size(self.header, self.place)
        if not given[0].isdigit() or len(given[0]) > 19 or int(given[0]) > _LARGEST:
            raise RefusedError(f"{self.place} has a pax size that cannot be read, expected a decimal number")
        return int(given[0])

    def sparse(self) -> bool:
        """Return whether the content stands in pieces, with holes between them."""
        records = [record for extension in self.extensions.values() for record in extension.records]
        return self.type == _SPARSE or any(record.key.startswith(b"GNU.sparse.") for record in records)

    def written(self) -> bytes:
        return b"".join(extension.written() for extension in self.extensions.values()) + self.header + self.maps

    def resized(self, size: int) -> _Head:
        """Return it for a content of ``size`` bytes; a size that does not count stays as it is."""
        extensions = {kind: extension.resized(size) for kind, extension in self.extensions.items()}
        counts = _size(self.header, self.place) == self.size()
        return _Head(self.place, extensions, _with_size(self.header, size) if counts else self.header, self.maps)


def _read_head(source: Source, first: bytes, place: str) -> _Head:
    """Read on from the header block ``first`` to where the content of the member starts."""
    extensions: dict[int, _Extension] = {}
    header = first
    while (kind := header[156]) in _EXTENSIONS:
        if kind in extensions or (kind in _PAX and _PAX & extensions.keys()):
            raise RefusedError(f"{place} has two extended headers of one type, expected one")
        extensions[kind] = _read_extension(source, header, place)
        header = _read_header(source, place)
    return _Head(place, extensions, header, _read_maps(source, header, place) if kind == _SPARSE else b"")


def _read_maps(source: Source, header: bytes, place: str) -> bytes:
    """Read the blocks in which GNU goes on with the sparse map of a header."""
    maps = b""
    more = header[482]
    while more:
        block = source.exactly(_BLOCK)
        if len(block) < _BLOCK or len(maps) > 24 * _SEGMENT_LIMIT:
            raise RefusedError(
                f"{place} has a sparse map cut short or over {_SEGMENT_LIMIT} pieces, expected a whole one"
            )
        maps += block
        more = block[504]
    return maps


# --- what is refused ------------------------------------------------------------------------


def _check_metadata(work: Work, place: str, *pieces: bytes) -> None:
    check_text(work, f"{place} has a secret in its metadata", *pieces)


def _check(work: Work, head: _Head) -> None:
    """Raise ``RefusedError`` unless everything before the content may be passed on as it is."""
    place = head.place
    if any(len(head.pax(key)) > 1 for key in (*_DECIDING, b"GNU.sparse.name")):
        raise RefusedError(f"{place} has two pax records of one name, expected one")
    names = head.names()
    for name in names:
        check_name(work, place, name)
    _check_metadata(work, place, head.header, *[extension.data for extension in head.extensions.values()])
    if head.type in _LINKS:
        folder = b"" if head.type == ord("1") else b"/".join(names[0].rstrip(b"/").split(b"/")[:-1])
        if any(leads_out(target, folder) for target in head.targets()):
            raise RefusedError(f"{place} is a link that leads out of the archive, expected one inside")
    if head.size() and (head.type in _WITHOUT_CONTENT or (head.type in _REGULAR and names[0].endswith(b"/"))):
        raise RefusedError(f"{place} is a link, a directory or a device with a size, expected none")
    if head.type not in _REGULAR | _WITHOUT_CONTENT | {_SPARSE, _DIRECTORY_LIST}:
        raise RefusedError(f"{place} is of a type that readers take differently, expected a file, directory or link")


def _check_global(work: Work, extension: _Extension, place: str) -> None:
    """Raise ``RefusedError`` unless records for all members may be passed on as they are."""
    _check_metadata(work, place, extension.header, extension.data)
    if any(record.key in _DECIDING or record.key.startswith(b"GNU.sparse.") for record in extension.records):
        raise RefusedError(f"{place} names or measures all members at once, expected that of each member")


# --- sparse members -------------------------------------------------------------------------


def _sparse_sizes(head: _Head, content: Source) -> list[int]:
    """Return the sizes of the pieces of a sparse content; a map in the content itself is read.

    The four formats are those of the GNU tar manual, appendix "Storing Sparse Files".
    """
    if head.type == _SPARSE:
        blocks = [head.header[386:482]] + [head.maps[at : at + 504] for at in range(0, len(head.maps), _BLOCK)]
        entries = [block[at + 12 : at + 24] for block in blocks for at in range(0, len(block), 24)]
        sizes = [_number(entry) for entry in entries]
    elif head.pax(b"GNU.sparse.major") == [b"1"]:
        count = _decimal_line(content) or 0
        numbers = [_decimal_line(content) for _ in range(2 * min(count, _SEGMENT_LIMIT))]
        content.exactly(_padding(content.position))
        sizes = numbers[1::2]
    elif maps := head.pax(b"GNU.sparse.map"):
        sizes = [int(size) if size.isdigit() else None for size in maps[-1].split(b",")[1::2]]
    else:
        sizes = [int(size) if size.isdigit() else None for size in head.pax(b"GNU.sparse.numbytes")]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes) or len(known) > _SEGMENT_LIMIT or content.position + sum(known) != head.size():
        raise RefusedError(
            f"{head.place} has a sparse map that cannot be read, expected sizes that make up its content"
        )
    return known


def _decimal_line(source: Source) -> int | None:
    line = source.peek(20).partition(b"\n")[0]
    source.exactly(len(line) + 1)
    return int(line) if line.isdigit() else None


def _with_holes(content: Source, sizes: list[int]) -> Source:
    """Return a content as a source that has one NUL for each hole."""
    pieces = iter(sizes)
    left = next(pieces, 0)

    def read(most: int) -> bytes:
        nonlocal left
        if left:
            data = content.read(min(most, left))
            left -= len(data)
            return data
        size = next(pieces, None)
        left = size or 0
        return b"" if size is None else b"\0"

    return Source(read)


def _look(work: Work, head: _Head, name: str, source: Source) -> None:
    """Look through a content that can only be passed on as it is."""
    if not work.looking:
        raise RefusedError(
            f"{head.place} is sparse or a list and has a secret in it, or is too large for a source "
            "that cannot be read twice, expected nothing to replace"
        )
    content = part(source, head.size(), head.place)
    sizes = _sparse_sizes(head, content) if head.sparse() else [head.size()]
    scrub_member(work, name, _with_holes(content, sizes), NOWHERE)


# --- members --------------------------------------------------------------------------------


def _pass_member(number: int, work: Work, archive: str, source: Source, sink: Sink) -> None:
    """Pass on one member, or one header with records for all members."""
    place = f"{archive}: member {number}"
    first = _read_header(source, place)
    if first[156] == _GLOBAL:
        extension = _read_extension(source, first, place)
        _check_global(work, extension, place)
        sink.write(extension.written())
        return
    head = _read_head(source, first, place)
    _check(work, head)
    name = f"{archive}!{shown(head.names()[0])}"
    if head.sparse() or head.type == _DIRECTORY_LIST:
        _look(work, head, name, source)
    elif head.type in _REGULAR:
        _scrub_content(work, head, name, source, sink)
    else:
        sink.write(head.written())
    _read_padding(source, head.size(), place)


def _scrub_content(work: Work, head: _Head, name: str, source: Source, sink: Sink) -> None:
    content = part(source, head.size(), head.place)
    if work.looking:
        scrub_member(work, name, content, NOWHERE)
        return
    with spool() as waiting:
        scrub_member(work, name, content, waiting)
        size = waiting.tell()
        sink.write((head if size == head.size() else head.resized(size)).written())
        rejoin(waiting, sink)
        sink.write(bytes(_padding(size)))


def _scrub(work: Work, archive: str, source: Source, sink: Sink) -> None:
    number = 0
    while any(source.peek(_BLOCK)):
        number += 1
        pass_on(work, archive, source, sink, partial(_pass_member, number))
    if pass_zeros(archive, source, sink) < 2 * _BLOCK:
        raise RefusedError(f"{archive}: is truncated, expected two blocks of zeros after member {number}")


def _recognises(head: bytes, name: str) -> bool:
    """Return whether it is a tar archive: by its magic or checksum, or because it is called one."""
    if head[257:262] == b"ustar" or (head and name.endswith(".tar")):
        return True
    return len(head) >= _BLOCK and any(head[:_BLOCK]) and _sum_holds(head[:_BLOCK])


KINDS: Final = (Kind("tar", _recognises, _scrub),)
