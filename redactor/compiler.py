"""From a ruleset to what an engine can run: triggers, name tables and shape checks.

A trigger is a bounded pattern that ends a known number of bytes into the value, so the
place where an engine reports it gives the value's start. Names are not compiled one by
one: all names of one minimum length share a trigger with the separators of every syntax,
and the words of the whole name, read backwards, decide which rule it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from hashlib import blake2b
from itertools import chain
from typing import Final

from redactor.model import Named, Rule, Ruleset, Shape
from redactor.rulefiles import fixed_width
from redactor.syntax import (
    ANY_FIRST,
    ANY_VALUE,
    CODE_FIRST,
    CODE_IS,
    NAMED_SEPARATORS,
    PAIR_SEPARATORS,
    PATH_SEGMENT,
    PROSE_ENDING,
    PROSE_SEPARATOR,
    SLASH,
    VALUE,
    VALUE_FIRST,
    WORD_GAP,
    split_words,
)
from redactor.validators import VALIDATORS

__all__ = ["CompiledRuleset", "CompiledShape", "Kind", "Names", "Trigger", "compile_ruleset"]

HARMLESS: Final = -1
"""The rule index of a name that is known to be no secret."""

_UNDECIDED: Final = -2
_MOST_DECIDED: Final = 4096
"""How many keys a name table remembers."""

_MOST_BODY: Final = 16
"""The most bytes of a value that a trigger looks at."""

_DEPTHS: Final = (3, 4, 6, 8)
"""How far into a named value a trigger may reach; a longer reach means fewer candidates."""

_PROSE_WORDS: Final = (
    "session",
    "token",
    "sid",
    "cookie",
    "ticket",
    "jwt",
    "code",
    "nonce",
    "passcode",
    "otp",
    "einmalcode",
)
"""Last words of names that are looked for in sentences, where no sign says that a value follows."""

_GROUP: Final = 32
"""The most names in one pattern: over about 120, Hyperscan scans five times slower."""

_SHORTEST_GLUED: Final = 7
"""Names of at least this many letters are recognised inside a longer word, ``mysessionid``."""


_PLAIN_CHOICE: Final = re.compile(r"\((?:\?i|\?):((?:[A-Za-z0-9_ \-]{3,}\|)*[A-Za-z0-9_ \-]{3,})\)(?![?{])")


class Kind(IntEnum):
    """What has to be done where a trigger fired; the order is that of precedence."""

    SHAPE = 0
    NAMED = 1
    PATH = 2
    PROSE = 3
    CODE_FIRST = 4
    """The end of a name that stands behind its value."""
    WEAK = 5
    """A shape so weak that any name beside it says more."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A bounded pattern whose match ends ``depth`` bytes into the candidate value."""

    pattern: bytes
    depth: int
    kind: Kind
    shapes: tuple[int, ...] = ()
    """The shapes to try where it fired, in order."""
    literals: tuple[bytes, ...] = ()
    """Lower-case bytes of which one is in every match, for engines without a prefilter of their own."""
    lead: bytes = b""
    body: str = ""
    """The context and prefix of a shape, and the class of what follows."""


@dataclass(frozen=True, slots=True)
class CompiledShape:
    """A shape ready for confirmation at a known start."""

    rule: int
    body: re.Pattern[bytes]
    prefix_width: int
    min_length: int
    max_length: int
    validator: Callable[[bytes], bool]
    validator_name: str
    bounded_left: bool
    before: bytes


