"""One file scrubbed: whole or not at all, with all its metadata, and untouched if there is nothing to do."""

from __future__ import annotations

import bz2
import fcntl
import gzip
import hashlib
import io
import os
import socket
import stat
import struct
import tarfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from file_scrubbing import CLEAN, DIRTY, DONE, SECRET, contents, names, new_file, redactor, said, scrub

from redactor import Redactor
from redactor.archive import atomic, files
from redactor.archive.atomic import AtomicFile, DestinationError, is_temporary, sweep
from redactor.archive.content import BLOCK, Limits
from redactor.archive.files import scrub_large
from redactor.archive.kinds import every_kind, recognise
from redactor.archive.tasks import Conditions, Outcome, Task
from redactor.archive.workers import Workers
from redactor.replace import Policy

TEMPORARY = ".redactor-0123456789abcdef"
LARGE = (CLEAN * 40 + DIRTY) * 14_500


def tarred(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("app.log")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=1_700_000_000)


FORMS = {"text": bytes, "gzip": gzipped, "bzip2": bz2.compress, "tar": tarred}


# --- content --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (DIRTY, DONE),
        (CLEAN + DIRTY, CLEAN + DONE),
        (DIRTY.rstrip(), DONE.rstrip()),
        (CLEAN * (3 * BLOCK // len(CLEAN)) + DIRTY, CLEAN * (3 * BLOCK // len(CLEAN)) + DONE),
        ((CLEAN * 999 + DIRTY) * 40, (CLEAN * 999 + DONE) * 40),
        (DIRTY.decode().encode("utf-16"), DONE.decode().encode("utf-16")),
        (b"\0\xff " + DIRTY, b"\0\xff " + DONE),
    ],
)
def test_text_is_scrubbed_in_place(tmp_path, content, expected):
    """A text is replaced by the same bytes without its secrets, wherever the first one is."""
    path = new_file(tmp_path / "app.log", content)
    result = scrub(path)
    count = expected.count(b"R\0E\0D") or expected.count(b"[REDACTED")
    assert said(result) == (Outcome.SCRUBBED, "")
    assert (dict(result.counts), result.size_before, result.size_after) == (
        {"session": count},
        len(content),
        len(expected),
    )
    assert path.read_bytes() == expected
    assert names(tmp_path) == {"app.log"}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_stays_what_it_is(tmp_path, form):
    """Compressed files and archives are scrubbed inside and can be read as before."""
    path = new_file(tmp_path / "app.log", FORMS[form](CLEAN + DIRTY))
    assert said(scrub(path)) == (Outcome.SCRUBBED, "")
    expected = CLEAN + DONE
    if form == "tar":
        with tarfile.open(path) as archive:
            assert archive.extractfile("app.log").read() == expected
    else:
        read = {"text": bytes, "gzip": gzip.decompress, "bzip2": bz2.decompress}[form]
        assert read(path.read_bytes()) == expected


@pytest.mark.parametrize("form", FORMS)
def test_scrubbing_twice_changes_nothing(tmp_path, form):
    """A scrubbed file has nothing left to replace."""
    path = new_file(tmp_path / "app.log", FORMS[form](DIRTY))
    scrub(path)
    before = path.stat()
    assert said(scrub(path)) == (Outcome.CLEAN, "")
    assert path.stat() == before


def test_nothing_is_left_of_a_file_that_is_one_secret(tmp_path):
    """A file from which everything is removed is empty."""
    path = new_file(tmp_path / "app.log", b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlc2lnbmF0dXJl")
    assert scrub(path, by=Redactor(policy=Policy(redaction="remove"))).outcome is Outcome.SCRUBBED
    assert path.read_bytes() == b""


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127 + "x", os.fsdecode(b"a\n\xff.log"), "a!b.log", " "])
def test_any_name_will_do(tmp_path, name):
    """Names as long as names can be, with newlines or invalid UTF-8, are names like others."""
    path = new_file(tmp_path / name)
    assert said(scrub(path)) == (Outcome.SCRUBBED, "")
    assert path.read_bytes() == DONE
    assert names(tmp_path) == {name}


def test_awkward_names_are_one_line_in_problems(tmp_path):
    """A problem is one line, whatever the name."""
    path = tmp_path / os.fsdecode(b"a\n\xff.log")
    path.symlink_to("nowhere")
    assert said(scrub(path)) == (
        Outcome.REFUSED,
        f"{tmp_path}/a\\n\\xff.log: is a symbolic link, expected a regular file",
    )


