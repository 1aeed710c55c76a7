"""Accuracy on labelled lines: what is removed, what is left, and what is hurt.

    python -m benchmarks.accuracy [--peers] [--misses N]

The lines are ``tests/corpus/*.jsonl`` (minted by real frameworks, with harmless lines)
and ``tests/data`` (logs of real applications). A secret counts as removed when no run of
eight of its characters is left. A line is exact when each secret is gone whole and
everything else is as it was.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Final

from benchmarks.measure import machine, number, ratio, table
from benchmarks.peers import Redact, installed
from redactor.redactor import Redactor

__all__ = ["Case", "Score", "load", "main", "misses", "score", "summary"]

_TESTS: Final = Path(__file__).parent.parent / "tests"
_PIECE: Final = 8
_SHORTEST_KEPT: Final = 3
CUES: Final = ("name", "shape", "weak", "none", "log")


@dataclass(frozen=True)
class Case:
    """One text and where its secrets are, in characters, in order and without overlaps."""

    text: str
    secrets: tuple[tuple[int, int], ...]
    cue: str
    kinds: tuple[str, ...]
    """The kind of each secret, or the kind of the text if it has none."""
    context: str
    held_out: bool

    @property
    def harmless(self) -> str:
        """The text with NULs in place of its secrets."""
        return "\0".join(self.segments())

    def segments(self) -> list[str]:
        """Return what stands before, between and after the secrets."""
        cuts = [0, *(place for secret in self.secrets for place in secret), len(self.text)]
        return [self.text[cuts[at] : cuts[at + 1]] for at in range(0, len(cuts), 2)]


@dataclass
class Score:
    """What a tool did to a set of cases."""

    secrets: Counter[str] = field(default_factory=Counter)
    """Secrets by cue."""
    removed: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    exact: int = 0
    benign: int = 0
    touched: int = 0
    """Lines without secrets, and how many of them were changed."""
    characters: int = 0
    collateral: int = 0
    """Characters that are no secret, and how many of them were removed."""
    left: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    hurt: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Cue, kind and context of secrets left, and of lines with collateral, by characters."""

    def recall(self, cue: str = "") -> float:
        """Return the share of secrets removed, of one cue or of all."""
        total = self.secrets[cue] if cue else self.secrets.total()
        return (self.removed[cue] if cue else self.removed.total()) / total if total else 0.0


# --- cases ----------------------------------------------------------------------------


def load() -> list[Case]:
    """Return all labelled lines of the checkout."""
    corpus = [case for path in sorted((_TESTS / "corpus").glob("*.jsonl")) for case in _minted(path)]
    logs = [case for path in sorted((_TESTS / "data").glob("*.secrets.json")) for case in _logged(path)]
    return corpus + logs


def _minted(path: Path) -> Iterator[Case]:
    for line in path.read_text(encoding="utf-8").splitlines():
        each = json.loads(line)
        ranges = _merged(
            match.span() for secret in each["secrets"] for match in re.finditer(re.escape(secret), each["text"])
        )
        kinds = (each["kind"],) * max(1, len(ranges))
        yield Case(each["text"], ranges, each["cue"], kinds, each["context"], each.get("held_out", False))


def _logged(labels: Path) -> Iterator[Case]:
    log = labels.with_name(labels.name.removesuffix(".secrets.json"))
    by_line: dict[int, list[dict[str, object]]] = {}
    for label in json.loads(labels.read_text(encoding="utf-8")):
        by_line.setdefault(label["line"], []).append(label)
    for line_number, line in enumerate(log.read_bytes().split(b"\n"), 1):
        found = sorted(by_line.get(line_number, []), key=lambda label: int(str(label["start"])))
        ranges = tuple((_characters(line, label["start"]), _characters(line, label["end"])) for label in found)
        kinds = tuple(str(label["kind"]) for label in found) or ("log line",)
        yield Case(line.decode("utf-8", "replace"), ranges, "log" if ranges else "benign", kinds, log.name, False)


def _characters(line: bytes, offset: object) -> int:
    return len(line[: int(str(offset))].decode("utf-8", "replace"))


def _merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(set(ranges)):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


# --- judging --------------------------------------------------------------------------


def score(cases: Sequence[Case], outputs: Sequence[str]) -> Score:
    """Compare what a tool made of the cases with their labels."""
    total = Score()
    for case, output in zip(cases, outputs, strict=True):
        _count(total, case, output)
    return total


def _count(total: Score, case: Case, output: str) -> None:
    segments = case.segments()
    total.characters += sum(map(len, segments))
    exact = _is_exact(segments, output)
    lost = 0 if exact else _lost(case, output)
    total.collateral += lost
    if lost:
        total.hurt[case.cue, case.kinds[0], case.context] += lost
    if not case.secrets:
        total.benign += 1
        total.touched += output != case.text
        return
    kept = [_is_left(case, secret, output) for secret in case.secrets]
    total.lines += 1
    total.exact += exact and not any(kept)
    for kind, left in zip(case.kinds, kept, strict=True):
        total.secrets[case.cue] += 1
        total.removed[case.cue] += not left
        if left:
            total.left[case.cue, kind, case.context] += 1


def _is_left(case: Case, secret: tuple[int, int], output: str) -> bool:
    """Tell whether a run of the secret that is nowhere else in the line is in ``output``."""
    value = case.text[secret[0] : secret[1]]
    width = min(_PIECE, len(value))
    harmless = case.harmless
    pieces = (value[at : at + width] for at in range(len(value) - width + 1))
    return any(piece in output and piece not in harmless for piece in pieces)


