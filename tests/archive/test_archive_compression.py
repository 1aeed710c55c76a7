"""Compressed content: its decoded bytes are redacted as one text, and nothing else changes."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import os
import random
import struct
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import lz4.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactor import Redactor
from redactor.archive import content
from redactor.archive.compression import KINDS, aside, rewriting
from redactor.archive.compression import gzip as gzip_format
from redactor.archive.compression import zstd as zstd_format
from redactor.archive.content import Kind, Limits, RefusedError, Sink, Source, Work

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_REDACTOR = Redactor()
_SECRET = b"a1b2c3d4e5f6g7h8"
_LINE = b"GET /cart?sid=" + _SECRET + b" 200\n"
_CLEAN = b"GET /cart 200\n"
_TEXT = b"".join(_LINE if number % 9 == 4 else b"%d %b" % (number, _CLEAN) for number in range(40))


# --- formats in the tests -----------------------------------------------------------------


@dataclass(frozen=True)
class Format:
    """A format as other software writes and reads it."""

    suffix: str
    compress: Callable[[bytes], bytes]
    open_decoder: Callable[[], Any]
    errors: tuple[type[Exception], ...]

    def __str__(self) -> str:
        return self.suffix

    def split(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield each member of ``data`` and its content."""
        while data:
            decoder = self.open_decoder()
            decoded = decoder.decompress(data)
            if not decoder.eof:
                raise EOFError
            size = len(data) - len(decoder.unused_data or b"")
            yield data[:size], decoded
            data = data[size:]

    def decompress(self, data: bytes) -> bytes:
        return b"".join(decoded for _, decoded in self.split(data))


_GZIP = Format("gz", lambda d: gzip.compress(d, 6, mtime=7), lambda: zlib.decompressobj(31), (zlib.error,))
_BZIP2 = Format("bz2", bz2.compress, bz2.BZ2Decompressor, (OSError,))
_XZ = Format("xz", lzma.compress, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ), (lzma.LZMAError,))
_ZSTD = Format(
    "zst",
    lambda d: zstd.compress(d, options={zstd.CompressionParameter.checksum_flag: 1}),
    zstd.ZstdDecompressor,
    (zstd.ZstdError,),
)
_LZ4 = Format(
    "lz4",
    lambda d: lz4.frame.compress(d, content_checksum=True, store_size=False),
    lz4.frame.LZ4FrameDecompressor,
    (RuntimeError,),
)
_FORMATS = (_GZIP, _BZIP2, _XZ, _ZSTD, _LZ4)

every_format = pytest.mark.parametrize("form", _FORMATS, ids=str)
both_sources = pytest.mark.parametrize("seekable", [True, False], ids=["seekable", "read-once"])


def _scrub(
    data: bytes,
    name: str = "app.log.gz",
    *,
    seekable: bool = True,
    kinds: tuple[Kind, ...] = KINDS,
    limits: Limits | None = None,
) -> tuple[bytes, Work]:
    out = io.BytesIO()
    work = Work(_REDACTOR, kinds, limits, receipt=True)
    if not seekable:
        work.scrub(name, Source(io.BytesIO(data).read), out)
        return out.getvalue(), work
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)
        file.seek(0)
        work.scrub(name, Source(file.read, file.fileno()), out)
    return out.getvalue(), work


def _refusal(data: bytes, name: str = "app.log.gz", **how: Any) -> str:
    with pytest.raises(RefusedError) as caught:
        _scrub(data, name, **how)
    return str(caught.value)


def _cut(text: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(edges)]


def _check_members(form: Format, pieces: list[bytes], **how: Any) -> None:
    """Check that ``pieces``, compressed one by one, are redacted as one text, and which members change."""
    text = b"".join(pieces)
    members = [form.compress(piece) for piece in pieces]
    out, _ = _scrub(b"".join(members), f"app.log.{form}", **how)
    assert form.decompress(out) == _REDACTOR.bytes(text)
    ranges = [(match.start, match.end) for match in _REDACTOR.matches(text)]
    begin = 0
    for (written, _), member, piece in zip(form.split(out), members, pieces, strict=True):
        end = begin + len(piece)
        changed = begin < end and any(begin < stop and start < end for start, stop in ranges)
        assert (written == member) is (not changed)
        begin = end


# --- members ------------------------------------------------------------------------------


@every_format
@given(cuts=st.lists(st.integers(0, len(_TEXT)), max_size=12), seekable=st.booleans())
def test_members_are_one_text_and_only_those_with_a_secret_change(
    form: Format, cuts: list[int], seekable: bool
) -> None:
    """However a text is cut into members, it is redacted as if it were whole, and clean members stay as they are."""
    _check_members(form, _cut(_TEXT, cuts), seekable=seekable)


