"""What scrubbing changes in a file, line by line, without showing a secret.

    --- app.log
    +++ app.log
    @@ -17 +17 @@
    -sessionid=<32 bytes of session>; theme=dark
    +sessionid=[REDACTED:session]; theme=dark

Both sides are put together from what stays and from the edits, so no secret can be on
either. Long lines are cut around their edits, and bytes that are no text are escaped.
Lines are counted in the decoded content; UTF-16 is shown as UTF-8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from redactor.archive.content import Edit, Limits, Source
from redactor.archive.contents import as_utf8, open_file, scrubbed, walk
from redactor.errors import shown
from redactor.redactor import Redactor

__all__ = ["diff_file", "diff_source"]

_AROUND: Final = 60
"""How many bytes are shown on each side of an edit."""

_MOST_EDITS: Final = 20
"""How many edits are shown of one line."""

_LONGEST_NEW: Final = 512
"""How many bytes are shown of what stands in the place of one secret."""

Write = Callable[[str], object]
"""Takes text: whole lines."""


def diff_file(path: str, redactor: Redactor, write: Write, limits: Limits | None = None) -> int:
    """Write what scrubbing would change in a file; return how many secrets. Raises ``SourceError``."""
    with open_file(path) as read:
        return diff_source(path, Source(read), redactor, write, limits)


def diff_source(name: str, source: Source, redactor: Redactor, write: Write, limits: Limits | None = None) -> int:
    """Write what scrubbing would change in ``source``, in bounded memory; return how many secrets.

    Raises ``RefusedError`` for what scrubbing would refuse; what was written by then stands.
    """
    count = 0

    def take(content: str, inner: Source) -> None:
        nonlocal count
        narrow, wide = as_utf8(inner)
        lines = _Lines(shown(content), write)
        scrubbed(redactor, content, narrow, lines, wide=wide)
        lines.finish()
        count += lines.edits

    walk(redactor, limits or Limits(), name, source, take)
    return count


class _Gap:
    """Bytes that stay, of which only the first and the last few are kept."""

    def __init__(self) -> None:
        self._first = b""
        self._last = b""
        self._size = 0

    def add(self, data: bytes) -> None:
        if len(self._first) < _AROUND:
            self._first += data[: _AROUND - len(self._first)]
        self._last = (self._last + data)[-_AROUND:]
        self._size += len(data)

    def take(self, *, begins: bool, ends: bool) -> str:
        """Return them as they are shown at the beginning or the end of a line, or between two edits; start anew."""
        first = b"" if begins else self._first
        last = b"" if ends else self._last
        left = self._size - len(first) - len(last)
        if left > 0:
            text = f"{shown(first)}<{left} more bytes>{shown(last)}"
        else:
            text = shown(first + last[-(self._size - len(first)) :] if self._size > len(first) else first)
        self._first = self._last = b""
        self._size = 0
        return text


class _Lines:
    """Takes the pieces of one content and writes the lines with an edit."""

    def __init__(self, name: str, write: Write) -> None:
        self._name = name
        self._write = write
        self._headed = False
        self._number = 1
        self._new_number = 1
        self._gap = _Gap()
        self._old: list[str] = []
        self._new: list[str] = []
        self._further = 0
        """How many edits of the line are not shown."""
        self._line_ends = 0
        """How many line ends are in the ranges of the line's edits."""
        self._new_line_ends = 0
        self.edits = 0

    def same(self, data: bytes, /) -> None:
        at = 0
        while (end := data.find(b"\n", at)) >= 0:
            if not self._old:  # nothing of the lines before the last one will be shown
                last = data.rfind(b"\n", at) + 1
                lines = data.count(b"\n", at, last)
                self._number += lines
                self._new_number += lines
                self._gap = _Gap()
                at = last
                break
            self._gap.add(data[at:end].removesuffix(b"\r"))
            self._end_line(broken=True)
            at = end + 1
        self._gap.add(data[at:])

    def replaced(self, edit: Edit, lines: int, new: bytes, /) -> None:
        self.edits += 1
        self._line_ends += lines
        self._new_line_ends += new.count(b"\n")
        if edit.start == edit.end and not new:
            return
        if len(self._old) >= 2 * _MOST_EDITS:
            self._further += 1
            return
        between = self._gap.take(begins=not self._old, ends=False)
        put = shown(new[:_LONGEST_NEW]) + (f"<{len(new) - _LONGEST_NEW} more bytes>" if len(new) > _LONGEST_NEW else "")
        self._old += between, f"<{_bytes(edit.end - edit.start)} of {edit.rule}>"
        self._new += between, put

    def finish(self) -> None:
        """Write the last line."""
        if self._old:
            self._end_line(broken=False)

    def _end_line(self, *, broken: bool) -> None:
        rest = self._gap.take(begins=False, ends=True)
        if self._further:
            rest = f"<{self._further} more secrets, not shown>"
        if not self._headed:
            self._write(f"--- {self._name}\n+++ {self._name}\n")
            self._headed = True
        self._write(
            f"@@ -{self._number} +{self._new_number} @@\n-{''.join(self._old)}{rest}\n+{''.join(self._new)}{rest}\n"
        )
        self._number += self._line_ends + broken
        self._new_number += self._new_line_ends + broken
        self._line_ends = self._new_line_ends = self._further = 0
        self._old.clear()
        self._new.clear()


def _bytes(number: int) -> str:
    return "1 byte" if number == 1 else f"{number} bytes"
