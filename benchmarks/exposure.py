"""How fast exposures are collected and ids are matched: ``python -m benchmarks.exposure [FINDINGS] [IDS]``."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from redactor.replace import HmacKey, fingerprint
from redactor.report import Finding, Inventory, match

_KEY = HmacKey(b"0123456789abcdef" * 2, "k1")


def _findings(count: int, distinct: int):
    for number in range(count):
        mark = f"{number % distinct * 0x9E3779B97F4A % (1 << 48):012x}.k1"
        yield Finding("app.log", number, 1, "session", mark, "session", 1_700_000_000 + number)


def main() -> None:
    findings, ids = (int(argument) for argument in (sys.argv[1:] + ["1000000", "10000000"][len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory() as folder:
        for distinct in (findings // 10, findings):
            started = time.perf_counter()
            with Inventory(Path(folder, f"{distinct}.db")) as inventory:
                inventory.add(_findings(findings, distinct))
            seconds = time.perf_counter() - started
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(f"add: {findings:,} findings of {distinct:,} secrets: {findings / seconds:,.0f}/s, peak {peak} MiB")
        with Inventory(Path(folder, "match.db")) as inventory:
            inventory.add(
                Finding("app.log", 1, 1, "session", fingerprint(b"sessionid%023d" % number, _KEY), "session")
                for number in range(0, ids, 1000)
            )
            started = time.perf_counter()
            matched = sum(1 for _ in match((b"sessionid%023d" % number for number in range(ids)), inventory, _KEY))
            seconds = time.perf_counter() - started
            print(f"match: {ids:,} ids, {matched:,} exposed: {ids / seconds:,.0f}/s")


if __name__ == "__main__":
    main()
