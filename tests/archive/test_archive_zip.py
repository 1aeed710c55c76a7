"""Zip archives: every member scrubbed, every other byte as it was, and nothing doubtful passed on."""

from __future__ import annotations

import bz2
import io
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from member_archives import (
    CLEAN,
    DIRTY,
    DONE,
    PLACEHOLDER,
    SECRET,
    Watching,
    Written,
    assert_refused,
    redactor,
    refusal,
    scrubbed,
    work,
)

from redactor.archive import zip as zip_module
from redactor.archive.content import NOWHERE, REMEMBERED, Edit, Limits, RefusedError, Source

STORED, DEFLATED, BZIP2 = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2
METHODS = {"stored": STORED, "deflated": DEFLATED, "bzip2": BZIP2}


class Pipe(io.RawIOBase):
    """Something that cannot be gone back in, so that zipfile writes data descriptors."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.data += data
        return len(data)


def info(name: str, method: int = DEFLATED, **fields: object) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, (2024, 2, 29, 12, 30, 58))
    made.compress_type = method
    made.external_attr = 0o640 << 16
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def archive(
    *members: tuple[zipfile.ZipInfo, bytes], piped: bool = False, wide: bool = False, comment: bytes = b""
) -> bytes:
    """Return an archive; ``piped`` with data descriptors, ``wide`` with zip64 fields for sizes."""
    file = Pipe() if piped else io.BytesIO()
    with zipfile.ZipFile(file, "w") as writer:
        writer.comment = comment
        for made, content in members:
            made.file_size = 0
            with writer.open(made, "w", force_zip64=wide) as member:
                member.write(content)
    return bytes(file.data) if isinstance(file, Pipe) else file.getvalue()


def one(content: bytes = CLEAN, name: str = "a.log", method: int = STORED, **options: bool) -> bytes:
    return archive((info(name, method), content), **options)  # type: ignore[arg-type]


SAID = (
    "filename",
    "date_time",
    "compress_type",
    "comment",
    "create_system",
    "create_version",
    "extract_version",
    "flag_bits",
    "volume",
    "internal_attr",
    "external_attr",
)


def members_of(data: bytes) -> list[tuple[dict[str, object], bytes]]:
    """Return everything that zipfile says of each member, except sizes and places, and its content."""
    with zipfile.ZipFile(io.BytesIO(data)) as reader:
        return [({key: getattr(made, key) for key in SAID}, reader.read(made)) for made in reader.infolist()]


def expected_members(data: bytes) -> list[tuple[dict[str, object], bytes]]:
    return [(said, redactor().bytes(content)) for said, content in members_of(data)]


def bundle(method: int, *, clean: bool = False, piped: bool = False, wide: bool = False) -> bytes:
    dirty = CLEAN if clean else DIRTY
    return archive(
        (info("logs/", STORED, external_attr=0o40755 << 16 | 0x10), b""),
        (info("logs/clean.log", method, comment=b"a comment"), CLEAN * 100),
        (info("logs/app.log", method, extra=b"\xfe\xca\x03\x00abc"), dirty),
        (info("logs/empty.log", method), b""),
        (info("logs/é.log", method), dirty * 50),
        (info("logs/link", STORED, external_attr=(stat.S_IFLNK | 0o777) << 16), b"../logs/./app.log"),
        piped=piped,
        wide=wide,
        comment=b"comment of the archive",
    )


@pytest.mark.parametrize("wide", [False, True], ids=["32 bits", "zip64"])
@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_contents_are_scrubbed_and_metadata_stays(method: int, piped: bool, wide: bool) -> None:
    """Every member, in order, has its metadata and its content without the secrets, however it was written."""
    before = bundle(method, piped=piped, wide=wide)
    for seekable in (True, False):
        run = work()
        after = scrubbed(before, "bundle.zip", seekable=seekable, run=run)
        assert members_of(after) == expected_members(before)
        assert run.ledger.counts == {"session": 51}
        with zipfile.ZipFile(io.BytesIO(after)) as reader:
            assert reader.comment == b"comment of the archive"
            assert reader.testzip() is None
        assert scrubbed(after, "bundle.zip", seekable=seekable) == after


@pytest.mark.parametrize("wide", [False, True], ids=["32 bits", "zip64"])
@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_an_archive_without_secrets_stays_as_it_is(method: int, piped: bool, wide: bool) -> None:
    """Nothing to replace means the same bytes."""
    clean = bundle(method, clean=True, piped=piped, wide=wide)
    for seekable in (True, False):
        assert scrubbed(clean, "bundle.zip", seekable=seekable) == clean


def _told(content: bytes, fields: dict[str, int]) -> dict[str, int]:
    """Return what both headers say of stored data, but for ``fields``."""
    return {"flags": 0, "method": 0, "crc": zlib.crc32(content), "packed": len(content), "size": len(content)} | fields


def local(name: bytes, content: bytes, extra: bytes = b"", **fields: int) -> bytes:
    """Return a local header and stored data, written by hand."""
    told = _told(content, fields)
    return (
        struct.pack(
            "<4s5H3I2H",
            b"PK\x03\x04",
            20,
            told["flags"],
            told["method"],
            0x7C9D,
            0x585D,
            told["crc"],
            told["packed"],
            told["size"],
            len(name),
            len(extra),
        )
        + name
        + extra
        + content
    )


def central(name: bytes, content: bytes, offset: int, extra: bytes = b"", comment: bytes = b"", **fields: int) -> bytes:
    """Return an entry of the central directory."""
    told = _told(content, fields)
    return (
        struct.pack(
            "<4s6H3I5H2I",
            b"PK\x01\x02",
            0x314,
            20,
            told["flags"],
            told["method"],
            0x7C9D,
            0x585D,
            told["crc"],
            told["packed"],
            told["size"],
            len(name),
            len(extra),
            len(comment),
            told.get("disk", 0),
            0,
            told.get("attributes", 0),
            offset,
        )
        + name
        + extra
        + comment
    )


def end(count: int, size: int, offset: int, comment: bytes = b"", disk: int = 0) -> bytes:
    return struct.pack("<4s4H2IH", b"PK\x05\x06", disk, disk, count, count, size, offset, len(comment)) + comment


def by_hand(locals_: list[bytes], centrals: list[bytes], **options: object) -> bytes:
    members, directory = b"".join(locals_), b"".join(centrals)
    return members + directory + end(len(centrals), len(directory), len(members), **options)  # type: ignore[arg-type]


def test_every_byte_of_the_result() -> None:
    """A changed member has its new data, CRC and sizes in both headers; offsets follow; all else stays."""
    first, second, third = local(b"a", CLEAN), local(b"b", DIRTY), local(b"c", CLEAN)
    places = (0, len(first), len(first) + len(second))
    before = by_hand(
        [first, second, third],
        [central(b"c", CLEAN, places[2], comment=b"x"), central(b"a", CLEAN, 0), central(b"b", DIRTY, places[1])],
        comment=b"bye",
    )
    changed = local(b"b", DONE)
    assert scrubbed(before, "x.zip") == by_hand(
        [first, changed, third],
        [
            central(b"c", CLEAN, len(first) + len(changed), comment=b"x"),
            central(b"a", CLEAN, 0),
            central(b"b", DONE, places[1]),
        ],
        comment=b"bye",
    )


@pytest.mark.parametrize("form", ["<4sIII", "<4sIQQ", "<III", "<IQQ"])
@pytest.mark.parametrize("told", [False, True], ids=["sizes behind", "sizes before too"])
def test_data_descriptors_keep_their_form(form: str, told: bool) -> None:
    """With and without signature, 32 or 64 bits: a descriptor is written as it was, headers say what they said."""
    signature = (b"PK\x07\x08",) if "4s" in form else ()

    def build(content: bytes) -> bytes:
        deflater = zlib.compressobj(wbits=-15)
        packed = deflater.compress(content) + deflater.flush()
        said = {"flags": 8, "method": 8, "packed": len(packed), "crc": zlib.crc32(content), "size": len(content)}
        ahead = said if told else {**said, "packed": 0, "crc": 0, "size": 0}
        member = local(b"a", packed, **ahead)
        member += struct.pack(form, *signature, zlib.crc32(content), len(packed), len(content))
        following = local(b"b", CLEAN)
        return by_hand([member, following], [central(b"a", content, 0, **said), central(b"b", CLEAN, len(member))])

    assert scrubbed(build(CLEAN), "x.zip") == build(CLEAN)
    assert scrubbed(build(DIRTY), "x.zip") == build(DONE)
    assert scrubbed(build(b""), "x.zip") == build(b"")


@pytest.mark.parametrize("around", [0, 1, 262144 - 30, 262144 - 12, 262144 - 2, 300_000])
def test_stored_data_of_untold_size_may_hold_descriptors(around: int) -> None:
    """Stored data whose size only its descriptor tells ends where that holds, not where one seems to start."""
    inner = archive((info("a", STORED), CLEAN), piped=True)
    content = b"x" * around + b"\nPK\x07\x08" * 3 + inner + b"PK\x07\x08\n" + DIRTY
    before = one(content, piped=True)
    after = scrubbed(before, "x.zip")
    assert members_of(after) == expected_members(before)


def test_an_empty_archive() -> None:
    """An archive without members stays as it is."""
    assert scrubbed(end(0, 0, 0, b"empty"), "x.zip") == end(0, 0, 0, b"empty")


def test_zeros_may_fill_up_the_end() -> None:
    """Programs that write to tapes fill up the last block with zeros; they stay."""
    assert scrubbed(one(DIRTY) + bytes(1000), "x") == scrubbed(one(DIRTY), "x") + bytes(1000)


def test_members_of_one_name_are_all_scrubbed() -> None:
    """Whichever of them a reader takes, it finds no secret."""
    with pytest.warns(UserWarning, match="Duplicate name"):
        before = archive((info("a"), DIRTY), (info("a"), DIRTY * 2))
    assert [content for _, content in members_of(scrubbed(before, "x"))] == [DONE, DONE * 2]


def test_a_receipt_names_the_member() -> None:
    """Edits are placed in the member's content, unpacked, through all containers."""
    run = work(receipt=True)
    scrubbed(one(one(CLEAN + DIRTY, "logs/app.log"), "in.zip"), "x.zip", run=run)
    start = len(CLEAN) + DIRTY.index(SECRET)
    assert run.ledger.edits == [
        Edit("in.zip!logs/app.log", start, start + len(SECRET), len(PLACEHOLDER), "session", ""),
    ]


