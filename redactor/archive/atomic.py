"""Files that are replaced whole or not at all, and the sweeping up after runs that were killed.

The new bytes go into a *temporary* beside the file, of mode 0600 and locked while it is
written. A name cannot be locked, so it is the lock that tells a temporary of a living run
from one that a killed run left behind.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from redactor.errors import SourceError

if sys.platform != "win32":
    import fcntl

__all__ = ["AtomicFile", "DestinationError", "Metadata", "is_temporary", "read_at", "sweep"]

_TEMPORARY: Final = re.compile(r"\.redactor-[0-9a-f]{16}")
_LOCKS: Final = sys.platform != "win32"
_FLAGS: Final = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)

_ACL: Final = "system.posix_acl_access"
_OF_THE_CONTENT: Final = frozenset({"security.ima", "security.evm"})
"""Extended attributes that vouch for the content, and would be wrong for another."""

_PIECE: Final = 1 << 30
"""How many bytes the kernel is asked to copy at a time."""

_BLOCK: Final = 262144
"""How many bytes are copied at a time where the kernel cannot."""

_STALE: Final = 24 * 3600
"""After how many seconds a temporary is left over, where it cannot be locked."""


class DestinationError(SourceError):
    """A destination that cannot be written."""


# --- metadata -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Metadata:
    """What a file has beside its content: owner, mode, ACL, extended attributes and, if wanted, its times.

    When ``strict``, owner, ACL and ``user.*`` attributes that cannot be given to another
    file are an ``OSError``. Otherwise, and for attributes of the system (SELinux labels,
    capabilities), what cannot be given is left out.
    """

    status: os.stat_result
    attributes: Mapping[str, bytes]
    times: bool
    strict: bool

    @classmethod
    def of(cls, file: int | str, status: os.stat_result, *, times: bool, strict: bool) -> Self:
        """Return the metadata of a file, given its path or descriptor and what ``stat`` says of it."""
        return cls(status, _attributes(file), times, strict)

    def put_on(self, handle: int) -> None:
        """Give a file everything that does not let more people read it."""
        if hasattr(os, "fchown"):
            self._give_away(handle)
        for name, value in self.attributes.items():
            if name != _ACL:
                self._set(handle, name, value)
        if self.times:
            os.utime(handle, ns=(self.status.st_atime_ns, self.status.st_mtime_ns))

    def open_up(self, handle: int) -> None:
        """Give a file the mode and the ACL, and with them its readers."""
        if not hasattr(os, "fchmod"):
            return
        if _ACL not in self.attributes and _ACL in _attributes(handle):
            os.removexattr(handle, _ACL)  # inherited from the folder: the mode would bring it to life
        os.fchmod(handle, self._mode(handle))
        if _ACL in self.attributes:
            self._set(handle, _ACL, self.attributes[_ACL])

    def _give_away(self, handle: int) -> None:
        now = os.fstat(handle)
        wanted = self.status.st_uid, self.status.st_gid
        if (now.st_uid, now.st_gid) == wanted:
            return
        try:
            os.fchown(handle, *wanted)
        except PermissionError:
            if self.strict:
                raise
            with suppress(PermissionError):
                os.fchown(handle, -1, wanted[1])

    def _mode(self, handle: int) -> int:
        """Return the mode to give, without the set-id bits of somebody else."""
        mode, now = stat.S_IMODE(self.status.st_mode), os.fstat(handle)
        if now.st_uid != self.status.st_uid:
            mode &= ~stat.S_ISUID
        if now.st_gid != self.status.st_gid:
            mode &= ~stat.S_ISGID
        return mode

    def _set(self, handle: int, name: str, value: bytes) -> None:
        try:
            os.setxattr(handle, name, value)
        except OSError:
            if self.strict and (name == _ACL or name.startswith("user.")):
                raise


def _attributes(file: int | str) -> dict[str, bytes]:
    """Return the extended attributes of a file, as far as there are any and they can be read."""
    attributes = {}
    if hasattr(os, "listxattr"):
        with suppress(OSError):
            for name in os.listxattr(file):
                with suppress(OSError):
                    attributes[name] = os.getxattr(file, name)
    return {name: value for name, value in attributes.items() if name not in _OF_THE_CONTENT}


# --- files --------------------------------------------------------------------------------


class AtomicFile:
    """A file that is replaced whole by ``commit``, or else is as it was; a context manager.

    The temporary never stays behind, except when the process is killed by SIGKILL; then
    ``sweep`` removes it. ``target`` is replaced as it is: a symbolic link by a file. ``name``
    is what errors call it. Raises ``DestinationError``.
    """

    def __init__(self, target: str, name: str, metadata: Metadata | None = None) -> None:
        self.name = name
        self._target = Path(target)
        self._metadata = metadata
        # Chosen before the file is there and opened inside the ``with``, so that a signal at
        # any moment finds a name to remove.
        self._temporary = self._choose()
        self._renamed = False
        self._handle = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.discard()

    def write(self, data: bytes) -> None:
        """Write all of ``data``."""
        self._open()
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError as error:
            raise self._refusal(error) from None

    def copy(self, source: int, size: int) -> int:
        """Write the first ``size`` bytes of the file open as ``source``; return how many there were.

        Its position stays. The kernel copies them, or shares their blocks, where it can.
        Raises the ``OSError`` of a source that cannot be read.
        """
        self._open()
        done = self._copy_within_kernel(source, size)
        while done < size:
            block = read_at(source, min(_BLOCK, size - done), done)
            if not block:
                break
            self.write(block)
            done += len(block)
        return done

    def commit(self, guard: AbstractContextManager[None] | None = None) -> None:
        """Replace the target by what was written, durably.

        ``guard`` is entered for the last moment, when everything is on disk and only the
        name has to change; what it raises on entry keeps the target as it was.
        """
        self._open()
        try:
            if self._metadata is not None:
                self._metadata.put_on(self._handle)
            os.fsync(self._handle)
            with guard or nullcontext():
                # Not sooner: whoever may read the target can read the temporary from here on.
                if self._metadata is not None:
                    self._metadata.open_up(self._handle)
                if not _LOCKS:
                    self._close()  # open files cannot be renamed there
                os.replace(self._temporary, self._target)
                self._renamed = True
            if self._handle >= 0:
                os.fsync(self._handle)  # the mode
            _sync_folder(self._target.parent)
        except OSError as error:
            raise self._refusal(error) from None

    def discard(self) -> None:
        """Drop what was written and not committed. What cannot be removed now is left to a sweep."""
        try:
            self._close()
        finally:
            if not self._renamed:
                with suppress(OSError):
                    self._temporary.unlink()

    def is_terminal(self) -> bool:
        """Tell whether a person is watching."""
        return False

    def _choose(self) -> Path:
        # Not made from the target's name, which may be as long as names can be.
        return self._target.parent / f".redactor-{os.urandom(8).hex()}"

    def _open(self) -> None:
        try:
            while self._handle < 0:
                self._handle = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
                if not _lock(self._handle):
                    self._close()
                    self._temporary = self._choose()
        except OSError as error:
            raise self._refusal(error) from None

    def _close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _copy_within_kernel(self, source: int, size: int) -> int:
        done = 0
        if hasattr(os, "copy_file_range"):
            # What cannot be copied so for any reason is copied, or refused, in the other way.
            with suppress(OSError):
                while done < size:
                    more = os.copy_file_range(source, self._handle, min(_PIECE, size - done), offset_src=done)
                    if not more:
                        break
                    done += more
        return done

    def _refusal(self, error: OSError) -> DestinationError:
        return DestinationError(f"{self.name}: {error.strerror}, expected to be able to write")


def read_at(handle: int, size: int, at: int) -> bytes:
    """Return at most ``size`` bytes of an open file from the offset ``at`` on; its position stays."""
    if hasattr(os, "pread"):
        return os.pread(handle, size, at)
    before = os.lseek(handle, 0, os.SEEK_CUR)
    try:
        os.lseek(handle, at, os.SEEK_SET)
        return os.read(handle, size)
    finally:
        os.lseek(handle, before, os.SEEK_SET)


def _sync_folder(folder: Path) -> None:
    """Make names in a folder durable, where folders can be opened and synced at all."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS):
            raise
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Lock a temporary just made; return whether it is still there: a sweep may have been quicker."""
    if sys.platform == "win32":
        return True
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX)
    return os.fstat(handle).st_nlink > 0


# --- sweeping -----------------------------------------------------------------------------


def is_temporary(name: str) -> bool:
    """Tell whether a file name is that of a temporary of ours."""
    return _TEMPORARY.fullmatch(name) is not None


def sweep(folder: Path) -> int:
    """Remove what killed runs left in a folder; return how many files. Never raises ``OSError``.

    Only temporaries that nobody writes and that belong to us (to anybody, for root) are
    removed. Where files cannot be locked, as on some network file systems, they are left
    alone for a day.
    """
    try:
        left_over = [path for path in folder.iterdir() if is_temporary(path.name)]
    except OSError:
        return 0
    return sum(map(_remove_left_over, left_over))


def _remove_left_over(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _FLAGS)
    except OSError:
        return False
    try:
        if not _is_left_over(handle):
            return False
        if not _LOCKS:
            os.close(handle)
            handle = -1
        path.unlink()
    except OSError:
        return False
    finally:
        if handle >= 0:
            os.close(handle)
    return True


def _is_left_over(handle: int) -> bool:
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        return False
    if sys.platform != "win32":
        if os.geteuid() not in (0, status.st_uid):
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass
        else:
            return True
    return time.time() - status.st_mtime > _STALE
