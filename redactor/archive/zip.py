"""Zip archives (PKWARE APPNOTE 6.3), read from front to back.

Members are gone through in the order of the archive. Only content changes: a member in
which something was replaced gets new data, CRC and sizes, in its local header, data
descriptor and entry in the central directory, and the offsets of what follows move. Times,
attributes, extra fields, comments and the order stay. A member in which nothing was
replaced stays byte for byte; only one over 4 MiB that comes from a pipe may be compressed
anew. Several members may have the same name: each is scrubbed.

Every byte must have its place, told by its local header and once more by the central
directory, so that no reader sees another archive than the one that was scrubbed. Refused:

- data before, between or after the members and directories (self-extracting programs,
  appended signatures), members that overlap, headers that disagree with each other or
  with the data, truncated and multi-disk archives;
- encryption, and methods other than stored, deflated and bzip2;
- names and symbolic links that lead out of the archive, and secrets in names, comments or
  extra fields (see ``members``);
- more than ``MEMBER_LIMIT`` members, of each of which 53 bytes are remembered until its
  entry in the central directory was compared with it.

What a zip means to other programs makes no difference: .docx, .whl and .jar are scrubbed
like a bundle of logs, and hashes that they hold of their members (a wheel's RECORD) are not
brought up to date. Only a signed one (``META-INF/*.SF``, ``_xmlsignatures/``) in which
something would have to be replaced is refused: to its readers it would look like forged.
"""

from __future__ import annotations

import bz2
import re
import secrets
import struct
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from hashlib import blake2b
from itertools import accumulate, pairwise
from typing import Final, NamedTuple, Protocol

