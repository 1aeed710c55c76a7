"""Scrubbing of files, each into a file: in place, below a folder, or only to count."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final, cast

from redactor.archive.content import Limits
from redactor.archive.journal import Journal
from redactor.archive.manifest import ManifestWriter
from redactor.archive.pool import run
from redactor.archive.progress import Progress
from redactor.archive.tasks import Conditions, ObjectResult, Outcome, Task
from redactor.archive.walk import Selection, find_tasks
from redactor.cli import exits
from redactor.cli.messages import complain
from redactor.cli.options import Settings
from redactor.cli.signals import received
from redactor.cli.summary import say_counts, say_total
from redactor.errors import shown

__all__ = ["scrub_files"]

_MOST_FILES: Final = 10


def scrub_files(
    selection: Selection,
    settings: Settings,
    limits: Limits,
    *,
    jobs: int,
    write: bool,
    check: bool,
    resume: str | None,
    manifest: str | None,
    shows_progress: bool,
    wants_summary: bool,
) -> int:
    """Scrub the files of a selection, or only count; return the exit code.

    With ``resume``, the path of a journal, what is done is noted there, and left out. With
    ``manifest``, what was replaced is noted there, once the run is at its end.
    """
    conditions = Conditions(limits=limits, write=write, receipt=manifest is not None)
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(resume, settings.redactor())) if resume else None
        receipts = stack.enter_context(ManifestWriter(manifest, settings.redactor())) if manifest else None
        report = _Report()
        tasks = find_tasks(selection, report.take, sweeping=write)
        if journal is not None and resume:
            tasks = _not_done(tasks, journal, resume, report)
        if manifest:
            tasks = (task for task in tasks if not _is_same(task.source, manifest))
        if shows_progress:
            found = list(tasks)
            tasks = iter(found)
            report.progress = stack.enter_context(Progress(sum(map(_size, found))))
        on_progress = report.progress.update if report.progress else None
        results = run(tasks, settings.redactor, conditions, jobs, on_progress)
        stack.enter_context(closing(cast("Generator[ObjectResult, None, None]", results)))
        for result in results:
            if code := received():  # a library has swallowed what the signal raised
                return code
            report.take(result)
            if journal is not None:
                journal.add(result)
            if receipts is not None:
                receipts.add(result)
        if receipts is not None:
            receipts.commit()
    if wants_summary:
        report.summarise(selection, write=write)
    return report.exit_code(check=check)


def _not_done(tasks: Iterator[Task], journal: Journal, path: str, report: _Report) -> Iterator[Task]:
    """Leave out what an earlier run has done, and the journal itself."""
    for task in tasks:
        if journal.is_done(task):
            report.done_before += 1
        elif not _is_same(task.source, path):
            yield task


def _is_same(path: str, other: str) -> bool:
    try:
        return Path(path).samefile(other)
    except (OSError, ValueError):
        return False


def _size(task: Task) -> int:
    try:
        return os.lstat(task.source).st_size
    except (OSError, ValueError):
        return 0


class _Report:
    """What became of the files so far."""

    def __init__(self) -> None:
        self._rules: Counter[str] = Counter()
        self._files: Counter[str] = Counter()
        self._outcomes: Counter[Outcome] = Counter()
        self.done_before = 0
        """How many files an earlier run had done."""
        self.progress: Progress | None = None

    def take(self, result: ObjectResult) -> None:
        """Take the result of one file, and say if there was a problem."""
        self._outcomes[result.outcome] += 1
        if result.problem:
            if self.progress is not None:
                self.progress.hide()
            complain(result.problem)
        if result.counts:
            self._rules.update(result.counts)
            self._files[shown(result.task.source)] = sum(result.counts.values())

    def summarise(self, selection: Selection, *, write: bool) -> None:
        """Say what was found, where most of it was, and what is left to do."""
        among = f"{len(self._files)} of " if self._files else ""
        say_total(self._rules, f" in {among}{_files(self._outcomes.total())}")
        say_counts(self._rules)
        if len(self._files) > 1:
            complain("files with most:")
            say_counts(self._files, _MOST_FILES)
        if self.done_before:
            complain(f"{_files(self.done_before)} done before, see the journal")
        left = self._outcomes.total() - self._outcomes[Outcome.SCRUBBED] - self._outcomes[Outcome.CLEAN]
        if left:
            complain(f"{_files(left)} not processed and left as they are, see above")
        if self._rules and write:
            for step in _next_steps(selection):
                complain(f"next: {step}")

    def exit_code(self, *, check: bool) -> int:
        """Return the exit code: the most important news goes first."""
        if self._outcomes[Outcome.CHANGED]:
            return exits.CHANGED
        if self._outcomes[Outcome.FAILED] or self._outcomes[Outcome.REFUSED]:
            return exits.SOURCE
        return exits.FINDINGS if check and self._rules else exits.DONE


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def _next_steps(selection: Selection) -> list[str]:
    """Return what scrubbing cannot do."""
    originals = ["remove the files with unscrubbed content"] if not selection.in_place else []
    if selection.backup:
        originals = [f"remove the backups, shown by their suffix {shown(selection.backup)}: the secrets are in them"]
    return [
        "end the sessions and renew the keys and tokens that were found; who could read the files may have them",
        *originals,
        "look for other copies: backups, snapshots, object versions, search indices, where the logs are shipped to",
    ]