class Names:
    """The names of all rules, looked up by the words of a key."""

    def __init__(self, rules: Iterable[tuple[int, Rule]], places: tuple[str, ...]) -> None:
        self._table: dict[tuple[str, ...], int] = {}
        self._patterns: list[tuple[re.Pattern[str], int]] = []
        for index, rule in rules:
            named = rule.named
            if named is None or named.where not in places:
                continue
            for name in named.names:
                self._table.setdefault(name, index)
            for name in named.harmless:
                self._table.setdefault(name, HARMLESS)
            for pattern in named.patterns:
                self._patterns.append((re.compile(pattern), index))
        self._decided: dict[tuple[str, tuple[str, ...]], int | None] = {}
        # One look for all of them; a pattern that never matches where there are none.
        self._any_pattern = re.compile("|".join(f"(?:{pattern.pattern})" for pattern, _ in self._patterns) or r"(?!)")
        self._longest = max(map(len, self._table), default=0)
        self._glued = {
            "".join(name): index for name, index in self._table.items() if len("".join(name)) >= _SHORTEST_GLUED
        }
        self._glued_lengths = sorted({len(name) for name in self._glued}, reverse=True)
        # Last words of longer names: only for them can words of prose before a key matter.
        self._need_more = {name[-1] for name in self._table if len(name) > 1}

    def rule_of(self, key: str, before: tuple[str, ...] = ()) -> int | None:
        """Return the index of the rule whose name ends ``key``: the longest name wins.

        ``before`` are words of prose in front of the key. ``HARMLESS`` means that the
        longest name is known to be no secret, ``None`` that no name fits.
        """
        known = self._decided.get((key, before), _UNDECIDED)
        if known is not _UNDECIDED:
            return known
        if len(self._decided) >= _MOST_DECIDED:
            self._decided.clear()
        rule = self._decided[key, before] = self._decide(key, before)
        return rule

    def _decide(self, key: str, before: tuple[str, ...]) -> int | None:
        if self._any_pattern.fullmatch(key):
            return next(index for pattern, index in self._patterns if pattern.fullmatch(key))
        words = before + split_words(key)
        for length in range(min(self._longest, len(words)), 0, -1):
            found = self._table.get(words[-length:])
            if found is not None:
                return found
        if words:
            joined = "".join(words)
            for length in self._glued_lengths:
                found = self._glued.get(joined[-length:]) if length <= len(joined) else None
                if found is not None and (length in (len(joined), *range(9, 97)) or len(words[-1]) >= length):
                    return found
        return None

    def prose_matters(self, key: str) -> bool:
        """Tell whether words in front of ``key`` can change what it is."""
        words = split_words(key)
        return len(words) == 1 and words[0] in self._need_more


@dataclass(frozen=True, slots=True)
class CompiledRuleset:
    """Everything the scanner needs. ``triggers`` are in order of precedence."""

    rules: tuple[Rule, ...]
    triggers: tuple[Trigger, ...]
    shapes: tuple[CompiledShape, ...]
    names: Names
    cookie_names: Names
    path_names: Names
    digest: str
    """Hexadecimal BLAKE2b of the trigger patterns: two rulesets with it share a database."""


def compile_ruleset(ruleset: Ruleset) -> CompiledRuleset:
    """Cross the names of ``ruleset`` with the syntaxes and collect its triggers.

    A ``Ruleset`` comes out of ``rulefiles`` checked, so compiling it cannot fail.
    """
    rules = tuple(enumerate(ruleset.rules))
    shapes: list[CompiledShape] = []
    triggers: list[Trigger] = []
    weak: list[Trigger] = []
    for index, rule in rules:
        for shape in rule.shapes:
            for prefix in shape.prefixes:
                _add_shape(weak if shape.validator == "distinct" else triggers, shape, prefix, len(shapes))
                shapes.append(_compile_shape(shape, prefix, index))
    triggers.extend(_named_triggers(ruleset.rules))
    triggers.extend(_path_triggers(ruleset.rules))
    triggers.extend(_prose_triggers(ruleset.rules))
    triggers.extend(_code_triggers(ruleset.rules))
    triggers.extend(weak)
    digest = blake2b(b"\0".join(b"%d:%s" % (trigger.depth, trigger.pattern) for trigger in triggers), digest_size=16)
    return CompiledRuleset(
        rules=ruleset.rules,
        triggers=tuple(triggers),
        shapes=tuple(shapes),
        names=Names(rules, ("anywhere",)),
        cookie_names=Names(rules, ("anywhere", "cookie")),
        path_names=Names(rules, ("path",)),
        digest=digest.hexdigest(),
    )


