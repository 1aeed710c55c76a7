"""Tar archives: every member scrubbed, every other byte as it was, and nothing doubtful passed on."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tracemalloc
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
    assert_refused,
    redactor,
    refusal,
    scrubbed,
    work,
)

from redactor.archive.content import BLOCK, NOWHERE, REMEMBERED, Edit, RefusedError, Source
from redactor.archive.members import NAME_LIMIT

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
LINKS = (tarfile.SYMTYPE, tarfile.LNKTYPE)


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mtime = 1_700_000_000
    info.uid, info.gid, info.uname, info.gname = 1000, 100, "alice", "users"
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def archive(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT, **options: object) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form, **options) as writer:  # type: ignore[call-overload]
        for info, content in members:
            writer.addfile(info, io.BytesIO(content))
    return data.getvalue()


def with_sum(header: bytes, *, signed: bool = False) -> bytes:
    """Return a header block with the checksum that belongs to it."""
    blank = header[:148] + b" " * 8 + header[156:]
    total = sum(blank) - (256 * sum(byte >= 0x80 for byte in blank) if signed else 0)
    return header[:148] + b"%06o\0 " % total + header[156:]


def patched(data: bytes, at: int, new: bytes, *, signed: bool = False) -> bytes:
    """Return an archive with other bytes in its first header."""
    return with_sum(data[:at] + new + data[at + len(new) : 512], signed=signed) + data[512:]


def members_of(data: bytes) -> list[tuple[dict[str, object], bytes]]:
    """Return everything that tarfile says of each member, except sizes and places, and its content."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as reader:
        found = []
        for info in reader:
            said = {key: value for key, value in info.get_info().items() if key not in ("size", "chksum")}
            said["pax"] = {key: value for key, value in info.pax_headers.items() if key != "size"}
            found.append((said, reader.extractfile(info).read() if info.isreg() else b""))  # type: ignore[union-attr]
        return found


def expected_members(data: bytes) -> list[tuple[dict[str, object], bytes]]:
    return [(said, redactor().bytes(content)) for said, content in members_of(data)]


