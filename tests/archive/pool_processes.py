"""A run over files in a process of its own, to be ended by signals: ``pool_processes.py FOLDER MODE``.

Says on stdout how far it is. Files called ``slow`` leave a temporary there while they are worked at,
which only unwinding removes, and never get done.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from redactor import Redactor
from redactor.archive.files import scrub_file
from redactor.archive.pool import run
from redactor.archive.tasks import Conditions, ObjectResult, Task


class Ended(BaseException):
    """What the command line raises for a signal."""


def end(number: int, frame: FrameType | None) -> None:
    raise Ended


def slow(task: Task, redactor: Redactor, conditions: Conditions) -> ObjectResult:
    """Scrub a file; of one called ``slow`` do half the work, say so, and wait to be interrupted."""
    if not task.source.endswith("slow"):
        return scrub_file(task, redactor, conditions)
    temporary = Path(task.source + ".half")
    try:
        temporary.write_bytes(b"half")
        say("working")
        while True:
            time.sleep(60)
    finally:
        temporary.unlink()


def swallowing(task: Task, redactor: Redactor, conditions: Conditions) -> ObjectResult:
    """Do as ``slow``, but take what the signal raises for an error, as a library in C may."""
    try:
        return slow(task, redactor, conditions)
    except BaseException:
        return scrub_file(task, redactor, conditions)


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main() -> int:
    folder, mode = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    assert multiprocessing.active_children() == []
    tasks = [Task(str(path), str(path)) for path in sorted(Path(folder).iterdir())]
    results = run(tasks, Redactor, Conditions(), 2, scrub=swallowing if mode == "swallowing" else slow)
    try:
        for result in results:
            say(f"{result.outcome} {Path(result.task.source).name}")
            if mode == "idle":
                say("idle")
                time.sleep(600)
    except Ended:
        say(f"ended, {len(multiprocessing.active_children())} left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
