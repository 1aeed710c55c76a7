"""Speed, start-up and memory of the whole process, as a user of the command line meets them.

    python -m benchmarks.process [--quick] [scrub] [startup] [memory]

Prints Markdown tables, all of them if none is named.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

from benchmarks.corpora import corpus, record, write
from benchmarks.measure import machine, number, ratio, table

__all__ = ["main", "memory", "scrub", "startup"]

_RATES: Final = (0.0, 0.01, 0.2)
_CHILD: Final = str(Path(__file__).with_name("child.py"))
_PYTHON: Final = sys.executable
_MB: Final = 1_000_000


@dataclass(frozen=True)
class Used:
    """What one process used: seconds on the wall, CPU seconds (user and system), peak bytes."""

    wall: float
    cpu: float
    peak: int


def _command(*arguments: str) -> list[str]:
    """Return the command line of ``redactor``: the script beside this interpreter, or the module."""
    script = Path(_PYTHON).with_name("redactor")
    return [str(script), *arguments] if script.exists() else [_PYTHON, "-m", "redactor", *arguments]


def _cat() -> str:
    found = shutil.which("cat")
    if found is None:
        raise SystemExit("these benchmarks need cat: it is the yardstick")
    return found


def _run(command: Sequence[str], source: Path | Iterable[bytes] | None, target: Path | None) -> Used:
    """Run ``command`` in a fresh, small process; ``source`` is its standard input, ``target`` its output."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stdout: IO[bytes] | int = stack.enter_context(open(target, "wb")) if target else subprocess.DEVNULL
        stdin: IO[bytes] | int = subprocess.DEVNULL
        if isinstance(source, Path):
            stdin = stack.enter_context(open(source, "rb"))
        elif source is not None:
            stdin = subprocess.PIPE
        result = folder / "used.json"
        process = subprocess.Popen([_PYTHON, "-S", "-E", _CHILD, str(result), *command], stdin=stdin, stdout=stdout)
        if source is not None and not isinstance(source, Path):
            _feed(process, source)
        if process.wait() != 0:
            raise SystemExit(f"failed with {process.returncode}: {' '.join(command)}")
        return Used(**json.loads(result.read_text(encoding="ascii")))


def _feed(process: subprocess.Popen[bytes], source: Iterable[bytes]) -> None:
    """Write ``source`` to the process from a thread, so that a command that stops early cannot hang us."""

    def pump() -> None:
        assert process.stdin is not None
        with process.stdin as stdin:
            for piece in source:
                stdin.write(piece)

    threading.Thread(target=pump, daemon=True).start()


