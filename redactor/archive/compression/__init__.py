"""Compressed content: gzip, bzip2, xz, zstd and LZ4, member by member.

All members of a content together are one content, as ``zcat`` would give it; what is in it
can be of any kind. Members in which nothing changes are copied byte for byte, others are
written anew as they were written before, as far as their format tells. If the content is
not plain text and anything in it changes, all its members are written anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from redactor.archive.compression.bzip2 import BZIP2
from redactor.archive.compression.gzip import GZIP
from redactor.archive.compression.lz4 import LZ4
from redactor.archive.compression.members import Decoded, Format, Input
from redactor.archive.compression.rewriting import Change, Changes, Raw, Rewriting
from redactor.archive.compression.xz import LZMA_ALONE, XZ
from redactor.archive.compression.zstd import ZSTD
from redactor.archive.content import NOWHERE, Kind, RefusedError, Sink, Source, Work, pass_on

__all__ = ["KINDS"]

_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")
"""The byte order marks of UTF-16, in which offsets of a stream are not those of its bytes."""

_LAST: Final = re.compile(r"[^/\\!]*$")

_UNREAD: Final[Mapping[str, tuple[bytes, ...]]] = {
    "compress (.Z)": (b"\x1f\x9d", b"\x1f\xa0"),
    "pack (.z)": (b"\x1f\x1e",),
    "lzip": (b"LZIP\1",),
    "lzop": (b"\x89LZO\0\r\n\x1a\n",),
    "lrzip": (b"LRZI\0",),
    "snappy": (b"\xff\6\0\0sNaPpY",),
}
"""Compressed formats that are not read, by what they are called, with how they begin."""


# --- one content --------------------------------------------------------------------------


def _scrub(kind: Format, work: Work, name: str, source: Source, sink: Sink) -> None:
    """Scrub compressed content; see ``Kind``."""
    pass_on(work, name, source, sink, _Passage(kind))


class _Passage:
    """Goes through a content, first to look, then to write; remembers where the first change was."""

    def __init__(self, kind: Format) -> None:
        self._kind = kind
        self._first = -1

    def __call__(self, work: Work, name: str, source: Source, sink: Sink) -> None:
        inner_name = _inner_name(name, self._kind.suffixes)
        if work.looking:
            self._look(work, name, inner_name, source)
        else:
            self._write(work, name, inner_name, source, sink)

    def _look(self, work: Work, name: str, inner_name: str, source: Source) -> None:
        meter = work.meter(name)
        decoded = Decoded(self._kind, name, work, Input(source.read), meter=meter)

        def met(offset: int) -> None:
            if offset >= decoded.begin:
                self._first = decoded.start

        inner = Source(decoded.read)
        if _is_text(work, inner_name, inner):
            _scrub_text(work, inner, Changes(work.observer(inner_name), met), _pass_over)
        else:
            _scrub_other(work, inner_name, inner, NOWHERE)

    def _write(self, work: Work, name: str, inner_name: str, source: Source, sink: Sink) -> None:
        raw = Raw(source)
        rewriting = Rewriting(self._kind, name, work, raw, sink, self._first)
        meter = work.meter(name)
        inner = Source(Decoded(self._kind, name, work, Input(raw.read), meter=meter, tracker=rewriting).read)
        try:
            rewriting.traced = _is_text(work, inner_name, inner)
            if rewriting.traced:
                _scrub_text(work, inner, Changes(work.observer(inner_name)), rewriting.put)
            else:
                _scrub_other(work, inner_name, inner, rewriting)
            rewriting.finish()
        finally:
            rewriting.abandon()


def _inner_name(name: str, suffixes: Mapping[str, str]) -> str:
    """Return the name of what is in a file: of ``logs/app.tgz`` it is ``logs/app.tgz!app.tar``."""
    last = _LAST.search(name)
    inner = last.group() if last else ""
    for suffix, instead in suffixes.items():
        if inner.lower().endswith(suffix):
            inner = inner[: -len(suffix)] + instead
            break
    return f"{name}!{inner}"


def _is_text(work: Work, name: str, inner: Source) -> bool:
    """Whether the content is text in which changes can be traced."""
    return work.recognise(name, inner) is None and inner.peek(2) not in _WIDE


def _scrub_text(work: Work, inner: Source, changes: Changes, put: Callable[[bytes, Sequence[Change]], object]) -> None:
    """Redact text to its end; give what is final, together with the changes in it, to ``put``."""
    stream = work.redactor.open_stream(observer=changes)
    while block := inner.read():
        final = stream.feed(block)
        put(final, changes.take())
    final = stream.finish()
    put(final, changes.take())


def _pass_over(final: bytes, changes: Sequence[Change]) -> None:
    """Do nothing: this is only a look."""


def _scrub_other(work: Work, name: str, inner: Source, sink: Sink) -> None:
    """Scrub a content of another kind, or text in UTF-16."""
    work.scrub(name, inner, sink)
    if inner.read():
        raise RefusedError(f"{name}: has more content than it should, expected its end")


# --- kinds --------------------------------------------------------------------------------


def _kind(kind: Format) -> Kind:
    return Kind(kind.name, lambda head, _: kind.recognises(head), partial(_scrub, kind))


def _unread(what: str, starts: tuple[bytes, ...]) -> Kind:
    """Return the kind of a compressed content that is recognised and refused: as text it would pass."""

    def refuse(work: Work, name: str, source: Source, sink: Sink) -> None:  # noqa: ARG001
        raise RefusedError(f"{name}: is compressed with {what}, expected gzip, bzip2, xz, lzma, zstd or lz4")

    return Kind(what, lambda head, _: head.startswith(starts), refuse)


# LZ4 before zstd: both may begin with skippable frames, and a content that has nothing else is zstd's.
KINDS: Final[tuple[Kind, ...]] = (
    *map(_kind, (GZIP, BZIP2, XZ, LZMA_ALONE, LZ4, ZSTD)),
    *(_unread(what, starts) for what, starts in _UNREAD.items()),
)
