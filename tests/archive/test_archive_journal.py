"""The journal: a run goes on where another was cut short, and nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from redactor import HmacKey, Policy, Redactor
from redactor.archive.files import scrub_file
from redactor.archive.journal import Journal, JournalError
from redactor.archive.tasks import Conditions, ObjectResult, Outcome, Task

SECRET = "kL9xQ2mZ8vBk3J7wT1aN4c"
DIRTY = f"user=alice sid={SECRET} n=1\n".encode()
VERSION = version("redactor-kit")
posix = pytest.mark.skipif(os.name != "posix", reason="modes and locks are those of POSIX")


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor()


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the journal is to be."""
    return str(tmp_path / "run.journal")


def in_place(tmp_path: Path, name: str = "app.log", content: bytes = DIRTY) -> Task:
    (tmp_path / name).write_bytes(content)
    return Task(str(tmp_path / name), str(tmp_path / name))


def elsewhere(tmp_path: Path) -> Task:
    (tmp_path / "app.log").write_bytes(DIRTY)
    return Task(str(tmp_path / "app.log"), str(tmp_path / "clean.log"))


def scrub(path: str, redactor: Redactor, *tasks: Task) -> None:
    """Scrub files and take note of them."""
    with Journal(path, redactor) as journal:
        for task in tasks:
            journal.add(scrub_file(task, redactor, Conditions()))


def is_done(path: str, redactor: Redactor, task: Task) -> bool:
    """Tell whether a run that comes later leaves a task out."""
    with Journal(path, redactor) as journal:
        return journal.is_done(task)


def lines(path: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(path).read_bytes().splitlines()]


# --- what is done -----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [in_place, elsewhere])
@pytest.mark.parametrize("content", [DIRTY, b"status=200\n"])
def test_what_is_done_is_left_out_by_the_next_run(tmp_path: Path, path: str, redactor: Redactor, make, content) -> None:
    """A file that is scrubbed or clean, and was not changed since, is done; no other is."""
    task = make(tmp_path)
    Path(task.source).write_bytes(content)
    other = in_place(tmp_path, "other.log")
    assert not is_done(path, redactor, task)
    scrub(path, redactor, task)
    assert is_done(path, redactor, task)
    assert not is_done(path, redactor, other)
    assert not is_done(path, redactor, Task(task.source, str(tmp_path / "another place.log")))


@pytest.mark.parametrize("changed", ["source", "destination"])
@pytest.mark.parametrize("make", [in_place, elsewhere])
def test_what_has_changed_since_is_not_done(tmp_path: Path, path: str, redactor: Redactor, make, changed: str) -> None:
    """A file that was written to, replaced by another, touched or removed since is done again."""
    task = make(tmp_path)
    scrub(path, redactor, task)
    file = Path(getattr(task, changed))
    before, written = file.stat(), file.read_bytes()
    file.write_bytes(written + DIRTY)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not is_done(path, redactor, task)
    file.write_bytes(written)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert is_done(path, redactor, task)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert not is_done(path, redactor, task)
    copy = tmp_path / "copy"
    copy.write_bytes(written)
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    copy.replace(file)
    assert not is_done(path, redactor, task)
    file.unlink()
    assert not is_done(path, redactor, task)


@pytest.mark.parametrize("outcome", [Outcome.CHANGED, Outcome.REFUSED, Outcome.FAILED])
def test_what_did_not_succeed_is_not_done(tmp_path: Path, path: str, redactor: Redactor, outcome: Outcome) -> None:
    """A file that could not be scrubbed is tried again."""
    task = in_place(tmp_path)
    with Journal(path, redactor) as journal:
        journal.add(ObjectResult(task, outcome, "x", size_before=len(DIRTY), size_after=len(DIRTY)))
        assert not journal.is_done(task)
    assert len(lines(path)) == 1


def test_what_was_changed_before_it_could_be_noted_is_not_done(tmp_path: Path, path: str, redactor: Redactor) -> None:
    """A file that has another size than what was written, or is gone, when the result comes is not noted."""
    task = in_place(tmp_path)
    result = scrub_file(task, redactor, Conditions())
    Path(task.source).write_bytes(DIRTY * 2)
    with Journal(path, redactor) as journal:
        journal.add(result)
        Path(task.source).unlink()
        journal.add(result)
    assert len(lines(path)) == 1


@posix
def test_names_may_have_any_bytes(tmp_path: Path, path: str, redactor: Redactor) -> None:
    """A name with line ends, quotes and bytes that are no UTF-8 is noted on one line, and found again."""
    name = os.fsdecode(b'a\nb"\\\xff\xc3\x28 \xe2\x82\xac')
    try:
        task = in_place(tmp_path, name)
    except OSError:
        pytest.skip("the file system takes only UTF-8")
    scrub(path, redactor, task)
    assert lines(path)[1]["done"] == task.source
    assert is_done(path, redactor, task)