# --- nothing to do --------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", CLEAN, CLEAN * 40_000, gzipped(CLEAN * 9), tarred(CLEAN), b"\xff\xfe"])
def test_clean_files_are_not_touched(tmp_path, content):
    """A file without secrets stays as it is, to its inode and its times, that of its last access included."""
    path = new_file(tmp_path / "app.log", content)
    os.utime(path, ns=(1_000_000_000, 2_000_000_000))
    before = path.stat()
    assert said(scrub(path)) == (Outcome.CLEAN, "")
    assert path.stat() == before
    assert names(tmp_path) == {"app.log"}


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_written_for_what_is_clean(tmp_path, monkeypatch, form):
    """As long as what comes out is what went in, not even a temporary is opened."""
    path = new_file(tmp_path / "app.log", FORMS[form](CLEAN * 40_000))
    monkeypatch.setattr(AtomicFile, "_open", lambda self: pytest.fail("opened"))
    assert said(scrub(path)) == (Outcome.CLEAN, "")


@pytest.mark.parametrize("form", FORMS)
def test_counting_writes_nothing(tmp_path, form):
    """A run that only counts finds the same, and leaves file and folder as they are."""
    path = new_file(tmp_path / "app.log", FORMS[form](CLEAN + DIRTY))
    before = path.stat(), tmp_path.stat()
    counted = scrub(path, write=False)
    assert (path.stat(), tmp_path.stat()) == before
    assert said(counted) == (Outcome.SCRUBBED, "")
    done = scrub(path)
    assert (counted.counts, counted.size_before, counted.size_after) == (done.counts, done.size_before, done.size_after)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("content", [CLEAN, CLEAN + DIRTY])
def test_receipts_hold_the_digests_of_both_files(tmp_path, form, content):
    """With a receipt the SHA-256 before and after are those of the files, and each edit says where it was."""
    path = new_file(tmp_path / "app.log", FORMS[form](content))
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    counted, done = scrub(path, receipt=True, write=False), scrub(path, receipt=True)
    after = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (done.digest_before, done.digest_after) == (before, after)
    assert (counted.digest_before, counted.digest_after) == (before, after)
    assert [(edit.start, edit.end) for edit in done.edits] == [
        (at, at + len(SECRET)) for at in [content.find(SECRET)] if at >= 0
    ]


# --- metadata -------------------------------------------------------------------------------


