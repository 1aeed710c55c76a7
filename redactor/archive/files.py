"""One file scrubbed: looked at, and replaced whole, if there is something to replace, or not at all.

What is promised, whatever happens in between (an error, a full disk, SIGKILL, a power cut):
the file is the whole old or the whole new one, the new one has the metadata of the old one,
and a file without secrets is not written to. What cannot be promised is in docs/archives.md.
"""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from redactor.archive.atomic import AtomicFile, DestinationError, Metadata, read_at
from redactor.archive.content import HEAD, Ledger, RefusedError, Source, Work, scrub_text
from redactor.archive.identity import Identity
from redactor.archive.kinds import every_kind, recognise
from redactor.archive.segments import ChangedError, scrub_plain_parallel, worth_cutting
from redactor.archive.tally import note
from redactor.archive.tasks import Conditions, ObjectResult, Outcome, Task
from redactor.archive.workers import Workers
from redactor.errors import RedactorError, internal, shown
from redactor.redactor import Redactor

if sys.platform == "linux":
    import fcntl

__all__ = ["scrub_file", "scrub_large"]

_FLAGS: Final = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY")
)
_UNNOTICED: Final = getattr(os, "O_NOATIME", 0)

_SPECIAL: Final = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def scrub_file(task: Task, redactor: Redactor, conditions: Conditions) -> ObjectResult:
    """Scrub one file as ``task`` says; whatever goes wrong is in the result.

    Raises only what ends the process: ``KeyboardInterrupt`` and the like, which leave the
    file as it was or scrubbed, and no temporary.
    """
    return _attempt(task, redactor, conditions, None)


def scrub_large(task: Task, conditions: Conditions, workers: Workers) -> ObjectResult | None:
    """Scrub one large plain file, by all processes together, as ``scrub_file`` does.

    Returns ``None``, and has done nothing, for what cannot be cut into pieces: anything but
    plain text, and what cannot be read.
    """
    try:
        with _Original(task) as original:
            head = os.read(original.handle, HEAD)
            if recognise(head, task.source) or not worth_cutting(head, original.identity.size):
                return None
    except (OSError, ValueError, RedactorError):
        return None
    return _attempt(task, workers.redactor, conditions, workers)


def _attempt(task: Task, redactor: Redactor, conditions: Conditions, workers: Workers | None) -> ObjectResult:
    """Scrub one file, by ``workers`` if there are any, and turn every error into a result."""
    try:
        with _Original(task) as original:
            return _scrub(task, original, redactor, conditions, workers)
    except RefusedError as error:
        return _not_done(task, Outcome.REFUSED, str(error))
    except ChangedError as error:
        return _not_done(task, Outcome.CHANGED, str(error))
    except DestinationError as error:
        return _not_done(task, Outcome.FAILED, str(error))
    except RedactorError as error:
        said = str(error)
        return _not_done(task, Outcome.FAILED, said if said.startswith(task.source) else f"{task.source}: {said}")
    except FileNotFoundError:
        return _not_done(task, Outcome.CHANGED, f"{task.source}: is not there any more, expected it to stay")
    except OSError as error:
        return _not_done(task, Outcome.FAILED, f"{task.source}: {error.strerror}, expected a readable file")
    except Exception as error:
        return _not_done(task, Outcome.FAILED, f"{task.source}: {internal(error)}")


def _not_done(task: Task, outcome: Outcome, problem: str) -> ObjectResult:
    return ObjectResult(task, outcome, shown(problem))


def _scrub(
    task: Task, original: _Original, redactor: Redactor, conditions: Conditions, workers: Workers | None
) -> ObjectResult:
    original.check_destination()
    source = Source(original.read, original.handle)
    kind = recognise(source.peek(HEAD), task.source)
    work = Work(redactor, every_kind() if kind else (), conditions.limits, receipt=conditions.receipt)
    original.watch(work.ledger, noting=workers is None, digesting=conditions.receipt)
    with original.replacement() as target:
        sink = _Rewrite(original, target if conditions.write else None, work.ledger, plain=kind is None)
        if kind is not None:
            _scrub_kind(work, task.source, source, sink, original)
        elif workers is not None:
            scrub_plain_parallel(work, task.source, source, sink, task.source, original.identity, workers)
        else:
            scrub_text(work, task.source, source, sink)
        return _concluded(task, original, sink, work.ledger)


def _scrub_kind(work: Work, name: str, source: Source, sink: _Rewrite, original: _Original) -> None:
    """Scrub content that is no plain text; if it is not as it should be, because it changes, say that."""
    try:
        work.scrub(name, source, sink)
        if source.peek(1):
            raise RefusedError(f"{name}: goes on after its end, expected nothing there")
    except RefusedError:
        original.check_unchanged()
        raise


