"""From paths to tasks: files, trees, patterns and lists of files.

A tree is gone through in the order of its names: the files of a folder, then its folders.
No symbolic link in it is followed. Links, pipes, sockets and devices in a tree are passed
over; what a link leads to is either in the tree as well or was not asked for. The same
file or folder, reached twice, is done once.

What cannot be gone through is reported as a result of its own; the rest goes on.
"""

from __future__ import annotations

import glob
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, TypeAlias

from redactor.archive.atomic import is_temporary, sweep
from redactor.archive.tasks import ObjectResult, Outcome, Task
from redactor.errors import SourceError, shown

__all__ = ["Selection", "find_tasks", "read_filelist"]

Report: TypeAlias = Callable[[ObjectResult], None]
"""Takes what became of a path that is no task."""

_NOWHERE: Final = ""
"""The destination of tasks that only count."""


@dataclass(frozen=True)
class Selection:
    """Which files, and where to.

    ``exclude`` are patterns as in ``fnmatch``, for names and for paths below the root of a
    tree; what matches is left out, a folder with all that is in it. Results go below
    ``directory``, or in the files' own place if ``in_place``, or nowhere. In place, files of
    a tree that end with the suffix ``backup`` are backups and left alone.
    """

    paths: Sequence[str]
    exclude: Sequence[str] = ()
    directory: str | None = None
    in_place: bool = False
    backup: str = ""


def find_tasks(selection: Selection, report: Report, *, sweeping: bool) -> Iterator[Task]:
    """Yield a task for every file, as they are found; ``report`` the paths that cannot be used.

    With ``sweeping``, what killed runs left behind is removed from the folders that are to
    be written to.
    """
    walk = _Walk(selection, report, sweeping)
    for path in selection.paths:
        for root in _expanded(path):
            yield from walk.root(root)


def read_filelist(path: str, *, null: bool) -> list[str]:
    """Return the paths in a file, or on standard input for ``-``: one a line, or ended by NULs.

    Empty ones are left out. Raises ``SourceError``.
    """
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except (OSError, ValueError, AttributeError) as error:
        problem = getattr(error, "strerror", None) or "cannot be read"
        raise SourceError(f"{path}: {problem}, expected a list of files") from None
    return [os.fsdecode(line) for line in data.split(b"\0" if null else b"\n") if line]


def _expanded(path: str) -> list[str]:
    """Return what a path means: itself, or what it matches if it is a pattern and no file is called so."""
    if not glob.has_magic(path) or os.path.lexists(path):
        return [path]
    return sorted(glob.glob(path, recursive=True), key=os.fsencode) or [path]  # noqa: PTH207 (bytes, dots kept)


class _Walk:
    """One walk over all paths, which knows where it has been."""

    def __init__(self, selection: Selection, report: Report, sweeping: bool) -> None:
        self._selection = selection
        self._report = report
        self._sweeping = sweeping
        self._directory = None if selection.directory is None else os.path.realpath(selection.directory)
        self._folders: set[tuple[int, int]] = set()
        """The folders that were gone through, by device and inode."""
        self._files: set[tuple[int, int, str]] = set()
        """The files that were named, by folder and name."""
        self._swept: set[Path] = set()
        self._destinations: dict[str, str] = {}

    def root(self, path: str) -> Iterator[Task]:
        """Yield the tasks of a path that was asked for."""
        try:
            status = os.lstat(path)
            real = os.path.realpath(path)
            above = os.stat(os.path.realpath(Path(path).parent))
        except (OSError, ValueError) as error:
            self._fail(path, error, "a file or folder")
            return
        name = Path(path).name
        if self._is_excluded(path, name):
            return
        if self._directory is not None and _is_within(real, self._directory):
            self._refuse(path, f"is below {self._selection.directory}, expected a source elsewhere")
        elif stat.S_ISDIR(status.st_mode):
            yield from self._tree(path, real)
        else:
            place = above.st_dev, above.st_ino
            if place not in self._folders and (*place, name) not in self._files:
                self._files.add((*place, name))
                yield from self._task(path, name)

    def _tree(self, root: str, real: str) -> Iterator[Task]:
        waiting = [(root, "")]
        while waiting:
            folder, below = waiting.pop()
            place = self._enter(folder)
            if place is None:
                continue
            files, folders = self._listed(folder)
            for entry in files:
                if (*place, entry.name) not in self._files and not self._is_excluded(below + entry.name, entry.name):
                    yield from self._task(entry.path, below + entry.name)
            waiting += [
                (entry.path, f"{below}{entry.name}/")
                for entry in reversed(folders)
                if not self._is_excluded(below + entry.name, entry.name)
                and os.path.join(real, below + entry.name) != self._directory  # noqa: PTH118 (one of many)
            ]

    def _enter(self, folder: str) -> tuple[int, int] | None:
        """Note that a folder is gone through; return what it is, or None if it is not for us."""
        try:
            status = os.lstat(folder)
        except OSError as error:
            self._fail(folder, error, "a folder")
            return None
        place = status.st_dev, status.st_ino
        if not stat.S_ISDIR(status.st_mode) or place in self._folders:
            return None
        self._folders.add(place)
        return place

    def _listed(self, folder: str) -> tuple[list[os.DirEntry[str]], list[os.DirEntry[str]]]:
        """Return the regular files and the folders in a folder, in order; sweep it if it is written to."""
        files, folders = [], []
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            self._fail(folder, error, "a readable folder")
            return [], []
        if self._selection.in_place:
            self._sweep(Path(folder))
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry)
                elif entry.is_file(follow_symlinks=False) and not self._is_ours(entry.name):
                    files.append(entry)
            except OSError as error:
                self._fail(entry.path, error, "a file or folder")
        return files, folders

    def _is_ours(self, name: str) -> bool:
        """Tell whether a file of a tree was made by a run like this one: as a temporary or a backup."""
        backup = self._selection.backup
        return is_temporary(name) or (backup != "" and name.endswith(backup))

    def _task(self, path: str, below: str) -> Iterator[Task]:
        """Yield the task for a file that is called ``below`` below its root."""
        selection = self._selection
        if selection.directory is None:
            if selection.in_place:
                self._sweep(Path(path).parent)
            yield Task(path, path if selection.in_place else _NOWHERE, selection.backup)
            return
        destination = str(Path(selection.directory, below))
        other = self._destinations.setdefault(destination, path)
        if other != path:
            self._refuse(path, f"would be written to {destination}, as {other} is, expected one source for it")
            return
        self._sweep(Path(destination).parent)
        yield Task(path, destination)

    def _sweep(self, folder: Path) -> None:
        """Sweep a folder that is to be written to, once."""
        if self._sweeping and folder not in self._swept:
            self._swept.add(folder)
            sweep(folder)

    def _is_excluded(self, below: str, name: str) -> bool:
        return any(
            fnmatchcase(name, pattern) or fnmatchcase(below, pattern)
            for pattern in (pattern.rstrip("/") for pattern in self._selection.exclude)
        )

    def _fail(self, path: str, error: OSError | ValueError, expected: str) -> None:
        problem = error.strerror if isinstance(error, OSError) else "is no name a file can have"
        self._tell(path, Outcome.FAILED, f"{problem}, expected {expected}")

    def _refuse(self, path: str, problem: str) -> None:
        self._tell(path, Outcome.REFUSED, problem)

    def _tell(self, path: str, outcome: Outcome, problem: str) -> None:
        destination = path if self._selection.in_place else _NOWHERE
        self._report(ObjectResult(Task(path, destination), outcome, shown(os.fsencode(f"{path}: {problem}"))))


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