def test_a_zip_with_a_meaning_is_scrubbed() -> None:
    """An office document is an archive like any other."""
    before = archive((info("[Content_Types].xml"), b"<Types/>"), (info("word/document.xml"), DIRTY))
    assert members_of(scrubbed(before, "x.docx")) == expected_members(before)


def test_a_signed_archive_is_left_alone() -> None:
    """Signed archives pass as they are, and are refused if something would have to be replaced."""
    for name in ("META-INF/CERT.SF", "meta-inf/a.sf", "_xmlsignatures/sig1.xml"):
        signature = (info(name), CLEAN)
        clean = archive(signature, (info("a"), CLEAN))
        assert scrubbed(clean, "x.jar") == clean
        for members in ([signature, (info("a"), DIRTY)], [(info("a"), DIRTY), signature]):
            assert "is signed" in refusal(archive(*members), "x.jar")
    assert refusal(archive((info("docs/META-INF/a.sf"), CLEAN), (info("a"), DIRTY)), "x.jar") == ""


# --- programs -------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
def test_unzip_reads_the_result(tmp_path: Path, piped: bool) -> None:
    """Info-ZIP's unzip finds nothing wrong with a scrubbed archive."""
    path = tmp_path / "x.zip"
    path.write_bytes(scrubbed(bundle(DEFLATED, piped=piped), "x.zip"))
    subprocess.run(["unzip", "-tq", str(path)], check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("zip") is None, reason="zip is not installed")