@every_format
@both_sources
def test_a_secret_in_three_members_changes_these_three(form: Format, seekable: bool) -> None:
    """A secret that begins in one member and ends in the next but one changes all three and no other."""
    before, after = _LINE.split(_SECRET)
    _check_members(
        form, [_CLEAN, before + _SECRET[:5], _SECRET[5:9], _SECRET[9:] + after, b"", _CLEAN], seekable=seekable
    )


@every_format
@both_sources
def test_many_members_under_way(form: Format, seekable: bool) -> None:
    """Members that are much shorter than what is held back of a text are still told apart."""
    rng = random.Random(3)
    text = (_CLEAN * 30 + _LINE) * 20
    _check_members(form, _cut(text, [rng.randrange(len(text)) for _ in range(300)]), seekable=seekable)


@every_format
@both_sources
def test_a_token_without_end_goes_through_members(form: Format, seekable: bool) -> None:
    """A token longer than what is held back changes every member that it reaches, and not the next."""
    token = b"sid=" + b"a1B2c3D4" * (content.BLOCK * 7 // 8)
    token = token[: content.BLOCK * 7]
    text = token + b" end\n" + _CLEAN
    members = [form.compress(piece) for piece in _cut(text, [*range(0, len(token), 500_000), len(token)])]
    out, _ = _scrub(b"".join(members), seekable=seekable)
    assert form.decompress(out) == b"".join(_REDACTOR.stream([text]))
    assert out.endswith(members[-1])


@every_format
@both_sources
def test_members_under_way_are_bounded(form: Format, seekable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the bound of members under way, members are joined and the text stays right."""
    monkeypatch.setattr(rewriting, "_PENDING", 2000)
    text = (_CLEAN * 3 + _LINE) * 60
    out, _ = _scrub(
        b"".join(form.compress(piece) for piece in _cut(text, [*range(0, len(text), 7)])), seekable=seekable
    )
    assert form.decompress(out) == _REDACTOR.bytes(text)


def test_what_stands_before_members_may_be_joined_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members that are joined with skippable frames before them are redacted."""
    monkeypatch.setattr(rewriting, "_PENDING", 2000)
    out, _ = _scrub(_skippable(1, b"note") * 30 + zstd.compress(_CLEAN) + zstd.compress(_LINE))
    assert zstd.decompress(out) == _CLEAN + _REDACTOR.bytes(_LINE)


def test_remembering_may_end_in_the_last_bytes_of_a_member(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clean member of which all but the trailer is remembered is written anew with all its content."""
    clean = (_CLEAN * content.BLOCK)[-content.BLOCK :]
    coder = zlib.compressobj(6, zlib.DEFLATED, -15)
    # Blocks without content keep the trailer away from what comes out last.
    body = coder.compress(clean) + coder.flush(zlib.Z_SYNC_FLUSH) + b"\0\0\0\xff\xff" * 5000 + b"\1\0\0\xff\xff"
    first = _header(0) + body + struct.pack("<II", zlib.crc32(clean), len(clean))
    monkeypatch.setattr(rewriting, "REMEMBERED", len(first) - 4)
    monkeypatch.setattr(content, "REMEMBERED", len(first) - 4)
    out, _ = _scrub(first + _GZIP.compress(_LINE), seekable=False)
    assert gzip.decompress(out) == clean + _REDACTOR.bytes(_LINE)


@every_format
@given(cuts=st.lists(st.integers(0, len(_TEXT)), max_size=12), remembered=st.integers(0, 900))
def test_what_is_not_remembered_is_written_anew(form: Format, cuts: list[int], remembered: int) -> None:
    """Members that a source can give only once are redacted as well, wherever remembering ends."""
    data = b"".join(form.compress(piece) for piece in _cut(_TEXT, cuts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rewriting, "REMEMBERED", remembered)
        patch.setattr(content, "REMEMBERED", remembered)
        out, _ = _scrub(data, seekable=False)
    assert form.decompress(out) == _REDACTOR.bytes(_TEXT)


@every_format
@both_sources
def test_clean_content_is_passed_on_as_it_is(form: Format, seekable: bool) -> None:
    """Content without a secret comes out byte for byte, and nothing is counted."""
    data = form.compress(_CLEAN * 1000) + form.compress(b"") + form.compress(_CLEAN)
    out, work = _scrub(data, seekable=seekable)
    assert (out, work.ledger.total) == (data, 0)


@every_format
def test_scrubbing_twice_changes_nothing(form: Format) -> None:
    """What was scrubbed once is clean."""
    once, _ = _scrub(form.compress(_TEXT))
    assert _scrub(once)[0] == once


@every_format
def test_large_members_are_encoded_aside(form: Format) -> None:
    """A member long enough for a thread of its own decodes to the redacted text, and the thread ends."""
    text = (_CLEAN * 50 + _LINE) * 4000
    out, work = _scrub(form.compress(text))
    assert form.decompress(out) == b"".join(_REDACTOR.stream([text]))
    assert work.ledger.total == 4000
    assert "redactor-encoder" not in [thread.name for thread in threading.enumerate()]


@both_sources
def test_edits_are_offsets_in_the_decoded_text(seekable: bool) -> None:
    """The receipt tells where each secret was in the text of all members, and what it is inside of."""
    pieces = _cut(_TEXT, [100, 300])
    _, work = _scrub(b"".join(_GZIP.compress(piece) for piece in pieces), "logs/app.log.gz", seekable=seekable)
    assert [(edit.member, edit.start, edit.end) for edit in work.ledger.edits] == [
        ("app.log", match.start, match.end) for match in _REDACTOR.matches(_TEXT)
    ]


@every_format
def test_utf_16_in_members(form: Format) -> None:
    """UTF-16 text is redacted across members, wherever they cut a character."""
    text = "\ufeff".encode("utf-16-le") + _TEXT.decode().encode("utf-16-le")
    out, _ = _scrub(b"".join(form.compress(piece) for piece in _cut(text, [1, 333, 500])))
    assert form.decompress(out) == _REDACTOR.bytes(text)


# --- what is inside -----------------------------------------------------------------------


def _scrub_grown(work: Work, name: str, source: Source, sink: Sink) -> None:
    """Scrub a made-up kind of content: it grows, and all of it is written at its end."""

    def transform(work: Work, name: str, source: Source, sink: Sink) -> None:
        found = b"".join(iter(source.read, b""))
        work.note(name, 0, 1, 1, 0, b"K")
        sink.write(found + b"+" * 200_000)

    content.pass_on(work, name, source, sink, transform)


@every_format
@both_sources
@given(cuts=st.lists(st.integers(0, len(_TEXT)), max_size=6))
def test_content_of_another_kind_may_grow(form: Format, seekable: bool, cuts: list[int]) -> None:
    """Content of another kind is that of all members together, and what it becomes is all there."""
    names = []

    def recognises(head: bytes, name: str) -> bool:
        names.append(name)
        return head.startswith(b"KIND")

    text = b"KIND" + _TEXT
    data = b"".join(form.compress(piece) for piece in _cut(text, cuts))
    out, _ = _scrub(data, f"a.{form}", seekable=seekable, kinds=(Kind("made-up", recognises, _scrub_grown), *KINDS))
    assert form.decompress(out) == text + b"+" * 200_000
    assert set(names) == {f"a.{form}", f"a.{form}!a"}


@pytest.mark.parametrize("grown", [b"", b"KI"])
def test_content_of_another_kind_may_shrink(grown: bytes) -> None:
    """Content of which nothing or little is left is still whole members."""

    def transform(work: Work, name: str, source: Source, sink: Sink) -> None:
        while source.read():
            pass
        work.note(name, 0, 1, 1, 0, b"K")
        sink.write(grown)

    shrinking = Kind(
        "made-up",
        lambda head, _: head.startswith(b"KIND"),
        lambda w, n, s, k: void(content.pass_on(w, n, s, k, transform)),
    )
    out, _ = _scrub(_GZIP.compress(b"KIND") + _GZIP.compress(_TEXT), kinds=(shrinking, *KINDS))
    assert (out != b"", gzip.decompress(out)) == (True, grown)


def void(_: object) -> None:
    """Return nothing."""


@both_sources
def test_containers_in_containers(seekable: bool) -> None:
    """Every layer is taken off and put on again, whatever source the outermost has."""
    data = _TEXT
    for form in _FORMATS[:4]:
        data = form.compress(data)
    out, _ = _scrub(data, "a.log.gz.bz2.xz.zst", seekable=seekable)
    for form in reversed(_FORMATS[:4]):
        out = form.decompress(out)
    assert out == _REDACTOR.bytes(_TEXT)


@both_sources
def test_long_containers_in_members_of_another(seekable: bool) -> None:
    """A long container that is cut into many members of another is scrubbed whole, whoever writes when."""
    text = (_CLEAN * 20 + b"%b" + _LINE) * 8000 % tuple(os.urandom(40).hex().encode() for _ in range(8000))
    inner = _GZIP.compress(text)
    pieces = _cut(inner, [*range(0, len(inner), 5000)])
    out, _ = _scrub(b"".join(_ZSTD.compress(piece) + _ZSTD.compress(b"") for piece in pieces), seekable=seekable)
    assert gzip.decompress(_ZSTD.decompress(out)) == b"".join(_REDACTOR.stream([text]))


def test_only_the_outermost_container_is_encoded_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container inside another is written in the thread that reads: both look at the same members."""
    started = []

    class Recorded(aside.Aside):
        def __init__(self, encoder: Any) -> None:
            started.append(type(encoder))
            super().__init__(encoder)

    monkeypatch.setattr(rewriting, "Aside", Recorded)
    out, _ = _scrub(zstd.compress(_GZIP.compress(_LINE)))
    assert gzip.decompress(zstd.decompress(out)) == _REDACTOR.bytes(_LINE)
    assert started == [zstd_format._FrameEncoder]


def test_too_many_containers_in_one_another() -> None:
    """Deeper than the limit, content is refused by the name of the innermost."""
    data = _GZIP.compress(_GZIP.compress(_TEXT))
    assert _refusal(data, "a.gz.gz", limits=Limits(depth=1)) == (
        "a.gz.gz!a.gz: more than 1 containers in one another, expected fewer (--max-depth)"
    )


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        ("logs/app.json.gz", "logs/app.json.gz!app.json"),
        ("x.zip!logs/app.TGZ", "x.zip!logs/app.TGZ!app.tar"),
        ("app.log.1", "app.log.1!app.log.1"),
    ],
)
def test_names_inside(name: str, inner: str) -> None:
    """What is inside is called as the file without the suffix of its compression."""
    names = []

    def recognises(head: bytes, name: str) -> bool:
        names.append(name)
        return False

    _scrub(_GZIP.compress(_CLEAN), name, kinds=(Kind("none", recognises, _scrub_grown), *KINDS))
    assert set(names) == {name, inner}


# --- refusals -----------------------------------------------------------------------------


@every_format
def test_a_cut_at_any_byte_is_noticed(form: Format) -> None:
    """Content that ends too early is refused, or so short that it is not recognised and passed as it is."""
    data = form.compress(_CLEAN + _LINE) + form.compress(_LINE)
    whole = {0, len(form.compress(_CLEAN + _LINE))}
    for end in set(range(len(data))) - whole:
        try:
            out, _ = _scrub(data[:end])
        except RefusedError as problem:
            assert str(problem).startswith("app.log.gz: ")
            assert _SECRET.decode() not in str(problem)
        else:
            assert end < 14
            assert out == data[:end]


@every_format
def test_a_wrong_byte_anywhere_is_noticed(form: Format) -> None:
    """With one byte changed, content is refused, or read as other software reads it and redacted as that."""
    data = form.compress(_CLEAN + _LINE)
    for at in range(len(data)):
        for flip in (1, 0x80, 0xFF):
            broken = data[:at] + bytes((data[at] ^ flip,)) + data[at + 1 :]
            try:
                out, _ = _scrub(broken)
            except RefusedError as problem:
                assert _SECRET.decode() not in str(problem)
                continue
            try:
                read = form.decompress(broken)
            except (*form.errors, EOFError):
                assert out == _REDACTOR.bytes(broken)  # It has no magic number any more.
            else:
                assert form.decompress(out) == _REDACTOR.bytes(read)


@every_format
def test_what_follows_the_last_member_is_refused(form: Format) -> None:
    """Bytes that are no member are refused, by their number and place."""
    data = form.compress(_LINE)
    word = {"gz": "gzip member", "bz2": "bzip2 stream", "xz": "xz stream", "zst": "zstd frame", "lz4": "LZ4 frame"}
    assert _refusal(data + b"sid=1234567890ab") == (
        f"app.log.gz: 16 bytes after the last {word[str(form)]} at byte {len(data)}, expected none"
    )


def _patched(data: bytes, at: int, new: bytes) -> bytes:
    at %= len(data)
    return data[:at] + new + data[at + len(new) :]


_MEMBER = _GZIP.compress(_LINE)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (_MEMBER[:-1], "ends inside the gzip member at byte 0, expected all of it"),
        (_MEMBER + _MEMBER[:9], f"ends inside the gzip member at byte {len(_MEMBER)}, expected all of it"),
        (
            _patched(_MEMBER, -8, bytes(4)),
            "the gzip member at byte 0 has a wrong CRC-32, expected that of its content",
        ),
        (_patched(_MEMBER, -4, bytes(4)), "the gzip member at byte 0 has a wrong length, expected that of its content"),
        (_patched(_MEMBER, 10, b"\xff"), "the gzip member at byte 0 is broken, expected deflate data"),
        (
            _patched(_MEMBER, 2, b"\7"),
            "the gzip member at byte 0 is compressed with method 7, expected 8 (deflate)",
        ),
        (_patched(_MEMBER, 3, b"\x80"), "the gzip member at byte 0 has reserved flags set, expected none"),
        (_MEMBER + bytes(9) + b"\1", f"1 bytes after the last gzip member at byte {len(_MEMBER) + 9}, expected none"),
        (
            _patched(_MEMBER, 3, b"\x08")[:10] + b"x" * 200_000,
            "the gzip member at byte 0 has a header of more than 131072 bytes, expected fewer",
        ),
        (
            lzma.compress(_LINE) + bytes(6),
            f"6 bytes of padding at byte {len(lzma.compress(_LINE))}, expected a multiple of 4",
        ),
        (
            _patched(lzma.compress(_LINE), 7, b"\2"),
            "the xz stream at byte 0 has an integrity check of kind 2, expected one of 0, 1, 4 and 10",
        ),
        (
            lzma.compress(_LINE, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 3 << 26}]),
            "the xz stream at byte 0 needs a window of 201326592 bytes to decode, expected at most 67108864",
        ),
        (
            b"\x5d" + struct.pack("<IQ", 1 << 30, 9) + bytes(30),
            "the LZMA stream at byte 0 needs a window of 1073741824 bytes to decode, expected at most 67108864",
        ),
        (
            zstd.compress(_LINE)[:4] + b"\0" + bytes(((27 - 10) << 3,)) + bytes(9),
            "the zstd frame at byte 0 needs a window of 134217728 bytes to decode, expected at most 67108864",
        ),
        (
            zstd.compress(_LINE)[:4] + b"\2\x40\x39\x30" + bytes(9),
            "the zstd frame at byte 0 needs the dictionary 12345, expected none",
        ),
        (
            b"\x25\xb5\x2f\xfd" + bytes(20),
            "the zstd frame at byte 0 is of a format before zstd 0.8, expected a newer one",
        ),
        (b"\x02\x21\x4c\x18" + bytes(9), "the LZ4 frame at byte 0 is of the legacy format, expected the frame format"),
        (b"\x04\x22\x4d\x18\x61\x40" + bytes(9), "the LZ4 frame at byte 0 needs a dictionary, expected none"),
        (b"\x1f\x9d\x90" + bytes(9), "is compressed with compress (.Z), expected gzip, bzip2, xz, lzma, zstd or lz4"),
        (b"LZIP\1" + bytes(9), "is compressed with lzip, expected gzip, bzip2, xz, lzma, zstd or lz4"),
        (b"\x50\x2a\x4d\x18\xff\0\0\0" + bytes(9), "ends inside the zstd frame at byte 0, expected all of it"),
    ],
)
def test_refusals(data: bytes, problem: str) -> None:
    """A refusal is one line that says where, what and what was expected."""
    assert _refusal(data) == f"app.log.gz: {problem}"


