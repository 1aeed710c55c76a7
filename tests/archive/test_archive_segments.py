"""Segments: a file cut anywhere and scrubbed by several processes gives the bytes of one stream."""

from __future__ import annotations

import codecs
import os
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redactor import HmacKey, Policy, Redactor, known
from redactor.archive.content import Edit, Source, Work, scrub_text
from redactor.archive.identity import Identity
from redactor.archive.segments import (
    LARGE,
    ChangedError,
    Replacement,
    edits_of,
    scrub_plain_parallel,
    splice,
    worth_cutting,
)
from redactor.archive.workers import Workers
from redactor.rulefiles import load_rules

EXAMPLES = [example.text.encode("utf-8", "surrogatepass") for rule in load_rules() for example in rule.examples]
TOKEN = b"aB3xQ7mZ9vKk2J8wT4aN6cZk3vQ9xT1mB7aZ4nL8pR2sD6fG0hJ5yUaB3xQ7mZ9vKk2J8wT4aN6cZk3vQ9xT1"
LINK = b"see https://example.com/reset?token=3D"
SOFT = LINK + TOKEN[: 75 - len(LINK)] + b"=\n" + TOKEN[75 - len(LINK) :] + b" bye"
LONG_SOFT = LINK + b"=\n".join([TOKEN[: 75 - len(LINK)], *[TOKEN[:75]] * 12, TOKEN[:20]]) + b" bye"
"""A token on more lines than a segment knows of what is before it."""
SPECIAL = [
    b"",
    b"=",
    b"clean line of a log, status=200",
    SOFT,
    LONG_SOFT,
    LONG_SOFT.replace(b"\n", b"\r\n"),
    b"x" * 73 + b"=",
    b"long " * 700 + b"sid=" + TOKEN[:24] + b" long" * 700,
    b"Cookie: " + b"; ".join(b"sid%d=%b" % (number, TOKEN[number : number + 24]) for number in range(40)),
    b"token=" + b"aB3x9" * 14_000 + b" after",
    b'{"name": "sessionid",',
    b' "value": "' + TOKEN[:24] + b'"}',
    b'Content-Disposition: form-data; name="csrf_token"\r\n\r\n' + TOKEN[:24],
    b"alice," + TOKEN[:24],
]
LINES = st.one_of(st.sampled_from(SPECIAL), st.sampled_from(EXAMPLES))
HEADS = st.sampled_from([b"", b"user,session_id\n", b"\xef\xbb\xbfuser,session_id\r\n", b"\n", b"\r\n"])
TEXTS = st.builds(
    lambda head, lines, last: head + b"".join(chain.from_iterable(lines)) + last,
    HEADS,
    st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])), max_size=14),
    LINES,
)


def make_redactor() -> Redactor:
    return Redactor(policy=Policy(hmac_key=HmacKey(b"sixteen bytes or more")))


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(make_redactor, 2) as workers:
        yield workers


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    """One file that the examples of this module overwrite."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "app.log"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a process in which no application has registered a value yet."""
    monkeypatch.setattr(known, "used", False)


class Kept:
    """A sink that keeps the bytes."""

    def __init__(self) -> None:
        self.data = b""
        self.writes = 0

    def write(self, data: bytes, /) -> None:
        self.data += data
        self.writes += 1


def whole(redactor: Redactor, data: bytes) -> tuple[bytes, dict[str, int], list[Edit]]:
    """Return what one stream makes of ``data``, and what it notes."""
    work, sink = Work(redactor, (), receipt=True), Kept()
    scrub_text(work, "", source_of(data), sink)
    return sink.data, work.ledger.counts, work.ledger.edits


def source_of(data: bytes) -> Source:
    blocks = iter([data])
    return Source(lambda size: next(blocks, b""))


