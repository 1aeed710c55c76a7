"""Redaction of a stream: any chunking of the same bytes gives the same bytes.

A value never reaches over a line's end, so whole lines are final as soon as they are
there. Inside a line that does not end, everything but the last ``HOLD`` bytes is final;
a token longer than that is replaced at once and the rest of its run is swallowed.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Final, Protocol

from redactor.columns import Columns
from redactor.finder import Finder
from redactor.model import Found
from redactor.replace import Replacer
from redactor.scanner import CONTEXT
from redactor.syntax import LEAD_LIMIT, TOKEN_LIMIT, oversized_end, soft_break

__all__ = ["BLOCK", "HOLD", "OPEN", "Observer", "Stream"]

BLOCK: Final = 262144
"""How many bytes are collected before they are scanned, unless lines are wanted at once."""

HOLD: Final = TOKEN_LIMIT + 2048
"""How many bytes of an unfinished line are held back: one token and what may follow it."""

OPEN: Final = 4 * BLOCK
"""How many bytes of a line without end are collected, so that holding some back costs little."""

_LARGEST: Final = BLOCK
"""Chunks over this many bytes are cut, so that memory stays bounded."""

_BOMS: Final = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class Observer(Protocol):
    """Is told what a stream replaces, in order. Offsets count bytes from the stream's start.

    In UTF-16 text they count as if it were UTF-8. What an observer raises passes through.
    """

    def found(self, data: bytes, found: Sequence[Found], replacements: Sequence[bytes], base: int) -> None:
        """Take the ranges of ``data`` that are replaced and by what; ``data`` starts at offset ``base``."""

    def prolonged(self, end: int) -> None:
        """Take note that the last secret goes on to offset ``end``."""


class Stream:
    """Redacts bytes as they come; ``feed`` and ``finish`` return what is final.

    With ``line_buffered``, each call of ``feed`` returns every line that is complete.
    At most ``OPEN + BLOCK + HOLD + CONTEXT`` bytes are kept. UTF-16 text that starts with a byte
    order mark is recognised and stays UTF-16.
    """

    def __init__(self, finder: Finder, replacer: Replacer, observer: Observer, line_buffered: bool = False) -> None:
        self._lines = _Lines(finder, replacer, observer, line_buffered)
        self._start = b""
        self._wide: _Wide | None = None
        self._started = False

    def start_after(self, before: bytes, head: bytes) -> None:
        """Start in the middle of a text, behind ``before``, which is not empty.

        To be called first of all. A line that no soft line break continues must end
        there; the last ``LEAD_LIMIT`` bytes before, or all there are, decide what follows.
        ``head`` is how the text starts, of which ``columns.HEAD`` bytes count.
        """
        self._lines.start_after(before[-LEAD_LIMIT:], head)
        self._started = True

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; return the redacted bytes that have become final."""
        if not self._started:
            chunk = self._start + chunk
            if len(chunk) < 2:
                self._start = chunk
                return b""
            self._started = True
            codec = next((codec for mark, codec in _BOMS if chunk.startswith(mark)), None)
            self._wide = _Wide(codec) if codec else None
        if self._wide is None:
            return self._lines.feed(chunk)
        return self._wide.encode(self._lines.feed(self._wide.decode(chunk)))

    def finish(self) -> bytes:
        """Return the rest. The stream is at its end after this call."""
        if not self._started:
            return self._lines.feed(self._start) + self._lines.finish()
        rest = self._lines.finish()
        return rest if self._wide is None else self._wide.encode(rest, final=True) + self._wide.rest