def _is_exact(segments: Sequence[str], output: str) -> bool:
    """Tell whether ``output`` is the segments, whole and in order, with anything between them."""
    if len(segments) == 1:
        return output == segments[0]
    first, last = segments[0], segments[-1]
    if not (output.startswith(first) and output.endswith(last) and len(output) >= len(first) + len(last)):
        return False
    position, end = len(first), len(output) - len(last)
    for segment in segments[1:-1]:
        place = output.find(segment, position, end)
        if place < 0:
            return False
        position = place + len(segment)
    return True


def _lost(case: Case, output: str) -> int:
    """Return how many characters that are no secret are not in ``output``."""
    kept = bytearray(len(case.text))
    for start, _, size in SequenceMatcher(None, case.text, output, autojunk=False).get_matching_blocks():
        if size >= _SHORTEST_KEPT:
            kept[start : start + size] = b"\1" * size
    for start, end in case.secrets:
        kept[start:end] = b"\1" * (end - start)
    return kept.count(0)


# --- tables ---------------------------------------------------------------------------

_HEADER: Final = (
    "tool",
    "way",
    *(f"recall, {cue}" for cue in CUES),
    "recall",
    "to redactor",
    "exact lines",
    "harmless lines changed",
    "other text lost",
    "us a line",
    "time to redactor",
)


def summary(cases: Sequence[Case], tools: dict[str, tuple[str, Redact]]) -> tuple[str, dict[str, list[str]]]:
    """Run the tools over ``cases``; return the table, one row for each tool, and their outputs."""
    texts = [case.text for case in cases]
    rows: list[list[str]] = []
    outputs: dict[str, list[str]] = {}
    yardstick: tuple[float, float] | None = None
    for name, (way, redact) in tools.items():
        start = time.perf_counter()
        outputs[name] = redact(texts)
        spent = (time.perf_counter() - start) / len(texts) * 1e6
        found = score(cases, outputs[name])
        yardstick = yardstick or (found.recall(), spent)
        rows.append([name, way, *_cells(found, yardstick[0]), number(spent), ratio(spent, yardstick[1])])
    return table(_HEADER, rows), outputs


def _cells(found: Score, yardstick: float) -> list[str]:
    return [
        *(f"{found.recall(cue):.1%}" if found.secrets[cue] else "-" for cue in CUES),
        f"{found.recall():.1%}",
        ratio(found.recall(), yardstick),
        f"{found.exact / max(1, found.lines):.1%}",
        f"{found.touched / max(1, found.benign):.1%}",
        f"{found.collateral / max(1, found.characters):.2%}",
    ]


def misses(found: Score, most: int) -> str:
    """Return tables of the secrets left most often and of the text lost most, by kind and by context."""
    groups: dict[str, Callable[[tuple[str, str, str]], str]] = {
        "cue and kind": lambda where: f"{where[0]}, {where[1]}",
        "cue and context": lambda where: f"{where[0]}, {where[2]}",
    }
    counted = (("secrets left", found.left, found.secrets.total()), ("characters lost", found.hurt, found.characters))
    return "\n".join(
        table((title, what, "of all"), _grouped(counts, name, total, most))
        for what, counts, total in counted
        for title, name in groups.items()
    )


def _grouped(
    counts: Counter[tuple[str, str, str]], name: Callable[[tuple[str, str, str]], str], total: int, most: int
) -> list[list[str]]:
    grouped: Counter[str] = Counter()
    for where, count in counts.items():
        grouped[name(where)] += count
    return [[each, f"{count:,}", f"{count / max(1, total):.2%}"] for each, count in grouped.most_common(most)]


# --- command --------------------------------------------------------------------------


def tools(with_peers: bool) -> tuple[dict[str, tuple[str, Redact]], str]:
    """Return the tools to run, ``redactor`` first, and a sentence on those that are missing."""
    redactor = Redactor()

    def redact(texts: Sequence[str]) -> list[str]:
        return [redactor.text(text) for text in texts]

    chosen: dict[str, tuple[str, Redact]] = {"redactor": ("text", redact)}
    if not with_peers:
        return chosen, ""
    there, missing = installed()
    for peer in there:
        chosen[f"{peer.name} {peer.version}"] = (peer.way, peer.make())
    return chosen, f"Not installed: {', '.join(missing)}.\n" if missing else ""


def split(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """Divide the cases into those the rules were written with and those held out."""
    choose: dict[str, Callable[[Case], bool]] = {
        "Not held out": lambda case: not case.held_out,
        "Held out": lambda case: case.held_out,
    }
    return {title: [case for case in cases if wanted(case)] for title, wanted in choose.items()}


def compared(*, with_peers: bool, most: int = 0) -> str:
    """Return one table for the lines that are not held out, and one for those that are.

    ``most`` adds what is missed and hurt most; nothing of the lines held out, for which
    rules must not be written.
    """
    chosen, missing = tools(with_peers)
    parts = [missing]
    for title, cases in split(load()).items():
        rows, outputs = summary(cases, chosen)
        found = score(cases, outputs["redactor"])
        counts = f"{found.secrets.total():,} secrets in {found.lines:,} lines, {found.benign:,} harmless lines"
        parts.append(f"**{title}**: {counts}.\n\n{rows}")
        if most and not cases[0].held_out:
            parts.append(misses(found, most))
    return "\n".join(part for part in parts if part)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description="Measure accuracy.")
    parser.add_argument("--peers", action="store_true", help="compare with the other tools that are installed")
    parser.add_argument("--misses", type=int, default=0, metavar="N", help="list what redactor misses and hurts most")
    options = parser.parse_args(arguments)
    print(f"{machine()}\n\n{compared(with_peers=options.peers, most=options.misses)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
