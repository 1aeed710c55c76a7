"""zstd (RFC 8878): frames with their checksum and content size, skippable frames, those of pzstd.

The level of a frame is not written anywhere: a frame that is written anew has level 3.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from redactor.archive.compression.members import (
    LARGEST_WINDOW,
    Coded,
    Coder,
    Encoder,
    Format,
    Input,
    Member,
    Place,
    check_window,
    needed,
)
from redactor.archive.compression.skippable import begin_skippable, first_other, is_skippable
from redactor.archive.content import REMEMBERED, Sink
from redactor.redactor import Redactor

__all__ = ["ZSTD"]

_MODULE: Final = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_OLD: Final = (0x1E, 0x27)
"""The first bytes of the magic numbers of zstd 0.1 to 0.7."""

_LONGEST_HEADER: Final = 18
_LEVEL: Final = 3
_HINT: Final = b"\x50\x2a\x4d\x18\x04\0\0\0"
"""How a skippable frame of pzstd begins: the size of the next frame follows, in four bytes."""

_HINT_SIZE: Final = 12


def _recognises(head: bytes) -> bool:
    first = first_other(head)
    return is_skippable(head) or _is_old(first) or first.startswith(_MAGIC)


def _is_old(head: bytes) -> bool:
    return head[1:4] == _MAGIC[1:] and _OLD[0] <= head[0] <= _OLD[1]


def _begin(place: Place, data: Input, redactor: Redactor) -> Member | None:
    head = data.peek(_HINT_SIZE + len(_MAGIC))
    hinted = head.startswith(_HINT) and head.endswith(_MAGIC)
    if hinted:
        data.skip(_HINT_SIZE)
        head = _MAGIC
    if is_skippable(head):
        return begin_skippable(place, data, redactor)
    if _is_old(head):
        place.refuse("is of a format before zstd 0.8, expected a newer one")
    if not head.startswith(_MAGIC):
        return None
    form = _form(place, data.peek(_LONGEST_HEADER), hinted=hinted)
    zstd = needed(place, _MODULE, "backports.zstd")
    limit = {zstd.DecompressionParameter.window_log_max: LARGEST_WINDOW.bit_length() - 1}
    return Coded(place, form, zstd.ZstdDecompressor(options=limit), zstd.ZstdError)


def _form(place: Place, head: bytes, *, hinted: bool) -> _Form:
    """Read a frame header (section 3.1.1.1)."""
    if len(head) < 6:
        place.cut()
    flags = head[4]
    single = bool(flags & 0x20)
    identity_size = (0, 1, 2, 4)[flags & 3]
    length_size = (int(single), 2, 4, 8)[flags >> 6]
    at = 5 if single else 6
    identity = head[at : at + identity_size]
    length = head[at + identity_size : at + identity_size + length_size]
    if len(identity) + len(length) < identity_size + length_size:
        place.cut()
    if any(identity):
        place.refuse(f"needs the dictionary {int.from_bytes(identity, 'little')}, expected none")
    size = int.from_bytes(length, "little") + (256 if length_size == 2 else 0)
    base = 1 << (10 + (head[5] >> 3))
    window = size if single else base + base // 8 * (head[5] & 7)
    check_window(place, window)
    return _Form(window, checked=bool(flags & 4), sized=bool(length_size), hinted=hinted)


@dataclass(frozen=True, slots=True)
class _Form:
    window: int
    checked: bool
    sized: bool
    hinted: bool

    @property
    def size(self) -> int:
        return 0

    def encoder(self, sink: Sink) -> Encoder:
        zstd: Any = import_module(_MODULE)
        parameter = zstd.CompressionParameter
        coder = zstd.ZstdCompressor(
            options={parameter.compression_level: _LEVEL, parameter.checksum_flag: self.checked}
        )
        return _FrameEncoder(sink, coder, sized=self.sized, hinted=self.hinted)


class _FrameEncoder:
    """Writes a frame. Its sizes come first, so up to ``REMEMBERED`` bytes of it are held back.

    A frame that is longer says neither how long its content is nor, for pzstd, how long it is.
    """

    def __init__(self, sink: Sink, coder: Coder, *, sized: bool, hinted: bool) -> None:
        self._sink = sink
        self._coder = coder
        self._sized = sized
        self._hinted = hinted
        self._held: bytearray | None = bytearray() if sized or hinted else None
        self._length = 0

    def write(self, data: bytes | memoryview, /) -> None:
        self._length += len(data)
        self._put(self._coder.compress(data))

    def finish(self) -> None:
        self._put(self._coder.flush())
        if self._held is None:
            return
        frame = _with_length(bytes(self._held), self._length) if self._sized else bytes(self._held)
        if self._hinted:
            self._sink.write(_HINT + len(frame).to_bytes(4, "little"))
        self._sink.write(frame)

    def _put(self, coded: bytes) -> None:
        if self._held is None:
            self._sink.write(coded)
            return
        self._held += coded
        if len(self._held) > REMEMBERED:
            self._sink.write(bytes(self._held))
            self._held = None


def _with_length(frame: bytes, length: int) -> bytes:
    """Return ``frame`` with the length of its content in its header, if it is not there yet."""
    flags = frame[4]
    if flags & 0xE0:
        return frame
    size, flag = (4, 0x80) if length < 1 << 32 else (8, 0xC0)
    return frame[:4] + bytes((flags | flag, frame[5])) + length.to_bytes(size, "little") + frame[6:]


ZSTD: Final = Format(
    "zstd", "zstd frame", {".zst": "", ".zstd": "", ".tzst": ".tar", ".tzstd": ".tar"}, _recognises, _begin
)