def _add_shape(triggers: list[Trigger], shape: Shape, prefix: str, number: int) -> None:
    """Add the trigger of a shape, or let the shape share the one that starts the same way.

    A shared trigger reads as much as the shorter of them does, in the characters of both.
    """
    kind = Kind.WEAK if shape.validator == "distinct" else Kind.SHAPE
    lead = f"{shape.after}{prefix}".encode("ascii")
    body = min(shape.min_length, _MOST_BODY)
    depth = (fixed_width(prefix) or 0) + body
    pattern = lead + f"{shape.body}{{{body}}}".encode("ascii")
    for place, other in enumerate(triggers):
        if prefix and other.lead == lead:
            body = min(other.depth, depth) - (fixed_width(prefix) or 0)
            members = f"[{other.body[1:-1]}{shape.body[1:-1]}]"
            pattern = lead + f"{members}{{{body}}}".encode("ascii")
            shapes = (*other.shapes, number)
            triggers[place] = replace(
                other, pattern=pattern, depth=min(other.depth, depth), shapes=shapes, body=members
            )
            return
    literals = _literals(shape.after + prefix)
    triggers.append(Trigger(pattern, depth, kind, (number,), literals, lead, shape.body))


def _literals(pattern: str) -> tuple[bytes, ...]:
    """Return lower-case bytes of which one is in every match of ``pattern``; none if unsure."""
    bare = re.sub(r"\[\.\]", ".", pattern)
    bare = re.sub(r"\[[^\]]*\]|\\.|\((?:[^()]|\([^()]*\))*\)", "\n", bare)
    bare = re.sub(r"\{[0-9,]*\}", "{", bare)  # the digits of a bound are no literal
    runs = re.findall(r"(?:[A-Za-z0-9_.\-/&=: %#!](?![?{])){3,}", bare)
    if runs and "|" not in bare:
        return (max(runs, key=len).lower().encode("ascii"),)
    choice = _PLAIN_CHOICE.search(pattern)
    return () if choice is None else tuple(word.lower().encode("ascii") for word in choice.group(1).split("|"))


def _compile_shape(shape: Shape, prefix: str, rule: int) -> CompiledShape:
    return CompiledShape(
        rule=rule,
        body=re.compile(f"{shape.body}*+".encode("ascii")),
        prefix_width=fixed_width(prefix) or 0,
        min_length=shape.min_length,
        max_length=shape.max_length,
        validator=VALIDATORS[shape.validator],
        validator_name=shape.validator,
        bounded_left=not shape.after and shape.validator != "jose",
        before=shape.before.encode("ascii"),
    )


def _named_triggers(rules: tuple[Rule, ...]) -> Iterable[Trigger]:
    """Yield triggers for names with values of each depth, and one for pairs with any name."""
    named = [rule.named for rule in rules if rule.named is not None and rule.named.where == "anywhere"]
    anything = [names for names in named if names.value == "any"]
    yield from _assigned(anything, ANY_FIRST, ANY_VALUE)
    yield from _assigned([names for names in named if names not in anything], VALUE_FIRST, VALUE)
    for separator, literals in PAIR_SEPARATORS if named else ():
        pattern = _named_pattern("[a-z0-9_]", separator, VALUE_FIRST, VALUE, min(_DEPTHS))
        yield Trigger(pattern, min(_DEPTHS), Kind.NAMED, literals=literals)


