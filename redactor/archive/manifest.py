"""The manifest of a run: what was done to every file, to be verified later.

A JSON Lines file. The first line says what it is and by what the files were scrubbed, the
last one how many files it names; each line between is one file:

    {"format":"redactor-manifest","version":1,"redactor":"0.1.0","rules":"5f0c..","key":null}
    {"source":"app.log","destination":"out/app.log","outcome":"scrubbed","size":[567,555],
     "sha256":["91ab..","77e0.."],"counts":{"session":1},"edits":[["",10,42,18,"session",""]]}
    {"files":1}

An edit is [member, start, end, length, rule, fingerprint]; see ``Edit``. Bytes of a name
that are no UTF-8 are lone surrogates (``surrogateescape``). ``key`` is the id of the key of the
fingerprints, "" for a key without one, null for none. There is no content in a manifest, and
of no secret more than its keyed fingerprint. Files that were not processed are named without digests.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, Final, NoReturn, Self

from redactor.archive.atomic import AtomicFile
from redactor.archive.content import Edit
from redactor.archive.tasks import ObjectResult
from redactor.errors import RedactorError, shown
from redactor.redactor import Redactor
from redactor.version import __version__

__all__ = ["Entry", "Header", "ManifestError", "ManifestIndex", "ManifestWriter", "read_manifest"]

_FORMAT: Final = "redactor-manifest"
_VERSION: Final = 1
_LONGEST_HEADER: Final = 4096
_BUFFERED: Final = 262144
"""About how many bytes are written at a time."""

_KEY_DIGITS: Final = 16
"""How many hexadecimal digits of a digest an entry is found by."""


class ManifestError(RedactorError):
    """A file that is not a manifest of this version, or not a whole one."""


@dataclass(frozen=True, slots=True)
class Header:
    """By what the files of a manifest were scrubbed: version, digest of the rules, id of the key."""

    redactor: str
    rules: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What was done to one file. Sizes are in bytes, digests hexadecimal SHA-256 ("" if it was not processed)."""

    source: str
    destination: str
    outcome: str
    size_before: int
    size_after: int
    digest_before: str
    digest_after: str
    counts: Mapping[str, int] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()

    @classmethod
    def of(cls, result: ObjectResult) -> Entry:
        """Return the entry for what became of a task; its run must have kept receipts."""
        return cls(
            result.task.source,
            result.task.destination,
            str(result.outcome),
            result.size_before,
            result.size_after,
            result.digest_before,
            result.digest_after,
            result.counts,
            result.edits,
        )


# --- writing ----------------------------------------------------------------------------------


class ManifestWriter:
    """Writes a manifest, entry by entry, as a context manager: it is there whole or not at all.

    A new file has mode 0600; one that is replaced, too. Without ``commit`` the file at ``path`` stays as it was.
    Raises ``DestinationError``.
    """

    def __init__(self, path: str, redactor: Redactor) -> None:
        key = redactor.policy.hmac_key
        self._file = AtomicFile(path, shown(path))
        self._lines: list[bytes] = []
        self._size = 0
        self._files = 0
        self._add(
            {
                "format": _FORMAT,
                "version": _VERSION,
                "redactor": __version__,
                "rules": redactor.ruleset.digest,
                "key": None if key is None else key.id,
            }
        )

    def __enter__(self) -> Self:
        self._file.__enter__()
        self._flush()  # a place that cannot be written to is told before the work
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)

    def add(self, result: ObjectResult) -> None:
        """Add what became of one task."""
        entry = Entry.of(result)
        self._files += 1
        self._add(
            {
                "source": entry.source,
                "destination": entry.destination,
                "outcome": entry.outcome,
                "size": [entry.size_before, entry.size_after],
                "sha256": [entry.digest_before, entry.digest_after],
                "counts": dict(entry.counts),
                "edits": [list(edit) for edit in entry.edits],
            }
        )

    def commit(self) -> None:
        """Write the last line and make the manifest the file at its path, durably."""
        self._add({"files": self._files})
        self._flush()
        self._file.commit()

    def _add(self, record: Mapping[str, object]) -> None:
        line = json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _BUFFERED:
            self._flush()

    def _flush(self) -> None:
        self._file.write(b"".join(self._lines))
        self._lines.clear()
        self._size = 0


# --- reading ----------------------------------------------------------------------------------


def read_manifest(path: str) -> Iterator[Entry]:
    """Yield the entries of a manifest, one at a time.

    Raises ``ManifestError`` for a file that cannot be read or is none of this version, and,
    only once it gets there, for a line that is no entry and for an end that is missing.
    """
    with _opened(path) as file:
        _header(path, file)
        for _, entry in _entries(path, file):
            yield entry


