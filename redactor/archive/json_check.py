"""Whether JSON can be parsed: a check in bounded memory that keeps no values.

For one document as for JSON Lines: values follow one another, and after a mistake the next
line starts afresh. (RFC 8259; NaN and Infinity, which many write, are let through.)
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from redactor.archive.content import HEAD, Source
from redactor.archive.json_elements import STARTS_AS_JSON

__all__ = ["JsonCheck"]

_DEEPEST: Final = 65536
_SCALAR_LIMIT: Final = 1024
"""How many bytes a number may have."""

_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_MARK: Final = re.compile(rb'[{}\[\],:"]')
_SCALAR: Final = re.compile(
    rb"(?:-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+\-]?[0-9]++)?|true|false|null|NaN|-?Infinity)(?![\w.+\-])"
)
_SCALAR_BEGUN: Final = re.compile(rb"[\w.+\-]*+")
_STRING: Final = re.compile(rb'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')
_ATOM: Final = rb'(?:"%s"|%s)' % (_STRING.pattern, _SCALAR.pattern)
_PAIR: Final = rb'"%s"[ \t\r\n]*+:[ \t\r\n]*+%s[ \t\r\n]*+' % (_STRING.pattern, _ATOM)
_FLAT: Final = re.compile(rb"\{[ \t\r\n]*+(?:%s(?:,[ \t\r\n]*+%s)*+)?\}" % (_PAIR, _PAIR))
"""A whole object without others in it; several tokens at once, because that is faster, as the next two are."""
_PAIRS: Final = re.compile(rb"(?:%s,[ \t\r\n]*+)++" % _PAIR)
_ITEMS: Final = re.compile(rb"(?:(?:%s|%s)[ \t\r\n]*+,[ \t\r\n]*+)++" % (_ATOM, _FLAT.pattern))
_ESCAPE_BEGUN: Final = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?")


class JsonCheck:
    """Reads a content and counts, as it passes by, the mistakes in its JSON.

    ``mistakes`` is None for content that does not start as JSON, and for such that is more
    than 65,536 levels deep.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._judging = STARTS_AS_JSON.match(source.peek(HEAD)) is not None
        self._data = b""
        self._stack = bytearray()
        self._expected = _VALUE
        self._in_string = False
        self._skipping = False
        self._mistakes = 0
        self._ended = False
        self._mark = len(codecs.BOM_UTF8) if source.peek(3) == codecs.BOM_UTF8 else 0
        """How many bytes are still to come of a byte order mark."""

    def read(self, size: int) -> bytes:
        """Return the next bytes of the content."""
        data = self._source.read(size)
        if self._judging and not self._ended:
            self._ended = not data
            self._data += data[self._mark :]
            self._mark = max(0, self._mark - len(data))
            self._judge()
        return data

    @property
    def mistakes(self) -> int | None:
        """How many mistakes there are, once all was read."""
        return self._mistakes if self._judging else None

    def _judge(self) -> None:
        at, before = 0, -1
        while self._judging and at != before:
            before = at
            if self._skipping:
                at = self._skip(at)
            elif self._in_string:
                at = self._go_on_with_string(at)
            else:
                at = self._next_token(_SPACE.match(self._data, at).end())  # type: ignore[union-attr]
        self._data = self._data[at:]
        if self._ended and (self._stack or self._in_string or self._expected != _VALUE):
            self._mistakes += 1

    def _skip(self, at: int) -> int:
        """Skip the rest of a line that has a mistake."""
        end = self._data.find(b"\n", at)
        self._skipping = end < 0
        return len(self._data) if end < 0 else end + 1

    def _go_on_with_string(self, at: int) -> int:
        at = _STRING.match(self._data, at).end()  # type: ignore[union-attr]
        if self._data[at : at + 1] == b'"':
            self._in_string = False
            return at + 1
        begun = _ESCAPE_BEGUN.match(self._data, at)
        if at < len(self._data) and (begun is None or begun.end() < len(self._data) or self._ended):
            self._mistake()
        return at

    def _next_token(self, at: int) -> int:
        """Take the token at ``at`` if all of it is there; return where it ends."""
        if several := self._several(at):
            return several
        if token := _MARK.match(self._data, at):
            if not self._accepts(token.group()):
                self._mistake()
            return token.end()
        end = _SCALAR_BEGUN.match(self._data, at).end()  # type: ignore[union-attr]
        if end == len(self._data) and end - at <= _SCALAR_LIMIT and not (self._ended and end > at):
            return at
        if _SCALAR.match(self._data, at) is None or not self._begins(is_string=False):
            self._mistake()
        return end

    def _several(self, at: int) -> int:
        """Take several tokens at ``at`` if they are there and right; return where they end, or 0."""
        if self._expected in (_KEY, _FIRST_KEY):
            found, expected = _PAIRS.match(self._data, at), _KEY
        elif self._expected not in (_VALUE, _FIRST_VALUE):
            return 0
        elif self._stack[-1:] == b"[":
            found, expected = _ITEMS.match(self._data, at), _VALUE
        else:
            found, expected = _FLAT.match(self._data, at), _COMMA if self._stack else _VALUE
        if found is None:
            return 0
        self._expected = expected
        return found.end()

    def _mistake(self) -> None:
        self._mistakes += 1
        self._stack.clear()
        self._expected = _VALUE
        self._in_string = False
        self._skipping = True

    def _accepts(self, mark: bytes) -> bool:
        """Take a mark; return whether it may stand where it does."""
        if mark == b'"':
            self._in_string = True
            return self._begins(is_string=True)
        if mark in b"{[":
            return self._opens(mark)
        if mark in b"}]":
            return self._closes(mark)
        if self._expected != (_COLON if mark == b":" else _COMMA):
            return False
        self._expected = _VALUE if mark == b":" or self._stack[-1:] == b"[" else _KEY
        return True

    def _begins(self, *, is_string: bool) -> bool:
        """Take a key or a value that is none of several."""
        if self._expected in (_KEY, _FIRST_KEY):
            self._expected = _COLON
            return is_string
        if self._expected not in (_VALUE, _FIRST_VALUE):
            return False
        self._expected = _COMMA if self._stack else _VALUE
        return True

    def _opens(self, mark: bytes) -> bool:
        if self._expected not in (_VALUE, _FIRST_VALUE):
            return False
        self._stack += mark
        self._judging = len(self._stack) <= _DEEPEST
        self._expected = _FIRST_KEY if mark == b"{" else _FIRST_VALUE
        return True

    def _closes(self, mark: bytes) -> bool:
        opened, first = (b"{", _FIRST_KEY) if mark == b"}" else (b"[", _FIRST_VALUE)
        if self._stack[-1:] != opened or self._expected not in (_COMMA, first):
            return False
        self._stack.pop()
        self._expected = _COMMA if self._stack else _VALUE
        return True


_VALUE: Final = 0
_FIRST_VALUE: Final = 1
_KEY: Final = 2
_FIRST_KEY: Final = 3
_COLON: Final = 4
_COMMA: Final = 5
"""What may come next; "first" may as well be the end of its array or object."""
