"""The ``Redactor``: a ruleset and a policy, ready to redact text, bytes, values and streams."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from redactor import known
from redactor.compiler import compile_ruleset
from redactor.engines import choose_engine
from redactor.finder import KNOWN_VALUE, Finder
from redactor.model import Found, Match, Ruleset, Summary
from redactor.replace import ERROR_PLACEHOLDER, HmacKey, Policy, Replacer
from redactor.rulefiles import load_ruleset
from redactor.scanner import Decision, Scanner
from redactor.stream import BLOCK, Observer, Stream

__all__ = ["Redactor", "default_redactor"]

_Bytes: TypeAlias = bytes
"""The type, where a method of the same name hides it."""

_ERROR_BYTES: Final = ERROR_PLACEHOLDER.encode()
_DEEPEST: Final = 64
_NAME_KEYS: Final = ("name", "key", "Name", "Key")
_VALUE_KEYS: Final = ("value", "Value", "content", "stringValue", "string_value")


class Redactor:
    """Removes session secrets and nothing else.

    ``ruleset`` defaults to the built-in rules, ``policy`` to placeholders without
    fingerprints, ``engine`` to what ``REDACTOR_ENGINE`` says. Raises ``RuleError`` or
    ``PolicyError`` when it is made; its methods never raise. A value that cannot be
    inspected becomes ``[REDACTED:error]`` and is counted in ``summary.errors``.
    A redactor may be shared between threads.
    """

    def __init__(
        self, ruleset: Ruleset | None = None, policy: Policy | None = None, *, engine: str | None = None
    ) -> None:
        every = load_ruleset() if ruleset is None else ruleset
        self.policy = Policy() if policy is None else policy
        self.policy.check(every)
        enabled = Ruleset(tuple(r for r in every.rules if r.id not in self.policy.disabled), every.digest)
        compiled = compile_ruleset(enabled)
        self.scanner = Scanner(compiled, choose_engine(compiled, engine))
        self.ruleset = Ruleset((*enabled.rules, KNOWN_VALUE), every.digest)
        self.replacer = Replacer(self.ruleset, self.policy)
        self._finder = Finder(self.scanner, self.replacer, self.ruleset)
        self.summary = Summary()

    @classmethod
    def from_files(cls, paths: Sequence[Path], policy: Policy | None = None, *, engine: str | None = None) -> Redactor:
        """Make a redactor from rule files instead of the built-in ones."""
        return cls(load_ruleset(paths), policy, engine=engine)

    def __repr__(self) -> str:
        return f"<Redactor {len(self.ruleset.rules)} rules, {self.scanner.engine.name}>"

    # --- text and bytes ---------------------------------------------------------------

    def text(self, text: str) -> str:
        """Return ``text`` without its secrets; the same object if it has none."""
        try:
            data = text.encode("utf-8", "surrogatepass")
            if len(data) > BLOCK:
                redacted = self._stream_whole(data)
                return text if redacted == data else redacted.decode("utf-8", "surrogatepass")
            found = self.scanner.scan(data)
            if "\n" in text:
                found = self._finder.in_table(data, found)
            if not found and not known.used:
                return text
            redacted = self._replace(data, found)
            return text if redacted is data else redacted.decode("utf-8", "surrogatepass")
        except Exception:
            self.summary.add_error()
            return ERROR_PLACEHOLDER

    def bytes(self, data: _Bytes) -> _Bytes:
        """Return ``data`` without its secrets; the same object if it has none."""
        try:
            if len(data) > BLOCK or data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                redacted = self._stream_whole(data)
                return data if redacted == data else redacted
            return self._replace(data, self._finder.in_table(data, self.scanner.scan(data)))
        except Exception:
            self.summary.add_error()
            return _ERROR_BYTES

    def stream(self, chunks: Iterable[_Bytes], *, line_buffered: bool = False) -> Iterator[_Bytes]:
        """Yield the redacted bytes of ``chunks``; how they are cut makes no difference.

        Errors of the iterable itself are its own and pass through.
        """
        stream = self.open_stream(line_buffered=line_buffered)
        for chunk in chunks:
            done = stream.feed(chunk)
            if done:
                yield done
        rest = stream.finish()
        if rest:
            yield rest

    def open_stream(self, *, line_buffered: bool = False, observer: Observer | None = None) -> Stream:
        """Return a stream to be fed by hand.

        ``observer`` is told of every replacement, instead of ``summary``.
        """
        return Stream(self._finder, self.replacer, observer or _Count(self), line_buffered)

    def matches(self, text: str | _Bytes) -> list[Match]:
        """Return where the secrets of ``text`` are, in order.

        Offsets are in characters for a ``str`` and in bytes for ``bytes``. The policy's
        allowlist counts; its redactions do not.
        """
        data = text if isinstance(text, _Bytes) else text.encode("utf-8", "surrogatepass")
        found, _ = self._finder.find_in_text(data)
        rules = self.ruleset.rules
        if isinstance(text, _Bytes) or len(text) == len(data):
            return [Match(rules[rule].id, start, end) for start, end, rule in found]
        return [Match(rules[rule].id, _characters(data, start), _characters(data, end)) for start, end, rule in found]

    def explain(self, data: _Bytes) -> list[Decision]:
        """Return every candidate in ``data`` and what became of it, for people to read."""
        trace: list[Decision] = []
        self.scanner.scan(data, trace)
        return trace

    # --- values -----------------------------------------------------------------------

    def value(self, value: Any) -> Any:
        """Return a JSON-like value without its secrets; the same object if it has none.

        Strings and bytes are redacted as text; what stands beside a secret's name (in a
        mapping, a pair, or ``{"name": .., "value": ..}``) is judged by that name. The
        caller's object is never changed: what changes is copied into plain ``dict``,
        ``list``, ``tuple`` and ``set``. Deeper than 64 levels, or in a cycle, a value that
        would have to be copied becomes ``[REDACTED:error]``. Other objects are passed on.
        """
        try:
            walk = _Walk(self, keep_cycles=True)
            redacted = walk.visit(value, "")
            if redacted is not value and walk.met_cycle:
                redacted = _Walk(self, keep_cycles=False).visit(value, "")
            return redacted
        except Exception:
            self.summary.add_error()
            return ERROR_PLACEHOLDER

    def beside(self, key: str, text: str) -> str:
        """Return ``text``, the whole value beside ``key``, without its secrets."""
        try:
            data = text.encode("utf-8", "surrogatepass")
            redacted = self._replace(data, self.scanner.scan_value(key, data))
            return text if redacted is data else redacted.decode("utf-8", "surrogatepass")
        except Exception:
            self.summary.add_error()
            return ERROR_PLACEHOLDER

    # --- inside -----------------------------------------------------------------------

    def _replace(self, data: _Bytes, found: list[Found]) -> _Bytes:
        """Return ``data`` without ``found`` and without known values; the same object if clean."""
        found, plain = self._finder.settled(data, found)
        if not found:
            return data
        rules = self.ruleset.rules
        self.summary.add([rules[rule].id for _, _, rule in found])
        return self.replacer.splice(data, found, self.replacer.replacements(data, found, plain))

    def _stream_whole(self, data: _Bytes) -> _Bytes:
        stream = self.open_stream()
        pieces = [stream.feed(data[start : start + BLOCK]) for start in range(0, len(data), BLOCK)]
        return b"".join([*pieces, stream.finish()])


class _Count:
    """The observer of a stream that nobody else observes: counts in the redactor's summary."""

    def __init__(self, redactor: Redactor) -> None:
        self._rules = redactor.ruleset.rules
        self._summary = redactor.summary

    def found(self, data: bytes, found: Sequence[Found], replacements: Sequence[bytes], base: int) -> None:  # noqa: ARG002
        self._summary.add([self._rules[rule].id for _, _, rule in found])

    def prolonged(self, end: int) -> None:
        pass


