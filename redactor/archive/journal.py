r"""The journal of a run: which files are done, so that a run that was cut short can go on.

A JSON Lines file that is only appended to. The first line says what it is and by what the
files were scrubbed; each further one names a file that is done, where it went, and the
identity (device, inode, size, modification time in nanoseconds) of both since then:

    {"redactor-journal":1,"rules":"0.1.0 5f0c..","policy":"91ab..","salt":"77e0.."}
    {"done":"app.log","to":"out/app.log","read":[64768,12,567,1700000000],"written":[64768,34,555,1700000000]}

Bytes of a name that are no UTF-8 are lone surrogates (``surrogateescape``). A journal holds
no content, no key and no allowlisted value.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from functools import partial
from hashlib import blake2b, scrypt
from types import TracebackType
from typing import Any, BinaryIO, Final, NamedTuple, Self

from redactor.archive.identity import Identity
from redactor.archive.tasks import ObjectResult, Outcome, Task
from redactor.errors import RedactorError, shown
from redactor.redactor import Redactor
from redactor.replace import Policy
from redactor.version import __version__

if sys.platform != "win32":
    import fcntl

__all__ = ["Journal", "JournalError"]

_VERSION: Final = 1
_KIND: Final = "redactor-journal"
_TORN: Final = f'{{"{_KIND}":'.encode()
"""What tells the first line of a journal, if it was torn."""

_LONGEST_LINE: Final = 1 << 17
"""More bytes than any record has: two paths of 4 KiB, six bytes for each of theirs."""

_MOST_UNSAFE: Final = 64
"""How many records may be lost in a power cut: so many are written before they are made durable."""

_LONGEST_UNSAFE: Final = 1.0
"""After how many seconds a new record makes those before it durable, however few they are."""

_FLAGS: Final = (
    os.O_RDWR
    | os.O_CREAT
    | os.O_APPEND
    | sum(getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY"))
)


class JournalError(RedactorError):
    """A journal that cannot be used; raised before anything is scrubbed, or when it cannot be written."""


class Journal:
    """Tells which tasks are done, and takes note of more, as a context manager.

    Raises ``JournalError``, and leaves the file as it is, if ``path`` is not a journal of
    this version, is one of other rules or another policy, is open to other users, is in use
    by another run (where files can be locked), or cannot be read and written.

    A last line that was torn by a crash is cut off: its file is done again. Records are
    made durable in batches of up to 64, or once a second as they come, and at the end; a
    file whose record is lost is done again, which changes nothing.
    """

    def __init__(self, path: str, redactor: Redactor) -> None:
        self._path = path
        self._name = shown(path)
        self._rules = f"{__version__} {redactor.ruleset.digest}"
        self._policy = redactor.policy
        self._done: set[bytes] = set()
        """The digests of the records: a tenth of the memory."""
        self._handle = -1
        self._unsafe = 0
        self._safe_at = time.monotonic()

    def __enter__(self) -> Self:
        try:
            self._handle = os.open(self._path, _FLAGS, 0o600)
            try:
                self._begin()
            except BaseException:
                os.close(self._handle)
                raise
        except OSError as error:
            raise self._error(f"{error.strerror}, expected a journal to read and write") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            self._make_safe()
        except OSError as failure:
            if kind is None:
                raise self._error(f"{failure.strerror}, expected to be able to write") from None
        finally:
            os.close(self._handle)

    def is_done(self, task: Task) -> bool:
        """Tell whether a task is done and nothing has changed since: neither what it read nor what it wrote."""
        record = _Record.of(task) if self._done else None
        return record is not None and record.digest() in self._done

    def add(self, result: ObjectResult) -> None:
        """Take note that a task is done; of those that are not, nothing is noted.

        To be called as soon as there is a result, and only in a run that writes: a file that
        somebody has written to since, and that has kept its size, would count as done. Raises
        ``JournalError`` if the journal cannot be written.
        """
        if result.outcome not in (Outcome.SCRUBBED, Outcome.CLEAN):
            return
        record = _Record.of(result.task)
        size_read = result.size_after if result.task.in_place else result.size_before
        if record is None or (record.read.size, record.written.size) != (size_read, result.size_after):
            return
        try:
            self._write(record.fields())
            self._unsafe += 1
            if self._unsafe >= _MOST_UNSAFE or time.monotonic() - self._safe_at >= _LONGEST_UNSAFE:
                self._make_safe()
        except OSError as error:
            raise self._error(f"{error.strerror}, expected to be able to write") from None
        self._done.add(record.digest())

    # --- the file ---------------------------------------------------------------------------

    def _begin(self) -> None:
        """Lock the journal and read it, or write the first line of a new one."""
        status = os.fstat(self._handle)
        if not stat.S_ISREG(status.st_mode):
            raise self._error("is no regular file, expected a journal")
        if os.name == "posix" and (status.st_mode & 0o077 or status.st_uid != os.geteuid()):
            raise self._error("is open to other users, expected a file of ours of mode 0600")
        self._lock()
        with open(os.dup(self._handle), "rb") as file:
            file.seek(0)
            whole = self._read(file)
        os.ftruncate(self._handle, whole)
        if not whole:
            salt = os.urandom(16).hex()
            self._write(
                {_KIND: _VERSION, "rules": self._rules, "policy": _policy_identity(self._policy, salt), "salt": salt}
            )
            self._unsafe += 1
            self._make_safe()

    def _lock(self) -> None:
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._error("is in use by another run, expected one run at a time") from None

    def _read(self, file: BinaryIO) -> int:
        """Read the journal; return how many bytes of it are whole lines, 0 if not even the first is."""
        header = file.readline(_LONGEST_LINE)
        if not header.endswith(b"\n"):
            if header.startswith(_TORN) or _TORN.startswith(header):
                return 0
            raise self._foreign()
        self._check(_decoded(header))
        whole = len(header)
        for number, line in enumerate(iter(partial(file.readline, _LONGEST_LINE), b""), 2):
            if not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
                break
            record = _Record.from_fields(_decoded(line))
            if record is None:
                raise self._error(f"line {number} is no record, expected one of a journal of version {_VERSION}")
            self._done.add(record.digest())
            whole += len(line)
        return whole

    def _check(self, header: Any) -> None:
        """Raise ``JournalError`` unless the first line is that of a journal as this run would write it."""
        if not isinstance(header, dict) or _KIND not in header:
            raise self._foreign()
        if header[_KIND] != _VERSION:
            raise self._error(f"is a journal of another version, expected version {_VERSION}")
        if header.get("rules") != self._rules:
            raise self._error("is of a run with other rules, expected the same; begin a new journal")
        if header.get("policy") != _policy_identity(self._policy, str(header.get("salt"))):
            raise self._error("is of a run with another policy, expected the same; begin a new journal")

    def _write(self, record: dict[str, Any]) -> None:
        """Append one line, by one call, so that only the last one can be torn."""
        rest = memoryview(json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n")
        while rest:
            rest = rest[os.write(self._handle, rest) :]

    def _make_safe(self) -> None:
        if self._unsafe:
            os.fsync(self._handle)
        self._unsafe = 0
        self._safe_at = time.monotonic()

    def _foreign(self) -> JournalError:
        return self._error("is no journal, expected one or a new file; it is left as it is")

    def _error(self, problem: str) -> JournalError:
        return JournalError(f"{self._name}: {problem}")


class _Record(NamedTuple):
    """One file that is done: where it came from and went to, and both files as they are since."""

    source: str
    destination: str
    read: Identity
    written: Identity

    @classmethod
    def of(cls, task: Task) -> _Record | None:
        """Return the record of a task if it is done, by the files as they are now; ``None`` if one is not there."""
        try:
            read, written = (
                Identity.of(os.stat(path, follow_symlinks=False)) for path in (task.source, task.destination)
            )
        except (OSError, ValueError):
            return None
        return cls(task.source, task.destination, read, written)

    @classmethod
    def from_fields(cls, fields: Any) -> _Record | None:
        """Read a line's fields; ``None`` if they are no record."""
        try:
            record = cls(fields["done"], fields["to"], Identity(*fields["read"]), Identity(*fields["written"]))
        except (KeyError, TypeError):
            return None
        numbers = (*record.read, *record.written)
        if not all(isinstance(name, str) for name in record[:2]) or not all(type(each) is int for each in numbers):
            return None
        return record

    def fields(self) -> dict[str, Any]:
        """Return what is written to a line."""
        return {"done": self.source, "to": self.destination, "read": self.read, "written": self.written}

    def digest(self) -> bytes:
        """Return 16 bytes that tell this record from any other."""
        return blake2b(repr(tuple(self)).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _policy_identity(policy: Policy, salt: str) -> str:
    """Return what tells one policy from another, and shows neither key nor allowlist.

    The hash is keyed. What the allowlist adds, which there may be no key for, is salted and
    slow to guess (RFC 7914).
    """
    key = policy.hmac_key
    parts = (
        policy.redaction,
        sorted(policy.rules.items()),
        sorted(policy.categories.items()),
        sorted(policy.disabled),
        key.id if key else None,
    )
    secret = key.secret if key else b""
    digest = blake2b(
        repr(parts).encode("utf-8", "surrogatepass"),
        digest_size=16,
        key=secret if len(secret) <= 64 else blake2b(secret).digest(),
        salt=salt.encode("utf-8", "surrogatepass")[:16],
        person=b"redactor-policy",
    )
    if policy.allowlist:
        allowed = repr(sorted(policy.allowlist)).encode("utf-8", "surrogatepass")
        digest.update(scrypt(allowed, salt=salt.encode("utf-8", "surrogatepass"), n=1 << 14, r=8, p=1))
    return digest.hexdigest()


def _decoded(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
