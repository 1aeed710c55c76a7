"""Secrets that the application itself knows: removed exactly, wherever they turn up.

An application registers the values it handles (the cookies of a request, a token it has
just minted). They are then removed from every text in plain, percent-encoded, JSON, HTML,
repr, base64 (at each of its three alignments) and hexadecimal spelling, with no name near
them. Values are compared as bytes and never become part of a pattern. They are bounded in
number and in time, and a scope limits them to the request that runs in it.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from contextvars import ContextVar, Token
from struct import Struct
from threading import RLock
from types import TracebackType
from typing import Final, NamedTuple

from redactor.syntax import PLACEHOLDER

__all__ = ["LONGEST", "SHORTEST", "Known", "Values", "find", "forget_all", "register", "scope", "spellings"]

SHORTEST: Final = 8
"""Values under this many bytes are not registered: they would be found inside other words."""

LONGEST: Final = 8192
"""Values over this many bytes are not registered."""

_MOST_IN_SCOPE: Final = 64
_MOST_GLOBAL: Final = 1024
_BYTES_EACH: Final = 1 << 16
"""How many bytes the spellings of one value may take on average."""

_WORD: Final = Struct("=I")
_TIED: Final = "_redactor_known"
"""The attribute of an exception that holds the values of the scope it has left."""


class Known(NamedTuple):
    """One place of a registered value: a half-open byte range, its kind and the value itself."""

    start: int
    end: int
    kind: str
    value: bytes

    def __repr__(self) -> str:
        return f"Known(start={self.start}, end={self.end}, kind={self.kind!r})"


class _Entry:
    __slots__ = ("expires", "kind", "size", "spellings", "value")

    def __init__(self, value: bytes, kind: str, expires: float) -> None:
        self.value = value
        self.kind = kind
        self.expires = expires
        self.spellings: dict[int, list[bytes]] = {}
        """The spellings by each word that may give them away."""
        every = spellings(value)
        self.size = sum(map(len, every))
        tails: dict[bytes, list[bytes]] = {}
        for spelling in every:
            tails.setdefault(spelling[-7:], []).append(spelling)
        for tail, alike in tails.items():
            for at in range(4):
                self.spellings.setdefault(_WORD.unpack_from(tail, at)[0], []).extend(alike)


class Values:
    """The values of one scope, or of the process. Shows nothing of them and cannot be pickled with them.

    Every spelling has 8 bytes or more, so wherever it starts, one of the aligned 4-byte
    words of the data lies inside its last 7 bytes. Those words are the index: data is
    looked at once, however many values there are, and only the spellings that share a
    word with it are searched for.
    """

    __slots__ = ("_bytes", "_entries", "_index", "_most", "_soonest", "outer")

    def __init__(self, most: int = _MOST_IN_SCOPE, outer: Values | None = None) -> None:
        self._most = most
        self._entries: dict[bytes, _Entry] = {}
        self._index: dict[int, tuple[_Entry, ...]] = {}
        self._bytes = 0
        self._soonest = float("inf")
        self.outer = outer

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<Values: {len(self._entries)}>"

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        # Exceptions take values along. In a pickle of one, None stands for them.
        return type(None), ()

    def _add(self, entry: _Entry) -> None:
        most_bytes = self._most * _BYTES_EACH
        with _lock:
            self._forget_expired(time.monotonic())
            self._remove(entry.value)
            self._entries[entry.value] = entry
            self._bytes += entry.size
            self._soonest = min(self._soonest, entry.expires)
            for word in entry.spellings:
                self._index[word] = (*self._index.get(word, ()), entry)
            while len(self._entries) > self._most or (self._bytes > most_bytes and len(self._entries) > 1):
                self._remove(next(iter(self._entries)))

    def _remove(self, value: bytes) -> None:
        entry = self._entries.pop(value, None)
        if entry is None:
            return
        self._bytes -= entry.size
        for word in entry.spellings:
            others = tuple(other for other in self._index.get(word, ()) if other is not entry)
            if others:
                self._index[word] = others
            else:
                self._index.pop(word, None)

    def _forget_expired(self, now: float) -> None:
        if now < self._soonest:
            return
        with _lock:
            for entry in list(self._entries.values()):
                if entry.expires <= now:
                    self._remove(entry.value)
            self._soonest = min((entry.expires for entry in self._entries.values()), default=float("inf"))

    def _clear(self) -> None:
        with _lock:
            for value in list(self._entries):
                self._remove(value)

    def _find(self, data: bytes, words: Iterable[int]) -> Iterator[Known]:
        self._forget_expired(time.monotonic())
        index = self._index
        shared = index.keys() & words
        candidates = {
            spelling: entry for word in shared for entry in index.get(word, ()) for spelling in entry.spellings[word]
        }
        for spelling, entry in candidates.items():
            for start in _places(data, spelling):
                yield Known(start, start + len(spelling), entry.kind, entry.value)


class _Scope(AbstractContextManager[Values]):
    """Enters ``Values`` in the current context; leaves without fail in whichever context it is left."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._token: Token[Values | None] | None = None

    def __enter__(self) -> Values:
        self._token = _here.set(self._values)
        return self._values

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            with suppress(Exception):
                _tie(error, self._values)
        if self._token is not None:
            # In another context there is nothing to leave.
            with suppress(ValueError):
                _here.reset(self._token)