def test_windows_that_show_late_are_refused() -> None:
    """A large window that no header tells in advance is refused when the decoder meets it."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 3 << 26}]
    small, large = lzma.compress(_CLEAN), lzma.compress(_LINE, filters=filters)
    # One stream of both blocks: the index does not matter, as decoding does not get there.
    data = small[: 12 + _block_size(small)] + large[12 : 12 + _block_size(large)]
    assert _refusal(data) == (
        "app.log.gz: the xz stream at byte 0 needs too much memory, expected data that can be decoded"
    )


def _block_size(stream: bytes) -> int:
    """Return the size of the only block of an xz stream, from its index (section 4.3)."""
    index_size = (int.from_bytes(stream[-8:-4], "little") + 1) * 4
    return len(stream) - 12 - 12 - index_size


@pytest.mark.parametrize("module", ["lz4.frame", "bz2", "lzma", zstd_format._MODULE])
def test_missing_decoders(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content is refused, not read as text, if what decodes it is not installed."""
    data, what, install = {
        "lz4.frame": (_LZ4.compress(_LINE), "LZ4 frame", "redactor-kit[lz4]"),
        "bz2": (bz2.compress(_LINE), "bzip2 stream", "Python's module bz2"),
        "lzma": (lzma.compress(_LINE), "xz stream", "Python's module lzma"),
        zstd_format._MODULE: (zstd.compress(_LINE), "zstd frame", "backports.zstd"),
    }[module]
    monkeypatch.setitem(sys.modules, module, None)
    assert _refusal(data) == f"app.log.gz: the {what} at byte 0 cannot be read, expected {install} to be installed"


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (
            _patched(_MEMBER, 3, b"\x08")[:10] + b"sid=" + _SECRET + b"\0" + _MEMBER[10:],
            "gzip member at byte 0 has a secret in its header",
        ),
        (
            b"\x51\x2a\x4d\x18\x15\0\0\0sid=" + _SECRET + b"\n" + zstd.compress(_CLEAN),
            "zstd frame at byte 0 has a secret beside its content",
        ),
    ],
)
def test_secrets_beside_the_content(data: bytes, where: str) -> None:
    """A secret in a comment or a skippable frame is refused, and not shown."""
    assert _refusal(data) == f"app.log.gz: the {where}, expected none"


