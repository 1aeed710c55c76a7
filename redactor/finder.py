"""All that is to be replaced in some bytes: by rule, by column of a table, and by known value."""

from __future__ import annotations

from typing import Final

from redactor import known
from redactor.columns import Columns, read_header
from redactor.model import Found, Rule, Ruleset
from redactor.replace import Replacer
from redactor.scanner import Scanner, longest

__all__ = ["KNOWN_VALUE", "Finder"]

KNOWN_VALUE: Final = Rule("known-value", "session", "Value that the application registered", ())
"""Stands for values that were registered under no rule; the last rule of a redactor."""

Plain = dict[int, bytes]
"""Known values in plain by the start of their range; see ``Replacer.replacements``."""


class Finder:
    """Finds what a redactor replaces; safe to share between threads.

    ``ruleset`` are the scanner's rules and then ``KNOWN_VALUE``.
    """

    def __init__(self, scanner: Scanner, replacer: Replacer, ruleset: Ruleset) -> None:
        self._scanner = scanner
        self._replacer = replacer
        self._index = {rule.id: number for number, rule in enumerate(ruleset.rules)}

    def header(self, head: bytes) -> Columns | None:
        """Return the columns that the first line of a text names, if it starts with ``head``."""
        return read_header(self._scanner, head)

    def find(
        self, data: bytes, columns: Columns | None = None, start: int = 0, end: int = 0
    ) -> tuple[list[Found], Plain]:
        """Return what is to be replaced, in order and without overlaps.

        With ``columns``, ``data[start:end]`` are lines of a table.
        """
        found = self._scanner.scan(data)
        if columns is not None:
            found = columns.added(self._scanner, data, found, start, end)
        return self.settled(data, found)

    def find_in_text(self, data: bytes) -> tuple[list[Found], Plain]:
        """Return what is to be replaced in a whole text, whose first line may be the header of a table."""
        return self.settled(data, self.in_table(data, self._scanner.scan(data)))

    def in_table(self, data: bytes, found: list[Found]) -> list[Found]:
        """Return ``found`` and what only the header of a whole text gives away."""
        if b"\n" not in data:
            return found
        columns = self.header(data)
        return found if columns is None else columns.added(self._scanner, data, found, 0, len(data))

    def settled(self, data: bytes, found: list[Found]) -> tuple[list[Found], Plain]:
        """Add the values that the application registered, and take out what the policy allows."""
        plain: Plain = {}
        if known.used:
            found, plain = self._with_known(data, found)
        return self._replacer.wanted(data, found), plain

    def _with_known(self, data: bytes, found: list[Found]) -> tuple[list[Found], Plain]:
        extra = known.find(data)
        if not extra:
            return found, {}
        unnamed = self._index[KNOWN_VALUE.id]
        ranges = [(place.start, place.end, self._index.get(place.kind, unnamed)) for place in extra]
        together = longest(ranges + found)
        whole = {match[:2] for match in together}
        return together, {place.start: place.value for place in extra if (place.start, place.end) in whole}
