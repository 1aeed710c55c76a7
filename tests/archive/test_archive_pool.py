"""The pool: all results, in order, whatever becomes of its processes; and none of them outlives it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from redactor import Redactor, known
from redactor.archive.pool import WINDOW, run
from redactor.archive.segments import LARGE
from redactor.archive.tally import note
from redactor.archive.tasks import Conditions, ObjectResult, Outcome, Task
from redactor.errors import PolicyError

SECRET = b"kL9xQ2mZ8vBk3J7wT1aN4c"
DIRTY = b"user=alice sid=" + SECRET + b" n=1\n"
DONE = b"user=alice sid=[REDACTED:session] n=1\n"
CLEAN = b"status=200\n"
PROCESSES = Path(__file__).with_name("pool_processes.py")
posix = pytest.mark.skipif(os.name != "posix", reason="signals and process groups are those of POSIX")


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a process in which no application has registered a value yet."""
    monkeypatch.setattr(known, "used", False)


def files(folder: Path, contents: dict[str, bytes]) -> list[Task]:
    """Make files and tasks to scrub them in place."""
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [Task(str(folder / name), str(folder / name)) for name in contents]


def outcomes(results: Iterator[ObjectResult]) -> list[tuple[str, str]]:
    return [(Path(result.task.source).name, str(result.outcome)) for result in results]


# --- what is done in the processes: at the top of a module, for they may be started anew ------------


def quick(task: Task, redactor: Redactor, conditions: Conditions) -> ObjectResult:
    return ObjectResult(task, Outcome.CLEAN)


def deadly(task: Task, redactor: Redactor, conditions: Conditions) -> ObjectResult:
    """Die over files called ``deadly..``, of a signal that cannot be caught, in the middle of writing."""
    if Path(task.source).name.startswith("deadly"):
        Path(task.source).with_name(".redactor-0123456789abcdef").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    return ObjectResult(task, Outcome.CLEAN)


def leaving(task: Task, redactor: Redactor, conditions: Conditions) -> ObjectResult:
    os._exit(7)


def failing(task: Task, redactor: Redactor, conditions: Conditions) -> ObjectResult:
    raise ValueError(SECRET.decode())


def noting(task: Task, redactor: Redactor, conditions: Conditions) -> ObjectResult:
    """Note a file's bytes twice, as if it had been read twice, and no findings."""
    note(100, 0)
    note(100, 0)
    return ObjectResult(task, Outcome.SCRUBBED, size_before=100, size_after=90, counts={"session": 2, "jwt": 1})


def no_redactor() -> Redactor:
    raise PolicyError("the key file cannot be read")