used = False
"""Whether anything was ever registered in this process; until then nothing is searched for."""

_lock: Final = RLock()
_everywhere: Final = Values(_MOST_GLOBAL)
_here: Final[ContextVar[Values | None]] = ContextVar("redactor_known", default=None)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def register(value: str | bytes, kind: str = "known-value", ttl: float = 3600.0) -> bool:
    """Remove ``value`` from now on, for ``ttl`` seconds, in the current scope or else everywhere.

    ``kind`` is a rule's id, shown in the placeholder. A scope keeps the last 64 values, the
    whole process the last 1,024, with at most 64 KiB of spellings each on average;
    registered again, a value counts as new. Returns whether the value was taken: values under 8 or over 8,192 bytes are not.
    """
    data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    if not SHORTEST <= len(data) <= LONGEST:
        return False
    global used
    used = True
    values = _here.get()
    if values is None:
        values = _everywhere
    values._add(_Entry(data, kind, time.monotonic() + ttl))
    return True


def scope(values: Values | None = None) -> AbstractContextManager[Values]:
    """Limit what is registered inside to this context and the tasks started in it.

    Inside, the values of the scopes around it and of the process are known too. Gives the
    scope's ``Values``; with them as ``values``, a later ``scope`` goes on with the same
    ones, in any context. Outside, they are known for as long as a task holds the context,
    and while an exception that has left the scope is being handled: servers report it then.
    """
    return _Scope(Values(outer=_here.get()) if values is None else values)


def forget_all() -> None:
    """Forget every value of the current scope, of those around it and of the process."""
    for values in _current():
        values._clear()


def find(data: bytes) -> list[Known]:
    """Return where registered values are in ``data``, in order and without overlaps.

    Of two that overlap, the later one has only what the earlier one leaves.
    """
    found: list[Known] = []
    words = None
    for values in _current():
        if len(values):
            words = memoryview(data[: len(data) & ~3]).cast("I") if words is None else words
            found.extend(values._find(data, words))
    return _apart(data, found) if found else found


def _current() -> list[Values]:
    """Return the values that count here, each once."""
    current = [_everywhere]
    handled = sys.exception()
    tied = None if handled is None else vars(handled).get(_TIED)
    for innermost in (_here.get(), tied):
        values = innermost
        while values is not None and values not in current:
            current.append(values)
            values = values.outer
    return current


def _tie(error: Exception, values: Values) -> None:
    held = vars(error)
    inner = held.get(_TIED)
    while inner is not None and inner is not values:
        inner = inner.outer
    if inner is None:
        held[_TIED] = values


def _apart(data: bytes, found: list[Known]) -> list[Known]:
    """Return ``found`` in order, without overlaps and without what placeholders of ours are made of."""
    found.sort(key=lambda known: (known.start, -known.end))
    marks = [mark.span() for mark in PLACEHOLDER.finditer(data)] if b"[REDACTED" in data else []
    kept: list[Known] = []
    end = passed = 0
    for known in found:
        while passed < len(marks) and marks[passed][1] <= known.start:
            passed += 1
        in_mark = passed < len(marks) and marks[passed][0] < known.end
        if known.end > end and not in_mark:
            kept.append(known if known.start >= end else known._replace(start=end))
            end = known.end
    return kept


def _places(data: bytes, spelling: bytes) -> Iterator[int]:
    start = data.find(spelling)
    while start >= 0:
        yield start
        start = data.find(spelling, start + len(spelling))


# --- spellings ----------------------------------------------------------------------------

