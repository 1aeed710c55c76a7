"""LZ4 frames (frame format 1.6.4) with their block size, linking and checksums.

A frame that is written anew says nothing of the length of its content.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from redactor.archive.compression.members import (
    Coded,
    CodedEncoder,
    Encoder,
    Format,
    Input,
    Member,
    Place,
    needed,
)
from redactor.archive.compression.skippable import begin_skippable, first_other, is_skippable
from redactor.archive.content import Sink
from redactor.redactor import Redactor

__all__ = ["LZ4"]

_MODULE: Final = "lz4.frame"
_MAGIC: Final = b"\x04\x22\x4d\x18"
_LEGACY: Final = b"\x02\x21\x4c\x18"
_DESCRIPTOR: Final = 6
_INDEPENDENT, _BLOCK_CHECKED, _CHECKED, _DICTIONARY = 0x20, 0x10, 4, 1


def _recognises(head: bytes) -> bool:
    return first_other(head).startswith((_MAGIC, _LEGACY))


def _begin(place: Place, data: Input, redactor: Redactor) -> Member | None:
    head = data.peek(_DESCRIPTOR)
    if is_skippable(head):
        return begin_skippable(place, data, redactor)
    if head.startswith(_LEGACY):
        place.refuse("is of the legacy format, expected the frame format")
    if not head.startswith(_MAGIC):
        return None
    if len(head) < _DESCRIPTOR:
        place.cut()
    if head[4] & _DICTIONARY:
        place.refuse("needs a dictionary, expected none")
    frame = needed(place, _MODULE, "redactor-kit[lz4]")
    return Coded(place, _Form(head[4], head[5] >> 4 & 7), frame.LZ4FrameDecompressor(), RuntimeError)


@dataclass(frozen=True, slots=True)
class _Form:
    flags: int
    block: int

    @property
    def window(self) -> int:
        return 65536

    @property
    def size(self) -> int:
        return 0

    def encoder(self, sink: Sink) -> Encoder:
        frame: Any = import_module(_MODULE)
        coder = frame.LZ4FrameCompressor(
            block_size=self.block,
            block_linked=not self.flags & _INDEPENDENT,
            block_checksum=bool(self.flags & _BLOCK_CHECKED),
            content_checksum=bool(self.flags & _CHECKED),
        )
        sink.write(coder.begin())
        return CodedEncoder(sink, coder)


LZ4: Final = Format("lz4", "LZ4 frame", {".lz4": "", ".tlz4": ".tar"}, _recognises, _begin)