class _Wide:
    """UTF-16 on the outside, UTF-8 on the inside, both with lone surrogates let through."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        # What comes out may be cut inside a character; its first bytes wait for the rest.
        self._inner = codecs.getincrementaldecoder("utf-8")("surrogatepass")
        self.rest = b""

    def decode(self, chunk: bytes) -> bytes:
        chunk = self.rest + chunk
        whole = len(chunk) & ~1
        if whole:
            # A pair of surrogates must not be cut: hold the first half back.
            high = chunk[whole - 1] if self._codec == "utf-16-le" else chunk[whole - 2]
            whole -= 2 if 0xD8 <= high <= 0xDB else 0
        self.rest = chunk[whole:]
        return chunk[:whole].decode(self._codec, "surrogatepass").encode("utf-8", "surrogatepass")

    def encode(self, data: bytes, final: bool = False) -> bytes:
        return self._inner.decode(data, final).encode(self._codec, "surrogatepass")


class _Lines:
    """The stream proper, over bytes in which text is ASCII or a superset of it.

    ``_kept`` holds what was given out last, as context for what follows, and then what
    is not final yet; ``_given`` is where the second part starts, ``_base`` the offset of
    the first.
    """

    def __init__(self, finder: Finder, replacer: Replacer, observer: Observer, line_buffered: bool) -> None:
        self._finder = finder
        self._replacer = replacer
        self._observer = observer
        self._enough = 1 if line_buffered else BLOCK
        self._kept = b""
        self._given = 0
        self._base = 0
        self._swallowing = False
        self._columns: Columns | None = None
        self._headed = False
        """Whether the start of the text has been looked at for a table's header."""

    def start_after(self, before: bytes, head: bytes) -> None:
        self._columns, self._headed = self._finder.header(head), True
        self._kept = before
        self._given = len(before)
        self._base = -len(before)

    def feed(self, chunk: bytes) -> bytes:
        if len(chunk) > _LARGEST:
            return b"".join([self.feed(chunk[at : at + _LARGEST]) for at in range(0, len(chunk), _LARGEST)])
        self._kept += chunk
        if self._swallowing:
            self._swallow(final=False)
        if len(self._kept) - self._given < self._enough:
            return b""
        line_end = self._last_line_end()
        if line_end:
            return self._give(line_end, line_end)
        if len(self._kept) - self._given > OPEN + HOLD:
            return self._give(len(self._kept) - HOLD, len(self._kept))
        return b""

    def _last_line_end(self) -> int:
        """Return the end of the last whole line that no soft line break continues, or 0."""
        end = self._kept.rfind(b"\n", self._given) + 1
        while end:
            stop = end - 2 if self._kept[end - 2 : end - 1] == b"\r" else end - 1
            if stop <= self._given or soft_break(self._kept, stop) is None:
                break
            end = self._kept.rfind(b"\n", self._given, end - 1) + 1
        return end

    def finish(self) -> bytes:
        if self._swallowing:
            self._swallow(final=True)
        return self._give(len(self._kept), len(self._kept)) if len(self._kept) > self._given else b""

    def _give(self, final: int, known: int) -> bytes:
        """Give out what starts before ``final``, redacted, where only ``known`` bytes end in sight."""
        kept, given = self._kept, self._given
        if not self._headed:
            # The first lines are given out whole, unless the first is longer than any header.
            self._columns, self._headed = self._finder.header(kept), True
        found, plain = self._finder.find(kept, self._columns, *self._table_lines(final))
        if found:
            found = [match for match in found if given <= match[0] < final]
        if not found:
            self._forget(final)
            return kept[given:final]
        replacements = self._replacer.replacements(kept, found, plain)
        self._observer.found(kept, found, replacements, self._base)
        start, end, _ = found[-1]
        # The run of a token that fills all that was held back may go on in the next chunk.
        self._swallowing = final < known and end - start >= TOKEN_LIMIT and kept[end:].strip(b"\\") == b""
        final = max(final, end)
        self._forget(final)
        return self._replacer.splice(kept, found, replacements, given, final)

    def _table_lines(self, final: int) -> tuple[int, int]:
        """Return the part of what is given out now that is whole lines, as far as a table goes."""
        given = self._given
        if self._columns is None or given == 0 or self._kept[given - 1] == 10:
            return given, final
        line_end = self._kept.find(b"\n", given, final)
        return (final if line_end < 0 else line_end + 1), final

    def _swallow(self, final: bool) -> None:
        """Drop the rest of a token whose beginning was replaced."""
        end = oversized_end(self._kept, self._given)
        self._swallowing = self._kept[end:].strip(b"\\") == b"" and not final
        self._observer.prolonged(self._base + end)
        self._forget(end)

    def _forget(self, given: int) -> None:
        """Note that everything before ``given`` is done with, and keep only context of it."""
        context = LEAD_LIMIT if self._kept.endswith(b"\n", 0, given) else CONTEXT
        dropped = max(0, given - context)
        self._base += dropped
        self._kept = self._kept[dropped:]
        self._given = min(given, context)
