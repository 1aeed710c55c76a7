"""Run all benchmarks and put their tables into ``benchmarks/README.md``.

    python -m benchmarks.run --quick|--full [--only NAME] [--no-write]

A table stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``; everything else in the
page is left as it is. Peers are compared if any are installed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks import accuracy, inprocess, process
from benchmarks.measure import machine
from redactor.redactor import Redactor

__all__ = ["main", "written"]

_PAGE: Final = Path(__file__).with_name("README.md")
_MB: Final = 1_000_000

Makers = dict[str, Callable[[], str]]


def makers(quick: bool, folder: Path) -> Makers:
    """Return what makes each part of the page, by its name there."""
    redactor = Redactor(engine="hyperscan")
    rounds = 3 if quick else 9
    size, line = (20, 50) if quick else (200, 1000)
    return {
        "machine": lambda: f"{machine()} {'Quick' if quick else 'Full'} run.\n",
        "bulk": lambda: inprocess.bulk(redactor, (4 if quick else 20) * _MB, rounds),
        "records": lambda: inprocess.records(redactor, rounds),
        "hostile": lambda: inprocess.hostile(redactor, rounds),
        "scrub": lambda: process.scrub(size * _MB, 2 if quick else 3, folder),
        "startup": lambda: process.startup(5 if quick else 10, folder),
        "memory": lambda: process.memory(size * _MB, line * _MB, folder),
        "accuracy": lambda: accuracy.compared(with_peers=True),
    }


def written(page: str, name: str, content: str) -> str:
    """Return ``page`` with ``content`` in the place called ``name``; raises ``ValueError`` if there is none."""
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    start, end = page.index(opening) + len(opening), page.index(closing)
    return f"{page[:start]}\n{content}{page[end:]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make every part asked for, print it, and write it into the page as soon as it is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Run all benchmarks.")
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument("--quick", action="store_true", help="small inputs: about two minutes")
    size.add_argument("--full", action="store_true", help="the sizes that the page names: about ten minutes")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this part of the page; may be repeated")
    parser.add_argument("--no-write", action="store_true", help="print the tables and leave the page alone")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        parts = makers(options.quick, Path(folder))
        for name in options.only or parts:
            if name not in parts:
                parser.error(f"unknown part '{name}', expected one of {', '.join(parts)}")
            content = parts[name]()
            print(f"## {name}\n\n{content}", flush=True)
            if not options.no_write:
                _PAGE.write_text(written(_PAGE.read_text(encoding="utf-8"), name, content), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
