"""JSON content: HAR, browser state, cookie exports, API collections, JSON Lines, any other.

What is found is what the plain text shows and what the structure adds; see
``json_values``. Values are taken one by one in bounded memory; see ``json_elements``.
Within a document (not between the lines of JSON Lines) a secret found by its name is also
removed where it has none: in the same element, and in all that follow.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Final

from redactor import known
from redactor.archive.changes import Change, Rewriting, settle
from redactor.archive.content import Kind, Sink, Source, Work, pass_on
from redactor.archive.json_elements import STARTS_AS_JSON, Element, Elements
from redactor.archive.json_values import JsonValues
from redactor.redactor import Redactor
from redactor.replace import canonical
from redactor.validators import machine_made

__all__ = ["KINDS"]

_MOST_REMEMBERED: Final = 256
_SHORTEST_REMEMBERED: Final = 16
"""How many bytes a secret must have to be looked for without its name."""

_CLUES: Final = (
    *(b'alue"', b'ontent"', b"ookies", b"ttpOnly", b"ameSite", b"ase64", b'["', b'"ey', b'"ew', b'"W3', b'"Wy'),
    *(b'\\"', b"\\\\", b"\\u"),
)
"""What a line has in which the structure may show more than the text does: members that say
something of others, lists, what could be base64 of JSON, and escapes that change how a name or a
value reads."""

_LIST_OF_STRINGS: Final = re.compile(rb'\[[ \t\r\n]*+"')
_IN_STRING: Final = re.compile(rb'[^"\\{}\[\],:]*+')
_COULD_BE_SCALAR: Final = re.compile(rb"[0-9eE+.\-\s]*+|true|false|null|NaN|-?Infinity")
_LONGEST_ESCAPE: Final = 12


def _recognises(head: bytes, name: str) -> bool:  # noqa: ARG001 (names say little of JSON)
    return STARTS_AS_JSON.match(head) is not None


def _scrub(work: Work, name: str, source: Source, sink: Sink) -> None:
    pass_on(work, name, source, sink, _transform)


def _transform(work: Work, name: str, source: Source, sink: Sink) -> None:
    document = _Document(work, name, sink)
    while block := source.read():
        document.feed(block)
    document.finish()


class _Document:
    """One JSON content on its way to the sink."""

    def __init__(self, work: Work, name: str, sink: Sink) -> None:
        self._rewriting = Rewriting(work, name, sink)
        self._elements = Elements()
        self._values = JsonValues(work.redactor)
        self._secrets = _Secrets(work.redactor)
        self._waiting: Element | None = None
        """An element that the text has not been looked at to the end of."""

    def feed(self, block: bytes) -> None:
        self._rewriting.feed(block)
        self._go_on(final=False)

    def finish(self) -> None:
        self._rewriting.finish()
        self._go_on(final=True)
        self._give_text(len(self._rewriting.data))

    def _go_on(self, final: bool) -> None:
        rewriting = self._rewriting
        while element := self._waiting or self._elements.next(rewriting.data, final):
            if element.end > rewriting.certain:
                self._waiting = element
                return
            self._waiting = None
            self._give_text(element.start)
            self._give_element(element._replace(start=0, end=element.end - element.start))
        self._give_text(min(self._elements.position, rewriting.certain))

    def _give_text(self, end: int) -> None:
        """Pass on what is no element: what stands between them, or is but text."""
        if end > 0:
            self._give(end, self._rewriting.text_before(end))

    def _give_element(self, element: Element) -> None:
        data = bytes(self._rewriting.data[: element.end])
        text = self._rewriting.text_before(element.end)
        changes = self._in_lines(data, text) if element.lines else self._in_value(data, element.key, text)
        self._give(element.end, changes)

    def _give(self, end: int, changes: list[Change]) -> None:
        self._rewriting.give(end, changes)
        self._elements.moved(end)

    def _in_value(self, data: bytes, key: bytes, text: list[Change]) -> list[Change]:
        with self._secrets.known():
            changes = text
            places = self._values.known(data)
            if places or key or _structure_matters(data, text):
                changes = self._values.changes(data, key, settle(text + places))
            if self._secrets.learn(changes):
                places = self._values.known(data)
                if any(_uncovered(places, changes)):
                    changes = self._values.changes(data, key, settle(text + places))
            return changes

    def _in_lines(self, data: bytes, text: list[Change]) -> list[Change]:
        """Return the changes in whole lines, of which only those are walked where it can matter."""
        changes = []
        waiting = deque(text)
        starts = _lines_with_clues(data)
        starts.update(_line_start(data, change.start) for change in text if not _surely_in_string(data, change))
        for start in sorted(starts):
            end = data.find(b"\n", start) + 1 or len(data)
            while waiting and waiting[0].start < start:
                changes.append(waiting.popleft())
            in_line = []
            while waiting and waiting[0].start < end:
                in_line.append(waiting.popleft().moved(-start))
            changes += [change.moved(start) for change in self._values.changes(data[start:end], b"", in_line)]
        return settle([*changes, *waiting])


def _structure_matters(data: bytes, text: list[Change]) -> bool:
    """Tell whether the structure may show more in a value than the text does, or has to place it."""
    if any(clue in data for clue in _CLUES) or b"\\" in data or _LIST_OF_STRINGS.search(data):
        return True
    return not all(_surely_in_string(data, change) for change in text)


def _uncovered(places: list[Change], changes: list[Change]) -> Iterator[bool]:
    """Yield for each place whether it is outside of all changes; both are in order."""
    position = 0
    for place in places:
        while position < len(changes) and changes[position].end < place.end:
            position += 1
        yield position == len(changes) or changes[position].start > place.start


def _line_start(data: bytes, place: int) -> int:
    return data.rfind(b"\n", 0, place) + 1


def _lines_with_clues(data: bytes) -> set[int]:
    starts = set()
    for clue in _CLUES:
        place = data.find(clue)
        while place >= 0:
            starts.add(_line_start(data, place))
            end = data.find(b"\n", place)
            place = data.find(clue, end) if end >= 0 else -1
    return starts


def _surely_in_string(data: bytes, change: Change) -> bool:
    """Tell whether a change can only be inside a string of JSON and cuts no escape there."""
    text = data[change.start : change.end]
    return (
        _IN_STRING.fullmatch(text) is not None
        and _COULD_BE_SCALAR.fullmatch(text) is None
        and data.find(b"\\", max(0, change.start - _LONGEST_ESCAPE), change.start) < 0
    )


class _Secrets:
    """The secrets of one document, to be found again where they have no name."""

    def __init__(self, redactor: Redactor) -> None:
        self._rules = redactor.ruleset.rules
        self._values = known.Values(_MOST_REMEMBERED)
        self._seen: set[int] = set()

    def known(self) -> AbstractContextManager[known.Values]:
        """Make the secrets known, as values that an application registered are."""
        return known.scope(self._values)

    def learn(self, changes: list[Change]) -> bool:
        """Remember the secrets of ``changes`` that nothing else looks like; return whether any is new."""
        new = False
        for change in changes:
            for rule, value in change.secrets:
                # A value seen before is known, or was forgotten for the sake of newer ones.
                if hash(value) not in self._seen and not self._rules[rule].low_entropy:
                    self._remember(value, self._rules[rule].id)
                    new = True
        return new

    def _remember(self, value: bytes, rule: str) -> None:
        if len(self._seen) >= _MOST_REMEMBERED:
            self._seen.clear()
        self._seen.add(hash(value))
        with self.known():
            for spelled in {value, canonical(value)}:
                if len(spelled) >= _SHORTEST_REMEMBERED and machine_made(spelled):
                    known.register(spelled, rule, math.inf)


KINDS: Final = (Kind("json", _recognises, _scrub),)
"""What this module scrubs."""
