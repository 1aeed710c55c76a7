"""Files scrubbed by one process and by several, next to ``cat``.

    python -m benchmarks.archive [--quick] [--jobs 2] [one] [many]

Prints Markdown tables, all of them if none is named. What is compared runs in turn, and each
time is on the wall: it is what several processes are for. The peak is that of the largest
process, memory shared with others included.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.corpora import write
from benchmarks.measure import machine, number, ratio, table
from benchmarks.process import Used, _best, _cat, _command, _run

__all__ = ["main", "many", "one"]

_MB: Final = 1_000_000
_CONTENTS: Final = (("mixed", 0.0), ("mixed", 0.01), ("mixed", 0.2), ("json", 0.01))
"""The kinds of content and the rates of lines with a secret; JSON Lines are read as documents."""
_FILES: Final = 16
_HEADER: Final = ("way", "wall, s", "CPU, s", "MB/s", "peak, MB")


def one(size: int, jobs: int, rounds: int, folder: Path) -> str:
    """Measure one large file, scrubbed to a new one."""
    rows = []
    for kind, rate in _CONTENTS:
        source, target = folder / "in.log", folder / "out.log"
        _make(source, kind, rate, size)
        runs = {"`cat FILE > OUT`": partial(_run, [_cat(), str(source)], None, target)}
        best = _best(runs | _scrubs([source], jobs, folder / "out"), rounds)
        cat = next(iter(best.values())).wall
        rows += [[f"{kind}, {rate:.0%}", *_row(name, used, size), ratio(used.wall, cat)] for name, used in best.items()]
    return table(("content, lines with a secret", *_HEADER, "wall to cat"), rows)


def many(size: int, jobs: int, rounds: int, folder: Path) -> str:
    """Measure the same bytes in several files, each too small to be cut."""
    sources = [folder / f"{number:02}.log" for number in range(_FILES)]
    for seed, source in enumerate(sources):
        _make(source, "mixed", 0.01, size // _FILES, seed)
    best = _best(_scrubs(sources, jobs, folder / "out"), rounds)
    slowest = next(iter(best.values())).wall
    rows = [[*_row(name, used, size), ratio(slowest, used.wall)] for name, used in best.items()]
    return table((*_HEADER, "times as fast"), rows)


def _make(path: Path, kind: str, rate: float, size: int, seed: int = 0) -> None:
    """Write a file of about ``size`` bytes, of which a mixed one does not look like JSON by its first line."""
    with open(path, "wb") as file:
        file.write(b"" if kind == "json" else b"begin of log\n")
        write(file, None, kind, rate, size, seed)


def _scrubs(sources: Sequence[Path], jobs: int, target: Path) -> dict[str, Callable[[], Used]]:
    """Return runs of ``redactor scrub`` over the same files, with one process and with ``jobs``."""
    paths = [str(source) for source in sources]
    named = "FILE" if len(paths) == 1 else f"{len(paths)} FILES"
    return {
        f"`redactor scrub {named} -d OUT -j{each}`": partial(
            _run, _command("scrub", *paths, "-d", str(target), f"-j{each}"), None, None
        )
        for each in dict.fromkeys((1, jobs))
    }


def _row(name: str, used: Used, size: int) -> list[str]:
    return [name, number(used.wall), number(used.cpu), number(size / used.wall / _MB), number(used.peak / _MB)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables asked for, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archive", description="Measure scrubbing of files.")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="one, many; default: all")
    parser.add_argument("--quick", action="store_true", help="less data, fewer rounds")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes (default: 2)")
    parser.add_argument("--size-mb", type=int, help="how many megabytes (default: 200)")
    parser.add_argument("--folder", type=Path, help="where the files go (default: the temporary directory)")
    options = parser.parse_args(arguments)
    size = (options.size_mb or (40 if options.quick else 200)) * _MB
    rounds = 2 if options.quick else 5
    print(f"{machine()}\n")
    tables = {"one": one, "many": many}
    for each in options.tables or tables:
        if each not in tables:
            parser.error(f"unknown table '{each}', expected one of {', '.join(tables)}")
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            print(tables[each](size, options.jobs, rounds, Path(name)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
