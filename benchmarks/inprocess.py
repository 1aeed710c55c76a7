"""Speed inside a process: streams, single records, and input made to be slow.

    python -m benchmarks.inprocess [--quick] [bulk] [records] [hostile]

Prints Markdown tables, all of them if none is named.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Final

from benchmarks.corpora import RATES, corpus, jwt, record
from benchmarks.measure import best_of, machine, number, ratio, table
from redactor.engines import HyperscanEngine
from redactor.redactor import Redactor
from redactor.stream import BLOCK

__all__ = ["bulk", "hostile", "main", "records"]

_RECORDS: Final = {
    "clean, 120 bytes": "clean-120",
    "clean, 1 KB": "clean-1k",
    "clean, 10 KB": "clean-10k",
    "with a JWT, 300 bytes": "jwt",
    "with a session cookie, 120 bytes": "cookie",
}

_KIB: Final = 1024
_TOO_QUICK: Final = 0.001
"""Seconds under which call overhead and caches decide, not the input."""

_HALF, _BLOCK_SIZE, _DOUBLE = 128 * _KIB, 256 * _KIB, 512 * _KIB
_SLICE: Final = 64 * _KIB
"""How much of the corpus one ``re`` alternation gets; it is slow."""


def _nothing(*_: object) -> None:
    """Take no notice of a hit."""


class RawHyperscan:
    """The triggers of a redactor and nothing else: the speed that cannot be exceeded."""

    def __init__(self, redactor: Redactor) -> None:
        engine = redactor.scanner.engine
        if not isinstance(engine, HyperscanEngine):
            raise SystemExit("these benchmarks need Hyperscan: its raw scan is the yardstick")
        self._database = engine._database
        self._scratch = engine._hyperscan.Scratch(engine._database)

    def scan(self, data: bytes) -> None:
        """Scan ``data`` and throw the hits away."""
        self._database.scan(data, _nothing, 0, None, self._scratch)

    def scan_all(self, blocks: Sequence[bytes]) -> None:
        """Scan every block."""
        for block in blocks:
            self.scan(block)


def _alternation(redactor: Redactor) -> re.Pattern[bytes]:
    """Return all triggers as one expression of the standard library."""
    triggers = redactor.scanner.compiled.triggers
    return re.compile(b"|".join(b"(?:%s)" % trigger.pattern for trigger in triggers), re.DOTALL)


def _drain(redactor: Redactor, blocks: Sequence[bytes]) -> None:
    for _ in redactor.stream(blocks):
        pass


def _cut(data: bytes) -> list[bytes]:
    return [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)]


# --- bulk -----------------------------------------------------------------------------


def bulk(redactor: Redactor, size: int, rounds: int) -> str:
    """Measure ``Redactor.stream`` on mixed logs: each rate of secrets, and what was redacted before."""
    raw = RawHyperscan(redactor)
    alternation = _alternation(redactor)
    logs = {f"{rate:.1%}": corpus("mixed", rate, size).data for rate in RATES}
    most = f"{RATES[-1]:.1%}"
    logs[f"{most}, redacted before"] = b"".join(redactor.stream([logs[most]]))
    rows = [_bulk_row(redactor, raw, alternation, title, data, rounds) for title, data in logs.items()]
    return table(
        ("lines with a secret", "stream, MB/s", "raw scan, MB/s", "to raw scan", "one `re`, MB/s", "to one `re`"), rows
    )


def _bulk_row(
    redactor: Redactor, raw: RawHyperscan, alternation: re.Pattern[bytes], title: str, data: bytes, rounds: int
) -> list[str]:
    blocks = _cut(data)
    best = best_of({"stream": partial(_drain, redactor, blocks), "raw": partial(raw.scan_all, blocks)}, rounds)
    piece = data[:_SLICE]
    slow = best_of({"re": lambda: sum(1 for _ in alternation.finditer(piece))}, 2)["re"]
    stream, scan, one = len(data) / best["stream"] / 1e6, len(data) / best["raw"] / 1e6, len(piece) / slow / 1e6
    return [title, number(stream), number(scan), ratio(stream, scan), number(one), ratio(stream, one)]


# --- records --------------------------------------------------------------------------


def records(redactor: Redactor, rounds: int) -> str:
    """Measure ``Redactor.text`` on single records against a raw scan of the same bytes."""
    raw = RawHyperscan(redactor)
    rows = []
    for title, name in _RECORDS.items():
        text = record(name)
        best = best_of(
            {
                "text": _repeated(partial(redactor.text, text)),
                "raw": _repeated(partial(raw.scan, text.encode())),
            },
            rounds,
        )
        rows.append([title, *(number(best[key] / _REPEATS * 1e6) for key in best), ratio(best["text"], best["raw"])])
    return table(("record", "`text()`, us", "raw scan, us", "to raw scan"), rows)


_REPEATS: Final = 2000


def _repeated(call: Callable[[], object]) -> Callable[[], object]:
    def run() -> None:
        for _ in range(_REPEATS):
            call()

    return run


# --- hostile --------------------------------------------------------------------------


def _jwts(size: int) -> bytes:
    rng = random.Random(7)
    tokens = " ".join(jwt(rng) for _ in range(64)).encode() + b" "
    return (tokens * (size // len(tokens) + 1))[:size]


def _repeat(unit: bytes) -> Callable[[int], bytes]:
    return lambda size: (unit * (size // len(unit) + 1))[:size]


_HOSTILE: Final[dict[str, Callable[[int], bytes]]] = {
    "`eyJ` * n": _repeat(b"eyJ"),
    "`eyJhbGciOi` * n": _repeat(b"eyJhbGciOi"),
    "`eyJhbGciOiJIUzI1NiJ9.` * n": _repeat(b"eyJhbGciOiJIUzI1NiJ9."),
    "`token=` * n": _repeat(b"token="),
    "`token=a1b2c3d4&` * n": _repeat(b"token=a1b2c3d4&"),
    '`"token":` * n': _repeat(b'"token":'),
    '`"token":"` * n': _repeat(b'"token":"'),
    "`Bearer ` * n": _repeat(b"Bearer "),
    "`Authorization: ` * n": _repeat(b"Authorization: "),
    "`Cookie: sid=abc; ` * n": _repeat(b"Cookie: sid=abc; "),
    "`sid=abc; ` * n after one `Cookie:`": lambda size: (b"Cookie: " + _repeat(b"sid=abc; ")(size))[:size],
    "`session ` * n": _repeat(b"session "),
    "`/reset/` * n": _repeat(b"/reset/"),
    "`password=,` * n": _repeat(b"password=,"),
    "`[REDACTED:jwt] ` * n": _repeat(b"[REDACTED:jwt] "),
    "`[REDACTED:jwt] sid=abcdefgh ` * n": _repeat(b"[REDACTED:jwt] sid=abcdefgh "),
    "`sid=[REDACTED:session] ` * n": _repeat(b"sid=[REDACTED:session] "),
    "JWTs on one line": _jwts,
    "`a1` * n after `token=`": lambda size: (b"token=" + _repeat(b"a1")(size))[:size],
    "spaces": _repeat(b" "),
    "quotes": _repeat(b'"'),
    "backslashes": _repeat(b"\\"),
    "`%25` * n": _repeat(b"%25"),
    "`=\\n` * n": _repeat(b"=\n"),
    "NULs": _repeat(b"\0"),
}


def hostile(redactor: Redactor, rounds: int) -> str:
    """Measure input that is made to be slow, in three sizes: twice the bytes must take about twice the time.

    128 KiB and 256 KiB are scanned in one piece, 512 KiB in two.
    """
    rows = [_hostile_row(redactor, title, make, rounds) for title, make in _HOSTILE.items()]
    return table(("input", "MB/s", "256 / 128 KiB", "512 / 256 KiB"), rows)


def _hostile_row(redactor: Redactor, title: str, make: Callable[[int], bytes], rounds: int) -> list[str]:
    sizes = (_HALF, _BLOCK_SIZE, _DOUBLE)
    best = best_of({size: partial(redactor.bytes, make(size)) for size in sizes}, rounds)
    growth = [_growth(best[size], best[half]) for half, size in pairwise(sizes)]
    return [title, number(_DOUBLE / best[_DOUBLE] / 1e6), *growth]


def _growth(time: float, half: float) -> str:
    """Write how much longer twice the bytes took; "-" where both are too quick to tell."""
    return "-" if time < _TOO_QUICK else ratio(time, half)


# --- command --------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables asked for, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inprocess", description="Measure speed in a process.")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="bulk, records, hostile; default: all")
    parser.add_argument("--quick", action="store_true", help="less data, fewer rounds")
    parser.add_argument("--size-mb", type=float, help="size of the bulk corpora")
    options = parser.parse_args(arguments)
    rounds = 3 if options.quick else 9
    size = int((options.size_mb or (4 if options.quick else 20)) * 1_000_000)
    redactor = Redactor(engine="hyperscan")
    print(f"{machine()}\n")
    tables = {
        "bulk": lambda: bulk(redactor, size, rounds),
        "records": lambda: records(redactor, rounds),
        "hostile": lambda: hostile(redactor, rounds),
    }
    for name in options.tables or tables:
        if name not in tables:
            parser.error(f"unknown table '{name}', expected one of {', '.join(tables)}")
        print(tables[name]())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
