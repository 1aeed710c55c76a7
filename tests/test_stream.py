"""Streams: the same bytes as the whole, in bounded memory, in any encoding of lines."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redactor import Redactor, known
from redactor.model import Found
from redactor.stream import BLOCK

SID = b"4f1x9q8z7k2m5n0b3v6c1a8s7d4f9g2h"
SECRET = b"kL9xQ2mZ8vBk3J7wT1aN4c"
LINE = b"user=alice sid=" + SECRET + b" n=1\n"
DONE = b"user=alice sid=[REDACTED:session] n=1\n"


def test_nothing_in_nothing_out(built_in: Redactor) -> None:
    """No chunks, and empty chunks, give no bytes."""
    assert list(built_in.stream([])) == []
    assert list(built_in.stream([b"", b""])) == []
    stream = built_in.open_stream()
    assert stream.feed(b"") == b""
    assert stream.finish() == b""


def test_line_buffered_gives_each_line_at_once(built_in: Redactor) -> None:
    """With line_buffered, a line is given out by the call that completes it, and no later."""
    stream = built_in.open_stream(line_buffered=True)
    assert stream.feed(LINE[:-1]) == b""
    assert stream.feed(b"\n") == DONE
    assert stream.feed(LINE + LINE + b"rest") == DONE + DONE
    assert stream.finish() == b"rest"


def test_blocks_are_collected_otherwise(built_in: Redactor) -> None:
    """Without line_buffered, bytes are collected up to a block and the rest comes at the end."""
    stream = built_in.open_stream()
    assert stream.feed(LINE) == b""
    assert stream.finish() == DONE
    stream = built_in.open_stream()
    assert stream.feed(LINE * (BLOCK // len(LINE) + 1)).startswith(DONE)


def test_the_summary_counts_a_streams_redactions(engine: str) -> None:
    """A stream counts each secret once, whether it is cut or not."""
    for size in (1, 7, 100_000):
        redactor = Redactor(engine=engine)
        data = LINE * 50
        assert b"".join(redactor.stream(data[at : at + size] for at in range(0, len(data), size))) == DONE * 50
        assert redactor.summary.redactions == {"session": 50}
        assert redactor.summary.total == 50


def test_an_error_of_the_source_passes_through(built_in: Redactor) -> None:
    """What the iterable raises is raised, and no secret is in it."""

    def failing() -> Iterator[bytes]:
        yield LINE
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(built_in.stream(failing()))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\n\n", b"\0", b"\x0b", b"\x1e", b"\x85", "\u2028".encode()])
def test_lines_of_every_kind_stay_as_they_are(built_in: Redactor, end: bytes) -> None:
    """Line ends of every kind are kept byte by byte."""
    data = (LINE[:-1] + end) * 3
    assert b"".join(built_in.stream([data])) == (DONE[:-1] + end) * 3


@pytest.mark.parametrize(("codec", "mark"), [("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE)])
def test_utf16_stays_utf16(built_in: Redactor, codec: str, mark: bytes) -> None:
    """UTF-16 with a byte order mark is redacted and stays what it is, cut at any byte."""
    text = "caf\u00e9 \U0001f512 sid=kL9xQ2mZ8vBk3J7wT1aN4c \u20ac\r\n"
    data = mark + text.encode(codec)
    expected = mark + text.replace("kL9xQ2mZ8vBk3J7wT1aN4c", "[REDACTED:session]").encode(codec)
    assert built_in.bytes(data) == expected
    for cut in range(len(data) + 1):
        assert b"".join(built_in.stream([data[:cut], data[cut:]])) == expected
    assert b"".join(built_in.stream(data[at : at + 1] for at in range(len(data)))) == expected


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
@given(rest=st.binary(max_size=12), cut=st.integers(0, 14))
def test_broken_utf16_is_kept(built_in: Redactor, mark: bytes, rest: bytes, cut: int) -> None:
    """Bytes behind a UTF-16 mark that are no UTF-16 come back as they are."""
    data = mark + rest
    assert b"".join(built_in.stream([data[:cut], data[cut:]])) == data
    assert built_in.bytes(data) is data


def test_a_utf8_mark_is_kept(built_in: Redactor) -> None:
    """A UTF-8 byte order mark stays in front."""
    assert built_in.bytes(codecs.BOM_UTF8 + LINE) == codecs.BOM_UTF8 + DONE


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_token_over_soft_line_breaks_goes_whole(built_in: Redactor, end: bytes) -> None:
    """A token that quoted-printable wraps goes whole, however the stream is cut: RFC 2045 section 6.7."""
    token = b"aB3xQ7mZ9vKk2J8wT4aN6cZk3vQ9xT1mB7aZ4nL8pR2sD6fG0hJ5yUaB3xQ7mZ9vKk2J8wT4aN6cZk3vQ9xT1"
    data = b"see https://example.com/reset?token=3D"
    first = 75 - len(data)
    data += token[:first] + b"=" + end + token[first:] + b" bye" + end
    whole = built_in.bytes(data)
    assert token[first:] not in whole
    assert token[:first] not in whole
    assert whole.endswith(b" bye" + end)
    for cut in range(len(data) + 1):
        assert b"".join(built_in.stream([data[:cut], data[cut:]], line_buffered=True)) == whole


@settings(max_examples=8)
@given(
    sizes=st.lists(st.integers(1, 200_000), min_size=1, max_size=5),
    unit=st.sampled_from([LINE, LINE[:-1] + b" ", SECRET + b" ", b"sid=" + SECRET]),
)
def test_any_chunking_of_a_block_and_more_equals_whole(built_in: Redactor, sizes: list[int], unit: bytes) -> None:
    """Over the size of a block, too, any chunking gives the bytes of the whole."""
    data = unit * (360_000 // len(unit))
    chunks, position = [], 0
    while position < len(data):
        size = sizes[len(chunks) % len(sizes)] + 5_000
        chunks.append(data[position : position + size])
        position += size
    assert b"".join(built_in.stream(chunks)) == built_in.bytes(data)


def test_observer_is_told_of_every_replacement(built_in: Redactor) -> None:
    """An observer is told offsets in the whole stream, whatever the chunks, and the summary stays as it is."""
    text = b"x=1\n" * 50 + b"sessionid=" + SID + b"; theme=dark\n" + b"y=2\n" * 50 + b"refresh_token=" + SID

    class Told:
        def __init__(self) -> None:
            self.places: list[tuple[int, int, bytes]] = []

        def found(self, data: bytes, found: Sequence[Found], replacements: Sequence[bytes], base: int) -> None:
            for (start, end, _), replacement in zip(found, replacements, strict=True):
                assert data[start:end] == SID
                self.places.append((base + start, base + end, replacement))

        def prolonged(self, end: int) -> None:
            raise AssertionError(end)

    before = built_in.summary.total
    for size in (1, 7, 64, 1000):
        told = Told()
        stream = built_in.open_stream(line_buffered=True, observer=told)
        for start in range(0, len(text), size):
            stream.feed(text[start : start + size])
        stream.finish()
        assert told.places == [(210, 242, b"[REDACTED:session]"), (469, 501, b"[REDACTED:token]")]
    assert built_in.summary.total == before


def test_observer_is_told_how_far_a_long_secret_goes(built_in: Redactor) -> None:
    """A token longer than a stream keeps is told at once, and its end when it is there."""

    class Told:
        start = end = 0

        def found(self, data: bytes, found: Sequence[Found], replacements: Sequence[bytes], base: int) -> None:
            self.start = base + found[0][0]

        def prolonged(self, end: int) -> None:
            self.end = end

    told = Told()
    token = b"a1B2" * 1_000_000
    stream = built_in.open_stream(observer=told)
    assert stream.feed(b"access_token=" + token + b" ok") + stream.finish() == b"access_token=[REDACTED:token] ok"
    assert (told.start, told.end) == (13, 13 + len(token))


def test_registered_values_are_found_in_streams(built_in: Redactor) -> None:
    """A value that the application registered goes from a stream too, cut anywhere."""
    text = b"nothing names " + SID + b" here\n"
    with known.scope():
        known.register(SID)
        for cut in range(len(text)):
            assert b"".join(built_in.stream([text[:cut], text[cut:]])) == b"nothing names [REDACTED:known-value] here\n"


def test_start_in_the_middle(built_in: Redactor) -> None:
    """A stream opened behind some lines gives what one over the whole text gives there."""
    text = (
        b"user,session_id\nalice," + SID + b'\nform-data; name="session_id"\r\n\r\n' + SID + b"\r\nbob," + SID + b"\n"
    )
    whole = b"".join(built_in.stream([text]))
    for start in (number + 1 for number, byte in enumerate(text) if byte == 10):
        stream = built_in.open_stream()
        stream.start_after(text[:start], text)
        rest = stream.feed(text[start:]) + stream.finish()
        assert whole.endswith(rest)
        assert len(whole) - len(rest) == len(b"".join(built_in.stream([text[:start]])))