def packed_acl(*entries: tuple[int, int, int]) -> bytes:
    """Return a POSIX ACL as the kernel takes it: tag, permissions and id of each entry."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY = 0xFFFFFFFF
ACL = packed_acl((1, 6, NOBODY), (2, 4, 12345), (4, 4, NOBODY), (16, 4, NOBODY), (32, 0, NOBODY))


@contextmanager
def skipping_without(what: str):
    try:
        yield
    except OSError as error:
        pytest.skip(f"no {what} here: {error.strerror}")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o444, 0o000, 0o6755, 0o777])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_mode_and_times_stay(tmp_path, mode, elsewhere):
    """The new file has the mode and, to the nanosecond, the times of the old one."""
    if not mode & 0o400 and os.geteuid():
        pytest.skip("only root reads files without any permission")
    path = new_file(tmp_path / "app.log")
    path.chmod(mode)
    os.utime(path, ns=(1_234_567_890_123_456_789, 987_654_321_987_654_321))
    before = path.stat()
    target = tmp_path / "out" / "app.log" if elsewhere else path
    assert said(scrub(path, target)) == (Outcome.SCRUBBED, "")
    after = target.stat()
    assert after.st_ino != before.st_ino
    assert [getattr(after, name) for name in ("st_mode", "st_uid", "st_gid", "st_mtime_ns", "st_atime_ns")] == [
        getattr(before, name) for name in ("st_mode", "st_uid", "st_gid", "st_mtime_ns", "st_atime_ns")
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owner_stays(tmp_path):
    """The new file belongs to whom the old one belonged, set-id bits included."""
    path = new_file(tmp_path / "app.log")
    os.chown(path, 12345, 54321)
    path.chmod(0o6640)
    assert said(scrub(path)) == (Outcome.SCRUBBED, "")
    after = path.stat()
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (12345, 54321, 0o6640)


def test_extended_attributes_stay(tmp_path):
    """Attributes and the ACL of the old file are those of the new one."""
    path = new_file(tmp_path / "app.log")
    with skipping_without("extended attributes"):
        os.setxattr(path, "user.origin", b"\0host-7\xff")
        os.setxattr(path, "system.posix_acl_access", ACL)
    before = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    mode = path.stat().st_mode
    assert said(scrub(path)) == (Outcome.SCRUBBED, "")
    assert {name: os.getxattr(path, name) for name in os.listxattr(path)} == before
    assert path.stat().st_mode == mode


def test_the_default_acl_of_a_folder_opens_nothing(tmp_path):
    """A file without an ACL has none afterwards, though new files in its folder would get one."""
    path = new_file(tmp_path / "app.log")
    path.chmod(0o640)
    default = packed_acl((1, 7, NOBODY), (2, 7, 12345), (4, 5, NOBODY), (16, 7, NOBODY), (32, 5, NOBODY))
    with skipping_without("ACLs"):
        os.setxattr(tmp_path, "system.posix_acl_default", default)
    assert said(scrub(path)) == (Outcome.SCRUBBED, "")
    assert "system.posix_acl_access" not in os.listxattr(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("attribute", ["user.origin", "system.posix_acl_access"])
def test_metadata_that_cannot_stay_keeps_the_file(tmp_path, monkeypatch, attribute):
    """In place, an attribute that the new file cannot have is a failure; elsewhere it is left out."""
    path = new_file(tmp_path / "app.log")
    with skipping_without("extended attributes"):
        os.setxattr(path, "user.origin", b"host-7")
        os.setxattr(path, "system.posix_acl_access", ACL)
    really = os.setxattr

    def setxattr(file, name, value):
        if name == attribute:
            raise OSError(95, "Operation not supported")
        really(file, name, value)

    monkeypatch.setattr(os, "setxattr", setxattr)
    problem = f"{path}: Operation not supported, expected to be able to write"
    assert said(scrub(path)) == (Outcome.FAILED, problem)
    assert path.read_bytes() == DIRTY
    assert said(scrub(path, tmp_path / "out.log")) == (Outcome.SCRUBBED, "")
    assert names(tmp_path) == {"app.log", "out.log"}


def test_a_temporary_is_private_until_the_last_moment(tmp_path, monkeypatch):
    """Until all is on disk and only the name is missing, nobody but the owner can read the new bytes."""
    path = new_file(tmp_path / "app.log")
    path.chmod(0o644)
    seen = []
    really = os.fsync

    def fsync(handle):
        status = os.fstat(handle)
        seen.append((stat.S_ISREG(status.st_mode), stat.S_IMODE(status.st_mode), len(names(tmp_path))))
        really(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    assert said(scrub(path)) == (Outcome.SCRUBBED, "")
    assert seen == [(True, 0o600, 2), (True, 0o644, 1), (False, stat.S_IMODE(tmp_path.stat().st_mode), 1)]


# --- backups --------------------------------------------------------------------------------


def test_a_backup_is_the_original_itself(tmp_path):
    """The backup is the old file under a new name: its inode, its bytes, its times."""
    path = new_file(tmp_path / "app.log")
    before = path.stat()
    assert said(scrub(path, backup=".bak")) == (Outcome.SCRUBBED, "")
    kept = tmp_path / "app.log.bak"
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns, kept.stat().st_nlink) == (
        before.st_ino,
        before.st_mtime_ns,
        1,
    )
    assert (kept.read_bytes(), path.read_bytes()) == (DIRTY, DONE)
    assert names(tmp_path) == {"app.log", "app.log.bak"}


def test_clean_files_get_no_backup(tmp_path):
    """There is no backup of what was not replaced."""
    path = new_file(tmp_path / "app.log", CLEAN)
    scrub(path, backup=".bak")
    assert names(tmp_path) == {"app.log"}


def test_a_backup_never_replaces_a_file(tmp_path):
    """A name that is taken, even by a link that leads nowhere, is refused and nothing changes."""
    path, taken = new_file(tmp_path / "app.log"), new_file(tmp_path / "app.log.bak", b"mine")
    problem = f"{taken}: is there already, expected to make it a backup"
    assert said(scrub(path, backup=".bak")) == (Outcome.REFUSED, problem)
    assert (path.read_bytes(), taken.read_bytes()) == (DIRTY, b"mine")
    taken.unlink()
    taken.symlink_to("nowhere")
    assert said(scrub(path, backup=".bak")) == (Outcome.REFUSED, problem)
    assert path.read_bytes() == DIRTY


def test_a_second_run_is_content(tmp_path):
    """What has nothing left to replace is not refused for the backup of the first run, nor for its many names."""
    path = new_file(tmp_path / "app.log")
    scrub(path, backup=".bak")
    assert said(scrub(path, backup=".bak")) == (Outcome.CLEAN, "")
    os.link(path, tmp_path / "other.log")
    assert said(scrub(path)) == (Outcome.CLEAN, "")


def test_a_name_taken_at_the_last_moment_stays(tmp_path, monkeypatch):
    """A file that appears under the backup's name while the original is read is not replaced."""
    path, taken = new_file(tmp_path / "app.log"), tmp_path / "app.log.bak"
    really = os.fsync

    def fsync(handle):
        new_file(taken, b"mine")
        really(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    problem = f"{taken}: is there already, expected to make it a backup"
    assert said(scrub(path, backup=".bak")) == (Outcome.REFUSED, problem)
    assert (path.read_bytes(), taken.read_bytes()) == (DIRTY, b"mine")
    assert names(tmp_path) == {"app.log", "app.log.bak"}


def test_a_killed_run_with_a_backup_is_taken_up(tmp_path):
    """If a killed run has made the backup and nothing else, the next one goes on from there."""
    path = new_file(tmp_path / "app.log")
    os.link(path, tmp_path / "app.log.bak")
    assert said(scrub(path, backup=".bak")) == (Outcome.SCRUBBED, "")
    assert ((tmp_path / "app.log.bak").read_bytes(), path.read_bytes()) == (DIRTY, DONE)


def test_without_hard_links_a_backup_is_a_copy(tmp_path, monkeypatch):
    """Where files cannot have two names, the backup has the bytes, mode and times of the original."""
    path = new_file(tmp_path / "app.log", CLEAN * 40_000 + DIRTY)
    path.chmod(0o640)
    os.utime(path, ns=(1, 987_654_321_987_654_321))

    def link(*_args, **_options):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    assert said(scrub(path, backup=".bak")) == (Outcome.SCRUBBED, "")
    kept = tmp_path / "app.log.bak"
    assert kept.read_bytes() == CLEAN * 40_000 + DIRTY
    assert (stat.S_IMODE(kept.stat().st_mode), kept.stat().st_mtime_ns) == (0o640, 987_654_321_987_654_321)
    assert names(tmp_path) == {"app.log", "app.log.bak"}


def test_no_backup_stays_of_what_could_not_be_replaced(tmp_path, monkeypatch):
    """If the new file cannot take the name, the backup goes as well."""
    path = new_file(tmp_path / "app.log")

    def replace(*_args):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "replace", replace)
    problem = f"{path}: Operation not permitted, expected to be able to write"
    assert said(scrub(path, backup=".bak")) == (Outcome.FAILED, problem)
    assert (names(tmp_path), path.read_bytes(), path.stat().st_nlink) == ({"app.log"}, DIRTY, 1)


