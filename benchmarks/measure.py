"""Timing that survives a noisy machine, and Markdown tables.

CPU time of the process, not the clock on the wall; all candidates in turn, again and
again, and the best of each: what disturbs one run disturbs its neighbours as well.
"""

from __future__ import annotations

import gc
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final, TypeVar

__all__ = ["best_of", "machine", "number", "ratio", "table", "versions"]

_Name = TypeVar("_Name")

_SIGNIFICANT: Final = 3
_LONG: Final = 1.0


def best_of(candidates: Mapping[_Name, Callable[[], object]], rounds: int) -> dict[_Name, float]:
    """Run every candidate once a round; return the least CPU seconds of each.

    What takes over a second is measured once: noise does not matter there.
    """
    best = dict.fromkeys(candidates, float("inf"))
    for candidate in candidates.values():
        candidate()
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, candidate in candidates.items():
                if _LONG < best[name] < float("inf"):
                    continue
                start = time.process_time()
                candidate()
                best[name] = min(best[name], time.process_time() - start)
    finally:
        gc.enable()
    return best


def number(value: float) -> str:
    """Write ``value`` with three significant digits and thousands separated."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, _SIGNIFICANT - len(str(int(abs(value)))) + (abs(value) < 1))}f}"


def ratio(value: float, yardstick: float) -> str:
    """Write how many times ``yardstick`` goes into ``value``."""
    return f"{number(value / yardstick)}x" if yardstick else "-"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table: the first column to the left, the others to the right."""
    lines = [_row(header), _row([":--", *["--:"] * (len(header) - 1)]), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def machine() -> str:
    """Describe the machine as far as it decides the numbers, and the versions measured."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{_processor()}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}, {python}, {versions()}."


def versions() -> str:
    """Name the versions of the packages that do the work."""
    return ", ".join(f"{name} {_version(name)}" for name in ("redactor-kit", "hyperscan", "regex", "click"))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown processor"