def _concluded(task: Task, original: _Original, sink: _Rewrite, ledger: Ledger) -> ObjectResult:
    """Replace the file, if there is a reason to, and say what became of it."""
    size = original.identity.size
    if ledger.total:
        sink.commit()
        return ObjectResult(
            task,
            Outcome.SCRUBBED,
            counts=ledger.counts,
            edits=tuple(ledger.edits),
            size_before=size,
            size_after=sink.size,
            digest_before=original.digest,
            digest_after=sink.digest,
        )
    if task.in_place:
        original.check_unchanged()
    else:
        sink.commit_original()
    return ObjectResult(
        task,
        Outcome.CLEAN,
        size_before=size,
        size_after=size,
        digest_before=original.digest,
        digest_after=original.digest,
    )


# --- the file as it is --------------------------------------------------------------------


class _Original:
    """The file of a task, open for reading, and watched: a context manager.

    Raises ``RefusedError`` for what is no regular file, ``ChangedError`` as soon as it is
    noticed that somebody writes to it, and ``OSError``.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._path = task.source
        self._backup = task.source + task.backup if task.backup and task.in_place else ""
        self._ledger = Ledger()
        self._noting = False
        self._found = 0
        self._seen = 0
        """How many bytes have been read, not counting those read again."""
        self._digest: hashlib._Hash | None = None
        self.handle = -1

    def __enter__(self) -> Self:
        before = os.lstat(self._path)
        self._refuse_special(before)
        self.handle = _open(self._path)
        try:
            self._opened = os.fstat(self.handle)
            self._refuse_special(self._opened)
            self.identity = Identity.of(self._opened)
        except BaseException:
            os.close(self.handle)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.handle)

    @property
    def digest(self) -> str:
        """The SHA-256 of what was read, "" if it is not wanted."""
        return self._digest.hexdigest() if self._digest else ""

    def watch(self, ledger: Ledger, *, noting: bool, digesting: bool) -> None:
        """Start to note progress and to digest, if wanted; to be called before anything is read twice."""
        self._ledger = ledger
        self._noting = noting
        if digesting:
            self._digest = hashlib.sha256(read_at(self.handle, self._seen, 0))
        if noting:
            note(self._seen, 0)

    def read(self, size: int) -> bytes:
        """Return the next bytes, for a ``Source``."""
        data = os.read(self.handle, size)
        end = os.lseek(self.handle, 0, os.SEEK_CUR)
        if not data and end < self.identity.size:
            raise self.changed()  # what was there once would be waited for
        new = end - self._seen
        if new > 0:
            self._seen = end
            self._take_note(data if new == len(data) else data[-new:])
        return data

    def _take_note(self, data: bytes) -> None:
        """Take note of bytes that were read for the first time."""
        if self._seen > self.identity.size:
            raise self.changed()  # and whoever writes to it may be faster than we are
        if self._digest:
            self._digest.update(data)
        if self._noting:
            found = self._ledger.total
            note(len(data), found - self._found)
            self._found = found

    # --- what is refused -----------------------------------------------------------------

    def check_replaceable(self) -> None:
        """Raise ``RefusedError`` if the file must not, or cannot, be replaced as the task wants.

        Not asked of files without secrets, of which a second run finds many beside their backups.
        """
        if not self._task.in_place:
            return
        names = self._opened.st_nlink
        if self._backup and os.path.lexists(self._backup):
            if not (names == 2 and self._is_at(self._backup)):  # a killed run had got as far as that
                raise RefusedError(f"{self._backup}: is there already, expected to make it a backup")
        elif names > 1:
            raise RefusedError(f"{self._path}: has {names} names (hard links), expected one: the others would stay")

    def check_destination(self) -> None:
        """Raise ``RefusedError`` if what is at a destination elsewhere must not be replaced."""
        path = self._task.destination
        if self._task.in_place:
            return
        try:
            there = os.lstat(path)
        except OSError:
            return  # writing will tell
        if not stat.S_ISREG(there.st_mode):
            raise RefusedError(f"{path}: is {_what(there)}, expected a regular file or none")
        if os.path.samestat(there, self._opened):
            raise RefusedError(f"{path}: is source and destination at once, expected two files")

    def _refuse_special(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise RefusedError(f"{self._path}: is {_what(status)}, expected a regular file")

    def _is_at(self, path: str) -> bool:
        """Tell whether ``path`` is a name of this file."""
        try:
            return os.path.samestat(os.lstat(path), self._opened)
        except OSError:
            return False

    # --- what changes --------------------------------------------------------------------

    def check_unchanged(self) -> None:
        """Raise ``ChangedError`` unless the path still names this file, and it is as it was when it was opened."""
        try:
            now = {_state(os.fstat(self.handle)), _state(os.lstat(self._path))}
        except OSError:
            raise self.changed() from None
        if now != {_state(self._opened)}:
            raise self.changed()

    def changed(self) -> ChangedError:
        """Return the error that says that the file has changed."""
        return ChangedError(f"{self._path}: changed while it was read, expected it to stay; it is left as it is")

    @contextmanager
    def _lease(self) -> Iterator[None]:
        """Keep others from opening the file for writing, where the system can do that.

        Linux lets those wait who try meanwhile. It tells us by a signal, for which one is
        chosen that does nothing by default.
        """
        if sys.platform != "linux" or not self._take_lease():
            yield
            return
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.fcntl(self.handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)

    def _take_lease(self) -> bool:
        if sys.platform != "linux":
            return False
        try:
            fcntl.fcntl(self.handle, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(self.handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except BlockingIOError:
            raise ChangedError(
                f"{self._path}: is open for writing elsewhere, expected that nobody writes to it; "
                "it is left as it is (rotate it first)"
            ) from None
        except OSError:
            return False  # not on this file system, or not for us
        return True

    # --- its replacement -----------------------------------------------------------------

    def replacement(self) -> AtomicFile:
        """Return the file that replaces the task's destination."""
        in_place = self._task.in_place
        metadata = Metadata.of(self.handle, self._opened, times=True, strict=in_place)
        return AtomicFile(self._task.destination, self._task.destination, metadata)

    def prepare_replacement(self) -> None:
        """Make the folder of a destination elsewhere; do not begin on a file that somebody writes to."""
        if not self._task.in_place:
            _make_folder(Path(self._task.destination).parent)
            return
        with self._lease():
            pass

    @contextmanager
    def last_moment(self) -> Iterator[None]:
        """Guard the moment of replacement: the file has not changed, and a backup is made."""
        if not self._task.in_place:
            self.check_unchanged()
            yield
            return
        with self._lease():
            self.check_unchanged()
            self._back_up()
            try:
                yield
            except BaseException:
                if self._backup and self._is_at(self._path):
                    Path(self._backup).unlink()
                raise

    def _back_up(self) -> None:
        """Give the original a second name; never that of another file."""
        if not self._backup or self._is_at(self._backup):
            return
        try:
            os.link(self._path, self._backup, follow_symlinks=False)
        except FileExistsError:
            raise RefusedError(f"{self._backup}: is there already, expected to make it a backup") from None
        except OSError:
            self._copy_to_backup()  # there are file systems without hard links

    def _copy_to_backup(self) -> None:
        metadata = Metadata.of(self.handle, self._opened, times=True, strict=False)
        with AtomicFile(self._backup, self._backup, metadata) as copy:
            if copy.copy(self.handle, self.identity.size) < self.identity.size:
                raise self.changed()
            copy.commit()