def bundle(form: int, clean: bool = False) -> bytes:
    """Return an archive with something of everything that members can be."""
    dirty = CLEAN if clean else DIRTY
    return archive(
        member("logs/", type=tarfile.DIRTYPE, mode=0o755),
        member("logs/clean.log", CLEAN * 100),
        member("logs/app.log", dirty),
        member("logs/empty.log"),
        member("logs/" + "n" * 95, dirty * 3),
        member("./logs/app.log", b"again " + dirty),
        member("logs/block.log", b"x" * 511 + b"\n"),
        member("logs/link", type=tarfile.SYMTYPE, linkname="../logs/./app.log"),
        member("logs/same", type=tarfile.LNKTYPE, linkname="logs/app.log"),
        member("logs/pipe", type=tarfile.FIFOTYPE),
        member("logs/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        form=form,
    )


@pytest.mark.parametrize("seekable", [True, False])
@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_contents_are_scrubbed_and_metadata_stays(form: int, seekable: bool) -> None:
    """Every member, in order, has its metadata and its content without the secrets."""
    before = bundle(form)
    run = work()
    after = scrubbed(before, "bundle.tar", seekable=seekable, run=run)
    assert members_of(after) == expected_members(before)
    assert run.ledger.counts == {"session": 5}
    assert SECRET not in after


@pytest.mark.parametrize("seekable", [True, False])
@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_an_archive_without_secrets_stays_as_it_is(form: int, seekable: bool) -> None:
    """Nothing to replace means the same bytes, and so does scrubbing once more."""
    clean = bundle(form, clean=True)
    assert scrubbed(clean, "bundle.tar", seekable=seekable) == clean
    once = scrubbed(bundle(form), "bundle.tar", seekable=seekable)
    assert scrubbed(once, "bundle.tar", seekable=seekable) == once


def test_only_size_checksum_and_content_change() -> None:
    """Around a changed member, every byte is accounted for."""
    before = archive(member("a", CLEAN), member("b", DIRTY), member("c", CLEAN))
    after = scrubbed(before, "x.tar")
    header = before[1024:1536]
    size = header[:124] + b"%011o\0" % len(DONE) + header[136:]
    assert after == before[:1024] + with_sum(size) + DONE.ljust(512, b"\0") + before[2048:]


def test_a_content_that_needs_fewer_blocks_takes_fewer() -> None:
    """Padding follows the new size."""
    content = (b"sid=" + SECRET + b"\n") * 19 + b"x" * 5
    before = archive(member("a", content), member("b", CLEAN))
    after = scrubbed(before, "x.tar")
    shorter = redactor().bytes(content)
    assert (len(content), len(shorter)) == (518, 442)
    assert after[512:1024] == shorter.ljust(512, b"\0")
    assert after[1024:] == before[1536:]


@pytest.mark.parametrize("size", [99, 100, 101, 102, 103, 104, 1003])
def test_a_pax_size_follows_the_content(size: int) -> None:
    """The pax size record, the length it starts with and the size in the header are those of the new content."""
    content = DIRTY + b"x" * (size - len(DIRTY))
    before = archive(
        member("a", content, pax_headers={"size": str(size), "comment": f"12 size={size}\n", "z": "1"}),
        form=tarfile.PAX_FORMAT,
    )
    after = scrubbed(before, "x.tar")
    assert members_of(after) == expected_members(before)
    with tarfile.open(fileobj=io.BytesIO(after)) as reader:
        info = reader.getmembers()[0]
        assert info.pax_headers == {"size": str(size - 4), "comment": f"12 size={size}\n", "z": "1"}


def test_a_size_that_does_not_count_stays() -> None:
    """Where only the pax record tells the size, the header goes on to say 0."""
    before = archive(member("a", DIRTY, pax_headers={"size": str(len(DIRTY))}), form=tarfile.PAX_FORMAT)
    header = with_sum(before[1024:1148] + b"00000000000\0" + before[1160:1536])
    after = scrubbed(before[:1024] + header + before[1536:], "x.tar")
    assert after[1024:1536] == header
    assert after[1536:2048] == DONE.ljust(512, b"\0")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\x80" + len(DIRTY).to_bytes(11), b"\x80" + len(DONE).to_bytes(11)),
        (b"%11o " % len(DIRTY), b"%11o " % len(DONE)),
        (b"%012o" % len(DIRTY), b"%012o" % len(DONE)),
        (b"%o\0" % len(DIRTY) + bytes(9), b"%011o\0" % len(DONE)),
    ],
    ids=["base 256", "spaces", "twelve digits", "short"],
)
def test_a_size_is_written_as_it_was(old: bytes, new: bytes) -> None:
    """Base 256, leading spaces and a missing terminator are kept."""
    after = scrubbed(patched(archive(member("a", DIRTY)), 124, old), "x.tar")
    assert after[124:136] == new
    assert after[:512] == with_sum(after[:512])
    assert members_of(after)[0][1] == DONE


def test_old_archives_without_magic() -> None:
    """A v7 archive is known by its checksum, which may be a sum over signed bytes."""
    plain = archive(member("a", DIRTY))
    old = patched(plain, 257, bytes(243))
    assert scrubbed(old, "x")[512:1024] == DONE.ljust(512, b"\0")
    assert scrubbed(patched(old, 0, b"\xe4\xf6", signed=True), "x")[512:1024] == DONE.ljust(512, b"\0")


@pytest.mark.parametrize("blocking", [1, 20, 100])
def test_the_end_is_kept(blocking: int) -> None:
    """However many zeros follow the last member, that many follow it afterwards."""
    before = archive(member("a", DIRTY))[:1024] + bytes(512 * (blocking + 1))
    after = scrubbed(before, "x.tar")
    assert after[1024:] == before[1024:]
    assert scrubbed(bytes(1024), "empty.tar") == bytes(1024)


def test_a_receipt_names_the_member() -> None:
    """Edits are placed in the member's content."""
    run = work(receipt=True)
    scrubbed(archive(member("logs/app.log", CLEAN + DIRTY)), "x.tar", run=run)
    start = len(CLEAN) + DIRTY.index(SECRET)
    assert run.ledger.edits == [
        Edit("logs/app.log", start, start + len(SECRET), len(PLACEHOLDER), "session", ""),
    ]


