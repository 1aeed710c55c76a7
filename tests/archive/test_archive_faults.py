"""Real processes that are killed, interrupted, or denied what they need: a file is whole, old or new, and alone."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from file_scrubbing import CLEAN, DIRTY, DONE, names, new_file, said, scrub

from redactor.archive.atomic import is_temporary
from redactor.archive.tasks import Outcome

COMMAND = [sys.executable, "-B", "-W", "error", "-m", "redactor", "scrub", "--no-config"]
OLD = (CLEAN * 60 + DIRTY) * 4500
NEW = (CLEAN * 60 + DONE) * 4500
"""8 MB."""


class Ended(NamedTuple):
    code: int
    errors: str


def run(*args: str | Path, prefix: tuple[str, ...] = (), **options) -> Ended:
    """Run a scrubbing to its end."""
    done = subprocess.run([*prefix, *COMMAND, *args], capture_output=True, check=False, timeout=120, **options)
    assert done.stdout == b""
    return Ended(done.returncode, done.stderr.decode())


def temporaries(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if is_temporary(path.name)]


def is_private(path: Path, original: os.stat_result) -> bool:
    """Tell whether nobody can read a file who could not read the original."""
    status = path.stat()
    return status.st_uid == original.st_uid and not stat.S_IMODE(status.st_mode) & ~stat.S_IMODE(original.st_mode)


# --- SIGKILL --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def duration(tmp_path_factory: pytest.TempPathFactory) -> float:
    """How many seconds a whole run takes here at the moment."""
    path = new_file(tmp_path_factory.mktemp("timed") / "app.log", OLD)
    began = time.monotonic()
    assert run("-i", path) == Ended(0, "")
    return time.monotonic() - began


@pytest.mark.parametrize("options", [("-i",), ("-i.bak",), ("-i", "-j2")])
def test_killed_at_any_time(tmp_path, duration, options):
    """However late a run is killed, the file is old or new; what it leaves is private and swept by the next run."""
    chance = random.Random()
    path = new_file(tmp_path / "app.log", OLD)
    path.chmod(0o644)
    before = path.stat()
    for _ in range(9):
        process = subprocess.Popen([*COMMAND, *options, path], stderr=subprocess.PIPE)
        time.sleep(chance.uniform(0, duration))
        process.kill()
        process.communicate()
        assert path.read_bytes() in (OLD, NEW)
        assert all(is_private(left_over, before) for left_over in temporaries(tmp_path))
        if path.read_bytes() == NEW:
            new_file(path, OLD)
            (tmp_path / "app.log.bak").unlink(missing_ok=True)
    assert run(*options, path) == Ended(0, "")
    assert path.read_bytes() == NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert names(tmp_path) == {"app.log", "app.log.bak"} if options == ("-i.bak",) else {"app.log"}


# --- every system call that changes something -----------------------------------------------

CALLS = (
    "write,copy_file_range,ftruncate,fallocate,fsync,fdatasync,fchown,fchmod,chmod,fsetxattr,fremovexattr,utimensat,"
    "link,linkat,rename,renameat,renameat2,unlink,unlinkat,mkdir,flock"
)
TOLERATED = {"copy_file_range", "flock"}
"""What is done in another way, or not at all, where it is not possible."""


@cache
def why_no_strace() -> str:
    """Return why system calls cannot be tampered with here, "" if they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(["strace", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true"], capture_output=True)
    return "" if done.returncode == 0 else "strace cannot trace or tamper here"


@pytest.fixture
def scene(tmp_path: Path) -> Callable[[], Path]:
    """Return a file to scrub in place, always as it was at the beginning."""
    if why_no_strace():
        pytest.skip(why_no_strace())

    def anew() -> Path:
        shutil.rmtree(tmp_path / "scene", ignore_errors=True)
        path = new_file(tmp_path / "scene" / "app.log", CLEAN * 20_000 + DIRTY)
        path.chmod(0o640)
        return path

    return anew


def steps(path: Path, *options: str) -> Iterator[tuple[str, int]]:
    """Yield each system call by which a run changes something: its name, and the how manieth it is of that name."""
    trace = path.parent.parent / "trace"
    assert run(*options, path, prefix=("strace", "-o", str(trace), "-e", f"trace={CALLS}")).code == 0
    counted: Counter[str] = Counter()
    for line in trace.read_text().splitlines():
        name = line.partition("(")[0]
        if name in CALLS.split(","):
            counted[name] += 1
            yield name, counted[name]


def test_killed_before_each_step(scene):
    """A kill before any change of the disk leaves the file old or new, and the next run finishes the work."""
    expected = CLEAN * 20_000 + DONE
    every = list(steps(scene(), "-i.bak"))
    assert {"fsync", "rename", "linkat"} <= {name for name, _ in every}
    seen = set()
    for name, number in every:
        path = scene()
        before = path.stat()
        inject = ("strace", "-o", "/dev/null", "-e", f"inject={name}:signal=SIGKILL:when={number}")
        assert run("-i.bak", path, prefix=inject).code in (-signal.SIGKILL, 128 + signal.SIGKILL), (name, number)
        content = path.read_bytes()
        seen.add(content)
        assert content in (CLEAN * 20_000 + DIRTY, expected), (name, number)
        assert all(is_private(left_over, before) for left_over in temporaries(path.parent)), (name, number)
        assert run("-i.bak", path) == Ended(0, ""), (name, number)
        assert path.read_bytes() == expected, (name, number)
        assert (path.parent / "app.log.bak").read_bytes() == CLEAN * 20_000 + DIRTY, (name, number)
        assert names(path.parent) == {"app.log", "app.log.bak"}, (name, number)
    assert seen == {CLEAN * 20_000 + DIRTY, expected}


@pytest.mark.parametrize(("error", "problem"), [("EIO", "Input/output error"), ("ENOSPC", "No space left on device")])
def test_each_step_fails(scene, error, problem):
    """An error of any change of the disk is one line; the file is old or new, and nothing else is there."""
    expected = CLEAN * 20_000 + DONE
    refused = set()
    for name, number in list(steps(scene(), "-i")):
        path = scene()
        inject = ("strace", "-o", "/dev/null", "-e", f"inject={name}:error={error}:when={number}")
        ended = run("-i", path, prefix=inject)
        content = path.read_bytes()
        assert names(path.parent) == {"app.log"}, (name, number)
        if ended == Ended(0, ""):
            assert name in TOLERATED, (name, number)
            assert content == expected, (name, number)
        else:
            refused.add(name)
            assert ended.code == 3, (name, number)
            assert ended.errors == f"redactor: {path}: {problem}, expected to be able to write\n", (name, number)
            assert content in (CLEAN * 20_000 + DIRTY, expected), (name, number)
    assert {"write", "fsync", "rename", "fchmod", "utimensat"} <= refused


# --- no room --------------------------------------------------------------------------------


def test_a_limit_on_the_size_of_files(tmp_path):
    """A file that must not become as large as it has to be stays as it was."""
    path = new_file(tmp_path / "app.log", OLD)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    problem = f"redactor: {path}: File too large, expected to be able to write\n"
    assert run("-i", path, preexec_fn=limit) == Ended(3, problem)
    assert (path.read_bytes(), names(tmp_path)) == (OLD, {"app.log"})


def test_a_full_disk(tmp_path):
    """On a disk with no room for a second file, the first stays; a clean neighbour is not in need of any."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    if os.geteuid() or probe.returncode:
        pytest.skip("no file system can be mounted here")
    new_file(tmp_path / "app.log", OLD)
    new_file(tmp_path / "clean.log", CLEAN)
    script = (
        'mount -t tmpfs -o size=12m none "$1" && cp app.log clean.log "$1" && shift && '
        '{ "$@" disk; echo "code $?" >&2; cmp app.log disk/app.log && ls -A disk; }'
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", mounted, *COMMAND, "-i"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if b"mount:" in done.stderr:
        pytest.skip("no file system can be mounted here")
    problem = b"redactor: disk/app.log: No space left on device, expected to be able to write\ncode 3\n"
    assert (done.stderr, done.stdout) == (problem, b"app.log\nclean.log\n")


# --- no right -------------------------------------------------------------------------------

NOBODY = 65534


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that other users can reach."""
    folder = Path(tempfile.mkdtemp(prefix="redactor-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_nobody(path: Path) -> tuple[str, str]:
    """Scrub a file in a process that has no rights of its own; return outcome and problem."""
    if os.geteuid():
        return tuple(map(str, said(scrub(path))))
    scrub(path, write=False)  # everything is imported
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writer, "\n".join(said(scrub(path))).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as answer:
        outcome, _, problem = answer.read().partition("\n")
    os.waitpid(child, 0)
    return outcome, problem


def test_a_folder_that_cannot_be_written_to(reachable):
    """Where no file can be made, a file with secrets is told about and stays, and a clean one is no problem."""
    dirty, clean = new_file(reachable / "dirty.log"), new_file(reachable / "clean.log", CLEAN)
    reachable.chmod(0o555)
    problem = f"{dirty}: Permission denied, expected to be able to write"
    try:
        assert as_nobody(dirty) == (Outcome.FAILED, problem)
        assert as_nobody(clean) == (Outcome.CLEAN, "")
    finally:
        reachable.chmod(0o755)
    assert (dirty.read_bytes(), names(reachable)) == (DIRTY, {"dirty.log", "clean.log"})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has files of somebody else")
def test_files_of_others(reachable):
    """A file that would change its owner, and one that cannot be read, are told about and stay."""
    theirs, secret = new_file(reachable / "theirs.log"), new_file(reachable / "secret.log")
    secret.chmod(0o600)
    os.chown(reachable, NOBODY, NOBODY)
    problem = f"{theirs}: Operation not permitted, expected to be able to write"
    assert as_nobody(theirs) == (Outcome.FAILED, problem)
    assert as_nobody(secret) == (Outcome.FAILED, f"{secret}: Permission denied, expected a readable file")
    assert (theirs.stat().st_uid, theirs.read_bytes()) == (0, DIRTY)
    assert names(reachable) == {"theirs.log", "secret.log"}


@pytest.mark.parametrize("attribute", ["i", "a"])
def test_immutable_files(tmp_path, attribute):
    """A file that must not be changed (chattr +i) or only be appended to (+a) is told about and stays."""
    path = new_file(tmp_path / "app.log")
    if (
        shutil.which("chattr") is None
        or subprocess.run(["chattr", f"+{attribute}", path], capture_output=True).returncode
    ):
        pytest.skip("files cannot be made immutable here")
    try:
        for options in (("-i",), ("-i.bak",)):
            problem = f"redactor: {path}: Operation not permitted, expected to be able to write\n"
            assert run(*options, path) == Ended(3, problem)
            assert (path.read_bytes(), names(tmp_path)) == (DIRTY, {"app.log"})
    finally:
        subprocess.run(["chattr", f"-{attribute}", path], check=True)


# --- signals --------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [("-i",), ("-i.bak", "-j2"), ("-dout",)])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_in_the_middle_of_the_work(tmp_path, options, number, code):
    """A signal while a file is written ends the run without a word; every file is whole and nothing else is there."""
    content = DIRTY * 100_000
    paths = [new_file(tmp_path / name, content) for name in ("a.log", "b.log")]
    process = subprocess.Popen([*COMMAND, *options, *paths], stderr=subprocess.PIPE, cwd=tmp_path)
    while not any(is_temporary(path.name) for path in tmp_path.rglob("*")):
        assert process.poll() is None
    process.send_signal(number)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (code, b"")
    assert paths[0].read_bytes() in (content, DONE * 100_000)
    assert paths[1].read_bytes() == content
    assert {path.name for path in tmp_path.rglob("*")} <= {"a.log", "b.log", "out"}
