"""Rule files: TOML in, a checked ``Ruleset`` out.

Loading is strict. A file with an unknown field, a wrong type, a bad pattern, a pattern
that can be empty or endless, or an id that is taken raises ``RuleError`` with the
file and the line. The format is described in ``rules/README.md``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from redactor import cache
from redactor.errors import RuleError
from redactor.model import CATEGORIES, Example, Named, Rule, Ruleset, Shape
from redactor.syntax import split_words
from redactor.validators import VALIDATORS

__all__ = ["VALUES", "WHERE", "builtin_paths", "fixed_width", "load_rules", "load_ruleset"]

VALUES: Final = ("opaque", "random", "distinct", "digits", "any", "credentials", "cookies")
"""The value grammars of named rules, each described in ``rules/README.md``."""

WHERE: Final = ("anywhere", "cookie", "path")
"""The places in which a name can count."""

_RULE_FIELDS: Final = {
    "id": str,
    "category": str,
    "title": str,
    "description": str,
    "sources": list,
    "low_entropy": bool,
    "names": list,
    "harmless": list,
    "patterns": list,
    "value": str,
    "where": str,
    "min_length": int,
    "shape": list,
    "example": list,
    "counter": list,
}
_SHAPE_FIELDS: Final = {
    "prefixes": list,
    "body": str,
    "min_length": int,
    "max_length": int,
    "validator": str,
    "after": str,
    "before": str,
}
_NAMED_ONLY: Final = ("harmless", "patterns", "value", "where", "min_length")
_ID: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_ATOM: Final = re.compile(r"(?:\\.|\[\^?(?:\\.|[^\]\\])+\]|[^\\\[\](){}|*+?.^$])(?:\{(\d{1,3})\})?")
_SKIP: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_ENDLESS: Final = re.compile(r"[*+]|\{\d*,\}")
_NOT_PORTABLE: Final = re.compile(r"\(\?(?:[=!>|]|<[=!])|\\[1-9]|\\[bBAZzKGR]")


def builtin_paths() -> tuple[Path, ...]:
    """Return the rule files that come with redactor, in order.

    They lie in the package of an installed wheel and at the top of a checkout.
    """
    package = Path(__file__).parent
    folder = package / "rules" if (package / "rules").is_dir() else package.parent / "rules"
    paths = tuple(sorted(folder.glob("*.toml")))
    if not paths:
        raise RuleError(folder, None, "no rule files: expected *.toml here; reinstall redactor-kit")
    return paths


def load_ruleset(paths: Sequence[Path] | None = None) -> Ruleset:
    """Load rule files into one ruleset, without the pages' prose and examples.

    ``None`` means the built-in files. The result is kept in the on-disk cache under
    the digest of the files' bytes. Raises ``RuleError`` for the first thing that is wrong.
    """
    chosen = builtin_paths() if paths is None else tuple(paths)
    contents = [_read(path) for path in chosen]
    digest = _digest(contents)
    # The paths are part of the rules, for their errors, and so of the name they are cached under.
    name = f"rules-{digest}-{_digest([str(path).encode('utf-8', 'surrogateescape') for path in chosen])}"
    stored = cache.load(name)
    if stored is not None:
        return Ruleset(tuple(_from_plain(plain) for plain in json.loads(stored)), digest)
    rules = _check_ids(rule for path, content in zip(chosen, contents, strict=True) for rule in _parse(path, content))
    plain = [asdict(rule) | {"examples": (), "description": ""} for rule in rules]
    cache.store(name, json.dumps(plain).encode())
    return Ruleset(tuple(_from_plain(p) for p in json.loads(json.dumps(plain))), digest)


def load_rules(paths: Sequence[Path] | None = None) -> tuple[Rule, ...]:
    """Load rule files as whole pages, examples and descriptions included."""
    chosen = builtin_paths() if paths is None else tuple(paths)
    return _check_ids(rule for path in chosen for rule in _parse(path, _read(path)))


def fixed_width(pattern: str) -> int | None:
    """Return how many bytes a sequence of literals and classes matches; ``None`` if that varies."""
    position = width = 0
    while position < len(pattern):
        atom = _ATOM.match(pattern, position)
        if atom is None:
            return None
        width += int(atom.group(1) or 1)
        position = atom.end()
    return width


_FORMAT: Final = b"rules-format-4"
"""Tells caches of releases apart whose rule model differs."""


def _digest(parts: Sequence[bytes]) -> str:
    """Return a digest of ``parts`` that also tells where each begins."""
    digest = blake2b(_FORMAT, digest_size=16)
    for part in parts:
        digest.update(f"\0{len(part)}\0".encode())
        digest.update(part)
    return digest.hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RuleError(path, None, f"cannot be read: {error.strerror}") from None


def _check_ids(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    seen: dict[str, Rule] = {}
    for rule in rules:
        other = seen.setdefault(rule.id, rule)
        if other is not rule:
            raise RuleError(rule.path, rule.line, f"id '{rule.id}' is taken by {other.path}:{other.line}")
    return tuple(seen.values())


def _from_plain(plain: dict[str, Any]) -> Rule:
    named = plain["named"]
    return Rule(
        id=plain["id"],
        category=plain["category"],
        title=plain["title"],
        sources=tuple(plain["sources"]),
        named=None
        if named is None
        else Named(
            names=tuple(tuple(name) for name in named["names"]),
            harmless=tuple(tuple(name) for name in named["harmless"]),
            patterns=tuple(named["patterns"]),
            value=named["value"],
            where=named["where"],
            min_length=named["min_length"],
        ),
        shapes=tuple(Shape(**{**shape, "prefixes": tuple(shape["prefixes"])}) for shape in plain["shapes"]),
        low_entropy=plain["low_entropy"],
        path=plain["path"],
        line=plain["line"],
    )


def _parse(path: Path, content: bytes) -> tuple[Rule, ...]:
    import tomllib  # slow to import, and not needed once the rules are cached

    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RuleError(path, line, "not UTF-8: rule files are UTF-8 text") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = int(place.group(1)) if place else text.count("\n") + 1
        raise RuleError(path, line, f"not TOML: {re.sub(r' [(]at .*', '', str(error))}") from None
    return _File(path, text).rules(document)


class _File:
    """One rule file being checked, with the means to say in which line something stands."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines = text.splitlines()
        self.starts = [n for n, line in enumerate(self.lines, 1) if re.match(r"\s*\[\[\s*rule\s*\]\]", line)]

    def rules(self, document: dict[str, Any]) -> tuple[Rule, ...]:
        for name in document:
            if name not in ("rule", "category"):
                raise self.error(self.line_of(name, 1), f"unknown field '{name}'; expected category, [[rule]]")
        tables = document.get("rule", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self.error(self.line_of("rule", 1), "'rule' must be an array of tables: [[rule]]")
        if not tables:
            raise self.error(1, "no rules: expected at least one [[rule]]")
        category = document.get("category")
        return tuple(self.rule(table, category, self.start(n)) for n, table in enumerate(tables))

    def start(self, index: int) -> int:
        return self.starts[index] if index < len(self.starts) else 1

    def error(self, line: int, problem: str) -> RuleError:
        return RuleError(self.path, line, problem)

    def line_of(self, name: str, start: int, occurrence: int = 0) -> int:
        """Return the line of a field's or a sub-table's n-th occurrence after ``start``."""
        wanted = re.compile(rf"\s*(?:\[\[?\s*(?:rule\s*\.\s*)?)?['\"]?{re.escape(name)}['\"]?\s*[=\]]")
        for number in range(start, len(self.lines) + 1):
            if number > start and number in self.starts:
                break
            if wanted.match(self.lines[number - 1]):
                if occurrence == 0:
                    return number
                occurrence -= 1
        return start

    def checked(self, table: dict[str, Any], fields: dict[str, type], start: int, what: str) -> None:
        for name, value in table.items():
            if name not in fields:
                line = self.line_of(name, start)
                raise self.error(line, f"unknown field '{name}' in {what}; expected {', '.join(fields)}")
            expected = fields[name]
            if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
                kind = {str: "a string", int: "a whole number", bool: "true or false", list: "an array"}[expected]
                raise self.error(self.line_of(name, start), f"'{name}' must be {kind}")

    def strings(self, table: dict[str, Any], name: str, start: int) -> tuple[str, ...]:
        values = table.get(name, [])
        if not all(isinstance(value, str) and value for value in values):
            raise self.error(self.line_of(name, start), f"'{name}' must hold non-empty strings only")
        return tuple(values)

    def one_of(self, table: dict[str, Any], name: str, allowed: Iterable[str], default: str, start: int) -> str:
        value = str(table.get(name, default))
        if value not in allowed:
            line = self.line_of(name, start)
            raise self.error(line, f"'{name}' is '{value}'; expected one of {', '.join(sorted(filter(None, allowed)))}")
        return value

    def number(self, table: dict[str, Any], name: str, default: int, start: int, low: int, high: int) -> int:
        value: int = table.get(name, default)
        if not low <= value <= high:
            raise self.error(self.line_of(name, start), f"'{name}' is {value}; expected {low} to {high}")
        return value

    def rule(self, table: dict[str, Any], category: object, start: int) -> Rule:
        self.checked(table, _RULE_FIELDS, start, "a rule")
        for name in ("id", "title"):
            if not table.get(name):
                raise self.error(start, f"a rule needs '{name}'")
        rule_id = table["id"]
        if not _ID.fullmatch(rule_id) or len(rule_id) > 64:
            line = self.line_of("id", start)
            raise self.error(line, f"id '{rule_id}' must be at most 64 lower-case letters, digits and single hyphens")
        named = self.named(table, start)
        own = "category" in table or category is None
        shapes = tuple(
            self.shape(shape, self.line_of("shape", start, n)) for n, shape in enumerate(table.get("shape", []))
        )
        if named is None and not shapes:
            raise self.error(start, f"rule '{rule_id}' finds nothing: it needs 'names', 'patterns' or [[rule.shape]]")
        return Rule(
            id=rule_id,
            category=self.one_of(
                {"category": table.get("category", category)}, "category", CATEGORIES, "", start if own else 1
            ),
            title=table["title"],
            sources=self.strings(table, "sources", start),
            named=named,
            shapes=shapes,
            low_entropy=table.get("low_entropy", False),
            description=table.get("description", ""),
            examples=tuple(self.examples(table, start)),
            path=str(self.path),
            line=start,
        )

    def named(self, table: dict[str, Any], start: int) -> Named | None:
        names, patterns = self.strings(table, "names", start), self.strings(table, "patterns", start)
        if not names and not patterns:
            for name in _NAMED_ONLY:
                if name in table:
                    raise self.error(self.line_of(name, start), f"'{name}' needs 'names' or 'patterns'")
            return None
        for pattern in patterns:
            self.pattern(pattern, "patterns", start)
        split: dict[str, list[tuple[str, ...]]] = {"names": [], "harmless": []}
        for field, words in split.items():
            for name in self.strings(table, field, start):
                if not re.fullmatch(r"[A-Za-z0-9_.\-$ ]{2,96}", name) or not split_words(name):
                    line = self.line_of(field, start)
                    raise self.error(line, f"name '{name}' must be 2 to 96 letters, digits and _ . - $")
                words.append(split_words(name))
        return Named(
            names=tuple(dict.fromkeys(split["names"])),
            harmless=tuple(dict.fromkeys(split["harmless"])),
            patterns=patterns,
            value=self.one_of(table, "value", VALUES, "opaque", start),
            where=self.one_of(table, "where", WHERE, "anywhere", start),
            min_length=self.number(table, "min_length", 6, start, 3, 64),
        )

    def shape(self, table: object, start: int) -> Shape:
        if not isinstance(table, dict):
            raise self.error(start, "'shape' must be an array of tables: [[rule.shape]]")
        self.checked(table, _SHAPE_FIELDS, start, "a shape")
        prefixes = tuple(table.get("prefixes", [""]))
        for prefix in prefixes:
            if not isinstance(prefix, str) or (prefix and fixed_width(prefix) is None):
                line = self.line_of("prefixes", start)
                raise self.error(line, "'prefixes' must be literals and classes of a fixed width, such as 'xox[bp]-'")
            if prefix:
                self.pattern(prefix, "prefixes", start)
        after = table.get("after", "")
        if after:
            self.pattern(after, "after", start)
        elif not all(prefixes) or not prefixes:
            raise self.error(start, "a shape needs 'prefixes' or 'after'")
        body = table.get("body", "")
        if not re.fullmatch(r"\[(?:\\.|[^\]\\])+\]", body):
            raise self.error(self.line_of("body", start), "'body' must be one character class, such as '[A-Za-z0-9]'")
        self.pattern(body, "body", start)
        low = self.number(table, "min_length", 16, start, 1, 4096)
        return Shape(
            prefixes=prefixes,
            body=body,
            min_length=low,
            max_length=self.number(table, "max_length", 1 << 30, start, low, 1 << 30),
            validator=self.one_of(table, "validator", VALIDATORS, "", start),
            after=after,
            before=table.get("before", ""),
        )

    def pattern(self, pattern: str, field: str, start: int) -> None:
        """Refuse a pattern that does not compile, may be empty or endless, or is not portable."""
        line = self.line_of(field, start)
        try:
            compiled = re.compile(pattern.encode("ascii"))
        except UnicodeEncodeError:
            raise self.error(line, f"'{field}' must be ASCII; write other bytes as \\xHH") from None
        except (re.error, OverflowError) as error:
            raise self.error(line, f"'{field}' is not a regular expression: {error}") from None
        bare = _SKIP.sub("", pattern)
        if _ENDLESS.search(bare):
            raise self.error(line, f"'{field}' repeats without a bound; write {{0,64}} instead of * or +")
        if _NOT_PORTABLE.search(_SKIP.sub(lambda m: m.group() if m.group()[0] == "\\" else "", pattern)):
            raise self.error(
                line, f"'{field}' uses a look-around, an anchor or a back-reference; no engine shares those"
            )
        if compiled.fullmatch(b"") is not None:
            raise self.error(line, f"'{field}' can match nothing at all")

    def examples(self, table: dict[str, Any], start: int) -> Iterable[Example]:
        for kind in ("example", "counter"):
            for number, plain in enumerate(table.get(kind, [])):
                line = self.line_of(kind, start, number)
                if not isinstance(plain, dict):
                    raise self.error(line, f"'{kind}' must be an array of tables: [[rule.{kind}]]")
                fields: dict[str, type] = {"text": str} | ({"secrets": list} if kind == "example" else {})
                self.checked(plain, fields, line, f"[[rule.{kind}]]")
                secrets = self.strings(plain, "secrets", line)
                if "text" not in plain or (kind == "example" and not secrets):
                    raise self.error(line, f"[[rule.{kind}]] needs {' and '.join(fields)}")
                position = 0
                for secret in secrets:
                    position = plain["text"].find(secret, position) + len(secret)
                    if position < len(secret):
                        raise self.error(line, "a secret of this example is not in its text, or not in this order")
                yield Example(plain["text"], secrets, line)
