"""Speed of scrubbing .gz files, next to decoding and encoding alone and to ``zcat | sed | gzip``.

    python -m benchmarks.gz [--quick] [--kind access] [--size-mb 100]

Seconds on the wall, the best of some rounds, all candidates in turn: the work is spread
over two threads and the yardsticks are other processes. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from isal import isal_zlib

from benchmarks.corpora import KINDS as CORPORA
from benchmarks.corpora import chunks
from benchmarks.measure import machine, number, table
from redactor import Redactor
from redactor.archive.compression import KINDS
from redactor.archive.content import BLOCK, Source, Work

__all__ = ["changed", "main", "members", "unchanged"]

_MB: Final = 1_000_000
_SED: Final = (
    r"s/((session|csrf|refresh|access|sid|token|code|state)[a-z_]*[=:]\"?)[^;,& \"]+/\1[REDACTED]/g;"
    r"s/Bearer [^ \"]+/Bearer [REDACTED]/g;s/eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+/[REDACTED]/g"
)
_PIPE: Final = "zcat < {source} | LC_ALL=C sed -E '{sed}' | gzip -{level} > {target}"
_LEVEL: Final = 3
"""The level of isal at which a member of ``gzip -6`` is written anew."""


def _best(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Run all in turn, ``rounds`` times; return the least seconds on the wall of each."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


# --- candidates ---------------------------------------------------------------------------


def _scrub(redactor: Redactor, source: Path, target: Path) -> None:
    with open(source, "rb", buffering=0) as file, open(target, "wb") as out:
        Work(redactor, KINDS).scrub(source.name, Source(file.read, file.fileno()), out)


def _decode(source: Path) -> None:
    decoder = isal_zlib.decompressobj(31)
    with open(source, "rb", buffering=0) as file:
        while data := file.read(BLOCK):
            while data:
                decoder.decompress(data, BLOCK)
                data = decoder.unconsumed_tail


def _recode(source: Path, target: Path) -> None:
    decoder, encoder = isal_zlib.decompressobj(31), isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, 31)
    with open(source, "rb", buffering=0) as file, open(target, "wb") as out:
        while data := file.read(BLOCK):
            while data:
                out.write(encoder.compress(decoder.decompress(data, BLOCK)))
                data = decoder.unconsumed_tail
        out.write(encoder.flush())


def _redact(redactor: Redactor, plain: Path) -> None:
    stream = redactor.open_stream()
    with open(plain, "rb", buffering=0) as file:
        while data := file.read(BLOCK):
            stream.feed(data)
    stream.finish()


def _pipe(source: Path, target: Path, level: int) -> None:
    command = _PIPE.format(source=source, target=target, sed=_SED, level=level)
    subprocess.run(["/bin/sh", "-c", command], check=True)


# --- tables -------------------------------------------------------------------------------


def _write(plain: Path, packed: Path, kind: str, rate: float, size: int) -> int:
    """Write a log and the same log as ``gzip -6`` packs it; return the log's bytes."""
    coder, total = zlib.compressobj(6, zlib.DEFLATED, 31), 0
    with open(plain, "wb") as file, open(packed, "wb") as out:
        for piece in chunks(kind, rate, size):
            file.write(piece.data)
            out.write(coder.compress(piece.data))
            total += len(piece.data)
        out.write(coder.flush())
    return total


def _rows(seconds: Mapping[str, float], size: int, label: str) -> list[list[str]]:
    yardstick = next(iter(seconds.values()))
    return [[label, name, number(size / each / _MB), f"{yardstick / each:.0%}"] for name, each in seconds.items()]


def changed(redactor: Redactor, kind: str, size: int, rounds: int, folder: Path) -> list[list[str]]:
    """Measure a log of which 1 % of the lines hold a secret."""
    plain, source, target = folder / "in.log", folder / "in.log.gz", folder / "out.log.gz"
    total = _write(plain, source, kind, 0.01, size)
    runs: dict[str, Callable[[], object]] = {
        "isal: decode and encode": partial(_recode, source, target),
        "redactor: .gz to .gz": partial(_scrub, redactor, source, target),
        "redactor: the text alone": partial(_redact, redactor, plain),
        "zcat, sed, gzip -6": partial(_pipe, source, target, 6),
        "zcat, sed, gzip -1": partial(_pipe, source, target, 1),
    }
    return _rows(_best(runs, rounds), total, f"{kind}, 1 %")


def unchanged(redactor: Redactor, kind: str, size: int, rounds: int, folder: Path) -> list[list[str]]:
    """Measure a log without secrets, which is copied as it is."""
    plain, source, target = folder / "in.log", folder / "in.log.gz", folder / "out.log.gz"
    total = _write(plain, source, kind, 0.0, size)
    runs: dict[str, Callable[[], object]] = {
        "isal: decode": partial(_decode, source),
        "redactor: .gz to .gz": partial(_scrub, redactor, source, target),
        "redactor: the text alone": partial(_redact, redactor, plain),
        "zcat": lambda: subprocess.run(["/bin/sh", "-c", f"zcat < {source} > /dev/null"], check=True),
    }
    return _rows(_best(runs, rounds), total, f"{kind}, 0 %")


def members(redactor: Redactor, count: int, rounds: int, folder: Path) -> list[list[str]]:
    """Measure members of one line each, and half as many: the time has to be half as well."""
    source, target = folder / "lines.log.gz", folder / "out.log.gz"
    lines = [line for piece in chunks("access", 0.01, 300 * count) for line in piece.data.splitlines(keepends=True)]
    rows = []
    for number_of in (count // 2, count):
        chosen = lines[:number_of]
        source.write_bytes(b"".join(zlib.compress(line, 6, wbits=31) for line in chosen))
        best = _best({"": partial(_scrub, redactor, source, target)}, rounds)[""]
        rows.append([f"{number_of:,}", number(best), number(best / number_of * 1e6)])
    return rows


# --- command ------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Print all tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gz", description="Measure .gz to .gz.")
    parser.add_argument("--quick", action="store_true", help="less data, fewer rounds")
    parser.add_argument("--kind", choices=CORPORA, action="append", help="kind of log (default: access, json, mixed)")
    parser.add_argument("--size-mb", type=int, help="size of the logs (default: 100)")
    options = parser.parse_args(arguments)
    size = (options.size_mb or (20 if options.quick else 100)) * _MB
    rounds = 2 if options.quick else 4
    redactor = Redactor()
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            row
            for kind in options.kind or ("access", "json", "mixed")
            for measure in (changed, unchanged)
            for row in measure(redactor, kind, size, rounds, folder)
        ]
        print(table(("log, lines with a secret", "work", "MB/s of text", "of the first"), rows))
        lines = members(redactor, 20_000 if options.quick else 100_000, rounds, folder)
        print(table(("members of one line", "seconds", "us a member"), lines))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