def test_the_longest_name_has_no_backup(tmp_path):
    """A backup whose name would be too long is a failure that changes nothing."""
    path = new_file(tmp_path / ("n" * 255))
    assert said(scrub(path, backup=".bak")) == (
        Outcome.FAILED,
        f"{path}.bak: File name too long, expected to be able to write",
    )
    assert (names(tmp_path), path.read_bytes()) == ({"n" * 255}, DIRTY)


# --- what is refused ------------------------------------------------------------------------


def make_socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as server:  # bound by a short path, whatever the folder
            server.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


SPECIAL = {
    "a symbolic link": lambda path: path.symlink_to("app.log"),
    "a directory": lambda path: path.mkdir(),
    "a named pipe": os.mkfifo,
    "a socket": make_socket,
}


@pytest.mark.parametrize("what", SPECIAL)
def test_special_files_are_refused(tmp_path, what):
    """What is no regular file is refused at once, as source and as destination, and stays."""
    app, special = new_file(tmp_path / "app.log"), tmp_path / "special"
    SPECIAL[what](special)
    before = special.lstat()
    assert said(scrub(special)) == (Outcome.REFUSED, f"{special}: is {what}, expected a regular file")
    problem = f"{special}: is {what}, expected a regular file or none"
    assert said(scrub(app, special)) == (Outcome.REFUSED, problem)
    assert (special.lstat(), app.read_bytes(), names(tmp_path)) == (before, DIRTY, {"app.log", "special"})