def cut(workers: Workers, path: Path, data: bytes, segment: int) -> tuple[bytes, dict[str, int], list[Edit]]:
    """Return what segments of a file with ``data`` give, put together."""
    path.write_bytes(data)
    found = list(edits_of(str(path), Identity.of(path.stat()), workers, receipt=True, segment=segment))
    sink = Kept()
    splice(source_of(data), sink, [each for edits in found for each in edits.replacements])
    counts: dict[str, int] = {}
    for edits in found:
        for rule, count in edits.counts.items():
            counts[rule] = counts.get(rule, 0) + count
    return sink.data, counts, [edit for edits in found for edit in edits.edits]


@settings(max_examples=60)
@given(data=TEXTS, segment=st.one_of(st.integers(1, 200), st.integers(200, 100_000)))
def test_any_segments_equal_one_stream(workers: Workers, path: Path, data: bytes, segment: int) -> None:
    """Segments of any size give the bytes, the counts and the edits of one stream over the whole."""
    assert cut(workers, path, data, segment) == whole(workers.redactor, data)


@settings(max_examples=15)
@given(lines=st.lists(LINES, min_size=200, max_size=500), segment=st.integers(200_000, 900_000))
def test_segments_over_the_size_of_a_block_equal_one_stream(
    workers: Workers, path: Path, lines: list[bytes], segment: int
) -> None:
    """Over the size of a block, too, segments give what one stream gives."""
    data = b"\n".join([*lines, b"padding " * 40_000, *lines])
    assert cut(workers, path, data, segment) == whole(workers.redactor, data)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_no_segment_starts_behind_a_soft_line_break(workers: Workers, path: Path, end: bytes) -> None:
    """Wherever a segment would end, in a line that is continued or around it, the token goes whole."""
    data = (b"one" + end + LONG_SOFT.replace(b"\n", end) + end) * 2
    expected = whole(workers.redactor, data)
    assert expected[1] == {"token": 28}
    for segment in range(1, len(data) // 2 + 20, 19):
        assert cut(workers, path, data, segment) == expected


def test_every_segment_knows_the_header_of_a_table(workers: Workers, path: Path) -> None:
    """A column named in the first line is judged by it in every segment."""
    data = b"user,session_id\n" + (b"alice," + TOKEN[:24] + b"\n") * 20
    result, counts, edits = cut(workers, path, data, 1)
    assert (result, counts, edits) == whole(workers.redactor, data)
    assert counts == {"session": 20}
    assert len({edit.fingerprint for edit in edits}) == 1


def test_a_name_in_the_line_before_a_segment_counts(workers: Workers, path: Path) -> None:
    """A name and a value on two lines belong together, also if a segment starts between them."""
    data = (b'{"name": "sessionid",\n "value": "' + TOKEN[:24] + b'"}\n') * 5
    result, counts, edits = cut(workers, path, data, 1)
    assert (result, counts, edits) == whole(workers.redactor, data)
    assert counts == {"session": 5}


def test_a_token_longer_than_what_is_held_back_goes_whole(workers: Workers, path: Path) -> None:
    """A token of many blocks is one edit, at its place in the file, whose segment is as long as its line."""
    token = b"aB3x9" * 300_000
    data = b"one\nuser=alice sid=" + token + b" n=1\ntwo\n"
    path.write_bytes(data)
    found = list(edits_of(str(path), Identity.of(path.stat()), workers, receipt=True, segment=1))
    start = data.index(token)
    assert [edits.replacements for edits in found] == [
        [],
        [Replacement(start, start + len(token), b"[REDACTED:session]")],
        [],
    ]
    assert found[1].edits == [Edit("", start, start + len(token), 18, "session", "")]
    assert cut(workers, path, data, 1) == whole(workers.redactor, data)


def test_a_line_longer_than_segments_stays_whole(workers: Workers, path: Path) -> None:
    """No cut is inside a line, nor behind a soft line break, however small segments are."""
    path.write_bytes(b"a" * 1000 + b"\n" + SOFT + b"\nb\n\nc")
    found = edits_of(str(path), Identity.of(path.stat()), workers, segment=1)
    assert [edits.size for edits in found] == [1001, len(SOFT) + 1, 2, 1, 1]


def test_an_empty_file_has_no_segments(workers: Workers, path: Path) -> None:
    """Of an empty file nothing is looked at."""
    path.write_bytes(b"")
    assert list(edits_of(str(path), Identity.of(path.stat()), workers)) == []


@given(data=st.binary(max_size=600), places=st.lists(st.integers(0, 600), max_size=20), sizes=st.integers(1, 700))
def test_splice_replaces_ranges_and_copies_the_rest(data: bytes, places: list[int], sizes: int) -> None:
    """Exactly the ranges are replaced, adjacent or over the ends of reads, whatever a read returns."""
    ends = sorted(place for place in places if place <= len(data))
    ranges = [(start, end) for start, end in zip(ends[::2], ends[1::2], strict=False) if start < end]
    expected, done = b"", 0
    for start, end in ranges:
        expected += data[done:start] + b"<>"
        done = end
    pieces = iter([data[at : at + sizes] for at in range(0, len(data), sizes)])
    sink = Kept()
    splice(Source(lambda size: next(pieces, b"")), sink, [Replacement(*each, b"<>") for each in ranges])
    assert sink.data == expected + data[done:]


@pytest.mark.parametrize("clean", [False, True])
def test_a_large_file_is_scrubbed_as_by_one_stream(workers: Workers, path: Path, clean: bool) -> None:
    """A large file comes out as of one stream, with its ledger; the answer says whether anything was replaced."""
    line = b"user=alice sid=" + TOKEN[:24] + b" n=1\n"
    data = b"nothing here, status=200\n" * (LARGE // 25 + 1) + (b"" if clean else line)
    path.write_bytes(data)
    work, sink = Work(workers.redactor, (), receipt=True), Kept()
    with open(path, "rb", buffering=0) as file:
        source = Source(lambda size: file.read(size) or b"", file.fileno())
        changed = scrub_plain_parallel(
            work, str(path), source, sink, str(path), Identity.of(os.stat(file.fileno())), workers
        )
    assert changed is not clean
    expected, counts, edits = whole(workers.redactor, data)
    assert sink.data == expected
    assert (work.ledger.counts, work.ledger.edits) == (counts, edits)


def test_a_small_file_is_scrubbed_in_this_process(workers: Workers, path: Path) -> None:
    """What is not worth cutting gives the same, too."""
    data = b"sid=" + TOKEN[:24] + b"\n"
    work, sink = Work(workers.redactor, ()), Kept()
    opened = Identity(0, 0, len(data), 0)  # no process would find such a file
    assert scrub_plain_parallel(work, "app.log", source_of(data), sink, str(path), opened, workers)
    assert sink.data == whole(workers.redactor, data)[0]


def test_some_files_are_never_cut() -> None:
    """Small files, UTF-16, and all files while values are known to the application, go through one stream."""
    assert worth_cutting(b"us", LARGE)
    assert not worth_cutting(b"us", LARGE - 1)
    assert not worth_cutting(codecs.BOM_UTF16_LE, LARGE)
    assert not worth_cutting(codecs.BOM_UTF16_BE, LARGE)
    known.register("a value of the application")
    try:
        assert not worth_cutting(b"us", LARGE)
    finally:
        known.forget_all()


def test_another_file_at_the_path_is_noticed(workers: Workers, path: Path) -> None:
    """A file that was replaced, changed or cut short since it was opened is not looked at."""
    path.write_bytes(b"sid=" + TOKEN[:24] + b"\n")
    opened = Identity.of(path.stat())
    for other in (opened._replace(inode=0), opened._replace(size=5), opened._replace(modified=0)):
        with pytest.raises(ChangedError, match=r"app\.log: changed while it was read, expected it to stay$"):
            list(edits_of(str(path), other, workers))
