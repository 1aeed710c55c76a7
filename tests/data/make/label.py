"""Find every recorded secret in the logs, in every spelling, and write the labels.

    python label.py FOLDER           write LOG.secrets.json beside each log of FOLDER
    python label.py --audit FOLDER   print the token-like runs that no label covers, to be read

FOLDER holds the logs and the `ledger.jsonl` that drive.py left there. A label is
{"line", "start", "end", "kind"}: the line counted from 1, lines end at a line feed, and
start and end are byte offsets in the line.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus

import ledger

LOGS: Final = ("django.log", "flask.log", "nginx-access.log", "nginx-cookies.log")
SHORT: Final = 12
COLOUR_END: Final = re.compile(rb"\x1b\[[0-9;]*m$")
TOKEN_LIKE: Final = re.compile(rb"[A-Za-z0-9_.+/=|~-]{20,}")


@dataclass(frozen=True, order=True)
class Label:
    """One secret's place in a log."""

    line: int
    start: int
    end: int
    kind: str


def spellings(value: str) -> set[bytes]:
    """Every way in which a log may write a value."""
    plain = {value, value.replace('"', '\\"'), value.replace("'", "\\'")}
    quoted = {json.dumps(value)[1:-1], repr(value)[1:-1]}
    nested = {json.dumps(text)[1:-1] for text in quoted}
    percent = {quote(value), quote(value, safe=""), quote_plus(value)}
    twice = {quote(text, safe="") for text in percent}
    return {text.encode() for text in plain | quoted | nested | percent | twice}


def labels(log: bytes, secrets: dict[str, str]) -> list[Label]:
    """Label a log. Where two secrets overlap the longer stands: one is then part of the other."""
    return [
        label
        for number, line in enumerate(log.split(b"\n"), start=1)
        for label in _outermost(_occurrences(number, line, secrets))
    ]


def _occurrences(number: int, line: bytes, secrets: dict[str, str]) -> Iterator[Label]:
    for value, kind in secrets.items():
        for spelling in spellings(value):
            for found in re.finditer(re.escape(spelling), line):
                if len(value) >= SHORT or _stands_alone(line, *found.span()):
                    yield Label(number, *found.span(), kind)


def _stands_alone(line: bytes, start: int, end: int) -> bool:
    """Tell a six-digit code from six digits of something longer."""
    before, after = line[:start], line[end : end + 1]
    free = not before[-1:].isalnum() or COLOUR_END.search(before) is not None
    return free and not after.isalnum()


def _outermost(found: Iterable[Label]) -> Iterator[Label]:
    end = 0
    for label in sorted(found, key=lambda label: (label.start, -label.end)):
        if label.start >= end:
            yield label
            end = label.end
        elif label.end > end:
            raise ValueError(f"labels cross each other in line {label.line}")


def write(log: Path, found: list[Label]) -> None:
    """Write the labels of a log beside it, one a line."""
    rows = ",\n".join(f"  {json.dumps(asdict(label))}" for label in found)
    log.with_name(log.name + ".secrets.json").write_text(f"[\n{rows}\n]\n", "utf-8")


def audit(log: bytes, found: list[Label]) -> Counter[str]:
    """Count the token-like runs outside the labels."""
    lines = [bytearray(line) for line in log.split(b"\n")]
    for label in found:
        lines[label.line - 1][label.start : label.end] = b" " * (label.end - label.start)
    return Counter(run.decode() for line in lines for run in TOKEN_LIKE.findall(line))


def main(folder: Path, *, only_audit: bool) -> None:
    """Label, or audit, the four logs of a folder."""
    secrets: dict[str, str] = {}
    for kind, value in ledger.read(folder / "ledger.jsonl"):
        secrets.setdefault(value, kind)
    for name in LOGS:
        log = (folder / name).read_bytes()
        found = labels(log, secrets)
        if only_audit:
            print(f"== {name}", *sorted(audit(log, found)), sep="\n")
        else:
            write(folder / name, found)
            print(name, dict(Counter(label.kind for label in found)))


if __name__ == "__main__":
    main(Path(sys.argv[-1]), only_audit="--audit" in sys.argv)
