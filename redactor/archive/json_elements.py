"""Where the values of a JSON content are, a few at a time, in bounded memory.

JSON (RFC 8259) is cut into *elements*: values that fit into ``LARGEST`` bytes. A value
that does not fit is opened, and its members are the elements. Nothing is checked beyond
what is needed to find an element's end. A content that is not JSON after all, or from
some place on, is taken by lines from there: every line that is a value is an element.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["LARGEST", "STARTS_AS_JSON", "Element", "Elements"]

LARGEST: Final = 4 * 1024 * 1024
"""How many bytes an element may have. What is larger is opened, or is but text."""

_FIRST_LINE: Final = 65536
"""How long the first line of JSON Lines may be to be recognised by."""

_LONGEST_KEY: Final = 65536
_DEEPEST: Final = 8
"""How many values may be open inside one another: so often a byte may be looked at again."""

STARTS_AS_JSON: Final = re.compile(rb'(?:\xef\xbb\xbf)?[ \t\r\n]*+(?:\{[ \t\r\n]*+["}]|\[[ \t\r\n]*+[{\["])')
"""What an object or an array of objects, arrays or strings starts with, byte order mark included."""

_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_BETWEEN: Final = re.compile(rb"[ \t\r\n,]*+")
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_REST_OF_STRING: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_KEY: Final = re.compile(rb'"((?:[^"\\]++|\\.)*+)"[ \t\r\n]*+:[ \t\r\n]*+(?=[^ \t\r\n])', re.DOTALL)
_SCALAR: Final = re.compile(rb'[^ \t\r\n,\]}"{\[:]++(?=[ \t\r\n,\]}])')
_LAST_SCALAR: Final = re.compile(rb'[^ \t\r\n,\]}"{\[:]++\Z')
_BRACKET: Final = re.compile(rb'[^"{}\[\]]*+(?:"(?:[^"\\]++|\\.)*+"[^"{}\[\]]*+)*+([{}\[\]])', re.DOTALL)
_NEXT_LINE: Final = re.compile(rb"\n[{\[]")
"""Where a line starts as those of JSON Lines do."""

_OPENING: Final = frozenset(b"{[")


class Element(NamedTuple):
    """A value, or some whole ``lines``: a half-open range, and the key it stands beside, as written."""

    start: int
    end: int
    key: bytes
    lines: bool


class _Opened(NamedTuple):
    is_object: bool
    key: bytes


class _NeedsMore(Exception):  # noqa: N818 (no error)
    """What is in sight does not decide."""


class Elements:
    """Finds the elements of a content, given a window that moves on over it.

    ``position`` is up to where in the window all is decided.
    """

    def __init__(self) -> None:
        self.position = 0
        self._started = False
        self._by_lines = False
        self._in_long_line = False
        self._in_long_string = False
        self._opened: list[_Opened] = []
        self._walked = (0, 0)
        """How far the value in hand has been walked, in bytes from its start, and the depth there."""
        self._unclosed = 0
        """How deep the last value was that had no end in sight."""

    def moved(self, by: int) -> None:
        """Take note that the window moved on ``by`` bytes."""
        self.position -= by

    def next(self, data: bytearray, final: bool) -> Element | None:
        """Return the next element, or ``None`` if more must be in sight (with ``final``: if there is no more)."""
        try:
            if not self._started:
                self._start(data, final)
            while self.position < len(data):
                element = self._next_lines(data, final) if self._by_lines else self._next_value(data, final)
                if element is not None:
                    self.position = element.end
                    return element
        except _NeedsMore:
            pass
        return None

    def _start(self, data: bytearray, final: bool) -> None:
        end = data.find(b"\n", 0, _FIRST_LINE)
        if not final and (len(data) < _FIRST_LINE if end < 0 else len(data) == end + 1):
            raise _NeedsMore
        if data.startswith(b"\xef\xbb\xbf"):
            self.position = 3
        line = data[self.position : max(end, 0)]
        is_value = bool(line) and line[0] in _OPENING and self._end(line, 0, final=True) == len(line.rstrip())
        self._walked = (0, 0)
        more = data[end + 1 : end + 2].startswith((b"{", b"["))
        self._by_lines = is_value and more
        self._started = True

    # --- lines ----------------------------------------------------------------------------

    def _next_lines(self, data: bytearray, final: bool) -> Element | None:
        """Return all whole lines in sight, or skip a line that is too long."""
        start = self.position
        if self._in_long_line:
            end = data.find(b"\n", start)
            self._in_long_line = end < 0
            self.position = end + 1 if end >= 0 else len(data)
            return None
        end = len(data) if final else data.rfind(b"\n", start) + 1
        if end > start:
            return Element(start, end, b"", lines=True)
        if len(data) - start <= LARGEST:
            raise _NeedsMore
        self._in_long_line = True
        return None

    def _give_up(self) -> None:
        """Take the rest by lines, after the one at ``position``."""
        self._by_lines = True
        self._in_long_line = True
        self._opened.clear()

    # --- values ---------------------------------------------------------------------------

    def _next_value(self, data: bytearray, final: bool) -> Element | None:
        """Return the element at ``position``, or step over what is none: a bracket, a comma, a long string."""
        if self._in_long_string:
            self._skip_string(data)
            return None
        between = _BETWEEN if self._opened else _SPACE
        start = between.match(data, self.position).end()  # type: ignore[union-attr]
        self.position = start
        if start == len(data):
            return None
        key = b""
        if self._opened:
            if data[start] in b"}]":
                self._opened.pop()
                self.position = start + 1
                return None
            within = self._opened[-1]
            key = within.key
            if within.is_object:
                found = _KEY.match(data, start)
                if found is None:
                    self._more_or_give_up(data, start, final)
                    return None
                key, start = bytes(found.group(1)), found.end()
        return self._value(data, start, key, final)

    def _value(self, data: bytearray, start: int, key: bytes, final: bool) -> Element | None:
        if data[start] in _OPENING:
            end = self._end(data, start, final)
            if end >= 0:
                return Element(start, end, key, lines=False)
            if final and self._breaks_off(data, start):
                return Element(start, len(data), key, lines=False)
            self._open(data, start, key)
            return None
        if data[start] == 34:
            string = _STRING.match(data, start)
            if string is not None:
                return Element(start, string.end(), key, lines=False)
            if len(data) - start <= LARGEST and not final:
                raise _NeedsMore
            self._in_long_string = True
            self.position = start + 1
            return None
        scalar = _SCALAR.match(data, start) or (_LAST_SCALAR.match(data, start) if final else None)
        if scalar is not None and self._opened:
            return Element(start, scalar.end(), key, lines=False)
        self._more_or_give_up(data, start, final)
        return None

    def _end(self, data: bytearray, start: int, final: bool) -> int:
        """Return where the object or array at ``start`` ends, or -1 if it is not to be had whole."""
        walked, depth = self._walked
        position = start + walked
        while found := _BRACKET.match(data, position):
            position = found.end()
            depth += 1 if data[position - 1] in _OPENING else -1
            if not depth:
                self._walked = (0, 0)
                return position if position - start <= LARGEST else -1
        self._walked = (position - start, depth)
        if len(data) - start <= LARGEST and not final:
            raise _NeedsMore
        self._walked = (0, 0)
        self._unclosed = depth
        return -1

    def _breaks_off(self, data: bytearray, start: int) -> bool:
        """Tell whether the value at ``start``, which has no end, is the last and innermost of its kind."""
        return self._unclosed == 1 and len(data) - start <= LARGEST and _NEXT_LINE.search(data, start) is None

    def _open(self, data: bytearray, start: int, key: bytes) -> None:
        if len(self._opened) == _DEEPEST:
            self._give_up()
            return
        self._opened.append(_Opened(data[start] == 123, key))
        self.position = start + 1

    def _skip_string(self, data: bytearray) -> None:
        end = _REST_OF_STRING.match(data, self.position).end()  # type: ignore[union-attr]
        self._in_long_string = data[end : end + 1] != b'"'
        self.position = end if self._in_long_string else end + 1
        if self._in_long_string:
            raise _NeedsMore

    def _more_or_give_up(self, data: bytearray, start: int, final: bool) -> None:
        if len(data) - start <= _LONGEST_KEY and not final:
            raise _NeedsMore
        self._give_up()