# --- results ----------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
def test_files_are_scrubbed_and_told_of_in_order(tmp_path: Path, jobs: int) -> None:
    """However many processes there are, every file is scrubbed and the results come in the tasks' order."""
    contents = {f"{number:02}.log": (DIRTY, CLEAN)[number % 2] * (1 + 37 * (number % 5)) for number in range(20)}
    tasks = files(tmp_path, contents)
    results = list(run(iter(tasks), Redactor, Conditions(receipt=True), jobs))
    assert [result.task for result in results] == tasks
    assert [result.outcome for result in results] == [Outcome.SCRUBBED, Outcome.CLEAN] * 10
    assert [dict(result.counts) for result in results[::2]] == [
        {"session": len(contents[name]) // len(DIRTY)} for name in list(contents)[::2]
    ]
    for name, content in contents.items():
        assert (tmp_path / name).read_bytes() == content.replace(DIRTY, DONE)


def test_a_large_plain_file_is_scrubbed_by_all_and_as_by_one(tmp_path: Path) -> None:
    """A large file among small ones gives the same result and the same bytes as with one process."""
    content = (CLEAN * 999 + DIRTY) * (LARGE // 10_000)
    results = []
    for jobs in (1, 2):
        folder = tmp_path / str(jobs)
        folder.mkdir()
        tasks = files(folder, {"a.log": DIRTY, "b.log": content, "c.log": CLEAN})
        results.append(list(run(tasks, Redactor, Conditions(receipt=True), jobs)))
        assert (folder / "b.log").read_bytes() == content.replace(DIRTY, DONE)
    for one, two in zip(*results, strict=True):
        assert (one.outcome, one.counts, one.edits, one.size_after) == (
            two.outcome,
            two.counts,
            two.edits,
            two.size_after,
        )
        assert (one.digest_before, one.digest_after) == (two.digest_before, two.digest_after)


def test_no_tasks_no_results(tmp_path: Path) -> None:
    """Without tasks there are no results and no processes."""
    assert list(run([], Redactor, Conditions(), 2)) == []
    assert multiprocessing.active_children() == []


def test_tasks_are_taken_as_they_are_needed(tmp_path: Path) -> None:
    """Of tasks without end, at most a window is taken before the first result is there."""
    taken = 0

    def endless() -> Iterator[Task]:
        nonlocal taken
        while True:
            taken += 1
            yield Task(str(tmp_path / str(taken)), "")

    results = run(endless(), Redactor, Conditions(), 2, scrub=quick)
    assert [next(results).task.source for _ in range(10)] == [str(tmp_path / str(number)) for number in range(1, 11)]
    assert taken <= WINDOW + 10
    results.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []


def test_an_error_of_the_tasks_passes_through(tmp_path: Path) -> None:
    """What the tasks raise is raised, and no process is left."""

    def broken() -> Iterator[Task]:
        yield from files(tmp_path, {"a.log": DIRTY})
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(run(broken(), Redactor, Conditions(), 2))
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_the_redactor_is_raised(tmp_path: Path, jobs: int) -> None:
    """What making the redactor raises is raised before any file is touched."""
    tasks = files(tmp_path, {"a.log": DIRTY})
    with pytest.raises(PolicyError, match="the key file cannot be read"):
        list(run(tasks, no_redactor, Conditions(), jobs))
    assert (tmp_path / "a.log").read_bytes() == DIRTY


# --- processes that die -----------------------------------------------------------------------


@posix
def test_a_killed_process_costs_one_file(tmp_path: Path) -> None:
    """A process that is killed fails the file it was at, in one line, and the others are done; nothing stays behind."""
    names = [f"{number}.log" for number in range(6)]
    names[1:1], names[4:4], names[7:7] = ["deadly1"], ["deadly2"], ["deadly3"]
    tasks = files(tmp_path, dict.fromkeys(names, CLEAN))
    results = list(run(tasks, Redactor, Conditions(), 2, scrub=deadly))
    assert [(result.task, str(result.outcome)) for result in results] == [
        (task, "failed" if "deadly" in task.source else "clean") for task in tasks
    ]
    assert results[1].problem == (
        f"{tasks[1].source}: the process at work on it was ended by signal 9, expected none (out of memory?); "
        "it is whole, as it was or scrubbed"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_processes_that_always_die_end_the_run_all_the_same(tmp_path: Path) -> None:
    """If every process dies of its first file, all files fail and the run comes to its end."""
    tasks = files(tmp_path, {"a": CLEAN, "b": CLEAN, "c": CLEAN})
    results = list(run(tasks, Redactor, Conditions(), 2, scrub=leaving))
    assert [(result.task, result.outcome) for result in results] == [(task, Outcome.FAILED) for task in tasks]
    assert {result.problem.partition(": ")[2] for result in results} == {
        "the process at work on it ended with status 7, expected it to go on; it is whole, as it was or scrubbed"
    }


def test_an_error_that_should_not_happen_shows_nothing(tmp_path: Path) -> None:
    """If scrubbing raises, the file has failed, and the error's message is not shown."""
    (task,) = files(tmp_path, {"a": CLEAN})
    (result,) = run([task], Redactor, Conditions(), 2, scrub=failing)
    assert result == ObjectResult(
        task,
        Outcome.FAILED,
        f"{task.source}: internal error (ValueError), expected none; please report it",
    )


# --- progress ---------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_ends_at_all_bytes_and_findings(tmp_path: Path, jobs: int) -> None:
    """What is told last is the bytes of all files, read twice or not, and all findings."""
    told: list[tuple[int, int]] = []
    tasks = files(tmp_path, dict.fromkeys("abcdef", CLEAN))
    list(run(tasks, Redactor, Conditions(), jobs, lambda read, found: told.append((read, found)), scrub=noting))
    assert told[-1] == (600, 18)


def test_progress_comes_during_a_large_file(tmp_path: Path) -> None:
    """While a large file is looked at, what is told grows in several steps up to its size."""
    content = (CLEAN * 999 + DIRTY) * (LARGE // 10_000)
    told: list[int] = []
    list(run(files(tmp_path, {"b.log": content}), Redactor, Conditions(), 2, lambda read, found: told.append(read)))
    assert told == sorted(told)
    assert len({read for read in told if 0 < read < len(content)}) >= 3
    assert told[-1] == len(content)


# --- signals ----------------------------------------------------------------------------------


def start(folder: Path, mode: str) -> subprocess.Popen[bytes]:
    """Start a run in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, str(PROCESSES), str(folder), mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def wait_for(process: subprocess.Popen[bytes], line: bytes, times: int = 1) -> None:
    assert process.stdout is not None
    while times:
        said = process.stdout.readline()
        assert said, process.communicate()
        times -= said == line + b"\n"


@posix
@pytest.mark.parametrize("mode", ["unwinding", "swallowing"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("everybody", [True, False])
def test_a_signal_ends_all_processes_and_leaves_every_file_whole(
    tmp_path: Path, number: int, everybody: bool, mode: str
) -> None:
    """A signal to the group, or to the parent alone, ends all, with no half file, no temporary and no word."""
    contents = {"1.slow": DIRTY, "2.slow": DIRTY, "3.log": DIRTY}
    files(tmp_path, contents)
    process = start(tmp_path, mode)
    wait_for(process, b"working", times=2)
    if everybody:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (out, err) == (b"ended, 0 left\n", b"")
    assert process.returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(contents)
    assert all(path.read_bytes() in (DIRTY, DONE) for path in tmp_path.iterdir())
    assert (tmp_path / "3.log").read_bytes() == DIRTY


@posix
def test_processes_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    """No process waits for jobs of a parent that is gone."""
    files(tmp_path, {"1.log": DIRTY, "2.log": DIRTY, "3.log": CLEAN})
    process = start(tmp_path, "idle")
    wait_for(process, b"idle")
    process.kill()
    out, err = process.communicate(timeout=60)  # until every process has closed them
    assert (out, err) == (b"", b"")
