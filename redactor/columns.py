"""Tables whose first line names their columns: RFC 4180, also with tabs, semicolons or bars.

In ``user,session_id`` and, lines further down, ``alice,4f1x..`` the name of a value is not
beside it. The header is read once; each line with as many fields is judged by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from redactor.model import Found
from redactor.scanner import Scanner, longest

__all__ = ["HEAD", "Columns", "read_header"]

HEAD: Final = 4096
"""How many bytes at the start of a text may hold its header."""

_LONGEST_LINE: Final = 65536
"""Longer lines, in bytes, are not judged by their columns."""

_BOM: Final = b"\xef\xbb\xbf"
_NAME: Final = rb'(?:"[A-Za-z_][A-Za-z0-9_ .\-]{0,62}"|[A-Za-z_][A-Za-z0-9_.\-]{0,62}(?: [A-Za-z0-9_.\-]{1,40}){0,3})'
_HEADER: Final = re.compile(rb"%b(?:([,;|\t])%b)(?:\1%b){0,254}\r?\n" % (_NAME, _NAME, _NAME))
_FIELDS: Final = {
    delimiter: re.compile(rb'(?:"((?:[^"\n]|"")*)"|([^"\r\n%b][^\r\n%b]*|))(?:(%b)|\r?(?:\n|\Z))' % (each, each, each))
    for delimiter, each in ((delimiter, re.escape(delimiter)) for delimiter in (b",", b";", b"|", b"\t"))
}


class Columns(NamedTuple):
    """The columns of a table that hold secrets: their numbers, from 0, and names."""

    delimiter: bytes
    number: int
    """How many columns there are."""
    secret: tuple[tuple[int, str], ...]

    def found(self, scanner: Scanner, data: bytes, start: int, end: int) -> Iterator[Found]:
        """Yield the secrets in the columns of the whole lines of ``data[start:end]``.

        A line is whole if it starts at ``start`` or behind a line's end, and ends inside.
        A line with another number of fields is no row of the table.
        """
        while start < end:
            line_end = data.find(b"\n", start, end)
            next_start = end if line_end < 0 else line_end + 1
            if next_start - start <= _LONGEST_LINE and data.count(self.delimiter, start, next_start) >= self.number - 1:
                places = self._places(data, start, next_start)
                for number, key in self.secret if len(places) == self.number else ():
                    first, last = places[number]
                    for found, ends, rule in scanner.scan_value(key, data[first:last]):
                        yield first + found, first + ends, rule
            start = next_start

    def _places(self, data: bytes, start: int, end: int) -> list[tuple[int, int]]:
        """Return where the fields of the line ``data[start:end]`` are, without quotes; none if it is no such line."""
        field_at = _FIELDS[self.delimiter].match
        places: list[tuple[int, int]] = []
        position = start
        while (field := field_at(data, position, end)) is not None:
            places.append(field.span(1) if field.start(1) >= 0 else field.span(2))
            position = field.end()
            if field.start(3) < 0:
                break
        return places if position == end else []

    def added(self, scanner: Scanner, data: bytes, found: list[Found], start: int, end: int) -> list[Found]:
        """Return ``found`` and what the columns of ``data[start:end]`` hold, in order and without overlaps."""
        more = list(self.found(scanner, data, start, end))
        return longest(more + found) if more else found


def read_header(scanner: Scanner, head: bytes) -> Columns | None:
    """Read the header off the first bytes of a text; ``None`` if it has none that names a secret.

    Only the first ``HEAD`` bytes count, and only a whole first line.
    """
    header = _HEADER.match(head, len(_BOM) if head.startswith(_BOM) else 0, HEAD)
    if header is None:
        return None
    delimiter = header.group(1)
    line = header.group().rstrip(b"\r\n")
    names = [name.strip(b'"').decode("ascii") for name in line.split(delimiter)]
    secret = tuple((number, name) for number, name in enumerate(names) if scanner.rule_of_key(name) is not None)
    if not secret or len(set(names)) < len(names):
        return None
    return Columns(delimiter, len(names), secret)