@pytest.mark.parametrize("options", ["-ry", "-0ry", "-ryfz"])
def test_what_zip_writes(tmp_path: Path, options: str) -> None:
    """Archives of Info-ZIP's zip are understood, written to a file or into a pipe."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.log").write_bytes(DIRTY * 10)
    (folder / "clean").write_bytes(CLEAN)
    piped = subprocess.run(["zip", "-qr", "-", "."], cwd=folder, check=True, capture_output=True).stdout
    (folder / "link").symlink_to("a.log")
    subprocess.run(["zip", "-q", options, "../x.zip", "."], cwd=folder, check=True)
    for before in ((tmp_path / "x.zip").read_bytes(), piped):
        after = scrubbed(before, "x.zip")
        assert after != before
        assert members_of(after) == expected_members(before)


# --- what is refused ------------------------------------------------------------------------


def _pair(content: bytes = CLEAN, name: bytes = b"a", **fields: int) -> tuple[bytes, bytes]:
    return local(name, content, **fields), central(name, content, 0, **fields)


def _single(member: bytes, entry: bytes, **options: object) -> bytes:
    return by_hand([member], [entry], **options)


def _with_extra(extra: bytes, content: bytes = CLEAN) -> bytes:
    return _single(local(b"a", content, extra), central(b"a", content, 0, extra))


def _fifield() -> bytes:
    """Return two members, of which the first holds the whole of the second."""
    inner = local(b"b", CLEAN)
    outer = local(b"a", b"x" + inner)
    return by_hand([outer], [central(b"a", b"x" + inner, 0), central(b"b", CLEAN, len(outer) - len(inner))])


def _link(target: bytes, name: bytes = b"d/l") -> bytes:
    return _single(local(name, target), central(name, target, 0, attributes=(stat.S_IFLNK | 0o777) << 16))


_AB = by_hand(
    [local(b"a", CLEAN), local(b"b", CLEAN)],
    [central(b"a", CLEAN, 0), central(b"b", CLEAN, len(local(b"a", CLEAN)))],
)

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "absolute name": (lambda: _single(*_pair(name=b"/a")), "absolute name or .."),
    "parent in name": (lambda: _single(*_pair(name=b"a\\..\\b")), "absolute name or .."),
    "no name": (lambda: _single(*_pair(name=b"")), "no usable name"),
    "name with NUL": (lambda: _single(*_pair(name=b"a\0.log")), "no usable name"),
    "second name": (lambda: _with_extra(struct.pack("<2HBI", 0x7075, 9, 1, 0) + b"../b"), "absolute name or .."),
    "link out": (lambda: _link(b"../../etc"), "symbolic link that leads out"),
    "absolute link": (lambda: _link(b"/etc"), "symbolic link that leads out"),
    "long link": (lambda: _link(b"./" * 2100), "symbolic link that leads out"),
    "link with a secret": (lambda: _link(b"x/sid=" + SECRET), "symbolic link that leads out"),
    "secret in name": (lambda: _single(*_pair(name=b"sid=" + SECRET)), "secret in its name"),
    "secret in extra field": (
        lambda: _with_extra(struct.pack("<2H", 0xCAFE, 4 + len(SECRET)) + b"sid=" + SECRET),
        "secret in its extra fields",
    ),
    "secret in member comment": (
        lambda: _single(local(b"a", CLEAN), central(b"a", CLEAN, 0, comment=b"sid=" + SECRET)),
        "secret in its extra fields or comment",
    ),
    "secret in comment": (lambda: _single(*_pair(), comment=b"sid=" + SECRET), "secret in its comment"),
    "end inside the comment": (lambda: _single(*_pair(), comment=end(0, 0, 0)), "end that does not hold"),
    "of the future": (
        lambda: _single(local(b"a", CLEAN), central(b"a", CLEAN, 0)).replace(b"\x14\0", b"\x40\0"),
        "needs version 6.4",
    ),
    "encrypted": (lambda: _single(*_pair(flags=1)), "is encrypted"),
    "masked": (lambda: _single(*_pair(flags=0x2000)), "is encrypted"),
    "lzma": (lambda: _single(*_pair(method=14)), "compressed with method 14"),
    "deflate64": (lambda: _single(*_pair(method=9)), "compressed with method 9"),
    "prefix": (lambda: b"#!/bin/sh\n" + _single(*_pair()), "does not start with a member"),
    "spanned": (lambda: b"PK00" + _single(*_pair()), "does not start with a member"),
    "no zip": (lambda: DIRTY, "does not start with a member"),
    "gap": (
        lambda: by_hand([local(b"a", CLEAN) + b"x"], [central(b"a", CLEAN, 0)]),
        "expected as many",
    ),
    "hidden member": (
        lambda: by_hand([local(b"a", CLEAN), local(b"b", CLEAN)], [central(b"a", CLEAN, 0)]),
        "expected as many",
    ),
    "entry without member": (
        lambda: by_hand([local(b"a", CLEAN)], [central(b"a", CLEAN, 0), central(b"a", CLEAN, 7)]),
        "not that of a member",
    ),
    "entry twice": (
        lambda: by_hand([local(b"a", CLEAN), local(b"a", CLEAN)], [central(b"a", CLEAN, 0)] * 2),
        "not that of a member",
    ),
    "overlap": (_fifield, "not that of a member"),
    "other name": (lambda: _single(local(b"a", CLEAN), central(b"b", CLEAN, 0)), "not that of a member"),
    "other method": (lambda: _single(local(b"a", CLEAN), central(b"a", CLEAN, 0, method=8)), "not that of a member"),
    "other size": (lambda: _single(local(b"a", CLEAN), central(b"a", CLEAN, 0, size=3)), "not that of a member"),
    "other CRC": (lambda: _single(local(b"a", CLEAN), central(b"a", CLEAN, 0, crc=3)), "not that of a member"),
    "other charset": (
        lambda: _single(local(b"a", CLEAN), central(b"a", CLEAN, 0, flags=0x800)),
        "not that of a member",
    ),
    "wrong CRC": (lambda: _single(*_pair(crc=1)), "CRC or size that does not hold"),
    "wrong size": (lambda: _single(*_pair(size=1)), "CRC or size that does not hold"),
    "another disk": (lambda: _single(local(b"a", CLEAN), central(b"a", CLEAN, 0, disk=1)), "on another disk"),
    "several disks": (lambda: _single(*_pair(), disk=1), "end that does not hold"),
    "data after the end": (lambda: _single(*_pair()) + b"x", "data after its end"),
    "two archives": (lambda: _single(*_pair()) * 2, "data after its end"),
    "no end": (lambda: _single(*_pair())[:-22], "truncated"),
    "digital signature": (
        lambda: by_hand([local(b"a", CLEAN)], [central(b"a", CLEAN, 0) + b"PK\x05\x05\x01\x00x"]),
        "end that does not hold",
    ),
    "broken data": (lambda: _single(*_pair(b"\xff" * 20, method=8)), "broken data"),
    "data behind deflated data": (lambda: _single(*_pair(b"\x03\x00x", method=8)), "behind its compressed data"),
    "cut deflated data": (lambda: _single(*_pair(b"\x03", method=8)), "truncated"),
    "cut bzip2 data": (lambda: _single(*_pair(bz2.compress(CLEAN)[:-3], method=12)), "truncated"),
    "no descriptor": (lambda: _single(*_pair(b"\x03\x00", method=8, flags=8)), "CRC or size that does not hold"),
    "stored without size": (lambda: _single(local(b"a", CLEAN, flags=8, packed=0), b""), "how long it is"),
    "extra field too long": (lambda: _with_extra(b"\xfe\xca\x05\x00abc"), "broken extra fields"),
    "extra field twice": (lambda: _with_extra(b"\xfe\xca\x00\x00" * 2 + b"\xff\xff\0\0"), "broken extra fields"),
    "zip64 not needed": (lambda: _with_extra(struct.pack("<2HQ", 1, 8, len(CLEAN))), "too few or many numbers"),
    "zip64 missing": (lambda: _single(*_pair(size=0xFFFFFFFF)), "too few or many numbers"),
    "directory elsewhere": (
        lambda: local(b"a", CLEAN) + central(b"a", CLEAN, 0) + end(1, len(central(b"a", CLEAN, 0)), 5),
        "end that does not hold",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """What cannot be vouched for is refused for its reason, in one line without a secret."""
    build, reason = REFUSED[case]
    assert_refused(build, "x.zip", reason)


def test_members_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """One member more than the limit is refused, as many as the limit are not."""
    monkeypatch.setattr(zip_module, "MEMBER_LIMIT", 2)
    assert scrubbed(_AB, "x.zip") == _AB
    monkeypatch.setattr(zip_module, "MEMBER_LIMIT", 1)
    assert "more than 1 members" in refusal(_AB, "x.zip")


# --- bombs ----------------------------------------------------------------------------------


def test_a_bomb_is_refused() -> None:
    """Data that unfolds beyond ratio and free size is refused, and so is more than the whole file may hold."""
    bomb = one(b"\0" * 3_000_000, method=DEFLATED)
    tight = Limits(ratio=100, free=1_000_000)
    assert "times its size" in refusal(bomb, "x.zip", run=work(limits=tight))
    assert "more than 2000000 bytes" in refusal(bomb, "x.zip", run=work(limits=Limits(size=2_000_000)))
    assert scrubbed(bomb, "x.zip", run=work(limits=Limits(ratio=2000, free=0))) == bomb


@pytest.mark.parametrize("seekable", [True, False])
def test_bombs_inside_one_another_multiply(seekable: bool) -> None:
    """No layer is a bomb by itself, all of them together are: the file as a whole is weighed."""
    inner = one(b"\0" * 400_000, method=DEFLATED)
    nested = archive(*[(info(f"{number}.zip", DEFLATED), inner) for number in range(40)])
    bomb = one(nested, "in.zip", method=DEFLATED)
    limits = Limits(ratio=1000, free=2_000_000)
    assert len(inner) * 1000 > 400_000
    assert "times its size" in refusal(bomb, "x.zip", seekable=seekable, run=work(limits=limits))
    assert scrubbed(bomb, "x.zip", seekable=seekable) == bomb


def test_what_was_looked_at_is_weighed_once() -> None:
    """Going through a unit a second time, because it has a secret, makes nothing a bomb."""
    content = b"x" * 2_000_000 + b"\n" + DIRTY
    before = one(content, method=DEFLATED)
    limits = Limits(ratio=len(content) // len(before) * 5 // 4, free=0)
    assert members_of(scrubbed(before, "x.zip", seekable=True, run=work(limits=limits)))[0][1] == redactor().bytes(
        content
    )


def test_depth_is_bounded() -> None:
    """Archives inside one another are scrubbed down to the limit, and refused below it."""
    nested = DIRTY
    for _ in range(4):
        nested = one(nested, "in")
    after = scrubbed(nested, "x.zip")
    for _ in range(4):
        ((_, after),) = members_of(after)
    assert after == DONE
    assert "containers in one another" in refusal(one(nested, "in"), "x.zip")


# --- broken archives ------------------------------------------------------------------------


@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_truncated_anywhere(method: int, piped: bool) -> None:
    """Cut at any byte, an archive is refused."""
    whole = archive((info("a", method), CLEAN), (info("b", method), DIRTY), piped=piped, comment=b"comment")
    for size in range(1, len(whole)):
        assert refusal(whole[:size], "x.zip")


@pytest.mark.parametrize("wide", [False, True], ids=["32 bits", "zip64"])
@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_one_byte_changed_anywhere(method: int, piped: bool, wide: bool) -> None:
    """With any byte changed, an archive is refused, or its contents are still what they should be."""
    whole = archive((info("a", method), CLEAN), (info("b", method), DIRTY), piped=piped, wide=wide, comment=b"comment")
    passed = 0
    for at in range(len(whole)):
        changed = whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :]
        try:
            after = scrubbed(changed, "x.zip")
        except RefusedError:
            continue
        passed += 1
        assert SECRET not in after
        assert [content for _, content in members_of(after)] == [CLEAN, DONE]
    assert passed > 0


@given(
    st.lists(
        st.tuples(
            st.text("abc/é n", min_size=1, max_size=40),
            st.lists(st.sampled_from([CLEAN, DIRTY, b"\0" * 300, b"PK\x03\x04", b"PK\x07\x08"]), max_size=6).map(
                b"".join
            ),
            st.sampled_from([STORED, DEFLATED, BZIP2]),
        ),
        max_size=5,
        unique_by=lambda member: member[0],
    ),
    st.booleans(),
    st.booleans(),
)
def test_any_members(files: list[tuple[str, bytes, int]], piped: bool, seekable: bool) -> None:
    """Whatever members there are: each is scrubbed, and zipfile reads them all."""
    before = archive(*[(info(f"f{name}", method), b"\n" + content) for name, content, method in files], piped=piped)
    after = scrubbed(before, "x.zip", seekable=seekable)
    assert members_of(after) == expected_members(before)


# --- size -----------------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_what_waits_on_disk_is_scrubbed_and_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large member waits in a file that holds scrubbed bytes only and cannot be found."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = one(DIRTY * (2 * REMEMBERED // len(DIRTY)))
    sink = Watching(tmp_path)
    work().scrub("x.zip", Source(io.BytesIO(before).read), sink)
    assert sink.largest > REMEMBERED
    assert list(tmp_path.iterdir()) == []
    assert members_of(bytes(sink.data)) == expected_members(before)


def test_memory_is_bounded() -> None:
    """A member of 64 MiB from a pipe takes no more memory than one of 16 MiB."""

    def peak(mebibytes: int) -> int:
        packed = one(CLEAN * (mebibytes * 1024 * 1024 // len(CLEAN)), method=DEFLATED, piped=True)
        read = io.BytesIO(packed).read
        tracemalloc.start()
        try:
            work().scrub("x.zip", Source(read), NOWHERE)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small, large = peak(16), peak(64)
    assert large < small + 2 * 1024 * 1024


def test_many_members_take_little_memory() -> None:
    """What is remembered of a member until the central directory is under 100 bytes."""
    count = 3000
    members = [local(b"f%06d" % number, b"") for number in range(count)]
    entries = [central(b"f%06d" % number, b"", number * len(members[0])) for number in range(count)]
    before = by_hand(members, entries)
    read = io.BytesIO(before).read
    sink = Written()
    work().scrub("x.zip", Source(io.BytesIO(one()).read), Written())
    tracemalloc.start()
    try:
        work().scrub("x.zip", Source(read), sink)
        peak = tracemalloc.get_traced_memory()[1] - 2 * len(before)
    finally:
        tracemalloc.stop()
    assert sink.data == before
    assert peak < 1_000_000 + 100 * count