def _open(path: str) -> int:
    """Open a file so that neither a link is followed, nor a pipe waited for, nor reading noted if we may."""
    try:
        return os.open(path, _FLAGS | _UNNOTICED)
    except PermissionError:
        return os.open(path, _FLAGS)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DestinationError(f"{folder}: {error.strerror}, expected to be able to make this folder") from None


def _what(status: os.stat_result) -> str:
    return next((what for is_it, what in _SPECIAL if is_it(status.st_mode)), "a device")


def _state(status: os.stat_result) -> tuple[Identity, int]:
    """Return what changes when a file or its metadata do."""
    return Identity.of(status), status.st_ctime_ns


# --- the file as it will be ---------------------------------------------------------------


class _Rewrite:
    """The sink of what replaces a file: writes nothing as long as that is the same bytes.

    In ``plain`` content they are the same until the first replacement; in any other content
    this is compared, since what unpacks and packs may write the same content differently.
    Without a ``target`` nothing is written at all.
    """

    def __init__(self, original: _Original, target: AtomicFile | None, ledger: Ledger, *, plain: bool) -> None:
        self._original = original
        self._target = target
        self._ledger = ledger
        self._plain = plain
        self._differs = False
        self._digest = hashlib.sha256() if ledger.receipt else None
        self.size = 0

    @property
    def digest(self) -> str:
        """The SHA-256 of what was written, "" if it is not wanted."""
        return self._digest.hexdigest() if self._digest else ""

    def write(self, data: bytes, /) -> None:
        """Take all of ``data``."""
        if not self._differs and not self._is_original(data):
            self._begin()
        if self._differs and self._target is not None:
            self._target.write(data)
        self.size += len(data)
        if self._digest:
            self._digest.update(data)

    def commit(self) -> None:
        """Replace the destination by what was written."""
        if not self._differs:
            self._begin()
        if self._target is None:
            self._original.check_unchanged()
        else:
            self._target.commit(self._original.last_moment())

    def commit_original(self) -> None:
        """Replace the destination by the original as it is."""
        if self._target is None:
            self._original.check_unchanged()
            return
        self._target.discard()
        self._original.prepare_replacement()
        self._copy(self._target, self._original.identity.size)
        self._target.commit(self._original.last_moment())

    def _is_original(self, data: bytes) -> bool:
        if self._ledger.total:
            return False
        return self._plain or read_at(self._original.handle, len(data), self.size) == data

    def _begin(self) -> None:
        """Begin to write: first all that was the same."""
        self._original.check_replaceable()
        self._differs = True
        if self._target is not None:
            self._original.prepare_replacement()
            self._copy(self._target, self.size)

    def _copy(self, target: AtomicFile, size: int) -> None:
        """Write the first ``size`` bytes of the original."""
        if target.copy(self._original.handle, size) < size:
            raise self._original.changed()