from redactor.archive.content import BLOCK, NOWHERE, Kind, RefusedError, Sink, Source, Work, pass_on
from redactor.archive.members import (
    NAME_LIMIT,
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

__all__ = ["KINDS", "MEMBER_LIMIT"]

MEMBER_LIMIT: Final = 1_000_000
"""How many members an archive may have."""

_LOCAL: Final = b"PK\x03\x04"
_CENTRAL: Final = b"PK\x01\x02"
_DESCRIPTOR: Final = b"PK\x07\x08"
_END_64: Final = b"PK\x06\x06"
_LOCATOR: Final = b"PK\x06\x07"
_END: Final = b"PK\x05\x06"
_SPANNED: Final = (_DESCRIPTOR + _LOCAL, b"PK00" + _LOCAL)
_SUFFIXES: Final = (".zip", ".jar", ".war", ".ear", ".apk", ".whl", ".docx", ".xlsx", ".pptx", ".epub")

_LOCAL_SIZE: Final = 30
_CENTRAL_SIZE: Final = 46
_DISK: Final = 34
_ATTRIBUTES: Final = 38
_OFFSET: Final = 42
"""Where numbers stand in an entry of the central directory."""

_END_64_FORM: Final = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_FORM: Final = struct.Struct("<4sIQI")
_END_FORM: Final = struct.Struct("<4s4H2IH")
_VERSION: Final = 63
_MAX_16: Final = 0xFFFF
_MAX_32: Final = 0xFFFFFFFF

_ZIP64: Final = 0x0001
"""The extra field with the numbers that do not fit into 32 bits."""

_UNICODE_PATH: Final = 0x7075
"""Info-ZIP's extra field with a second name: version (1 byte), CRC of the first (4), the name in UTF-8."""

_ENCRYPTED: Final = 0x2061
"""The flags of encrypted data, patch data, strong encryption and masked headers."""

_DESCRIBED: Final = 0x0008
"""The flag of members with a data descriptor."""

_UTF8: Final = 0x0800

_STORED: Final = 0
_DEFLATED: Final = 8
_BZIP2: Final = 12
_METHODS: Final = (_STORED, _DEFLATED, _BZIP2)

_PIECE: Final = 16384
"""How many compressed bytes are read at a time: few are read past the end of a member."""

_SIGNATURE: Final = re.compile(rb"META-INF/[^/]+\.SF|_xmlsignatures/.*", re.IGNORECASE | re.DOTALL)


class _Measure(NamedTuple):
    """What headers say of a member's data: CRC-32, bytes in the archive, bytes once unpacked."""

    crc: int
    packed: int
    size: int


_UNKNOWN: Final = _Measure(0, 0, 0)


# --- headers --------------------------------------------------------------------------------


def _extra_fields(raw: bytes, place: str) -> dict[int, tuple[int, int]]:
    """Return where the data of each extra field is, by its id; zeros at the end are padding."""
    fields: dict[int, tuple[int, int]] = {}
    start = 0
    stop = len(raw.rstrip(b"\0"))
    while start < stop:
        kind, size = struct.unpack_from("<2H", raw, start) if len(raw) - start >= 4 else (0, len(raw))
        end = start + 4 + size
        if end > len(raw) or kind in fields:
            raise RefusedError(f"{place} has broken extra fields, expected an id, a size and data, each id once")
        fields[kind] = (start + 4, end)
        start = end
    return fields


class _Header:
    """A local header, or an entry of the central directory, with the texts that follow it.

    Both have the same numbers in the same order; only where they start differs.
    """

    def __init__(self, source: Source, place: str, *, central: bool) -> None:
        self.place = place
        self._flags_at = 8 if central else 6
        self._crc_at = self._flags_at + 8
        fixed = _CENTRAL_SIZE if central else _LOCAL_SIZE
        raw = part(source, fixed, place).exactly(fixed)
        lengths = struct.unpack_from("<3H" if central else "<2H", raw, self._crc_at + 12)
        raw += part(source, sum(lengths), place).exactly(sum(lengths))
        texts = [raw[start:end] for start, end in pairwise(accumulate(lengths, initial=fixed))]
        if raw[self._flags_at - 2] > _VERSION:
            major, minor = divmod(raw[self._flags_at - 2], 10)
            raise RefusedError(f"{place} needs version {major}.{minor} of the format, expected at most 6.3")
        self.name, self.extra = texts[:2]
        self.comment = texts[2] if central else b""
        self.raw = bytearray(raw)
        self._fields = _extra_fields(self.extra, place)
        self._extra_at = fixed + len(self.name)
        self._wide: dict[int, int] = {}
        self._find_wide([self._crc_at + 8, self._crc_at + 4, *([_OFFSET] if central else [])])

    def _find_wide(self, numbers: list[int]) -> None:
        """Find those of the numbers at ``numbers`` that stand in the zip64 field (APPNOTE 4.5.3)."""
        start, end = self._fields.get(_ZIP64, (0, 0))
        for at in numbers:
            if self.number(at) == _MAX_32:
                self._wide[at] = self._extra_at + start
                start += 8
        if not 0 <= end - start < 8:
            raise RefusedError(f"{self.place} has a zip64 field with too few or many numbers, expected the large ones")

    @property
    def flags(self) -> int:
        return self.short(self._flags_at)

    @property
    def method(self) -> int:
        return self.short(self._flags_at + 2)

    @property
    def measure(self) -> _Measure:
        return _Measure(*[self.number(self._crc_at + at) for at in (0, 4, 8)])

    @measure.setter
    def measure(self, measure: _Measure) -> None:
        for at, number in enumerate(measure):
            self.put(self._crc_at + 4 * at, number)

    def second_name(self) -> bytes | None:
        """Return the name in Info-ZIP's extra field for names in UTF-8, if there is one."""
        if _UNICODE_PATH not in self._fields:
            return None
        start, end = self._fields[_UNICODE_PATH]
        return self.extra[start + 5 : end]

    def short(self, at: int) -> int:
        """Return the number of 16 bits at ``at``."""
        return int.from_bytes(self.raw[at : at + 2], "little")

    def _slot(self, at: int) -> slice:
        return slice(self._wide[at], self._wide[at] + 8) if at in self._wide else slice(at, at + 4)

    def number(self, at: int) -> int:
        """Return the number at ``at``, from the zip64 field if it is there."""
        return int.from_bytes(self.raw[self._slot(at)], "little")

    def put(self, at: int, number: int) -> None:
        """Replace the number at ``at``, where it stands."""
        slot = self._slot(at)
        wide = slot.stop - slot.start == 8
        if not wide and number >= _MAX_32 and at != self._crc_at:
            raise RefusedError(f"{self.place} grows or moves over 4 GiB, expected zip64 fields for that")
        self.raw[slot] = number.to_bytes(8 if wide else 4, "little")


# --- data descriptors -----------------------------------------------------------------------


class _Layout(NamedTuple):
    """One of the ways in which a data descriptor is written (APPNOTE 4.3.9)."""

    signature: bytes
    form: struct.Struct

    def written(self, measure: _Measure) -> bytes | None:
        """Return the descriptor, or None if a number does not fit."""
        try:
            return self.signature + self.form.pack(*measure)
        except struct.error:
            return None


# A descriptor with 64 bits may start like one with 32; what follows then is no header. So longer ones go first.
_LAYOUTS: Final = tuple(
    _Layout(signature, struct.Struct(form)) for signature in (_DESCRIPTOR, b"") for form in ("<IQQ", "<3I")
)
_LONGEST: Final = 24


def _layout(data: bytes, measure: _Measure, layouts: tuple[_Layout, ...] = _LAYOUTS) -> _Layout | None:
    """Return the layout in which ``data`` starts with the descriptor of ``measure``."""
    for layout in layouts:
        written = layout.written(measure)
        if written and data.startswith(written):
            return layout
    return None


# --- the data of a member -------------------------------------------------------------------


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Inflater:
    """zlib's decompressor with the interface of those for bzip2 and xz."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflater.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflater.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflater.decompress(self._inflater.unconsumed_tail + data, max_length)


def _unpacked(work: Work, place: str, decoder: _Decoder, packed: Source, *, whole: bool) -> Iterator[bytes]:
    """Yield what comes out of ``packed``; with ``whole``, its end must be that of the compressed data."""
    meter = work.meter(place)
    while not decoder.eof:
        hungry = decoder.needs_input
        chunk = packed.read(_PIECE) if hungry else b""
        try:
            data = decoder.decompress(chunk, BLOCK)
        except (zlib.error, OSError, ValueError):
            raise RefusedError(f"{place} has broken data, expected what its method makes") from None
        if hungry and not chunk and not data:
            raise RefusedError(f"{place} is truncated, expected more compressed data")
        meter.weigh(len(chunk), len(data))
        yield data
    packed.push_back(decoder.unused_data)
    if whole and packed.peek(1):
        raise RefusedError(f"{place} has something behind its compressed data, expected its size to end there")


def _up_to_descriptor(place: str, source: Source) -> Iterator[bytes]:
    """Yield stored data whose size nobody told, up to a descriptor that holds for it.

    Such a descriptor inside the data would be taken for the end; the central directory
    then says otherwise.
    """
    crc = size = 0
    while True:
        window = source.peek(BLOCK)
        passed = 0
        found = window.find(_DESCRIPTOR)
        while found >= 0:
            crc = zlib.crc32(window[passed:found], crc)
            size += found - passed
            passed = found
            if len(window) == BLOCK and BLOCK - found < _LONGEST:
                break
            if _layout(window[found : found + _LONGEST], _Measure(crc, size, size), _LAYOUTS[:2]):
                yield source.exactly(passed)
                return
            found = window.find(_DESCRIPTOR, found + 1)
        else:
            if len(window) < BLOCK:
                raise RefusedError(f"{place} does not say how long it is, expected a data descriptor with its size")
            whole = len(window) - len(_DESCRIPTOR) + 1
            crc = zlib.crc32(window[passed:whole], crc)
            size += whole - passed
            passed = whole
        yield source.exactly(passed)


class _Content:
    """The content of a member as a source, weighed as it is read."""

    def __init__(self, work: Work, header: _Header, source: Source) -> None:
        self._origin = source
        self._start = source.position
        self._pieces = self._data(work, header)
        self._crc = 0
        self._size = 0
        self.beginning = b""
        """The content as far as it may be the target of a link."""
        self.source = Source(self._read)

    def _data(self, work: Work, header: _Header) -> Iterator[bytes]:
        known = not header.flags & _DESCRIBED or header.measure.packed > 0
        packed = part(self._origin, header.measure.packed, header.place) if known else self._origin
        if header.method == _STORED:
            return iter(packed.read, b"") if known else _up_to_descriptor(header.place, packed)
        decoder = _Inflater() if header.method == _DEFLATED else bz2.BZ2Decompressor()
        return _unpacked(work, header.place, decoder, packed, whole=known)

    def _read(self, most: int) -> bytes:  # noqa: ARG002 (pieces are small)
        data = next((piece for piece in self._pieces if piece), b"")
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        if len(self.beginning) <= NAME_LIMIT:
            self.beginning += data[: NAME_LIMIT + 1]
        return data

    def measure(self) -> _Measure:
        """Return what was read, once that is all of it."""
        return _Measure(self._crc, self._origin.position - self._start, self._size)


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Storer:
    """Compresses nothing."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def _compressor(method: int) -> _Compressor:
    if method == _DEFLATED:
        return zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return bz2.BZ2Compressor() if method == _BZIP2 else _Storer()


class _Packer:
    """Packs what is written to it into a sink."""

    def __init__(self, method: int, sink: Sink) -> None:
        self._compressor = _compressor(method)
        self._sink = sink
        self._crc = self._packed = self._size = 0

    def write(self, data: bytes, /) -> None:
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._give(self._compressor.compress(data))

    def _give(self, data: bytes) -> None:
        self._packed += len(data)
        self._sink.write(data)

    def finish(self) -> _Measure:
        self._give(self._compressor.flush())
        return _Measure(self._crc, self._packed, self._size)


# --- members --------------------------------------------------------------------------------


def _check_texts(work: Work, header: _Header) -> None:
    check_text(work, f"{header.place} has a secret in its extra fields or comment", header.extra, header.comment)


def _check(work: Work, header: _Header) -> None:
    """Raise ``RefusedError`` unless a local header can be passed on and its data unpacked."""
    if header.flags & _ENCRYPTED:
        raise RefusedError(f"{header.place} is encrypted, expected data that can be read")
    if header.method not in _METHODS:
        raise RefusedError(
            f"{header.place} is compressed with method {header.method}, expected stored (0), deflated (8) or bzip2 (12)"
        )
    check_name(work, header.place, header.name)
    second = header.second_name()
    if second is not None:
        check_name(work, header.place, second)
    _check_texts(work, header)


class _Member:
    """One member on its way: what its local header says, and its data before and after."""

    def __init__(self, number: int, archive: str) -> None:
        self._place = f"{archive}: member {number}"
        self.header: _Header
        self.before = _UNKNOWN
        self.after = _UNKNOWN
        self.link = False
        """Whether it could be a symbolic link that stays inside the archive."""

    def transform(self, work: Work, archive: str, source: Source, sink: Sink) -> None:
        """Read the member to its end and write it scrubbed."""
        self.header = _Header(source, self._place, central=False)
        _check(work, self.header)
        content = _Content(work, self.header, source)
        name = f"{archive}!{shown(self.header.name)}"
        if work.looking:
            scrub_member(work, name, content.source, NOWHERE)
            self._read_end(content, source)
            self.after = self.before
        elif self.header.flags & _DESCRIBED and self.header.measure == _UNKNOWN:
            self._write_at_once(work, name, content, source, sink)
        else:
            self._write_spooled(work, name, content, source, sink)
        folder, _, _ = self.header.name.rpartition(b"/")
        kept = self.before.crc == self.after.crc and self.before.size == self.after.size
        self.link = kept and self.before.size <= NAME_LIMIT and not leads_out(content.beginning, folder)

    def _write_at_once(self, work: Work, name: str, content: _Content, source: Source, sink: Sink) -> None:
        """Write a member whose size stands behind its data."""
        sink.write(bytes(self.header.raw))
        packer = _Packer(self.header.method, sink)
        scrub_member(work, name, content.source, packer)
        self.after = packer.finish()
        self._write_descriptor(self._read_end(content, source), sink)

    def _write_spooled(self, work: Work, name: str, content: _Content, source: Source, sink: Sink) -> None:
        """Write a member whose size stands before its data."""
        with spool() as waiting:
            packer = _Packer(self.header.method, waiting)
            scrub_member(work, name, content.source, packer)
            self.after = packer.finish()
            layout = self._read_end(content, source)
            self.header.measure = self.after
            sink.write(bytes(self.header.raw))
            rejoin(waiting, sink)
        self._write_descriptor(layout, sink)

    def _read_end(self, content: _Content, source: Source) -> _Layout | None:
        """Hold the data that was read against what header and descriptor say; return how the latter is written."""
        self.before = content.measure()
        described = bool(self.header.flags & _DESCRIBED)
        told = self.header.measure
        if any(said != found and not (described and said == 0) for said, found in zip(told, self.before, strict=True)):
            raise RefusedError(f"{self._place} has a CRC or size that does not hold, expected those of its data")
        if not described:
            return None
        layout = _layout(source.peek(_LONGEST), self.before)
        written = layout.written(self.before) if layout else None
        if written is None:
            raise RefusedError(f"{self._place} has no data descriptor that holds, expected its CRC and sizes")
        source.exactly(len(written))
        return layout

    def _write_descriptor(self, layout: _Layout | None, sink: Sink) -> None:
        if layout is None:
            return
        written = layout.written(self.after)
        if written is None:
            raise RefusedError(f"{self._place} grows over 4 GiB, expected a data descriptor with 64 bits for that")
        sink.write(written)


# --- the central directory ------------------------------------------------------------------


class _Entry(NamedTuple):
    """What is remembered of a member."""

    said: bytes
    """A digest of what its entry in the central directory has to say as well."""
    crc: int
    packed: int
    size: int
    offset: int
    """Where it is now."""
    link: int
    """1 if it may be a symbolic link, 2 once its entry was seen."""


class _Entries:
    """All members of an archive by where they were, 53 bytes for each."""

    _FORM = struct.Struct("<16sIQQQB")
    _SEEN = 2

    def __init__(self) -> None:
        self._key = secrets.token_bytes(16)
        self._offsets = array("Q")
        self._packed = bytearray()

    def __len__(self) -> int:
        return len(self._offsets)

    def _digest(self, header: _Header, measure: _Measure) -> bytes:
        said = struct.pack("<2HIQQ", header.method, header.flags & (_ENCRYPTED | _UTF8), *measure)
        return blake2b(said + header.name, digest_size=16, key=self._key).digest()

    def add(self, old_offset: int, new_offset: int, member: _Member) -> None:
        """Remember ``member``, which was at ``old_offset``; offsets ascend."""
        self._offsets.append(old_offset)
        said = self._digest(member.header, member.before)
        self._packed += self._FORM.pack(said, *member.after, new_offset, member.link)

    def take(self, header: _Header) -> _Entry:
        """Return the member of an entry of the central directory, which must say the same, and once."""
        offset = header.number(_OFFSET)
        number = bisect_left(self._offsets, offset)
        if number < len(self) and self._offsets[number] == offset:
            start = number * self._FORM.size
            entry = _Entry(*self._FORM.unpack_from(self._packed, start))
            if entry.link != self._SEEN and entry.said == self._digest(header, header.measure):
                self._packed[start + self._FORM.size - 1] = self._SEEN
                return entry
        raise RefusedError(
            f"{header.place} is not that of a member, expected its offset, name, method, CRC and sizes, once"
        )


class _Counted:
    """A sink that knows how many bytes it took."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.position = 0

    def write(self, data: bytes, /) -> None:
        self._sink.write(data)
        self.position += len(data)


class _Span(NamedTuple):
    """Where something was and where it is now."""

    old: int
    new: int


class _Archive:
    """One archive on its way from a source to a sink."""

    def __init__(self, work: Work, name: str, source: Source, sink: Sink) -> None:
        self._work = work
        self._name = name
        self._source = source
        self._sink = _Counted(sink)
        self._entries = _Entries()
        self._signed = False
        self._changed = False

    def pass_on(self) -> None:
        """Pass on all of it."""
        while self._source.peek(4) == _LOCAL:
            self._pass_member()
        directory = self._here()
        seen = 0
        while self._source.peek(4) == _CENTRAL:
            seen += 1
            self._pass_entry(seen)
        if seen != len(self._entries):
            raise RefusedError(
                f"{self._name}: is truncated or has {len(self._entries)} members and {seen} entries in its central "
                "directory, expected as many"
            )
        self._pass_end(directory, self._here().old - directory.old)
        pass_zeros(self._name, self._source, self._sink)

    def _here(self) -> _Span:
        return _Span(self._source.position, self._sink.position)

    def _pass_member(self) -> None:
        if len(self._entries) == MEMBER_LIMIT:
            raise RefusedError(f"{self._name}: has more than {MEMBER_LIMIT} members, expected fewer")
        here = self._here()
        member = _Member(len(self._entries) + 1, self._name)
        self._changed |= pass_on(self._work, self._name, self._source, self._sink, member.transform)
        self._signed |= _SIGNATURE.fullmatch(member.header.name) is not None
        if self._signed and self._changed:
            raise RefusedError(f"{self._name}: is signed and has a secret in it, expected nothing to replace")
        self._entries.add(here.old, here.new, member)

    def _pass_entry(self, number: int) -> None:
        header = _Header(self._source, f"{self._name}: entry {number} of the central directory", central=True)
        _check_texts(self._work, header)
        entry = self._entries.take(header)
        if header.short(_DISK) != 0:
            raise RefusedError(f"{header.place} is on another disk, expected one")
        if header.short(_ATTRIBUTES + 2) & 0o170000 == 0o120000 and not entry.link:
            raise RefusedError(
                f"{header.place} is a symbolic link that leads out of the archive or has a secret, expected one inside"
            )
        header.measure = _Measure(entry.crc, entry.packed, entry.size)
        header.put(_OFFSET, entry.offset)
        self._sink.write(bytes(header.raw))

    def _pass_end(self, directory: _Span, size: int) -> None:
        """Pass on the records that say where the central directory is."""
        count = len(self._entries)
        wide = self._source.peek(4) == _END_64
        if wide:
            self._pass_end_64(directory, size)
        raw = part(self._source, _END_FORM.size, f"{self._name}: its end").exactly(_END_FORM.size)
        signature, *numbers, comment_size = _END_FORM.unpack(raw)
        expected = (0, 0, count, count, size, directory.old)
        limits = (_MAX_16, _MAX_16, _MAX_16, _MAX_16, _MAX_32, _MAX_32)
        holds = [
            number == actual or (wide and number == limit)
            for number, actual, limit in zip(numbers, expected, limits, strict=True)
        ]
        if signature != _END or not all(holds):
            raise self._broken_end()
        comment = part(self._source, comment_size, f"{self._name}: its comment").exactly(comment_size)
        check_text(self._work, f"{self._name}: has a secret in its comment", comment)
        if _END in comment:
            raise self._broken_end()
        if numbers[5] == directory.old != _MAX_32:
            if directory.new >= _MAX_32:
                raise RefusedError(f"{self._name}: grows over 4 GiB, expected zip64 records for that")
            numbers[5] = directory.new
        self._sink.write(_END_FORM.pack(signature, *numbers, comment_size) + comment)

    def _pass_end_64(self, directory: _Span, size: int) -> None:
        here = self._here()
        count = len(self._entries)
        form = _END_64_FORM
        raw = part(self._source, form.size, f"{self._name}: its end").exactly(form.size)
        signature, length, made_by, needed, *numbers = form.unpack(raw)
        if length != form.size - 12 or numbers != [0, 0, count, count, size, directory.old]:
            raise self._broken_end()
        self._sink.write(form.pack(signature, length, made_by, needed, *numbers[:-1], directory.new))
        form = _LOCATOR_FORM
        raw = part(self._source, form.size, f"{self._name}: its end").exactly(form.size)
        signature, disk, offset, disks = form.unpack(raw)
        if signature != _LOCATOR or disk != 0 or offset != here.old or disks > 1:
            raise self._broken_end()
        self._sink.write(form.pack(signature, disk, here.new, disks))

    def _broken_end(self) -> RefusedError:
        return RefusedError(
            f"{self._name}: has a gap or an end that does not hold, expected the place, size and entries of one "
            "central directory right before it, and no more disks"
        )


def _scrub(work: Work, name: str, source: Source, sink: Sink) -> None:
    if source.peek(4) not in (_LOCAL, _END, _END_64):
        raise RefusedError(f"{name}: does not start with a member, expected nothing before the first one of a zip")
    _Archive(work, name, source, sink).pass_on()


def _recognises(head: bytes, name: str) -> bool:
    """Return whether it is a zip archive: by its first bytes, or because it is called one.

    Those that start with a script (Python's zipapps) or a marker of several disks count too.
    """
    if head.startswith((_LOCAL, _END, _END_64, *_SPANNED)):
        return True
    script = head.startswith(b"#!") and b"\n" + _LOCAL in head
    return bool(head) and (script or name.lower().endswith(_SUFFIXES))


KINDS: Final = (Kind("zip", _recognises, _scrub),)