def test_every_record_is_a_line_with_both_identities(tmp_path: Path, path: str, redactor: Redactor) -> None:
    """A line has the names, and device, inode, size and modification time of both files; no secret is in it."""
    task = elsewhere(tmp_path)
    scrub(path, redactor, task)
    header, record = lines(path)
    assert header["redactor-journal"] == 1
    assert header["rules"] == f"{VERSION} {redactor.ruleset.digest}"
    read, written = Path(task.source).stat(), Path(task.destination).stat()
    assert record == {
        "done": task.source,
        "to": task.destination,
        "read": [read.st_dev, read.st_ino, read.st_size, read.st_mtime_ns],
        "written": [written.st_dev, written.st_ino, written.st_size, written.st_mtime_ns],
    }
    assert SECRET not in Path(path).read_text()


@posix
def test_a_new_journal_is_for_its_owner_only(path: str, redactor: Redactor) -> None:
    """A journal has mode 0600, whatever the umask."""
    before = os.umask(0)
    try:
        with Journal(path, redactor):
            assert Path(path).stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


# --- crashes ----------------------------------------------------------------------------------


def test_a_journal_cut_anywhere_is_gone_on_with(tmp_path: Path, path: str, redactor: Redactor) -> None:
    """Wherever a crash has cut the journal, whole records count, the torn one is cut off, and more can follow."""
    tasks = [in_place(tmp_path, name) for name in ("a.log", "b.log")]
    scrub(path, redactor, *tasks)
    written = Path(path).read_bytes()
    ends = [at + 1 for at, byte in enumerate(written) if byte == 10]
    for cut in range(len(written)):
        Path(path).write_bytes(written[:cut])
        with Journal(path, redactor) as journal:
            assert [journal.is_done(task) for task in tasks] == [cut >= end for end in ends[1:]]
            for task in tasks:
                if not journal.is_done(task):
                    journal.add(scrub_file(task, redactor, Conditions()))
        assert len(lines(path)) == 3
        assert all(is_done(path, redactor, task) for task in tasks)


@posix
def test_records_outlive_a_process_that_is_killed(tmp_path: Path, path: str, redactor: Redactor) -> None:
    """A record that was added is in the file at once, so that a killed run has lost none."""
    task = in_place(tmp_path)
    script = (
        "import os, signal, sys\n"
        "from redactor import Redactor\n"
        "from redactor.archive.files import scrub_file\n"
        "from redactor.archive.journal import Journal\n"
        "from redactor.archive.tasks import Conditions, Task\n"
        "path, file = sys.argv[1:]\n"
        "redactor = Redactor()\n"
        "with Journal(path, redactor) as journal:\n"
        "    journal.add(scrub_file(Task(file, file), redactor, Conditions()))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process = subprocess.run([sys.executable, "-c", script, path, task.source], check=False, timeout=60)
    assert process.returncode == -9
    assert is_done(path, redactor, task)


# --- refusals ---------------------------------------------------------------------------------


def refusal(path: str, redactor: Redactor) -> str:
    """Return why a journal is refused; it must stay as it is."""
    before = Path(path).read_bytes()
    with pytest.raises(JournalError) as refused:
        Journal(path, redactor).__enter__()
    assert Path(path).read_bytes() == before
    said = str(refused.value)
    assert said.startswith(f"{path}: ")
    return said.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    "content", [DIRTY, DIRTY[:-1], b"\n", b"{}\n", b"[1]\n", b"\0" * 200_000, b'{"redactor-journal"\n', b"[" * 100_000]
)
def test_another_file_is_refused(path: str, redactor: Redactor, content: bytes) -> None:
    """A file that is no journal is left as it is, and nothing of it is told."""
    Path(path).write_bytes(content)
    Path(path).chmod(0o600)
    assert refusal(path, redactor) == "is no journal, expected one or a new file; it is left as it is"


