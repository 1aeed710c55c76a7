"""Many files scrubbed at a time, and told about in the order in which they were asked for."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from redactor.archive.atomic import sweep
from redactor.archive.files import scrub_file, scrub_large
from redactor.archive.segments import LARGE
from redactor.archive.tally import listening, note
from redactor.archive.tasks import Conditions, ObjectResult, Outcome, Task
from redactor.archive.workers import MakeRedactor, Ticket, WorkerLostError, Workers
from redactor.errors import RedactorError
from redactor.redactor import Redactor

__all__ = ["WINDOW", "OnProgress", "Scrub", "ScrubLarge", "run"]

WINDOW: Final = 256
"""How many tasks are taken before the first of them must be done: so much is in memory at most."""

OnProgress = Callable[[int, int], None]
"""Is told how many bytes were read and how many secrets were found so far, in all."""

Scrub = Callable[[Task, Redactor, Conditions], ObjectResult]
"""Scrubs one file and never raises, as ``scrub_file`` does. Picklable where processes cannot be forked."""

ScrubLarge = Callable[[Task, Conditions, Workers], ObjectResult | None]
"""Scrubs one large file by all processes together; ``None``, and nothing done, if it cannot be cut."""

_MOMENT: Final = 0.1
"""How many seconds may pass before progress is told again."""


def run(
    tasks: Iterable[Task],
    make_redactor: MakeRedactor,
    conditions: Conditions,
    jobs: int,
    on_progress: OnProgress | None = None,
    *,
    scrub: Scrub = scrub_file,
    large: ScrubLarge = scrub_large,
) -> Iterator[ObjectResult]:
    """Scrub files in ``jobs`` processes, or in this one for 1; yield the results in the tasks' order.

    ``tasks`` are taken as they are needed, at most ``WINDOW`` ahead. Within that window large
    files are begun first. ``large``, in this process, is asked about every file of ``LARGE``
    bytes or more. A process that is killed gives a FAILED result for the file it was at, which
    is whole, as it was or scrubbed; the others go on.

    Whatever ends the run early, an error of ``tasks`` or a signal that raises, ends all
    processes first; each undoes what it is at. Raises what ``make_redactor`` raises, which
    must be picklable where processes cannot be forked. ``on_progress`` is called often and
    must be quick.
    """
    if jobs <= 1:
        return _run_here(tasks, make_redactor, conditions, on_progress, scrub)
    return _run_in_workers(tasks, make_redactor, conditions, jobs, on_progress, scrub, large)


def _run_here(
    tasks: Iterable[Task],
    make_redactor: MakeRedactor,
    conditions: Conditions,
    on_progress: OnProgress | None,
    scrub: Scrub,
) -> Iterator[ObjectResult]:
    progress = _Progress(on_progress)
    redactor = make_redactor()
    for task in tasks:
        with listening(progress.add):
            result = _ScrubOne(scrub, task, conditions)(redactor)
        yield result


def _run_in_workers(
    tasks: Iterable[Task],
    make_redactor: MakeRedactor,
    conditions: Conditions,
    jobs: int,
    on_progress: OnProgress | None,
    scrub: Scrub,
    large: ScrubLarge,
) -> Iterator[ObjectResult]:
    with Workers(make_redactor, jobs) as workers:
        progress = _Progress(on_progress, workers)
        window: deque[tuple[Task, ObjectResult | Ticket[ObjectResult]]] = deque()
        for task in tasks:
            begun: ObjectResult | Ticket[ObjectResult] | None = None
            is_large = _size(task) >= LARGE
            if is_large:
                with listening(progress.add):
                    begun = large(task, conditions, workers)
            if begun is None:
                begun = workers.submit(_ScrubOne(scrub, task, conditions), first=is_large)
            window.append((task, begun))
            if len(window) >= WINDOW:
                yield _result(*window.popleft(), workers, progress)
        while window:
            yield _result(*window.popleft(), workers, progress)


def _result(
    task: Task, begun: ObjectResult | Ticket[ObjectResult], workers: Workers, progress: _Progress
) -> ObjectResult:
    """Wait for the result of a task that was begun; tell progress meanwhile."""
    if isinstance(begun, ObjectResult):
        return begun
    while not begun.done:
        workers.attend(_MOMENT if progress.wanted else None)
        progress.tell()
    try:
        return begun.result()
    except WorkerLostError as error:
        if task.destination:  # what a killed process was writing stays until somebody removes it
            sweep(Path(task.destination).parent)
        return ObjectResult(task, Outcome.FAILED, f"{task.source}: {error}; it is whole, as it was or scrubbed")
    except RedactorError as error:
        return ObjectResult(task, Outcome.FAILED, f"{task.source}: {error}")


def _size(task: Task) -> int:
    """Return the size of a task's file in bytes, 0 if it cannot be told: scrubbing it will say why."""
    try:
        return os.stat(task.source, follow_symlinks=False).st_size
    except (OSError, ValueError):
        return 0


@dataclass(frozen=True, slots=True)
class _ScrubOne:
    """The job of one file. Notes, at its end, what of it was not noted before or too much."""

    scrub: Scrub
    task: Task
    conditions: Conditions

    def __call__(self, redactor: Redactor) -> ObjectResult:
        noted = _Progress(None)
        with listening(noted.add):
            result = self.scrub(self.task, redactor, self.conditions)
        note(result.size_before - noted.read, sum(result.counts.values()) - noted.found)
        return result


class _Progress:
    """Adds up how far the run is, here and in the processes, and tells it."""

    def __init__(self, on_progress: OnProgress | None, workers: Workers | None = None) -> None:
        self._on_progress = on_progress
        self._workers = workers
        self.read = 0
        self.found = 0

    @property
    def wanted(self) -> bool:
        """Whether anybody is told."""
        return self._on_progress is not None

    def add(self, read: int, found: int) -> None:
        """Take what was noted in this process, and tell it."""
        self.read += read
        self.found += found
        self.tell()

    def tell(self) -> None:
        """Tell how far the run is."""
        if self._on_progress is not None:
            read, found = self._workers.noted if self._workers else (0, 0)
            self._on_progress(self.read + read, self.found + found)