# --- archives of real programs --------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "logs").mkdir(parents=True)
    (folder / "logs" / "app.log").write_bytes(DIRTY * 10)
    (folder / "logs" / "clean.log").write_bytes(CLEAN)
    (folder / "logs" / ("n" * 140)).write_bytes(DIRTY)
    (folder / "link").symlink_to("logs/app.log")
    return folder


def gnu_tar(folder: Path, *options: str) -> bytes:
    if (
        shutil.which("tar") is None
        or "GNU" not in subprocess.run(["tar", "--version"], capture_output=True, text=True).stdout
    ):
        pytest.skip("GNU tar is not installed")
    return subprocess.run(
        ["tar", "-c", "-C", str(folder), *options, "-f", "-", "."], check=True, capture_output=True
    ).stdout


@pytest.mark.parametrize(
    "options",
    [["--format=gnu"], ["--format=oldgnu"], ["--format=pax"], ["--format=gnu", "-V", "label"], ["-b", "1"]],
    ids=lambda options: " ".join(options),
)
def test_what_gnu_tar_writes_it_reads_again(folder: Path, tmp_path: Path, options: list[str]) -> None:
    """GNU tar unpacks the scrubbed archive of each of its formats to the scrubbed files."""
    out = tmp_path / "out"
    out.mkdir()
    after = scrubbed(gnu_tar(folder, *options), "x.tar")
    subprocess.run(["tar", "-x", "-C", str(out)], input=after, check=True)
    assert (out / "logs" / "app.log").read_bytes() == DONE * 10
    assert (out / "logs" / "clean.log").read_bytes() == CLEAN
    assert (out / "logs" / ("n" * 140)).read_bytes() == DONE
    assert (out / "link").readlink() == Path("logs/app.log")


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=pax"],
        ["--format=pax", "--sparse-version=0.0"],
        ["--format=pax", "--sparse-version=0.1"],
        ["--format=gnu", "--incremental"],
    ],
    ids=lambda options: " ".join(options),
)
def test_sparse_members_and_directory_lists(folder: Path, options: list[str]) -> None:
    """They pass byte for byte without a secret, and are refused with one."""
    for path in ("logs/app.log", "logs/" + "n" * 140):
        (folder / path).write_bytes(CLEAN)
    pieces = [(place * 1_000_000, CLEAN * 300) for place in range(1, 40)]
    with (folder / "sparse").open("wb") as file:
        for start, piece in pieces:
            file.seek(start)
            file.write(piece)
    clean = gnu_tar(folder, "-S", *options)
    assert len(clean) < 10_000_000
    for seekable in (True, False):
        assert scrubbed(clean, "x.tar", seekable=seekable) == clean
    with (folder / "sparse").open("r+b") as file:
        file.seek(39_000_000)
        file.write(DIRTY)
    assert "sparse or a list and has a secret" in refusal(gnu_tar(folder, "-S", *options), "x.tar")


