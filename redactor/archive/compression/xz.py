"""xz streams with their padding and kind of check, and the older .lzma (alone) format.

The .xz file format, version 1.2.1, and the LZMA file format of the LZMA SDK. A stream that
is written anew has one block and a preset of little memory; other filters are not kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Final

from redactor.archive.compression.members import (
    HEAVY,
    LARGEST_WINDOW,
    Coded,
    CodedEncoder,
    Encoder,
    Format,
    Input,
    Member,
    Padding,
    Place,
    check_window,
    needed,
)
from redactor.archive.content import Sink
from redactor.redactor import Redactor

__all__ = ["LZMA_ALONE", "XZ"]

_MAGIC: Final = b"\xfd7zXZ\0"
_STREAM_HEADER: Final = 12
_LONGEST_BLOCK_HEADER: Final = 1024
_LZMA2: Final = 0x21
_CHECKS: Final = (0, 1, 4, 10)
"""None, CRC-32, CRC-64 and SHA-256."""

_MEMORY: Final = LARGEST_WINDOW + 1024 * 1024
"""How many bytes a decoder may take: its window and some for itself."""

_ALONE_HEADER: Final = 13
_ALONE_START: Final = b"\x5d\0"
_SMALLEST_ALONE: Final = 4096
_UNKNOWN: Final = b"\xff" * 8
_LARGEST_ALONE: Final = 1 << 38


# --- xz -----------------------------------------------------------------------------------


def _recognises_xz(head: bytes) -> bool:
    return head.startswith(_MAGIC)


def _begin_xz(place: Place, data: Input, redactor: Redactor) -> Member | None:  # noqa: ARG001
    head = data.peek(_STREAM_HEADER)
    if place.start and head[:1] == b"\0":
        return Padding(place, unit=4)
    if not head.startswith(_MAGIC):
        return None
    if len(head) < _STREAM_HEADER:
        place.cut()
    check = head[7] & 15
    if check not in _CHECKS:
        place.refuse(f"has an integrity check of kind {check}, expected one of 0, 1, 4 and 10")
    window = _window(data.peek(_STREAM_HEADER + _LONGEST_BLOCK_HEADER)[_STREAM_HEADER:])
    check_window(place, window)
    lzma = needed(place, "lzma", "Python's module lzma")
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
    return Coded(place, _Form("FORMAT_XZ", window, check), decoder, lzma.LZMAError)


def _window(block: bytes) -> int:
    """Return the dictionary size of the first block (sections 3.1 and 5.3.1); 0 if it cannot be told."""
    try:
        flags, at = block[1], 2
        for _ in range((flags >> 6 & 1) + (flags >> 7)):
            _, at = _integer(block, at)
        for _ in range((flags & 3) + 1):
            identity, at = _integer(block, at)
            size, at = _integer(block, at)
            if identity == _LZMA2:
                bits = block[at] & 63
                return (2 | (bits & 1)) << (bits // 2 + 11) if bits < 40 else (1 << 32) - 1
            at += size
    except IndexError:
        pass
    return 0


def _integer(data: bytes, at: int) -> tuple[int, int]:
    """Read an integer of several bytes (section 1.2); return it and where it ends."""
    value = 0
    for shift in range(0, 63, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            break
    return value, at


# --- .lzma --------------------------------------------------------------------------------


def _recognises_alone(head: bytes) -> bool:
    """Whether these are the usual properties, a dictionary size that writers use, and a likely length."""
    if not head.startswith(_ALONE_START) or len(head) < _ALONE_HEADER:
        return False
    dictionary = int.from_bytes(head[1:5], "little")
    length = head[5:_ALONE_HEADER]
    plausible = length == _UNKNOWN or int.from_bytes(length, "little") < _LARGEST_ALONE
    # 2^n or 2^n + 2^(n-1), as xz itself asks for.
    return plausible and dictionary >= _SMALLEST_ALONE and dictionary & (dictionary - 1) in (0, dictionary * 2 // 3)


def _begin_alone(place: Place, data: Input, redactor: Redactor) -> Member | None:  # noqa: ARG001
    head = data.peek(_ALONE_HEADER)
    if place.start or not head:
        return None
    window = int.from_bytes(head[1:5], "little")
    check_window(place, window)
    lzma = needed(place, "lzma", "Python's module lzma")
    decoder = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_MEMORY)
    return Coded(place, _Form("FORMAT_ALONE", window), decoder, lzma.LZMAError)


# --- both ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Form:
    container: str
    window: int
    check: int = -1

    @property
    def size(self) -> int:
        return 0

    def encoder(self, sink: Sink) -> Encoder:
        lzma = import_module("lzma")
        # Presets 0 and 2 take 3 and 17 MiB; beside a large window there is room for the first only.
        preset = 0 if self.window > HEAVY else 2
        return CodedEncoder(sink, lzma.LZMACompressor(getattr(lzma, self.container), self.check, preset))


XZ: Final = Format("xz", "xz stream", {".xz": "", ".txz": ".tar"}, _recognises_xz, _begin_xz)
LZMA_ALONE: Final = Format("lzma", "LZMA stream", {".lzma": "", ".tlz": ".tar"}, _recognises_alone, _begin_alone)