def test_devices_are_refused():
    """A device is no file to scrub."""
    assert said(scrub("/dev/null")) == (Outcome.REFUSED, "/dev/null: is a device, expected a regular file")


def test_hard_links_are_refused_in_place(tmp_path):
    """A file with several names is left alone: under the others it would stay as it is."""
    path = new_file(tmp_path / "app.log")
    os.link(path, tmp_path / "other.log")
    problem = f"{path}: has 2 names (hard links), expected one: the others would stay"
    assert said(scrub(path)) == (Outcome.REFUSED, problem)
    assert said(scrub(path, write=False)) == (Outcome.REFUSED, problem)
    assert path.samefile(tmp_path / "other.log")
    assert said(scrub(path, tmp_path / "out.log")) == (Outcome.SCRUBBED, "")


def test_a_file_is_not_its_own_destination(tmp_path):
    """A destination that is the source by another name is refused."""
    path, other = new_file(tmp_path / "app.log"), tmp_path / "other.log"
    os.link(path, other)
    problem = f"{other}: is source and destination at once, expected two files"
    assert said(scrub(path, other)) == (Outcome.REFUSED, problem)
    assert path.read_bytes() == DIRTY


def test_limits_hold(tmp_path):
    """Content that unfolds too far is refused, and stays."""
    content = gzipped(tarred(gzipped(DIRTY)))
    path = new_file(tmp_path / "bomb.gz", content)
    result = scrub(path, limits=Limits(depth=1))
    assert result.outcome is Outcome.REFUSED
    assert result.problem.endswith(": more than 1 containers in one another, expected fewer (--max-depth)")
    assert path.read_bytes() == content


def test_broken_content_is_refused(tmp_path):
    """A compressed file that is cut short is refused, and stays."""
    path = new_file(tmp_path / "app.log.gz", gzipped(DIRTY)[:-3])
    result = scrub(path)
    assert result.outcome is Outcome.REFUSED
    assert result.problem.startswith(f"{path}: ")
    assert (path.read_bytes(), names(tmp_path)) == (gzipped(DIRTY)[:-3], {"app.log.gz"})


# --- what changes meanwhile -----------------------------------------------------------------


def appended(path: Path) -> None:
    with path.open("ab") as file:
        file.write(DIRTY)


def truncated(path: Path) -> None:
    os.truncate(path, 40)


def replaced(path: Path) -> None:
    new_file(path.with_name("other"), b"another file").replace(path)