class _Full:
    """A sink that has no room for more than a few bytes."""

    def __init__(self) -> None:
        self.room = 10_000

    def write(self, data: bytes) -> None:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(28, "No space left on device")


def test_a_full_disk_passes_through() -> None:
    """What the sink raises in the encoder's thread reaches the caller, without the text, and the thread ends."""
    text = os.urandom(3_000_000).hex().encode() + b"\n" + _LINE
    work = Work(_REDACTOR, KINDS)
    with pytest.raises(OSError, match="No space left") as caught:
        work.scrub("a.gz", Source(io.BytesIO(_GZIP.compress(_LINE + text)).read), _Full())
    assert "redactor-encoder" not in [thread.name for thread in threading.enumerate()]
    assert caught.value.__context__ is None


class _FullOnce:
    """A sink that fails at its second write, and only then."""

    def __init__(self) -> None:
        self.writes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        if self.writes == 2:
            raise OSError(28, "No space left on device")


def test_a_full_disk_at_the_last_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the sink raises in the encoder's thread is not lost when no more is written."""
    monkeypatch.setattr(aside, "_SHORT", 0)
    data = _GZIP.compress(_LINE + os.urandom(100_000).hex().encode())
    with pytest.raises(OSError, match="No space left"):
        Work(_REDACTOR, KINDS).scrub("a.gz", Source(io.BytesIO(data).read), _FullOnce())