def _characters(data: bytes, offset: int) -> int:
    return len(data[:offset].decode("utf-8", "surrogatepass"))


class _Walk:
    """One walk over a value. Cycles are kept as they are, or cut if the value is copied."""

    def __init__(self, redactor: Redactor, keep_cycles: bool) -> None:
        self._redactor = redactor
        self._keep_cycles = keep_cycles
        self._above: set[int] = set()
        self.met_cycle = False

    def visit(self, value: Any, key: str) -> Any:
        kind = type(value)
        if kind is str:
            return self._text(value, key)
        if value is None or kind is bool or kind is float:
            return value
        if isinstance(value, str):
            plain = str.__str__(value)
            redacted = self._text(plain, key)
            return value if redacted is plain or redacted == plain else redacted
        if isinstance(value, bytes | bytearray):
            return self._bytes(value, key)
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            return self._container(value, key)
        return self._scalar(value, key) if key else value

    def _text(self, text: str, key: str) -> str:
        return self._redactor.beside(key, text) if key else self._redactor.text(text)

    def _bytes(self, data: bytes | bytearray, key: str) -> Any:
        plain = bytes(data)
        if not key:
            redacted = self._redactor.bytes(plain)
        else:
            text = plain.decode("utf-8", "surrogateescape")
            redacted = self._redactor.beside(key, text).encode("utf-8", "surrogateescape")
        return data if redacted == plain else redacted

    def _scalar(self, value: Any, key: str) -> Any:
        """Judge a number or another object beside a secret's name by how it is written."""
        if self._redactor.scanner.rule_of_key(key) is None:
            return value
        text = str(value)
        redacted = self._redactor.beside(key, text)
        return value if redacted == text else redacted

    def _container(self, value: Any, key: str) -> Any:
        if id(value) in self._above:
            self.met_cycle = True
            return value if self._keep_cycles else self._error()
        if len(self._above) >= _DEEPEST:
            return self._error()
        self._above.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self._mapping(value, key)
            return self._items(value, key)
        finally:
            self._above.discard(id(value))

    def _error(self) -> str:
        self._redactor.summary.add_error()
        return ERROR_PLACEHOLDER

    def _mapping(self, mapping: Mapping[Any, Any], key: str) -> Any:
        # {"key": "sid", "value": {"stringValue": ..}}: the name reaches down to the value.
        named = _name_of(mapping) or key
        cookies = bool(key) and self._redactor.scanner.holds_cookies(key)
        copy: dict[Any, Any] = {}
        changed = False
        for name, value in mapping.items():
            beside = named if named and name in _VALUE_KEYS else _as_key(name)
            new_value = self._cookie(name, value) if cookies else self.visit(value, beside)
            new_name = self._redactor.text(name) if type(name) is str and len(name) > 16 else name
            if new_value is not value or new_name is not name:
                changed = True
            number = 2
            while new_name is not name and (new_name in copy or new_name in mapping):
                new_name = f"{self._redactor.text(name)} ({number})"
                number += 1
            copy[new_name] = new_value
        return copy if changed else mapping

    def _cookie(self, name: Any, value: Any) -> Any:
        """Judge a member of ``{"cookies": {..}}`` as its header would be judged."""
        if type(value) is not str or type(name) is not str:
            return self.visit(value, _as_key(name))
        line = f"Cookie: {name}={value}"
        redacted = self._redactor.text(line)
        if redacted == line:
            return value
        before = len(line) - len(value)
        return redacted[before:] if redacted[:before] == line[:before] else ERROR_PLACEHOLDER

    def _items(self, items: Any, key: str) -> Any:
        # ("Cookie", "a=b"): the first of two strings may name the second.
        pair = _as_key(items[0]) if len(items) == 2 and isinstance(items, list | tuple) else ""
        if pair and self._redactor.scanner.rule_of_key(pair) is None:
            pair = ""
        copy = [
            self.visit(item, pair if pair and place == 1 and isinstance(item, str | bytes) else key)
            for place, item in enumerate(items)
        ]
        if all(new is old for new, old in zip(copy, items, strict=True)):
            return items
        if isinstance(items, tuple):
            make = getattr(type(items), "_make", None)
            return make(copy) if make is not None else tuple(copy)
        if isinstance(items, set | frozenset):
            return type(items)(copy) if type(items) in (set, frozenset) else set(copy)
        return copy


def _as_key(key: object) -> str:
    if isinstance(key, bytes):
        key = key.decode("ascii", "replace")
    # What was replaced names nothing: redacting twice would else take what stands beside a placeholder.
    return key if isinstance(key, str) and 2 <= len(key) <= 96 and "[REDACTED" not in key else ""


def _name_of(mapping: Mapping[Any, Any]) -> str:
    """Return the name in ``{"name": "sessionid", "value": ...}``, as HAR and OTLP write pairs."""
    if len(mapping) > 24 or not any(key in mapping for key in _VALUE_KEYS):
        return ""
    return next((_as_key(mapping[key]) for key in _NAME_KEYS if key in mapping), "")


@lru_cache(maxsize=1)
def default_redactor() -> Redactor:
    """Return the redactor that hosts share unless they are given one of their own.

    Built-in rules, placeholders, and fingerprints if ``REDACTOR_HMAC_KEY_FILE`` names a
    key file. Made once; raises what making a ``Redactor`` raises.
    """
    return Redactor(policy=Policy(hmac_key=HmacKey.from_environment()))
