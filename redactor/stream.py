"""Redaction of a stream: any chunking of the same bytes gives the same bytes.

A value never reaches over a line's end, so whole lines are final as soon as they are
there. Inside a line that does not end, everything but the last ``HOLD`` bytes is final;
a token longer than that is replaced at once and the rest of its run is swallowed.
"""

from __future__ import annotations

import codecs
from typing import Final

from redactor.model import Summary
from redactor.replace import Replacer
from redactor.scanner import CONTEXT, Scanner
from redactor.syntax import LEAD_LIMIT, TOKEN_LIMIT, oversized_end

__all__ = ["BLOCK", "HOLD", "Stream"]

BLOCK: Final = 262144
"""How many bytes are collected before they are scanned, unless lines are wanted at once."""

HOLD: Final = TOKEN_LIMIT + 2048
"""How many bytes of an unfinished line are held back: one token and what may follow it."""

_BOMS: Final = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class Stream:
    """Redacts bytes as they come; ``feed`` and ``finish`` return what is final.

    With ``line_buffered``, each call of ``feed`` returns every line that is complete.
    At most ``BLOCK + HOLD + CONTEXT`` bytes are kept. UTF-16 text that starts with a byte
    order mark is recognised and stays UTF-16.
    """

    def __init__(self, scanner: Scanner, replacer: Replacer, summary: Summary, line_buffered: bool = False) -> None:
        self._lines = _Lines(scanner, replacer, summary, line_buffered)
        self._start = b""
        self._wide: _Wide | None = None
        self._started = False

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
        return rest if self._wide is None else self._wide.encode(rest) + self._wide.rest


class _Wide:
    """UTF-16 on the outside, UTF-8 on the inside, both with lone surrogates let through."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self.rest = b""

    def decode(self, chunk: bytes) -> bytes:
        chunk = self.rest + chunk
        whole = len(chunk) & ~1
        # A pair of surrogates must not be cut: hold the first half back.
        high = chunk[whole - 1] if self._codec == "utf-16-le" else chunk[whole - 2]
        if whole >= 2 and 0xD8 <= high <= 0xDB:
            whole -= 2
        self.rest = chunk[whole:]
        return chunk[:whole].decode(self._codec, "surrogatepass").encode("utf-8", "surrogatepass")

    def encode(self, data: bytes) -> bytes:
        return data.decode("utf-8", "surrogatepass").encode(self._codec, "surrogatepass")


class _Lines:
    """The stream proper, over bytes in which text is ASCII or a superset of it."""

    def __init__(self, scanner: Scanner, replacer: Replacer, summary: Summary, line_buffered: bool) -> None:
        self._scanner = scanner
        self._replacer = replacer
        self._summary = summary
        self._enough = 1 if line_buffered else BLOCK
        self._context = b""
        self._pending = b""
        self._swallowing = False

    def feed(self, chunk: bytes) -> bytes:
        pending = self._pending + chunk if self._pending else chunk
        out = []
        while len(pending) >= self._enough:
            size = len(pending)
            if self._swallowing:
                pending = self._swallow(pending, final=False)
            block = pending if len(pending) <= 2 * BLOCK else pending[: 2 * BLOCK]
            line_end = block.rfind(b"\n") + 1
            if line_end:
                out.append(self._redact(block[:line_end], line_end))
                pending = pending[line_end:]
            elif len(block) > BLOCK + HOLD:
                done, redacted = self._redact_open(block)
                out.append(redacted)
                pending = pending[done:]
            if len(pending) == size:
                break
        self._pending = pending
        return b"".join(out)

    def finish(self) -> bytes:
        out = self.feed(b"")
        pending = self._swallow(self._pending, final=True) if self._swallowing else self._pending
        self._pending = b""
        return out + self._redact(pending, len(pending)) if pending else out

    def _redact(self, data: bytes, end: int) -> bytes:
        """Redact ``data``, whose candidates all end before ``end``, and remember its tail."""
        context = self._context
        whole = context + data if context else data
        found = self._scanner.scan(whole)
        if found:
            found = [match for match in self._replacer.wanted(whole, found) if match[0] >= len(context)]
        self._remember(whole)
        return self._splice(whole, found)[len(context) :] if found else data

    def _redact_open(self, data: bytes) -> tuple[int, bytes]:
        """Redact what is final of a line that goes on; return how many bytes that is."""
        context = self._context
        whole = context + data
        final = len(whole) - HOLD
        found = [
            match
            for match in self._replacer.wanted(whole, self._scanner.scan(whole))
            if len(context) <= match[0] < final
        ]
        if found:
            final = max(final, found[-1][1])
            self._swallowing = final >= len(whole) - 8 and found[-1][1] - found[-1][0] >= TOKEN_LIMIT
        self._remember(whole[:final])
        return final - len(context), self._splice(whole[:final], found)[len(context) :]

    def _splice(self, whole: bytes, found: list[tuple[int, int, int]]) -> bytes:
        if not found:
            return whole
        rules = self._scanner.compiled.rules
        self._summary.add(rules[rule].id for _, _, rule in found)
        return self._replacer.splice(whole, found)

    def _swallow(self, pending: bytes, final: bool) -> bytes:
        """Drop the rest of a token whose beginning was replaced; return what follows it."""
        end = oversized_end(pending, 0)
        if end < len(pending) and not (pending[end:].strip(b"\\") == b"" and not final):
            self._swallowing = False
        self._remember(self._context + pending[:end])
        return pending[end:]

    def _remember(self, whole: bytes) -> None:
        self._context = whole[-LEAD_LIMIT:] if whole.endswith(b"\n") else whole[-CONTEXT:]