def test_a_refusal_ends_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Content that turns out to be broken while it is written leaves no thread behind."""
    monkeypatch.setattr(aside, "_SHORT", 0)
    data = _GZIP.compress(_LINE + os.urandom(1_000_000).hex().encode())
    assert _refusal(data[:-9]) == "app.log.gz: ends inside the gzip member at byte 0, expected all of it"
    assert "redactor-encoder" not in [thread.name for thread in threading.enumerate()]


# --- bombs --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [_BZIP2, _XZ, _ZSTD], ids=str)
def test_bombs_are_refused(form: Format) -> None:
    """Content that unfolds to more than the ratio allows is refused before it is unfolded."""
    assert _refusal(form.compress(bytes(3_000_000)), limits=Limits(free=1_000_000)) == (
        "app.log.gz: unfolds to more than 2000 times its size, expected less (--max-ratio)"
    )


_MEASURE = """
import resource, sys
from redactor import Redactor
from redactor.archive.compression import KINDS
from redactor.archive.content import NOWHERE, Limits, Source, Work

redactor = Redactor()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open(sys.argv[1], "rb", buffering=0) as file:
    Work(redactor, KINDS, Limits(ratio=1_000_000)).scrub("x", Source(file.read, file.fileno()), NOWHERE)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs the module resource")