def rewritten(path: Path) -> None:
    """Write as many other bytes, and set the time of the last change back."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"USER")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def locked_up(path: Path) -> None:
    path.chmod(0o400)


CHANGES = [appended, truncated, replaced, rewritten, locked_up, Path.unlink]


def after_read(monkeypatch, path: Path, number: int, change) -> None:
    """Have ``change`` made when ``path`` has been read ``number`` times."""
    really, reads = os.read, []
    watched = path.stat().st_ino

    def read(handle, size):
        data = really(handle, size)
        if os.fstat(handle).st_ino == watched:
            reads.append(size)
            if len(reads) == number:
                change(path)
        return data

    monkeypatch.setattr(os, "read", read)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("content", [CLEAN * 9, CLEAN * 9 + DIRTY])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_file_that_changes_is_left_alone(tmp_path, monkeypatch, form, change, content, elsewhere):
    """Whatever happens to a file while it is read, it is left as it is then, and told about."""
    path, twin = (new_file(tmp_path / place / "app.log", FORMS[form](content)) for place in ("here", "there"))
    change(twin)
    after_read(monkeypatch, path, 1, change)
    result = scrub(path, path.with_name("out.log") if elsewhere else path)
    assert said(result) == (
        Outcome.CHANGED,
        f"{path}: changed while it was read, expected it to stay; it is left as it is",
    )
    assert contents(path.parent) == contents(twin.parent)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_the_middle_is_noticed(tmp_path, monkeypatch, change):
    """A change after much has been written leaves neither a temporary nor a scrubbed file."""
    path, twin = (new_file(tmp_path / place / "app.log", DIRTY * 20_000) for place in ("here", "there"))
    change(twin)
    after_read(monkeypatch, path, 3, change)
    assert scrub(path).outcome is Outcome.CHANGED
    assert contents(path.parent) == contents(twin.parent)


def test_a_file_that_never_ends_is_given_up(tmp_path, monkeypatch):
    """Somebody who writes faster than we read does not keep us reading."""
    path = new_file(tmp_path / "app.log", DIRTY * 20_000)
    really, reads = os.read, []
    watched = path.stat().st_ino

    def read(handle, size):
        if os.fstat(handle).st_ino == watched:
            reads.append(size)
            assert len(reads) < 20
            with path.open("ab") as file:
                file.write(CLEAN * 20_000)
        return really(handle, size)

    monkeypatch.setattr(os, "read", read)
    assert scrub(path).outcome is Outcome.CHANGED


def test_a_file_that_is_gone(tmp_path):
    """A file that is not there when its turn comes has changed, and that is no failure of ours."""
    problem = f"{tmp_path}/app.log: is not there any more, expected it to stay"
    assert said(scrub(tmp_path / "app.log")) == (Outcome.CHANGED, problem)


def test_a_file_that_is_open_for_writing_is_left_alone(tmp_path):
    """Who has a file open for writing would go on writing to the old one, so it is not replaced."""
    path = new_file(tmp_path / "app.log")
    with path.open("rb") as file, skipping_without("leases"):
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    with path.open("ab") as writer:
        result = scrub(path)
        writer.write(b"later\n")
    assert said(result) == (
        Outcome.CHANGED,
        f"{path}: is open for writing elsewhere, expected that nobody writes to it; "
        "it is left as it is (rotate it first)",
    )
    assert (path.read_bytes(), names(tmp_path)) == (DIRTY + b"later\n", {"app.log"})
    assert said(scrub(path)) == (Outcome.SCRUBBED, "")


def test_readers_and_writers_of_clean_files_are_no_obstacle(tmp_path):
    """A file that is only read is replaced, and a clean one may be written to."""
    dirty, clean = new_file(tmp_path / "dirty.log"), new_file(tmp_path / "clean.log", CLEAN)
    with dirty.open("rb") as reader, clean.open("ab"):
        assert said(scrub(dirty)) == (Outcome.SCRUBBED, "")
        assert said(scrub(clean)) == (Outcome.CLEAN, "")
        assert reader.read() == DIRTY
    assert said(scrub(dirty)) == (Outcome.CLEAN, "")


def test_without_leases_files_are_scrubbed_all_the_same(tmp_path, monkeypatch):
    """Where nobody can be kept from writing, a file that does not change is replaced."""
    really = fcntl.fcntl

    def refuse(handle, command, *args):
        if command == fcntl.F_SETLEASE:
            raise OSError(22, "Invalid argument")
        return really(handle, command, *args)

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    path = new_file(tmp_path / "app.log")
    assert said(scrub(path)) == (Outcome.SCRUBBED, "")


# --- elsewhere ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("content", [CLEAN, CLEAN + DIRTY])
def test_elsewhere_gives_the_bytes_of_in_place(tmp_path, form, content):
    """A copy elsewhere, whether something is replaced or not, has the bytes that scrubbing in place gives."""
    path, copy = new_file(tmp_path / "app.log", FORMS[form](content)), tmp_path / "a" / "b" / "app.log"
    elsewhere = scrub(path, copy)
    in_place = scrub(path)
    assert said(elsewhere) == said(in_place)
    assert copy.read_bytes() == path.read_bytes()


def test_without_help_of_the_kernel_copies_are_the_same(tmp_path, monkeypatch):
    """Where the kernel cannot copy from file to file, the bytes are read and written."""

    def refuse(*_args, **_options):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    content = CLEAN * 40_000
    path, dirty = new_file(tmp_path / "clean.log", content), new_file(tmp_path / "dirty.log", content + DIRTY)
    assert said(scrub(path, tmp_path / "copy.log")) == (Outcome.CLEAN, "")
    assert (tmp_path / "copy.log").read_bytes() == content
    assert said(scrub(dirty)) == (Outcome.SCRUBBED, "")
    assert dirty.read_bytes() == content + DONE


# --- errors ---------------------------------------------------------------------------------


def test_errors_of_ours_show_nothing(tmp_path, monkeypatch):
    """An error that should not happen is a failure of one line that says where, and not what it was about."""

    def fail(*_args):
        raise ValueError(SECRET.decode())

    monkeypatch.setattr(files, "scrub_text", fail)
    path = new_file(tmp_path / "app.log")
    result = scrub(path)
    assert result.outcome is Outcome.FAILED
    assert result.problem.startswith(f"{path}: internal error (ValueError at test_archive_files.py:")
    assert SECRET.decode() not in result.problem
    assert (path.read_bytes(), names(tmp_path)) == (DIRTY, {"app.log"})


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    """An error of the disk is a failure that says so."""
    path = new_file(tmp_path / "app.log", DIRTY * 20_000)

    def fail(path):
        raise OSError(5, "Input/output error")

    after_read(monkeypatch, path, 2, fail)
    assert said(scrub(path)) == (Outcome.FAILED, f"{path}: Input/output error, expected a readable file")
    assert (path.read_bytes(), names(tmp_path)) == (DIRTY * 20_000, {"app.log"})


@pytest.mark.parametrize("moment", ["copy_file_range", "write", "fsync", "fchmod", "utime", "replace"])
def test_an_interrupt_passes_through_and_leaves_nothing(tmp_path, monkeypatch, moment):
    """What ends the process ends the scrubbing at any step: the file is as it was, and alone."""
    path = new_file(tmp_path / "app.log", CLEAN * 40_000 + DIRTY)

    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, moment, interrupt)
    with pytest.raises(KeyboardInterrupt):
        scrub(path, backup=".bak")
    assert (path.read_bytes(), names(tmp_path)) == (CLEAN * 40_000 + DIRTY, {"app.log"})


# --- by several processes -------------------------------------------------------------------


def test_large_files_by_several_processes(tmp_path):
    """Several processes give the bytes, counts, edits and digests that one gives."""
    path, twin = new_file(tmp_path / "app.log", LARGE), new_file(tmp_path / "twin" / "app.log", LARGE)
    wanted = Conditions(receipt=True)
    with Workers(redactor, 2) as workers:
        together = scrub_large(Task(str(path), str(path)), wanted, workers)
        again = scrub_large(Task(str(path), str(path)), wanted, workers)
    alone = scrub(twin, receipt=True)
    assert said(together) == said(alone) == (Outcome.SCRUBBED, "")
    assert path.read_bytes() == twin.read_bytes()
    assert said(again) == (Outcome.CLEAN, "")
    for name in ("counts", "edits", "size_before", "size_after", "digest_before", "digest_after"):
        assert getattr(together, name) == getattr(alone, name)


def test_what_cannot_be_cut_is_left_to_one_process(tmp_path):
    """What is small, compressed or not there is not for several processes."""
    small, packed = new_file(tmp_path / "small.log"), new_file(tmp_path / "packed.gz", gzipped(os.urandom(17 << 20)))
    with Workers(redactor, 2) as workers:
        for path in (small, packed, tmp_path / "nope.log"):
            assert scrub_large(Task(str(path), str(path)), Conditions(), workers) is None


# --- temporaries ----------------------------------------------------------------------------


def test_what_killed_runs_left_is_swept(tmp_path):
    """Only temporaries that nobody writes are removed; names that only look alike stay."""
    others = {TEMPORARY + "0", TEMPORARY[:-1], "x" + TEMPORARY, ".redactor-0123456789ABCDEF", "app.log"}
    for name in (*others, TEMPORARY):
        new_file(tmp_path / name)
    assert [name for name in sorted(names(tmp_path)) if is_temporary(name)] == [TEMPORARY]
    assert sweep(tmp_path) == 1
    assert names(tmp_path) == others
    assert sweep(tmp_path / "nope") == 0


def test_temporaries_of_living_runs_stay(tmp_path):
    """What another run is writing at the moment is not swept."""
    with AtomicFile(str(tmp_path / "app.log"), "app.log") as file:
        file.write(b"half")
        assert sweep(tmp_path) == 0
        file.write(b" and half")
        file.commit()
    assert (tmp_path / "app.log").read_bytes() == b"half and half"


@pytest.mark.parametrize("what", SPECIAL)
def test_only_regular_files_are_swept(tmp_path, what):
    """A link, pipe, socket or folder with the name of a temporary is none of ours."""
    SPECIAL[what](tmp_path / TEMPORARY)
    assert sweep(tmp_path) == 0
    assert names(tmp_path) == {TEMPORARY}


def test_where_files_cannot_be_locked_only_old_ones_are_swept(tmp_path, monkeypatch):
    """Without locks a temporary is left alone for a day."""

    def flock(*_args):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    left_over = new_file(tmp_path / TEMPORARY)
    assert sweep(tmp_path) == 0
    day_ago = left_over.stat().st_mtime - 24 * 3600 - 1
    os.utime(left_over, (day_ago, day_ago))
    assert sweep(tmp_path) == 1
    assert said(scrub(new_file(tmp_path / "app.log"))) == (Outcome.SCRUBBED, "")


def test_a_sweep_quicker_than_the_lock_does_no_harm(tmp_path, monkeypatch):
    """A temporary that is swept before it could be locked is made anew."""
    really, locked = fcntl.flock, []

    def flock(handle, operation):
        if not locked:
            locked.append(handle)
            [temporary] = [path for path in tmp_path.iterdir() if is_temporary(path.name)]
            temporary.unlink()
        really(handle, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    path = new_file(tmp_path / "app.log")
    assert said(scrub(path)) == (Outcome.SCRUBBED, "")
    assert (path.read_bytes(), names(tmp_path)) == (DONE, {"app.log"})


def test_an_error_of_the_folder_is_told(tmp_path, monkeypatch):
    """If the new name cannot be made durable because the disk fails, that is an error."""
    really = os.fsync

    def fsync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(5, "Input/output error")
        really(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with AtomicFile(str(tmp_path / "app.log"), "app.log") as file, pytest.raises(DestinationError) as caught:
        file.commit()
    assert str(caught.value) == "app.log: Input/output error, expected to be able to write"


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path, monkeypatch):
    """There are file systems on which folders cannot be synced; that is not our failure."""
    really = os.fsync

    def fsync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(22, "Invalid argument")
        really(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    assert said(scrub(new_file(tmp_path / "app.log"))) == (Outcome.SCRUBBED, "")


def test_files_are_read_where_there_is_no_pread(tmp_path, monkeypatch):
    """Reading at an offset leaves the position alone, with ``pread`` and without."""
    path = new_file(tmp_path / "app.log", b"0123456789")
    with path.open("rb", buffering=0) as file:
        file.seek(7)
        assert atomic.read_at(file.fileno(), 3, 1) == b"123"
        monkeypatch.delattr(os, "pread")
        assert atomic.read_at(file.fileno(), 3, 1) == b"123"
        assert file.tell() == 7


# --- kinds ----------------------------------------------------------------------------------

HEADS = [
    *(form(DIRTY) for form in FORMS.values()),
    b"PK\3\4rest", b"PK\5\6rest", b"#!/usr/bin/python\nPK\3\4", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18",
    b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0", b"\x1f\x9d", b"LZIP\1", b"\x89LZO\0\r\n\x1a\n", b"LRZI\0",
    b"\xff\6\0\0sNaPpY", b"\x1f\x1e", b"\x50\x2a\x4d\x18\0\0\0\0", b"BZh91AY&SY", b"BZh9\x17\x72\x45\x38\x50\x90",
    b'{"a": 1}', b'\xef\xbb\xbf {"a": 1}', b'\n[{"a": 1}]', b'["a"]', b"[[1]]", b"[2026-01-01] x", b"{}", b"# x",
    b"# Netscape HTTP Cookie File\n", b"#HttpOnly_.x.org\tTRUE\t/\tTRUE\t0\ta\tb\n", b".x.org\tTRUE\t/\tTRUE\t0\ta\tb\n",
    b"\xef\xbb\xbf# HTTP Cookie File\n", b"a\tb\n", b"", b"\0", b"PK", b"plain text\n", b"\xff\xfea\0",
]  # fmt: skip


@pytest.mark.parametrize("name", ["app.log", "-", "x.tar", "x.zip", "x.DOCX", "x.epub", "x.gz", "x", "x.log!y.jar"])
def test_asking_few_kinds_gives_what_asking_all_would(name):
    """A kind whose module was not worth importing would not have recognised the content."""
    for head in HEADS:
        every = (kind.name for kind in every_kind() if kind.recognises(head, name))
        found = recognise(head, name)
        assert (found.name if found else None) == next(every, None), head


def test_every_kind_is_among_the_heads():
    """The heads of the test above leave no kind out."""
    found = {recognise(head, "-").name for head in HEADS if recognise(head, "-")}
    assert found == {kind.name for kind in every_kind()}
