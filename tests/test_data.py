"""Logs of real applications, with every secret labelled by line and byte range."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from redactor import Redactor

DATA = Path(__file__).parent / "data"
LOGS = sorted(DATA.glob("*.log"))
FLOORS = tomllib.loads((Path(__file__).parent / "corpus" / "floors.toml").read_text(encoding="utf-8"))["logs"]


class Measure(NamedTuple):
    labels: int
    found: int
    exact: int
    collateral: int


@cache
def _measured(path: Path) -> Measure:
    redactor = Redactor()
    labelled: dict[int, list[tuple[int, int]]] = {}
    for label in json.loads(path.with_name(path.name + ".secrets.json").read_text(encoding="utf-8")):
        labelled.setdefault(label["line"], []).append((label["start"], label["end"]))
    labels = found = exact = collateral = 0
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        ranges = labelled.get(number, [])
        matches = [(match.start, match.end) for match in redactor.matches(line)]
        covered = {place for low, high in matches for place in range(low, high)}
        secret = {place for low, high in ranges for place in range(low, high)}
        labels += len(ranges)
        found += sum(covered.issuperset(range(low, high)) for low, high in ranges)
        exact += sum(each in matches for each in ranges)
        collateral += len(covered - secret)
    return Measure(labels, found, exact, collateral)


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in LOGS])
def test_recall_on_a_log_is_no_worse(path: Path) -> None:
    """Of a log's labelled secrets, at least the floor's share are replaced to the last byte."""
    measure = _measured(path)
    assert 100 * measure.found / measure.labels >= FLOORS[path.name]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in LOGS])
def test_matches_on_a_log_are_exact(path: Path) -> None:
    """Outside of a log's labelled secrets, no byte is replaced, and what is found is found exactly."""
    measure = _measured(path)
    assert measure.collateral == 0
    assert measure.exact == measure.found


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in LOGS])
def test_a_log_in_one_stream_equals_its_lines(built_in: Redactor, path: Path) -> None:
    """A whole log gives the same bytes at once, in chunks and twice over."""
    data = path.read_bytes()
    whole = built_in.bytes(data)
    for size in (1_021, 30_000):
        assert b"".join(built_in.stream(data[at : at + size] for at in range(0, len(data), size))) == whole
    assert built_in.bytes(whole) is whole


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in LOGS])
def test_engines_agree_on_a_log(both: tuple[Redactor, Redactor], path: Path) -> None:
    """Both engines give equal matches on a log of a real application."""
    hyperscan, portable = both
    data = path.read_bytes()
    assert hyperscan.matches(data) == portable.matches(data)


def test_every_log_has_labels_and_floors() -> None:
    """Each log has its labels and its floors, and each label is a range of its line."""
    assert {path.name for path in LOGS} == set(FLOORS)
    for path in LOGS:
        lines = path.read_bytes().split(b"\n")
        for label in json.loads(path.with_name(path.name + ".secrets.json").read_text(encoding="utf-8")):
            assert 0 <= label["start"] < label["end"] <= len(lines[label["line"] - 1])