_TOKEN: Final = re.compile(rb"[A-Za-z0-9_.\-]*")
"""What no way of writing text changes."""

_OTHER_ALPHABET: Final = bytes.maketrans(b"+/", b"-_")
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PERCENT: Final = tuple(
    {byte: chr(byte) if byte in _UNRESERVED or byte in left_alone else code % byte for byte in range(256)}
    for left_alone in (b"", b"/", b"!'()*", b"!$&'()*+,;=:@/?")
    for code in ("%%%02X", "%%%02x")
)
"""What percent-encoders write; they leave alone: nothing, Python's slash, JavaScript's, what a query may hold."""

_PERCENT_AGAIN: Final = _PERCENT[:4]

_JSON_ESCAPED: Final = tuple(
    (characters, {ord(each): code % ord(each) for each in characters})
    for characters in ("/", "<>&", "<>&'", "<>&'=", "<>&'`+")
    for code in ("\\u%04x", "\\u%04X")
)
"""What JSON encoders escape though they need not: PHP's, Go's, Django's and PHP's, Gson's, .NET's."""

_HTML_ESCAPED: Final = tuple(
    str.maketrans(table)
    for table in (
        {"'": "&#39;", '"': "&#34;"},
        {"'": "&#39;", '"': "&quot;"},
        {"'": "&apos;", '"': "&quot;"},
        {"'": "&#39;", '"': "&#34;", "+": "&#43;"},
        {"'": "&#39;", '"': "&quot;", "/": "&#x2F;", "`": "&#x60;", "=": "&#x3D;"},
    )
)
"""How MarkupSafe, JavaScript's libraries, XML writers, Go and mustache write what ``html`` writes in its own way."""


def spellings(value: bytes) -> tuple[bytes, ...]:
    """Return the ways in which ``value`` may be written, of ``SHORTEST`` bytes or more, the plain one first.

    Plain, percent-encoded once and twice, escaped as JSON, ``repr`` or HTML, hexadecimal,
    and in base64 at each of its three alignments.
    """
    plain = [value] if _TOKEN.fullmatch(value) else _escaped(value)
    encoded = value.hex().encode()
    every = dict.fromkeys([*plain, encoded, encoded.upper(), *_in_base64(value)])
    return tuple(spelling for spelling in every if len(spelling) >= SHORTEST)


def _escaped(value: bytes) -> Iterator[bytes]:
    text = value.decode("utf-8", "surrogateescape")
    strings = {text, *_json(text), repr(text)[1:-1], repr(value)[2:-1]}
    nested = {json.dumps(once)[1:-1] for once in strings if "\\" in once}
    nested |= {again.replace("/", "\\/") for again in nested if "/" in again}
    for each in (*strings, *nested, *_percent(value), *_html(text)):
        yield each.encode("utf-8", "surrogateescape")


def _percent(value: bytes) -> set[str]:
    text = value.decode("latin-1")  # one character for each byte
    once = {text.translate(table) for table in _PERCENT}
    if " " in text:
        once |= {each.replace("%20", "+") for each in once}
    if "~" in text:
        once |= {each.replace("~", "%7E") for each in once}
    return once | {each.translate(table) for each in once for table in _PERCENT_AGAIN}


def _json(text: str) -> set[str]:
    written = {json.dumps(text)[1:-1]}
    if not text.isascii():
        written.add(json.dumps(text, ensure_ascii=False)[1:-1])
    if "/" in text:
        written |= {once.replace("/", "\\/") for once in written}
    codes = [table for characters, table in _JSON_ESCAPED if any(each in text for each in characters)]
    return written | {once.translate(table) for once in written for table in codes}


def _html(text: str) -> set[str]:
    escaped = html.escape(text, quote=False)
    return {html.escape(text), escaped, *(escaped.translate(table) for table in _HTML_ESCAPED)}


def _in_base64(value: bytes) -> Iterator[bytes]:
    padded = base64.b64encode(value)
    if padded.endswith(b"="):
        # It ends here, so all of its last character is the value's.
        yield from (padded, padded.translate(_OTHER_ALPHABET))
    for shift in range(3):
        # The characters at either end mix in bits of the neighbours, so they are left out.
        encoded = base64.b64encode(b"\0" * shift + value)
        inner = encoded[(0, 2, 3)[shift] : (shift + len(value)) * 8 // 6]
        yield from (inner, inner.translate(_OTHER_ALPHABET))