@every_format
def test_memory_is_bounded(form: Format, tmp_path: Any) -> None:
    """A line of 100 MB with a secret at its start, in a few bytes, takes less than 20 MB more memory."""
    path = tmp_path / "line"
    member = form.compress(b"a" * 1_000_000)
    path.write_bytes(form.compress(b"sid=" + _SECRET + b" ") + member * 100)
    measured = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(path)], capture_output=True, check=True, text=True, timeout=120
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(measured.stdout) * unit < 20_000_000


# --- gzip ---------------------------------------------------------------------------------


def _header(flags: int, *fields: bytes) -> bytes:
    header = bytes((0x1F, 0x8B, 8, flags)) + b"\x01\x02\x03\x04\x02\x0b" + b"".join(fields)
    return header + struct.pack("<H", zlib.crc32(header) & 0xFFFF) if flags & 2 else header


def _member(header: bytes, data: bytes) -> bytes:
    return header + zlib.compress(data, wbits=-15) + struct.pack("<II", zlib.crc32(data), len(data))


@pytest.mark.parametrize("flags", range(32))
def test_gzip_headers_are_kept(flags: int) -> None:
    """A member that is written anew has its header as it was: flags, time, extra field, name, comment and CRC."""
    fields = {4: struct.pack("<H", 6) + b"XY\2\0ab", 8: b"app.log\0", 16: b"of today\0"}
    header = _header(flags, *(field for flag, field in fields.items() if flags & flag))
    out, _ = _scrub(_member(header, _LINE))
    assert out.startswith(header)
    assert gzip.decompress(out) == _REDACTOR.bytes(_LINE)


def test_a_wrong_header_crc_is_refused() -> None:
    """The CRC of a header is checked."""
    data = _member(_header(2)[:-2] + b"\0\0", _LINE)
    assert _refusal(data) == "app.log.gz: the gzip member at byte 0 has a wrong header CRC, expected that of its header"