def _assigned(every: list[Named], first: str, value: str) -> Iterable[Trigger]:
    depths: dict[str, int] = {}
    literals: dict[str, tuple[bytes, ...]] = {}
    names: dict[tuple[str, ...], int] = {}
    for named in every:
        depth = max(reach for reach in _DEPTHS if reach <= named.min_length)
        for name in named.names:
            names[name] = min(depth, names.get(name, depth))
        for pattern in named.patterns:
            depths[f"(?:{pattern})"] = depth
            literals[f"(?:{pattern})"] = _literals(pattern)
    # session_id also finds sessionid, as the gap between its words may be empty.
    spaced = {"".join(name) for name in names if len(name) > 1}
    for name, depth in names.items():
        if len(name) == 1 and name[0] in spaced:
            continue
        # A name that ends in another is found by the trigger of the shorter one.
        if not any(names.get(name[start:], depth + 1) <= depth for start in range(1, len(name))):
            depths[_ending(name)] = depth
            literals[_ending(name)] = (max(name, key=len).encode("ascii"),)
    for depth in _DEPTHS:
        endings = [ending for ending, reach in depths.items() if reach == depth]
        for separator in NAMED_SEPARATORS:
            for group in _batches(sorted(endings, key=lambda ending: (len(ending), ending))):
                known = [literals.get(ending, ()) for ending in group]
                found = tuple(dict.fromkeys(chain.from_iterable(known))) if all(known) else ()
                trigger = _named_pattern("|".join(group), separator, first, value, depth)
                yield Trigger(trigger, depth, Kind.NAMED, literals=found)


def _prose_triggers(rules: tuple[Rule, ...]) -> Iterable[Trigger]:
    named = [rule.named for rule in rules if rule.named is not None and rule.named.where == "anywhere"]
    known = {name[-1] for names in named for name in names.names}
    words = "|".join(word for word in _PROSE_WORDS if word in known)
    depths = {4 if names.value == "digits" else 8 for names in named}
    for depth in sorted(depths) if words else ():
        first = "[0-9]" if depth == 4 else VALUE_FIRST
        pattern = f"(?i:{words}){PROSE_ENDING}{PROSE_SEPARATOR}{first}{'[0-9]' if depth == 4 else VALUE}{{{depth - 1}}}"
        literals = tuple(word.encode("ascii") for word in _PROSE_WORDS)
        yield Trigger(pattern.encode("ascii"), depth, Kind.PROSE, literals=literals)


def _code_triggers(rules: tuple[Rule, ...]) -> Iterable[Trigger]:
    if any(rule.named is not None and rule.named.value == "digits" for rule in rules):
        literals = tuple(f" {words.lower()} ".encode("ascii") for words in CODE_IS)
        yield Trigger(f"[0-9]{CODE_FIRST}".encode("latin-1"), 0, Kind.CODE_FIRST, literals=literals)


def _named_pattern(endings: str, separator: str, first: str, value: str, depth: int) -> bytes:
    return rf"(?i:{endings})(?:[.\-_]?[0-9]{{1,2}})?{separator}{first}{value}{{{depth - 1}}}".encode("ascii")


def _batches(items: Sequence[str]) -> Iterable[Sequence[str]]:
    """Cut ``items`` so that no pattern holds more names than Hyperscan matches at full speed."""
    return (items[start : start + _GROUP] for start in range(0, len(items), _GROUP))


def _path_triggers(rules: tuple[Rule, ...]) -> Iterable[Trigger]:
    for rule in rules:
        if rule.named is None or rule.named.where != "path":
            continue
        depth = min(rule.named.min_length, _MOST_BODY)
        words = "|".join(sorted(_ending(name) for name in rule.named.names))
        literals = tuple(dict.fromkeys(max(name, key=len).encode("ascii") for name in rule.named.names))
        for between in ("", rf"{SLASH}[A-Za-z0-9_\-=]{{1,40}}"):
            pattern = f"(?i:{words}){between}{SLASH}{PATH_SEGMENT}{{{depth}}}"
            yield Trigger(pattern.encode("ascii"), depth, Kind.PATH, literals=literals)


def _ending(words: tuple[str, ...]) -> str:
    return WORD_GAP.join(re.escape(word) for word in words)
