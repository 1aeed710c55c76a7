r"""What the members of tar and zip archives have in common: names, content, a place to wait.

Nothing is ever unpacked to disk, so a hostile name does no harm here. It does to whoever
unpacks what was written, and no log bundle needs one: names and links that lead out of
the archive are refused. That is judged by the names alone (``.`` and ``..`` are counted,
``\`` and a drive's letter are taken as Windows would); no link is followed.

A secret in a name is refused as well: a name cannot be changed without making links,
directories and other members that hold it wrong.
"""

from __future__ import annotations

import re
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from redactor.archive.content import BLOCK, RefusedError, Sink, Source, Work

__all__ = [
    "NAME_LIMIT",
    "check_name",
    "check_text",
    "leads_out",
    "part",
    "pass_zeros",
    "rejoin",
    "scrub_member",
    "spool",
]

NAME_LIMIT: Final = 4096
"""How many bytes the name of a member or the target of a link may have."""

_SPOOL_MEMORY: Final = 4 * 1024 * 1024
_DRIVE: Final = re.compile(rb"[A-Za-z]:")
_SEPARATORS: Final = re.compile(rb"[/\\]")


def leads_out(path: bytes, folder: bytes = b"") -> bool:
    """Return whether ``path``, seen from the folder ``folder`` of an archive, leads out of it."""
    if path.startswith((b"/", b"\\")) or _DRIVE.match(path):
        return True
    depth = 0
    for step in _SEPARATORS.split(folder) + _SEPARATORS.split(path):
        if step == b"..":
            depth -= 1
        elif step not in (b"", b"."):
            depth += 1
        if depth < 0:
            return True
    return False


def check_name(work: Work, place: str, name: bytes) -> None:
    """Raise ``RefusedError`` unless ``name`` is a name to pass on; ``place`` says whose it is.

    ``..`` is refused even where it leads nowhere: what it leads to depends on links.
    """
    if not name or len(name) > NAME_LIMIT or b"\0" in name:
        raise RefusedError(f"{place} has no usable name, expected 1 to {NAME_LIMIT} bytes without NUL")
    check_text(work, f"{place} has a secret in its name", name)
    if leads_out(name) or b".." in _SEPARATORS.split(name):
        raise RefusedError(f"{place} has an absolute name or .. in it, expected one inside the archive")


def check_text(work: Work, problem: str, *texts: bytes) -> None:
    """Raise ``RefusedError`` with ``problem`` if there is a secret in what is passed on as it is."""
    if any(text and work.redactor.matches(text) for text in texts):
        raise RefusedError(f"{problem}, expected secrets in contents only")


def part(source: Source, size: int, place: str) -> Source:
    """Return the next ``size`` bytes of ``source`` as a source; its end raises ``RefusedError`` if it is early."""
    left = size

    def read(most: int) -> bytes:
        nonlocal left
        if not left:
            return b""
        data = source.read(min(most, left))
        if not data:
            raise RefusedError(f"{place} is truncated, expected {left} more bytes")
        left -= len(data)
        return data

    return Source(read)


def scrub_member(work: Work, name: str, content: Source, sink: Sink) -> None:
    """Scrub the content of a member; what does not belong to it is refused."""
    work.scrub(name, content, sink)
    if content.peek(1):
        raise RefusedError(f"{name}: goes on after its end, expected nothing there")


def spool() -> SpooledTemporaryFile[bytes]:
    """Return a file for scrubbed bytes that have to wait, because their size goes before them.

    Up to 4 MiB are kept in memory; then it is a file without a name that only its owner can
    open, in the directory that ``TMPDIR`` names. Bytes not scrubbed never go into it.
    """
    return SpooledTemporaryFile(max_size=_SPOOL_MEMORY)


def pass_zeros(name: str, source: Source, sink: Sink) -> int:
    """Pass on the zeros that fill up an archive's last block; return how many. Anything else is refused."""
    zeros = 0
    while block := source.read():
        if any(block):
            raise RefusedError(f"{name}: has data after its end, expected nothing or zeros")
        zeros += len(block)
        sink.write(block)
    return zeros


def rejoin(waiting: IO[bytes], sink: Sink) -> None:
    """Write all that waits to ``sink``."""
    waiting.seek(0)
    while block := waiting.read(BLOCK):
        sink.write(block)