def test_a_secret_right_behind_a_hole_is_seen(folder: Path) -> None:
    """What stands before a hole is not what stands before the data behind it."""
    with (folder / "sparse").open("wb") as file:
        file.write(b"x" * 65536)
        file.seek(1_000_000 // 65536 * 65536)
        file.write(DIRTY)
    before = gnu_tar(folder, "-S", "--format=gnu", "./sparse", "--exclude=./l*")
    assert "sparse or a list and has a secret" in refusal(before, "x.tar")


# --- what is refused ------------------------------------------------------------------------


def _pax(**records: str) -> bytes:
    return archive(member("a", CLEAN, pax_headers=records), form=tarfile.PAX_FORMAT)


def _sized(kind: bytes) -> bytes:
    return patched(archive(member("a", CLEAN)), 156, kind)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "absolute name": (lambda: archive(member("/etc/passwd", CLEAN)), "absolute name or .."),
    "parent in name": (lambda: archive(member("a/../b", CLEAN)), "absolute name or .."),
    "drive in name": (lambda: archive(member("C:\\a", CLEAN)), "absolute name or .."),
    "parent in pax path": (lambda: _pax(path="../b"), "absolute name or .."),
    "no name": (lambda: patched(archive(member("a", CLEAN)), 0, b"\0"), "no usable name"),
    "long name": (lambda: archive(member("n" * (NAME_LIMIT + 1)), form=tarfile.GNU_FORMAT), "no usable name"),
    "symbolic link out": (
        lambda: archive(member("a/l", type=tarfile.SYMTYPE, linkname="../../etc")),
        "link that leads out",
    ),
    "absolute link": (lambda: archive(member("l", type=tarfile.SYMTYPE, linkname="/etc")), "link that leads out"),
    "hard link out": (lambda: archive(member("a/l", type=tarfile.LNKTYPE, linkname="../x")), "link that leads out"),
    "secret in name": (lambda: archive(member(f"sid={SECRET.decode()}", CLEAN)), "secret in its name"),
    "secret in a prefix": (
        lambda: archive(member(f"sid={SECRET.decode()}/" + "n" * 90, CLEAN)),
        "secret in its name",
    ),
    "secret in a link": (
        lambda: archive(member("l", type=tarfile.SYMTYPE, linkname=f"sid={SECRET.decode()}")),
        "secret in its metadata",
    ),
    "secret in a pax record": (lambda: _pax(comment=f"sid={SECRET.decode()}"), "secret in its metadata"),
    "secret in a global record": (
        lambda: archive(member("a"), form=tarfile.PAX_FORMAT, pax_headers={"comment": f"sid={SECRET.decode()}"}),
        "secret in its metadata",
    ),
    "global size": (
        lambda: archive(member("a"), form=tarfile.PAX_FORMAT, pax_headers={"size": "10"}),
        "names or measures all members",
    ),
    "multi-volume": (lambda: _sized(b"M"), "type that readers take differently"),
    "unknown type": (lambda: _sized(b"Z"), "type that readers take differently"),
    "link with a size": (lambda: _sized(b"2"), "with a size"),
    "directory with a size": (lambda: _sized(b"5"), "with a size"),
    "file called a directory": (lambda: patched(archive(member("a", CLEAN)), 0, b"a/"), "with a size"),
    "negative size": (lambda: patched(archive(member("a", CLEAN)), 124, b"\xff" * 12), "size that cannot be read"),
    "size in words": (lambda: patched(archive(member("a", CLEAN)), 124, b"1O"), "size that cannot be read"),
    "checksum": (lambda: archive(member("a", CLEAN)).replace(b"alice", b"alicf"), "broken header"),
    "no archive": (lambda: DIRTY * 100, "broken header"),
    "data in padding": (lambda: archive(member("a", CLEAN)).replace(CLEAN + b"\0", CLEAN + b"x"), "behind its content"),
    "data after the end": (lambda: archive(member("a", CLEAN)) + b"x", "data after its end"),
    "two archives": (lambda: archive(member("a", CLEAN)) * 2, "data after its end"),
    "one block of zeros": (lambda: archive(member("a", CLEAN))[:1536], "truncated"),
    "nothing after an extension": (lambda: _pax(a="b")[:1024] + bytes(1024), "broken header"),
    "pax record too long": (lambda: _pax(a="b").replace(b"6 a=b\n", b"9 a=b\n"), "broken pax record"),
    "pax record without end": (lambda: _pax(a="b").replace(b"6 a=b\n", b"6 a=bc"), "broken pax record"),
    "pax record without length": (lambda: _pax(a="b").replace(b"6 a=b\n", b"x a=b\n"), "broken pax record"),
    "pax size in words": (lambda: _pax(size="1x"), "pax size that cannot be read"),
    "two pax headers": (lambda: _pax(a="b")[:1024] + _pax(a="b"), "two extended headers"),
    "two sizes": (
        lambda: _pax(size="15", sizf="15").replace(b"sizf", b"size"),
        "two pax records",
    ),
    "much metadata": (lambda: _pax(a="b" * 1024 * 1024), "bytes of metadata"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """What cannot be vouched for is refused for its reason, in one line without a secret."""
    build, reason = REFUSED[case]
    assert_refused(build, "x.tar", reason)


def test_depth_is_bounded() -> None:
    """Archives inside one another are scrubbed down to the limit, and refused below it."""
    nested, expected = DIRTY, DONE
    for level in range(4):
        nested, expected = archive(member(f"in{level}", nested)), archive(member(f"in{level}", expected))
    assert scrubbed(nested, "x.tar") == expected
    deeper = archive(member("deep.tar", nested))
    assert "containers in one another" in refusal(deeper, "x.tar")


def test_names_are_shown_on_one_line() -> None:
    """A control character in a name does not break the line of an error."""
    inner = archive(member("a", CLEAN))[:1536]
    problem = refusal(archive(member("in\nner.tar", inner)), "x.tar")
    assert problem.startswith("x.tar!in\\nner.tar: is truncated")


# --- broken archives ------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_truncated_anywhere(form: int) -> None:
    """Cut at any byte, an archive is refused, or it has lost nothing but zeros of its end."""
    whole = archive(member("a", DIRTY), member("n" * 120 if form != tarfile.USTAR_FORMAT else "n", DIRTY), form=form)
    least = len(whole.rstrip(b"\0"))
    least += -least % 512 + 1024
    after = scrubbed(whole, "x.tar")
    for size in range(1, len(whole)):
        cut = whole[:size]
        if size < least:
            assert refusal(cut, "x.tar")
        elif size % 512 < 2:
            assert scrubbed(cut, "x.tar") == after[: len(after) - len(whole) + size]


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_one_byte_changed_anywhere(form: int) -> None:
    """With any byte changed, an archive is refused, or tarfile finds in it what it should."""
    whole = archive(
        member("a", DIRTY, pax_headers={"size": str(len(DIRTY))}),
        member("n" * 120 if form != tarfile.USTAR_FORMAT else "n", CLEAN),
        form=form,
    )
    passed = 0
    for at in range(len(whole.rstrip(b"\0")) + 1024):
        changed = whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :]
        try:
            after = scrubbed(changed, "x.tar")
        except RefusedError:
            continue
        passed += 1
        assert members_of(after) == expected_members(changed)
    assert passed > 0


@given(
    st.lists(
        st.tuples(
            st.text("abc/.é n\\", min_size=1, max_size=120).map(lambda name: "f" + name.replace("..", "")),
            st.lists(st.sampled_from([CLEAN, DIRTY, b"\0" * 300, b"x" * 512]), max_size=6).map(b"".join),
        ),
        max_size=5,
    ),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    st.booleans(),
)
def test_any_members(files: list[tuple[str, bytes]], form: int, seekable: bool) -> None:
    """Whatever members there are: each is scrubbed, and tarfile reads them all."""
    before = archive(*[member(name.rstrip("/"), content) for name, content in files], form=form)
    after = scrubbed(before, "x.tar", seekable=seekable)
    assert members_of(after) == expected_members(before)
    assert len(after) % 512 == 0


# --- size -----------------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_what_waits_on_disk_is_scrubbed_and_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large member waits in a file that holds scrubbed bytes only and cannot be found."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    content = DIRTY * (2 * REMEMBERED // len(DIRTY))
    sink = Watching(tmp_path)
    work().scrub("x.tar", Source(io.BytesIO(archive(member("a", content))).read), sink)
    assert sink.largest > REMEMBERED
    assert list(tmp_path.iterdir()) == []
    assert members_of(bytes(sink.data))[0][1] == content.replace(SECRET, PLACEHOLDER)


def test_memory_is_bounded() -> None:
    """A member of 48 MiB from a pipe takes no more memory than one of 8 MiB."""

    def peak(blocks: int) -> int:
        line = CLEAN * (BLOCK // len(CLEAN) + 1)
        block = line[: BLOCK - 1] + b"\n"
        info, _ = member("a")
        info.size = blocks * BLOCK
        pieces = iter([info.tobuf(), *[block] * blocks, bytes(1024)])
        tracemalloc.start()
        try:
            work().scrub("x.tar", Source(lambda _: next(pieces, b"")), NOWHERE)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small, large = peak(32), peak(192)
    assert large < small + 2 * 1024 * 1024