def _best(runs: Mapping[str, Callable[[], Used]], rounds: int) -> dict[str, Used]:
    """Run all in turn, ``rounds`` times; return the least of each measure."""
    used: dict[str, list[Used]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            used[name].append(run())
    return {
        name: Used(min(u.wall for u in each), min(u.cpu for u in each), min(u.peak for u in each))
        for name, each in used.items()
    }


# --- scrubbing ------------------------------------------------------------------------


def scrub(size: int, rounds: int, folder: Path) -> str:
    """Measure the CPU time of ``redactor scrub`` on a file and through pipes, next to ``cat``."""
    header = ("lines with a secret", "way", "CPU, s", "MB per CPU second", "wall, s", "CPU to cat")
    return table(header, [row for rate in _RATES for row in _scrub_rows(rate, size, rounds, folder)])


def _scrub_rows(rate: float, size: int, rounds: int, folder: Path) -> list[list[str]]:
    source, target = folder / "in.log", folder / "out.log"
    with open(source, "wb") as file:
        write(file, None, "mixed", rate, size)
    runs: dict[str, Callable[[], Used]] = {
        "`cat FILE > OUT`": partial(_run, [_cat(), str(source)], None, target),
        "`redactor scrub FILE -o OUT`": partial(_run, _command("scrub", str(source), "-o", str(target)), None, None),
        "`redactor scrub FILE > OUT`": partial(_run, _command("scrub", str(source)), None, target),
        "`cat FILE | redactor scrub > OUT`": lambda: _run(_command("scrub"), _pieces(source), target),
    }
    best = _best(runs, rounds)
    cat = next(iter(best.values()))
    return [
        [f"{rate:.0%}", name, number(u.cpu), number(size / u.cpu / _MB), number(u.wall), ratio(u.cpu, cat.cpu)]
        for name, u in best.items()
    ]


def _pieces(path: Path) -> Iterable[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(131072):
            yield piece


# --- start-up -------------------------------------------------------------------------


def startup(rounds: int, folder: Path) -> str:
    """Measure start to exit on the wall, with warm caches, next to a bare interpreter."""
    line = folder / "line.log"
    line.write_text(record("cookie") + "\n", encoding="ascii")
    best = _best(
        {
            "`python -c pass`": partial(_run, [_PYTHON, "-c", "pass"], None, None),
            "`python -c 'import click'`": partial(_run, [_PYTHON, "-c", "import click"], None, None),
            "`redactor --version`": partial(_run, _command("--version"), None, None),
            "`redactor scrub`, one line": partial(_run, _command("scrub", str(line)), None, None),
            "`Redactor().text(line)`": partial(
                _run, [_PYTHON, "-c", "from redactor import Redactor; Redactor().text('sid=1')"], None, None
            ),
        },
        rounds,
    )
    bare = next(iter(best.values()))
    rows = [
        [name, number(u.wall * 1e3), number(u.cpu * 1e3), ratio(u.wall, bare.wall), ratio(u.cpu, bare.cpu)]
        for name, u in best.items()
    ]
    return table(("command", "wall, ms", "CPU, ms", "wall to bare", "CPU to bare"), rows)


# --- memory ---------------------------------------------------------------------------


def memory(file_size: int, line_size: int, folder: Path) -> str:
    """Measure peak memory: a large file, and a line that does not end, through a pipe."""
    source = folder / "in.log"
    with open(source, "wb") as file:
        write(file, None, "mixed", 0.01, file_size)
    line = folder / "line.log"
    line.write_text(record("cookie") + "\n", encoding="ascii")
    scrub_pipe = _command("scrub")
    runs: dict[str, Callable[[], Used]] = {
        "`python -c pass`": partial(_run, [_PYTHON, "-c", "pass"], None, None),
        "`redactor --version`": partial(_run, _command("--version"), None, None),
        "`redactor scrub`, one line": partial(_run, _command("scrub", str(line)), None, None),
        f"`redactor scrub`, file of {file_size // _MB:,} MB": partial(_run, _command("scrub", str(source)), None, None),
        f"`redactor scrub`, {line_size // _MB:,} MB in one line": lambda: _run(scrub_pipe, one_line(line_size), None),
        f"the same, {line_size // _MB:,} MB without a space": lambda: _run(scrub_pipe, one_token(line_size), None),
    }
    used = _best(runs, 1)
    bare = next(iter(used.values()))
    rows = [[name, number(u.peak / _MB), ratio(u.peak, bare.peak), number(u.wall)] for name, u in used.items()]
    return table(("process", "peak memory, MB", "to bare", "wall, s"), rows)


def one_line(size: int) -> Iterable[bytes]:
    """Yield ``size`` bytes of events with secrets, without a line feed."""
    piece = corpus("json", 0.01, _MB).data.replace(b"\n", b", ")
    return _repeated(piece, size)


def one_token(size: int) -> Iterable[bytes]:
    """Yield one endless token."""
    yield b"sid="
    yield from _repeated(b"a1B2c3D4" * 16384, size)


def _repeated(piece: bytes, size: int) -> Iterable[bytes]:
    while size > 0:
        yield piece[:size]
        size -= len(piece)


# --- command --------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables asked for, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.process", description="Measure the command line.")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="scrub, startup, memory; default: all")
    parser.add_argument("--quick", action="store_true", help="less data, fewer rounds")
    parser.add_argument("--size-mb", type=int, help="size of the files (default: 200)")
    parser.add_argument("--line-mb", type=int, help="size of the endless line (default: 1000)")
    parser.add_argument("--folder", type=Path, help="where the files go (default: the temporary directory)")
    options = parser.parse_args(arguments)
    size = (options.size_mb or (20 if options.quick else 200)) * _MB
    line = (options.line_mb or (50 if options.quick else 1000)) * _MB
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        tables = {
            "scrub": lambda: scrub(size, 2 if options.quick else 3, Path(name)),
            "startup": lambda: startup(5 if options.quick else 10, Path(name)),
            "memory": lambda: memory(size, line, Path(name)),
        }
        for each in options.tables or tables:
            if each not in tables:
                parser.error(f"unknown table '{each}', expected one of {', '.join(tables)}")
            print(tables[each]())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
