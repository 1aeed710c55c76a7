"""bzip2: streams end to end, each with its own block size."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar, Final

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
from redactor.archive.content import Sink
from redactor.redactor import Redactor

__all__ = ["BZIP2"]

_MAGIC: Final = b"BZh"
_FIRST_BLOCK: Final = bytes.fromhex("314159265359")
_NO_BLOCK: Final = bytes.fromhex("177245385090")
_LEVELS: Final = b"123456789"


def _recognises(head: bytes) -> bool:
    return head.startswith(_MAGIC) and head[3:4] in _LEVELS and head[4:10] in (_FIRST_BLOCK, _NO_BLOCK)


def _begin(place: Place, data: Input, redactor: Redactor) -> Member | None:  # noqa: ARG001
    head = data.peek(4)
    if not head.startswith(_MAGIC):
        return None
    if len(head) < 4:
        place.cut()
    bz2 = needed(place, "bz2", "Python's module bz2")
    return Coded(place, _Form(head[3] - ord("0")), bz2.BZ2Decompressor(), OSError)


@dataclass(frozen=True, slots=True)
class _Form:
    level: int
    size: ClassVar[int] = 0

    @property
    def window(self) -> int:
        return 100_000 * self.level

    def encoder(self, sink: Sink) -> Encoder:
        return CodedEncoder(sink, import_module("bz2").BZ2Compressor(self.level))


BZIP2: Final = Format(
    "bzip2", "bzip2 stream", {".bz2": "", ".bz": "", ".tbz2": ".tar", ".tbz": ".tar"}, _recognises, _begin
)
