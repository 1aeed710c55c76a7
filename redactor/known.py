"""Secrets that the application itself knows: removed exactly, wherever they turn up.

An application registers the values it handles (the cookies of a request, a token it has
just minted). They are then removed from every text in plain, percent-encoded, JSON, HTML,
base64 (at each of its three alignments) and hexadecimal spelling, with no name near them.
Values are compared as bytes and never become part of a pattern. They are bounded in
number and in time, and a scope limits them to the request that runs in it.
"""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Final, NamedTuple
from urllib.parse import quote, quote_plus

__all__ = ["Known", "find", "forget_all", "register", "scope"]

SHORTEST: Final = 8
"""Values under this many bytes are not registered: they would be found inside other words."""

LONGEST: Final = 8192
"""Values over this many bytes are not registered."""

_MOST_IN_SCOPE: Final = 64
_MOST_GLOBAL: Final = 1024


class Known(NamedTuple):
    """One place of a registered value: a half-open byte range, its kind and the value itself."""

    start: int
    end: int
    kind: str
    value: bytes

    def __repr__(self) -> str:
        return f"Known(start={self.start}, end={self.end}, kind={self.kind!r})"


class _Entry(NamedTuple):
    value: bytes
    kind: str
    expires: float
    spellings: tuple[bytes, ...]


class _Registry:
    """Registered values, newest last. Readers take the tuple as it is; writers replace it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self.entries: tuple[_Entry, ...] = ()

    def add(self, entry: _Entry) -> None:
        now = time.monotonic()
        with self._lock:
            kept = [other for other in self.entries if other.value != entry.value and other.expires > now]
            self.entries = (*kept[-(self._most - 1) :], entry)

    def clear(self) -> None:
        with self._lock:
            self.entries = ()


used = False
"""Whether anything was ever registered in this process; until then nothing is searched for."""

_everywhere: Final = _Registry(_MOST_GLOBAL)
_here: Final[ContextVar[_Registry | None]] = ContextVar("redactor_known", default=None)


def register(value: str | bytes, kind: str = "known-value", ttl: float = 3600.0) -> bool:
    """Remove ``value`` from now on, for ``ttl`` seconds, in the current scope or else everywhere.

    ``kind`` is shown in the placeholder. A scope keeps the last 64 values, the whole
    process the last 1,024. Returns whether the value was taken: values under 8 or over
    8,192 bytes are not.
    """
    data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    if not SHORTEST <= len(data) <= LONGEST:
        return False
    global used
    used = True
    registry = _here.get() or _everywhere
    registry.add(_Entry(data, kind, time.monotonic() + ttl, _spellings(data)))
    return True


@contextmanager
def scope() -> Iterator[None]:
    """Limit what is registered inside to this context and the tasks started in it."""
    token = _here.set(_Registry(_MOST_IN_SCOPE))
    try:
        yield
    finally:
        _here.reset(token)


def forget_all() -> None:
    """Forget every value of the current scope and of the process."""
    _everywhere.clear()
    here = _here.get()
    if here is not None:
        here.clear()


def find(data: bytes) -> list[Known]:
    """Return where registered values are in ``data``, in order and without overlaps."""
    here = _here.get()
    entries = _everywhere.entries if here is None else here.entries + _everywhere.entries
    if not entries:
        return []
    now = time.monotonic()
    found = [
        Known(start, start + len(spelling), entry.kind, entry.value)
        for entry in entries
        if entry.expires > now
        for spelling in entry.spellings
        for start in _places(data, spelling)
    ]
    found.sort(key=lambda known: (known.start, -known.end))
    kept: list[Known] = []
    for known in found:
        if not kept or known.start >= kept[-1].end:
            kept.append(known)
    return kept


def _places(data: bytes, spelling: bytes) -> Iterator[int]:
    start = data.find(spelling)
    while start >= 0:
        yield start
        start = data.find(spelling, start + len(spelling))


def _spellings(value: bytes) -> tuple[bytes, ...]:
    text = value.decode("utf-8", "surrogateescape")
    percent = quote(value, safe="")
    written = [
        text,
        percent,
        percent.lower() if "%" in percent else percent,
        quote_plus(value, safe=""),
        quote(percent, safe=""),
        json.dumps(text)[1:-1],
        json.dumps(json.dumps(text)[1:-1])[1:-1],
        text.replace("/", "\\/"),
        html.escape(text),
        value.hex(),
        value.hex().upper(),
    ]
    spelled = [each.encode("utf-8", "surrogateescape") for each in written]
    for shift in range(3):
        # The characters at either end mix in bits of the neighbours, so they are left out.
        encoded = base64.b64encode(b"\0" * shift + value)
        inner = encoded[(0, 2, 3)[shift] : (shift + len(value)) * 8 // 6]
        spelled += [inner, inner.translate(bytes.maketrans(b"+/", b"-_"))]
    return tuple(dict.fromkeys(each for each in spelled if len(each) >= SHORTEST))