def test_zero_padding_is_kept() -> None:
    """Zero bytes after the last member, as tapes have them, stay."""
    out, _ = _scrub(_GZIP.compress(_LINE) + bytes(700_000))
    assert gzip.decompress(out) == _REDACTOR.bytes(_LINE)
    assert out.endswith(bytes(700_000))
    assert not out[:-700_000].endswith(bytes(4))


_EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the size that each BGZF block says it has, and its content."""
    for member, decoded in _GZIP.split(data):
        assert member[12:16] == b"BC\2\0"
        assert struct.unpack("<H", member[16:18])[0] + 1 == len(member)
        yield len(member), decoded


def _bgzf(data: bytes) -> bytes:
    header = bytes.fromhex("1f8b08040000000000ff060042430200")
    return _member(header + struct.pack("<H", 18 + len(zlib.compress(data, wbits=-15)) + 8 - 1), data)


def test_bgzf_stays_bgzf() -> None:
    """Blocks that are written anew tell their size, and the mark of the end stays the last block."""
    out, _ = _scrub(_bgzf(_CLEAN) + _bgzf(_LINE * 3) + _bgzf(_CLEAN) + _EOF_BLOCK)
    assert [decoded for _, decoded in _blocks(out)] == [_CLEAN, _REDACTOR.bytes(_LINE * 3), _CLEAN, b""]
    assert out.endswith(_EOF_BLOCK)


def test_bgzf_blocks_that_grow_are_cut() -> None:
    """Content that outgrows its block goes on in another, and none is larger than 64 KiB, even of noise."""
    text = random.Random(2).randbytes(30_000) + b"\nsid=abcdefgh12" * 2500
    out, _ = _scrub(_bgzf(text) + _EOF_BLOCK)
    sizes = [size for size, _ in _blocks(out)]
    assert gzip.decompress(out) == _REDACTOR.bytes(text)
    assert len(sizes) == 3
    assert max(sizes) <= 65536


def test_bgzf_keeps_a_header_crc() -> None:
    """A block whose header has a CRC has the right one when its size changes."""
    data = _member(_header(6, struct.pack("<H", 6) + b"BC\2\0\0\0"), _LINE)
    out, _ = _scrub(data)
    assert [decoded for _, decoded in _blocks(out)] == [_REDACTOR.bytes(_LINE)]
    assert out[18:20] == struct.pack("<H", zlib.crc32(out[:18]) & 0xFFFF)


def test_bgzf_blocks_are_stored_if_they_would_be_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Content that a compressor makes longer than a block can be is stored as it is."""
    longer = SimpleNamespace(**{**vars(zlib), "compress": lambda *_, **__: bytes(65530)})
    monkeypatch.setattr(gzip_format, "_deflate", longer)
    out, _ = _scrub(_bgzf(_LINE * 2000))
    redacted = _REDACTOR.bytes(_LINE * 2000)
    assert [decoded for _, decoded in _blocks(out)] == [redacted[:65280], redacted[65280:]]


