"""Looking with a stream: what scrubbing would replace, as places for people."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from redactor.model import Found
from redactor.redactor import Redactor
from redactor.replace import fingerprint
from redactor.scanner import CONTEXT
from redactor.stream import BLOCK, HOLD, OPEN
from redactor.syntax import TOKEN_LIMIT

__all__ = ["Place", "look"]

_KEPT: Final = OPEN + BLOCK + HOLD + CONTEXT
"""How many bytes a stream keeps at most, so how far back a secret can start."""


class Place(NamedTuple):
    """Where a secret is: line and byte column count from 1. ``fingerprint`` is "" without a key."""

    line: int
    column: int
    rule: str
    fingerprint: str


def look(redactor: Redactor, blocks: Iterable[bytes]) -> Iterator[list[Place]]:
    """Yield the places of the secrets in ``blocks``, in order, as soon as they are certain.

    Exactly what a stream of ``redactor`` would replace is found, in the same bounded
    memory, and counted in its summary. UTF-16 text with a byte order mark is counted
    as UTF-8 without it.
    """
    notes = _Notes(redactor)
    stream = redactor.open_stream(line_buffered=True, observer=notes)
    lines = _Lines()
    for block in _as_utf8(blocks):
        lines.feed(block)
        stream.feed(block)
        yield [lines.place(noted) for noted in notes.take()]
    stream.finish()
    yield [lines.place(noted) for noted in notes.take()]


class _Noted(NamedTuple):
    """A secret, by the offset at which it starts."""

    offset: int
    rule: str
    fingerprint: str


class _Notes:
    """The observer of a stream whose output nobody wants: notes where it would replace something."""

    def __init__(self, redactor: Redactor) -> None:
        self._summary = redactor.summary
        self._rules = redactor.ruleset.rules
        self._hmac_key = redactor.policy.hmac_key
        self._noted: list[_Noted] = []

    def found(self, data: bytes, found: Sequence[Found], replacements: Sequence[bytes], base: int) -> None:  # noqa: ARG002
        self._summary.add([self._rules[rule].id for _, _, rule in found])
        for start, end, index in found:
            rule = self._rules[index]
            mark = "" if rule.low_entropy else self._fingerprint(data[start:end])
            self._noted.append(_Noted(base + start, rule.id, mark))

    def prolonged(self, end: int) -> None:
        pass

    def take(self) -> list[_Noted]:
        """Return what was noted since the last call."""
        noted, self._noted = self._noted, []
        return noted

    def _fingerprint(self, secret: bytes) -> str:
        if self._hmac_key is None or len(secret) > TOKEN_LIMIT:
            return ""
        return fingerprint(secret, self._hmac_key)


class _Lines:
    """Counts lines while blocks go by. Places must be asked for in order.

    A secret starts in what the stream still keeps, which may be several blocks; so the
    last ``_KEPT`` bytes or more stay in a window.
    """

    def __init__(self) -> None:
        self._window = bytearray()
        self._base = 0
        """Offset of the window's first byte."""
        self._counted = 0
        self._line = 1
        self._column = 1
        """Line and column of the window's byte at ``_counted``."""

    def feed(self, block: bytes) -> None:
        self._window += block
        done_with = len(self._window) - _KEPT
        if done_with > _KEPT:  # not for every block: most are short when a pipe is slow
            self._count(done_with)
            del self._window[:done_with]
            self._base += done_with
            self._counted -= done_with

    def place(self, noted: _Noted) -> Place:
        self._count(noted.offset - self._base)
        return Place(self._line, self._column, noted.rule, noted.fingerprint)

    def _count(self, end: int) -> None:
        """Go on to the window's byte at ``end``."""
        if end <= self._counted:
            return
        newline = self._window.rfind(b"\n", self._counted, end)
        if newline < 0:
            self._column += end - self._counted
        else:
            self._line += self._window.count(b"\n", self._counted, end)
            self._column = end - newline
        self._counted = end


def _as_utf8(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass blocks on, those of UTF-16 text as UTF-8, each short enough for a stream to take it whole."""
    blocks = iter(blocks)
    first = b""
    while len(first) < 2 and (block := next(blocks, b"")):
        first += block
    decoder = None
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if first.startswith(mark):
            decoder = codecs.getincrementaldecoder(name)("surrogatepass")
            first = first[2:]
    for block in _chain(first, blocks):
        data = block if decoder is None else decoder.decode(block).encode("utf-8", "surrogatepass")
        for start in range(0, len(data), BLOCK):
            yield data[start : start + BLOCK]


def _chain(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
