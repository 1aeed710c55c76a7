"""The two engines that find where triggers fire: Hyperscan, and ``regex`` everywhere else.

Both answer with the same list of hits: where a value starts, and for which trigger.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import regex

from redactor import cache
from redactor.errors import PolicyError

if TYPE_CHECKING:
    from redactor.compiler import CompiledRuleset

__all__ = ["ENGINES", "STRIDE", "Engine", "HyperscanEngine", "PortableEngine", "choose_engine"]

ENGINES: Final = ("auto", "hyperscan", "portable")
"""What ``REDACTOR_ENGINE`` may be."""

STRIDE: Final = 4096
"""A hit is ``value start * STRIDE + trigger number``: one integer costs a third of a tuple,
and hundreds of thousands of integers are nothing to the garbage collector."""


class Engine(Protocol):
    """Finds triggers; safe to use from any number of threads."""

    name: str

    def hits(self, data: bytes) -> list[int]:
        """Return the hits in ``data``, each once and in order: see ``STRIDE``."""


class HyperscanEngine:
    """Triggers in one Hyperscan database, kept compiled in the on-disk cache.

    Each scan takes a scratch out of a pool and puts it back, so that no two scans share
    one: not in two threads, and not when one begins while another is under way in the same
    thread (a finaliser that logs).
    """

    name = "hyperscan"

    def __init__(self, compiled: CompiledRuleset) -> None:
        import hyperscan

        self._hyperscan: Any = hyperscan
        self._database: Any = self._load(compiled)
        self._free: list[Any] = []
        """Scratches that no scan uses. Taking from a list and adding to it cannot be interrupted."""
        # What has to be added to the place where a trigger ends to make a hit of it.
        offsets = tuple(number - trigger.depth * STRIDE for number, trigger in enumerate(compiled.triggers))

        def on_hit(number: int, _start: int, end: int, _flags: int, push: Callable[[int], None]) -> None:
            push(end * STRIDE + offsets[number])

        self._on_hit = on_hit

    def hits(self, data: bytes) -> list[int]:
        try:
            scratch = self._free.pop()
        except IndexError:
            scratch = self._hyperscan.Scratch(self._database)
        found: list[int] = []
        try:
            self._database.scan(data, self._on_hit, 0, found.append, scratch)
        finally:
            self._free.append(scratch)
        # Hyperscan reports each end of a pattern once, nearly in order of the starts.
        if found:
            found.sort()
        return found

    def _load(self, compiled: CompiledRuleset) -> Any:
        hs = self._hyperscan
        name = f"hs-{compiled.digest}-{hs.__version__}-{_cpu()}"
        stored = cache.load(name)
        if stored is not None:
            try:
                return hs.loadb(stored, hs.HS_MODE_BLOCK)
            except hs.HyperscanError:
                pass  # compiled on another machine: rebuilt below
        database = hs.Database(mode=hs.HS_MODE_BLOCK)
        database.compile(
            expressions=[trigger.pattern for trigger in compiled.triggers],
            ids=list(range(len(compiled.triggers))),
            flags=[hs.HS_FLAG_DOTALL] * len(compiled.triggers),
        )
        cache.store(name, hs.dumpb(database))
        return database


class PortableEngine:
    """The same triggers on ``regex``: slower, and there on every platform.

    The patterns are searched backwards. As for Hyperscan, what counts is each place where
    a match can end, and a backward search tries every end once.
    """

    name = "portable"

    def __init__(self, compiled: CompiledRuleset) -> None:
        self._searches = [
            _Search(
                number,
                trigger.depth,
                regex.compile(trigger.pattern, regex.DOTALL | regex.REVERSE),
                trigger.literals,
                _widest(trigger.pattern),
            )
            for number, trigger in enumerate(compiled.triggers)
        ]

    def hits(self, data: bytes) -> list[int]:
        lower = data.lower()
        places: dict[bytes, list[int]] = {}
        found: set[int] = set()
        for search in self._searches:
            for start, end in search.windows(lower, places):
                for match in search.pattern.finditer(data, start, end, overlapped=True):
                    found.add((match.end() - search.depth) * STRIDE + search.number)
        return sorted(found)


class _Search(NamedTuple):
    """One trigger, searched for only around its literals."""

    number: int
    depth: int
    pattern: Any
    literals: tuple[bytes, ...]
    width: int
    """The most bytes a match spans."""

    def windows(self, lower: bytes, places: dict[bytes, list[int]]) -> list[tuple[int, int]]:
        """Return the ranges of ``lower`` that can hold a match, merged where they overlap."""
        if not self.literals:
            return [(0, len(lower))]
        starts: list[int] = []
        for literal in self.literals:
            if literal not in places:
                places[literal] = _places(lower, literal)
            starts.extend(places[literal])
        merged: list[tuple[int, int]] = []
        for start in sorted(starts):
            low, high = max(0, start - self.width), min(len(lower), start + self.width)
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
            else:
                merged.append((low, high))
        return merged


def _widest(pattern: bytes) -> int:
    """Return the most bytes that a bounded pattern can match, by the parser of ``re``."""
    return int(re._parser.parse(pattern, re.DOTALL).getwidth()[1])  # type: ignore[attr-defined]


def _places(data: bytes, literal: bytes) -> list[int]:
    found = []
    start = data.find(literal)
    while start >= 0:
        found.append(start)
        start = data.find(literal, start + 1)
    return found


def choose_engine(compiled: CompiledRuleset, name: str | None = None) -> Engine:
    """Make the engine called ``name``, by default the one ``REDACTOR_ENGINE`` names.

    ``auto`` is Hyperscan where it works and the portable engine elsewhere. Raises
    ``PolicyError`` for an unknown name, or when Hyperscan is demanded and cannot run.
    """
    chosen = name or os.environ.get("REDACTOR_ENGINE") or "auto"
    if chosen not in ENGINES:
        raise PolicyError(f"REDACTOR_ENGINE is '{chosen[:40]}'; expected one of {', '.join(ENGINES)}")
    if chosen == "portable" or not compiled.triggers:
        return PortableEngine(compiled)
    try:
        if chosen == "auto" and not _hyperscan_survives():
            return PortableEngine(compiled)
        return HyperscanEngine(compiled)
    except Exception as error:
        if chosen == "auto":
            return PortableEngine(compiled)
        raise PolicyError(f"REDACTOR_ENGINE is 'hyperscan', which cannot run here: {type(error).__name__}") from None


def _hyperscan_survives() -> bool:
    """Try Hyperscan once in a process of its own: on some processors it dies by a signal.

    The answer is kept in the cache, per version and processor.
    """
    spec = find_spec("hyperscan")
    if spec is None or spec.origin is None:
        return False
    name = f"probe-{os.stat(spec.origin).st_mtime_ns:x}-{_cpu()}"
    known = cache.load(name)
    if known is None:
        code = (
            "import hyperscan as h; d = h.Database(mode=h.HS_MODE_BLOCK); "
            "d.compile(expressions=[b'a[bc]{3}'], ids=[0], flags=[0]); d.scan(b'abcb', lambda *a: None)"
        )
        try:
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=False)
            known = b"yes" if done.returncode == 0 else b"no"
        except (OSError, subprocess.SubprocessError):
            known = b"yes"  # no second process to be had; the import is tried in this one
        cache.store(name, known)
    return known == b"yes"


@lru_cache(maxsize=1)
def _cpu() -> str:
    """Name the processor as far as code compiled for it is concerned."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            flags = next((line for line in file if line.startswith(("flags", "Features"))), "")
    except OSError:
        flags = platform.processor()
    return f"{platform.machine()}-{blake2b(flags.encode(), digest_size=6).hexdigest()}"
