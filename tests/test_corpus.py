"""How much of the corpus is found, and how much that is harmless is touched.

The floors are in ``corpus/floors.toml``: the least recall by part and cue, and the most
harmless lines changed.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from redactor import Redactor

CORPUS = Path(__file__).parent / "corpus"
FLOORS = tomllib.loads((CORPUS / "floors.toml").read_text(encoding="utf-8"))
_SOFT_BREAK = re.compile(r"=\r?\n")
PARTS = ("open", "held-out")


@cache
def _lines() -> tuple[dict[str, Any], ...]:
    files = sorted(CORPUS.glob("*.jsonl"))
    return tuple(json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines())


def _part(line: dict[str, Any]) -> str:
    return "held-out" if line.get("held_out", False) else "open"


def _places(text: str, secrets: list[str]) -> set[int]:
    """The characters of the text that belong to a secret; a soft line break (RFC 2045, 6.7) inside one does not."""
    places: set[int] = set()
    for secret in secrets:
        start = text.find(secret)
        while start >= 0:
            places.update(range(start, start + len(secret)))
            for broken in _SOFT_BREAK.finditer(text, start, start + len(secret)):
                places.difference_update(range(*broken.span()))
            start = text.find(secret, start + 1)
    return places


def _is_found(text: str, secrets: list[str], redactor: Redactor) -> bool:
    """Whether every character of every secret is inside a match."""
    covered = {place for match in redactor.matches(text) for place in range(match.start, match.end)}
    return _places(text, secrets) <= covered


@cache
def _measured() -> dict[str, dict[str, float]]:
    """Recall in percent by part and cue, and harmless lines changed in percent by part.

    Lines in which nothing tells (cue ``none``) are left out: there is no recall to hold.
    """
    redactor = Redactor()
    lines: Counter[tuple[str, str]] = Counter()
    hits: Counter[tuple[str, str]] = Counter()
    for line in _lines():
        if line["cue"] == "none":
            continue
        group = (_part(line), line["cue"])
        lines[group] += 1
        if line["cue"] == "benign":
            hits[group] += redactor.text(line["text"]) is not line["text"]
        else:
            hits[group] += _is_found(line["text"], line["secrets"], redactor)
    return {
        part: {cue: 100 * hits[part, cue] / count for (other, cue), count in lines.items() if other == part}
        for part in PARTS
    }


@pytest.mark.parametrize("cue", ["name", "shape", "weak"])
@pytest.mark.parametrize("part", PARTS)
def test_recall_is_no_worse(part: str, cue: str) -> None:
    """Of the lines with a cue, at least the floor's share lose every character of every secret."""
    assert _measured()[part][cue] >= FLOORS[part][cue]


@pytest.mark.parametrize("part", PARTS)
def test_collateral_is_no_worse(part: str) -> None:
    """Of the harmless lines, at most the ceiling's share are changed."""
    assert _measured()[part]["benign"] <= FLOORS[part]["benign"]


def test_the_floors_are_for_what_is_measured() -> None:
    """There is a floor for each part and cue, and for nothing else."""
    assert {part: set(FLOORS[part]) for part in PARTS} == {part: set(cues) for part, cues in _measured().items()}


def test_engines_agree_on_the_corpus(both: tuple[Redactor, Redactor]) -> None:
    """Both engines give equal matches on every line of the corpus."""
    hyperscan, portable = both
    differing = [line["id"] for line in _lines() if hyperscan.matches(line["text"]) != portable.matches(line["text"])]
    assert differing == []


def test_the_corpus_in_one_stream_equals_its_lines(built_in: Redactor) -> None:
    """As one stream of lines, the corpus gives the bytes that each line gives by itself."""
    texts = [line["text"] for line in _lines() if "\n" not in line["text"] and "\r" not in line["text"]]
    data = "".join(f"{text}\n\n" for text in texts).encode()
    once = b"".join(built_in.stream(data[at : at + 50_000] for at in range(0, len(data), 50_000)))
    differing = [
        text for text, line in zip(texts, once.split(b"\n\n"), strict=False) if built_in.text(text).encode() != line
    ]
    assert differing == []


def test_the_corpus_is_redacted_once(built_in: Redactor) -> None:
    """What was redacted once is not touched again, on any line of the corpus."""
    again = []
    for line in _lines():
        once = built_in.text(line["text"])
        if built_in.text(once) is not once:
            again.append(line["id"])
    assert again == []