@pytest.mark.parametrize("hint", [b"\0", b"\2", b"\4"])
def test_gzip_without_isal(hint: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own zlib does the same work where isal is missing."""
    monkeypatch.setattr(gzip_format, "_deflate", zlib)
    text = (_CLEAN * 1000 + _LINE) * 40
    data = _patched(_GZIP.compress(text), 8, hint) + _GZIP.compress(_CLEAN)
    out, _ = _scrub(data)
    assert gzip.decompress(out) == b"".join(_REDACTOR.stream([text + _CLEAN]))
    assert out[8:9] == hint


# --- other formats ------------------------------------------------------------------------


@pytest.mark.parametrize("level", range(1, 10))
def test_bzip2_keeps_its_block_size(level: int) -> None:
    """A stream that is written anew has the block size that it had."""
    out, _ = _scrub(bz2.compress(_LINE, level))
    assert out[:4] == b"BZh%d" % level


@pytest.mark.parametrize("check", [lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_CRC64, lzma.CHECK_SHA256])
def test_xz_keeps_its_check_and_padding(check: int) -> None:
    """A stream that is written anew has the kind of check that it had; padding between streams stays."""
    clean = lzma.compress(_CLEAN)
    out, _ = _scrub(lzma.compress(_LINE, check=check) + bytes(8) + clean + bytes(4))
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    assert decoder.decompress(out) == _REDACTOR.bytes(_LINE)
    assert decoder.check == check
    assert decoder.unused_data == bytes(8) + clean + bytes(4)


def test_large_windows_within_the_limit() -> None:
    """The largest preset of xz can be read, and such streams are all written anew once one is."""
    small = lzma.compress(_CLEAN, preset=0)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 26}]
    second = lzma.compress(_CLEAN, filters=filters)
    out, _ = _scrub(lzma.compress(_LINE, filters=filters) + second + small)
    assert lzma.decompress(out) == _REDACTOR.bytes(_LINE) + _CLEAN * 2
    assert out.endswith(small)
    assert second not in out


def test_lzma_alone() -> None:
    """The format before xz is read, and written with an end mark."""
    out, _ = _scrub(lzma.compress(_TEXT, lzma.FORMAT_ALONE), "app.lzma")
    assert lzma.decompress(out, lzma.FORMAT_ALONE) == _REDACTOR.bytes(_TEXT)


@pytest.mark.parametrize("checked", [0, 1])
@pytest.mark.parametrize("sized", [0, 1])
@pytest.mark.parametrize("size", [1, 20_000])
def test_zstd_keeps_checksum_and_content_size(checked: int, sized: int, size: int) -> None:
    """A frame that is written anew has a checksum, and says its content's size, if it did before."""
    parameter = zstd.CompressionParameter
    options = {parameter.checksum_flag: checked, parameter.content_size_flag: sized}
    text = _LINE * size
    out, _ = _scrub(zstd.compress(text, options=options))
    redacted = b"".join(_REDACTOR.stream([text]))
    assert zstd.decompress(out) == redacted
    assert bool(out[4] & 4) is bool(checked)
    assert zstd.get_frame_info(out).decompressed_size == (len(redacted) if sized else None)


def test_zstd_frames_too_long_to_tell_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame longer than what is held back is written without its content's size."""
    monkeypatch.setattr(zstd_format, "REMEMBERED", 1000)
    text = _LINE + os.urandom(200_000).hex().encode()
    out, _ = _scrub(zstd.compress(text))
    assert zstd.decompress(out) == b"".join(_REDACTOR.stream([text]))
    assert zstd.get_frame_info(out).decompressed_size is None


def _skippable(number: int, data: bytes) -> bytes:
    return struct.pack("<II", 0x184D2A50 + number, len(data)) + data


def test_skippable_frames_are_kept() -> None:
    """Skippable frames stay where they are, before, between and after frames."""
    before, between, after = (_skippable(number, b"note %d" % number) for number in (1, 2, 3))
    clean = zstd.compress(_CLEAN)
    out, _ = _scrub(before + clean + between + zstd.compress(_LINE) + after)
    assert out.startswith(before + clean + between)
    assert out.endswith(after)
    assert zstd.decompress(out) == _CLEAN + _REDACTOR.bytes(_LINE)


def test_only_skippable_frames() -> None:
    """Content of nothing but skippable frames is passed on as it is."""
    data = _skippable(7, b"note") * 3
    assert _scrub(data)[0] == data


def test_lz4_behind_a_skippable_frame() -> None:
    """A skippable frame before an LZ4 frame does not hide it."""
    note = _skippable(4, b"note")
    out, _ = _scrub(note + _LZ4.compress(_LINE))
    assert out.startswith(note)
    assert _LZ4.decompress(out[len(note) :]) == _REDACTOR.bytes(_LINE)


def test_a_seek_table_goes_with_its_frames() -> None:
    """The table of the seekable format stays as long as it is right, and is left out when frames change."""
    table = _skippable(14, bytes(17))
    clean = zstd.compress(_CLEAN) + table
    assert _scrub(clean)[0] == clean
    out, _ = _scrub(zstd.compress(_LINE) + clean)
    assert out.endswith(zstd.compress(_CLEAN))


def test_the_frame_sizes_of_pzstd_are_put_right() -> None:
    """A frame of pzstd is preceded by its size, before and after it is written anew."""

    def hinted(frame: bytes) -> bytes:
        return _skippable(0, struct.pack("<I", len(frame))) + frame

    clean = hinted(zstd.compress(_CLEAN))
    out, _ = _scrub(clean + hinted(zstd.compress(_LINE * 99)) + clean)
    assert out.startswith(clean)
    assert out.endswith(clean)
    changed = out[len(clean) : -len(clean)]
    assert changed == hinted(changed[12:])
    assert zstd.decompress(changed) == _REDACTOR.bytes(_LINE * 99)


@pytest.mark.parametrize("block_size", range(4, 8))
@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("checked", [True, False])
def test_lz4_keeps_its_blocks_and_checksums(block_size: int, linked: bool, checked: bool) -> None:
    """A frame that is written anew has the block size, the linking and the checksums that it had."""
    how: dict[str, Any] = {"block_size": block_size, "block_linked": linked}
    text = (_CLEAN * 400 + _LINE) * 100
    data = lz4.frame.compress(text, **how, content_checksum=checked, block_checksum=not checked, store_size=False)
    out, _ = _scrub(data)
    assert _LZ4.decompress(out) == b"".join(_REDACTOR.stream([text]))
    assert out[:6] == data[:6]