class ManifestIndex:
    """Finds the entries of a manifest by the SHA-256 of the original; 17 bytes of memory for each file.

    A context manager. Raises ``ManifestError`` as ``read_manifest`` does, for all of the file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = _opened(path)
        try:
            self.header = _header(path, self._file)
            keys, places = array("Q"), array("Q")
            for at, entry in _entries(path, self._file):
                if entry.digest_before:
                    keys.append(_key(entry.digest_before))
                    places.append(at)
        except BaseException:
            self._file.close()
            raise
        order = sorted(range(len(keys)), key=keys.__getitem__)
        self._keys = array("Q", map(keys.__getitem__, order))
        self._places = array("Q", map(places.__getitem__, order))
        self._used = bytearray(len(order))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def find(self, digest: str) -> Entry | None:
        """Return the entry for an original; it, and any other of the same content, counts as found from now on."""
        found = None
        key = _key(digest)
        number = bisect_left(self._keys, key)
        while number < len(self._keys) and self._keys[number] == key:
            entry = self._entry(number)
            if entry.digest_before == digest:
                self._used[number] = 1
                found = entry
            number += 1
        return found

    def missed(self) -> Iterator[Entry]:
        """Yield the entries that ``find`` has not found, in the order of the manifest."""
        unused = (number for number, used in enumerate(self._used) if not used)
        for number in sorted(unused, key=self._places.__getitem__):
            yield self._entry(number)

    def _entry(self, number: int) -> Entry:
        self._file.seek(self._places[number])
        return _entry(self._path, 0, self._file.readline())


def _key(digest: str) -> int:
    return int(digest[:_KEY_DIGITS], 16)


def _refuse(path: str, problem: str) -> NoReturn:
    raise ManifestError(f"{shown(path)}: {problem}")


def _opened(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else "is no name a file can have"
    _refuse(path, f"{problem}, expected a manifest")


def _header(path: str, file: BinaryIO) -> Header:
    try:
        line = file.readline(_LONGEST_HEADER)
    except OSError as error:
        problem = error.strerror
    else:
        header = _loaded(line)
        if isinstance(header, dict) and header.get("format") == _FORMAT:
            if header.get("version") != _VERSION or isinstance(header["version"], bool):
                _refuse(path, f"is a manifest of another version, expected version {_VERSION}")
            told = header.get("redactor"), header.get("rules"), header.get("key", 0)
            if isinstance(told[0], str) and isinstance(told[1], str) and isinstance(told[2], str | None):
                return Header(told[0], told[1], told[2])
        problem = "is no manifest"
    _refuse(path, f"{problem}, expected one that redactor scrub --manifest wrote")


def _entries(path: str, file: BinaryIO) -> Iterator[tuple[int, Entry]]:
    """Yield where each entry starts and the entry, up to the last line, which must be there."""
    at = file.tell()
    for files, line in enumerate(file):
        last = _loaded(line)
        if isinstance(last, dict) and list(last) == ["files"]:
            if last["files"] != files or file.read(1):
                _refuse(path, f"has {files} files and not as many as it says, or goes on, expected a whole manifest")
            return
        yield at, _entry(path, files + 2, line)
        at += len(line)
    _refuse(path, "is truncated, expected a last line with the number of files")


def _entry(path: str, number: int, line: bytes) -> Entry:
    record = _loaded(line)
    try:
        sizes, digests = _of_two(record["size"]), _of_two(record["sha256"])
        entry = Entry(
            _of(record["source"], str),
            _of(record["destination"], str),
            _of(record["outcome"], str),
            _number(sizes[0]),
            _number(sizes[1]),
            _digest(digests[0]),
            _digest(digests[1]),
            {_of(rule, str): _number(count) for rule, count in record["counts"].items()},
            tuple(map(_edit, record["edits"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    else:
        return entry
    _refuse(path, f"line {number} is no entry, expected one file with its edits in order")


def _loaded(line: bytes) -> Any:
    try:
        return json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None


def _of(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError
    return value


def _of_two(values: Any) -> tuple[Any, Any]:
    first, second = _of(values, list)
    return first, second


def _number(value: Any) -> int:
    if _of(value, int) < 0:
        raise ValueError
    return int(value)


def _digest(value: Any) -> str:
    if _of(value, str) and (len(value) != 64 or value.strip("0123456789abcdef")):
        raise ValueError
    return str(value)


def _edit(fields: Any) -> Edit:
    member, start, end, length, rule, mark = _of(fields, list)
    if _number(start) > _number(end):
        raise ValueError
    return Edit(_of(member, str), start, end, _number(length), _of(rule, str), _of(mark, str))