def test_a_journal_of_another_version_is_refused(path: str, redactor: Redactor) -> None:
    """A journal of a version to come is left as it is."""
    Path(path).write_bytes(b'{"redactor-journal":2,"anything":"else"}\n')
    Path(path).chmod(0o600)
    assert refusal(path, redactor) == "is a journal of another version, expected version 1"


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"\0\0\n", b'{"done":1}\n', b"x" * 200_000])
def test_a_broken_line_in_the_middle_is_refused(tmp_path: Path, path: str, redactor: Redactor, line: bytes) -> None:
    """A line that is no record, and not the torn last one, is told of by its number."""
    scrub(path, redactor, in_place(tmp_path))
    with open(path, "ab") as file:
        file.write(line + b"\n")
    assert refusal(path, redactor) == "line 3 is no record, expected one of a journal of version 1"


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("done", [1, None]),
        ("to", [["x"]]),
        ("read", [[1, 2, 3], [1, 2, 3, "4"], [1, 2, 3, 4, 5], None, [True, 2, 3, 4]]),
        ("written", [{}, 7, [1, 2, 3, 4.0]]),
    ],
)
def test_a_record_must_be_whole(tmp_path: Path, path: str, redactor: Redactor, key: str, values: list[object]) -> None:
    """A record without one of its fields, or with another kind of value in it, is refused."""
    scrub(path, redactor, in_place(tmp_path))
    header, record = lines(path)
    broken = [{**record, key: value} for value in values]
    broken.append({name: value for name, value in record.items() if name != key})
    for each in broken:
        Path(path).write_text(f"{json.dumps(header)}\n{json.dumps(each)}\n")
        assert refusal(path, redactor) == "line 2 is no record, expected one of a journal of version 1"


def test_other_rules_are_refused(path: str, redactor: Redactor) -> None:
    """A run by other rules, or by another version of ours, does not go on with a journal."""
    with Journal(path, redactor):
        pass
    header = lines(path)[0]
    assert header["rules"] == f"{VERSION} {redactor.ruleset.digest}"
    for other in (f"0.0.0 {redactor.ruleset.digest}", f"{VERSION} 00", None):
        Path(path).write_text(json.dumps({**header, "rules": other}) + "\n")
        assert refusal(path, redactor) == "is of a run with other rules, expected the same; begin a new journal"


KEY = HmacKey(b"sixteen bytes or more")
POLICIES = [
    Policy(),
    Policy(redaction="mask"),
    Policy(rules={"jwt": "mask"}),
    Policy(categories={"csrf": "mask"}),
    Policy(disabled=frozenset({"password"})),
    Policy(allowlist=frozenset({SECRET})),
    Policy(allowlist=frozenset({SECRET[:-1]})),
    Policy(hmac_key=KEY),
    Policy(hmac_key=HmacKey(KEY.secret, "k2")),
    Policy(hmac_key=HmacKey(KEY.secret + b"!")),
    Policy(hmac_key=KEY, allowlist=frozenset({SECRET})),
]


@pytest.mark.parametrize("number", range(len(POLICIES)))
def test_another_policy_is_refused(path: str, number: int) -> None:
    """A run goes on with a journal of an equal policy, and with that of no other; nothing of a policy is in it."""
    with Journal(path, Redactor(policy=POLICIES[number])):
        pass
    written = Path(path).read_bytes()
    assert SECRET.encode() not in written
    assert KEY.secret not in written
    for other, policy in enumerate(POLICIES):
        again = Redactor(policy=policy)
        if other == number:
            with Journal(path, again):
                pass
        else:
            assert refusal(path, again) == "is of a run with another policy, expected the same; begin a new journal"


def test_the_identity_of_a_policy_is_salted(tmp_path: Path) -> None:
    """Two journals of one policy do not show that it is the same."""
    redactor = Redactor(policy=POLICIES[5])
    for name in ("a", "b"):
        with Journal(str(tmp_path / name), redactor):
            pass
    assert lines(str(tmp_path / "a"))[0]["policy"] != lines(str(tmp_path / "b"))[0]["policy"]


@posix
def test_two_runs_on_one_journal_are_refused(path: str, redactor: Redactor) -> None:
    """While a run has the journal no other gets it; afterwards the next one does."""
    with Journal(path, redactor):
        assert refusal(path, redactor) == "is in use by another run, expected one run at a time"
    with Journal(path, redactor):
        pass


@posix
@pytest.mark.parametrize("mode", [0o604, 0o620, 0o644])
def test_a_journal_that_others_have_access_to_is_refused(path: str, redactor: Redactor, mode: int) -> None:
    """Who can write a journal decides what is left out, so it must be ours alone."""
    with Journal(path, redactor):
        pass
    Path(path).chmod(mode)
    assert refusal(path, redactor) == "is open to other users, expected a file of ours of mode 0600"


@posix
def test_what_is_no_regular_file_is_refused(tmp_path: Path, path: str, redactor: Redactor) -> None:
    """Neither a folder, nor a link, nor a pipe, nor a place that is not there is a journal."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(path)
    for name, problem in (
        ("", "Is a directory, expected a journal to read and write"),
        ("link", "Too many levels of symbolic links, expected a journal to read and write"),
        ("pipe", "is no regular file, expected a journal"),
        ("none/run.journal", "No such file or directory, expected a journal to read and write"),
    ):
        place = str(tmp_path / name)
        with pytest.raises(JournalError) as refused:
            Journal(place, redactor).__enter__()
        assert str(refused.value) == f"{place}: {problem}"
    assert not Path(path).exists()
