"""Skippable frames, which zstd (RFC 8878, section 3.1.2) and LZ4 (frame format, 1.6.4) share."""

from __future__ import annotations

from typing import Final

from redactor.archive.compression.members import Input, Place, Skipped
from redactor.redactor import Redactor

__all__ = ["HEADER", "begin_skippable", "first_other", "is_skippable"]

HEADER: Final = 8
"""How many bytes stand before what is skipped: four of magic, four of its length."""

_MAGIC_END: Final = b"\x2a\x4d\x18"
_SEEK_TABLE: Final = b"\x5e" + _MAGIC_END


def is_skippable(head: bytes) -> bool:
    """Whether ``head`` starts with a skippable frame."""
    return head[1:4] == _MAGIC_END and head[0] & 0xF0 == 0x50


def first_other(head: bytes) -> bytes:
    """Return ``head`` without the skippable frames it starts with; b"" if that is all of it."""
    while is_skippable(head):
        head = head[HEADER + int.from_bytes(head[4:HEADER], "little") :]
    return head


def begin_skippable(place: Place, data: Input, redactor: Redactor) -> Skipped:
    """Begin a skippable frame.

    The table of the seekable format (zstd's contrib/seekable_format) holds the sizes of all
    frames: it is stale when one of them changes.
    """
    head = data.peek(HEADER)
    if len(head) < HEADER:
        place.cut()
    data.skip(HEADER)
    return Skipped(place, int.from_bytes(head[4:], "little"), redactor, stale=head.startswith(_SEEK_TABLE))
