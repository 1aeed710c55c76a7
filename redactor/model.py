"""The frozen types every layer shares: rules, matches and summaries."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = [
    "CATEGORIES",
    "Example",
    "Found",
    "Match",
    "Named",
    "Rule",
    "Ruleset",
    "Shape",
    "Summary",
]

CATEGORIES = frozenset(
    {"session", "csrf", "token", "oauth", "credential", "link", "otp", "saml", "signed-url", "vendor"}
)


Found = tuple[int, int, int]
"""Start and end (byte offsets) of a secret and the index of its rule in the ruleset."""


class Match(NamedTuple):
    """Where a secret is, never what it is: the rule that found it and a half-open range.

    ``start`` and ``end`` are byte offsets in the scanned bytes, or character offsets
    in the scanned ``str``, as the method that returned the match says.
    """

    rule: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Example:
    """A text of a rule's page with the exact secrets in it, in order of appearance.

    A counter-example is an example without secrets.
    """

    text: str
    secrets: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Named:
    """Detection by the name beside a value.

    ``names`` are tuples of lower-case words; a key belongs to the rule when its words
    end in one of them. ``harmless`` names have the same ending and are not secrets.
    ``patterns`` are bounded regular expressions for names that words cannot express.
    ``value`` is the value grammar, ``where`` the place in which the name counts, and
    ``min_length`` the shortest value in bytes.
    """

    names: tuple[tuple[str, ...], ...]
    harmless: tuple[tuple[str, ...], ...]
    patterns: tuple[str, ...]
    value: str
    where: str
    min_length: int


@dataclass(frozen=True, slots=True)
class Shape:
    """Detection by what the value itself looks like.

    ``prefixes`` are regular expressions of a fixed width each, ``body`` a character
    class, ``min_length`` and ``max_length`` bound the number of body characters, and
    ``validator`` names an offline check of the whole token ("" for none). ``after``
    is a bounded left context that must stand before the token ("" for a word start),
    ``before`` a literal that must follow it ("" for anything).
    """

    prefixes: tuple[str, ...]
    body: str
    min_length: int
    max_length: int
    validator: str
    after: str
    before: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of secret: how it is found, and the page that explains it."""

    id: str
    category: str
    title: str
    sources: tuple[str, ...]
    named: Named | None = None
    shapes: tuple[Shape, ...] = ()
    low_entropy: bool = False
    description: str = ""
    examples: tuple[Example, ...] = ()
    path: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Rules in order of priority, with the digest of the files they came from.

    ``digest`` is the hexadecimal BLAKE2b of the rule files' bytes, 16 bytes wide.
    """

    rules: tuple[Rule, ...]
    digest: str

    def rule(self, rule_id: str) -> Rule:
        """Return the rule called ``rule_id``; raises ``KeyError`` if there is none."""
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise KeyError(rule_id)


_ERROR: Final = ""
_MOST_PENDING: Final = 1024


class Summary:
    """What a redactor has done so far: counts only, nothing of the text.

    ``redactions`` counts replaced secrets by rule id, ``errors`` values that could not be
    inspected and were replaced for that reason. Counting is safe from any thread.
    """

    __slots__ = ("_counts", "_folding", "_pending")

    def __init__(self) -> None:
        # Adding to a list cannot be interrupted, by a thread or by a signal handler that
        # redacts while a count is being added; what is there is counted when it is asked for.
        self._pending: list[str] = []
        self._counts: dict[str, int] = {}
        self._folding = threading.Lock()

    @property
    def redactions(self) -> dict[str, int]:
        """How many secrets were replaced, by rule id."""
        return {rule: count for rule, count in self._all().items() if rule != _ERROR}

    @property
    def errors(self) -> int:
        """How many values could not be inspected."""
        return self._all().get(_ERROR, 0)

    @property
    def total(self) -> int:
        """The number of secrets replaced."""
        return sum(self.redactions.values())

    def add(self, rules: Sequence[str]) -> None:
        """Count one redaction for each rule id of ``rules``."""
        self._pending.extend(rules)
        if len(self._pending) >= _MOST_PENDING:
            self._fold()

    def add_error(self) -> None:
        """Count one value that could not be inspected."""
        self.add((_ERROR,))

    def _all(self) -> dict[str, int]:
        self._fold()
        return dict(self._counts)

    def _fold(self) -> None:
        """Count what is pending, unless that is under way already."""
        if not self._folding.acquire(blocking=False):
            return
        try:
            batch = self._pending[:]
            del self._pending[: len(batch)]
            for rule in batch:
                self._counts[rule] = self._counts.get(rule, 0) + 1
        finally:
            self._folding.release()

    def __repr__(self) -> str:
        return f"Summary(redactions={self.redactions!r}, errors={self.errors})"
