"""The proof that scrubbing changed nothing but the secrets, and left none.

Original and scrubbed file are gone through in step, content by content, each in its own
thread, in bounded memory and without writing anything. Proven is, for decoded contents,

- that all bytes outside of the redacted ranges are the same, where the ranges are those of
  a manifest, or what scrubbing the original again replaces;
- that each range has as many line ends as before, and so each content as many lines;
- that JSON which can be parsed still can, value by value in JSON Lines;
- that another scan of the scrubbed file finds no secret;
- that both files have the digests of the manifest.

Not compared is what stands around contents: compression levels, headers of archives, order
of central directories. Only a manifest's digests cover them.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Full, Queue
from typing import Final, NamedTuple, NoReturn

from redactor.archive.content import BLOCK, NOWHERE, Edit, Kind, Limits, RefusedError, Source, Work, member_of
from redactor.archive.contents import LEAVES, as_utf8, edited, open_file, scrubbed, walk
from redactor.archive.json_check import JsonCheck
from redactor.archive.manifest import Entry
from redactor.errors import RedactorError, shown
from redactor.redactor import Redactor

__all__ = ["Proof", "digest_of", "verify_file"]

_AHEAD: Final = 16
"""How many blocks the scrubbed file may be ahead of the original."""

_MOMENT: Final = 0.2
"""After how many seconds a thread looks whether the other has given up."""

_Read = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proven of one file: ``problem`` is "" if all was.

    Otherwise it is one line that says what differs, and where, or, if it could not be
    ``read``, why. Neither has any byte of the files.
    """

    path: str
    redactions: int = 0
    problem: str = ""
    read: bool = True


class _Differs(Exception):  # noqa: N818 (what was to be found out)
    """Something is not as it should be; the message says what."""


def digest_of(path: str) -> str:
    """Return the SHA-256 of a file; raises ``SourceError``."""
    with open_file(path) as read:
        digest = hashlib.sha256()
        while block := read(BLOCK):
            digest.update(block)
        return digest.hexdigest()


def verify_file(
    original: str, scrubbed_file: str, redactor: Redactor, entry: Entry | None = None, limits: Limits | None = None
) -> Proof:
    """Verify one scrubbed file against its original. ``entry`` is what the manifest says of it.

    Never raises for what is in the files, only what ends the process. Without an entry,
    ``redactor`` must have the rules and the policy of the scrubbing; with one, rules are enough.
    """
    path = shown(original)
    try:
        if entry is not None:
            _check_entry(original, entry)
        with open_file(original) as before, open_file(scrubbed_file) as after:
            # What a content is and is called depends on the name under which it was scrubbed.
            name = entry.source if entry is not None else original
            limits = limits or Limits()
            scanned = _Scanned(after, shown(scrubbed_file), name, redactor, limits)
            return _Verification(path, name, redactor, limits, entry).run(before, scanned)
    except _Differs as difference:
        return Proof(path, problem=f"{path}: {difference}")
    except RedactorError as error:
        said = shown(os.fsencode(str(error)))
        return Proof(path, problem=said if said.startswith((f"{path}:", f"{path}!")) else f"{path}: {said}", read=False)


def _check_entry(original: str, entry: Entry) -> None:
    if entry.outcome not in ("scrubbed", "clean"):
        raise _Differs(f"was {entry.outcome}, as the manifest says, expected it to be scrubbed")
    if digest_of(original) != entry.digest_before:
        raise _Differs("is not the file of the manifest, expected one with its SHA-256")


# --- the scrubbed file ------------------------------------------------------------------------


class _Begin(NamedTuple):
    member: str


class _End(NamedTuple):
    mistakes: int | None
    """How many mistakes its JSON has, None for what is not looked at as JSON."""


class _Left(NamedTuple):
    """A secret that is still there."""

    member: str
    start: int
    rule: str


class _Stopped(BaseException):
    """The reader has no more interest."""


class _Scanned:
    """The scrubbed file, scanned in a thread of its own: its contents one after another, block by block.

    ``left`` and ``digest`` are there after ``finish``.
    """

    def __init__(self, read: _Read, path: str, name: str, redactor: Redactor, limits: Limits) -> None:
        self._items: Queue[_Begin | bytes | _End | None] = Queue(_AHEAD)
        self._read_file = read
        self._path = path
        self._name = name
        self._redactor = redactor
        self._limits = limits
        self._hash = hashlib.sha256()
        self._stopping = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="redactor-verify", daemon=True)
        self.left: _Left | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have the thread at work while the body runs, and no longer."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopping = True
            self._thread.join()

    @property
    def digest(self) -> str:
        """The SHA-256 of the file."""
        return self._hash.hexdigest()

    def next(self) -> _Begin | bytes | _End | None:
        """Return what comes next, None at the end of the file; raises what ended the scan early."""
        item = self._items.get()
        if item is None:
            self._items.put(None)
            if self._error is not None:
                raise self._error
        return item

    def finish(self) -> None:
        """Let the scan go on to its end; raises what ended it early."""
        while self.next() is not None:
            pass

    # --- in the thread ------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            walk(self._redactor, self._limits, self._name, Source(self._read), self._take)
        except _Stopped:
            return
        except RefusedError as error:
            self._error = RefusedError(self._path + str(error).removeprefix(self._name))
        except Exception as error:
            self._error = error
        try:
            self._put(None)
        except _Stopped:
            return

    def _read(self, size: int) -> bytes:
        data = self._read_file(size)
        self._hash.update(data)
        return data

    def _put(self, item: _Begin | bytes | _End | None) -> None:
        while not self._stopping:
            try:
                self._items.put(item, timeout=_MOMENT)
            except Full:
                continue
            return
        raise _Stopped

    def _take(self, name: str, source: Source) -> None:
        member = member_of(name)
        self._put(_Begin(member))
        narrow, wide = as_utf8(source)
        check = JsonCheck(narrow)

        def read(size: int) -> bytes:
            data = check.read(size)
            if data:
                self._put(data)
            return data

        scan = _Scan(self._redactor, () if wide else LEAVES)
        scan.scrub(name, Source(read), NOWHERE)
        if scan.first is not None and self.left is None:
            self.left = _Left(member, *scan.first)
        self._put(_End(check.mistakes))


class _Scan(Work):
    """A look that goes on after a secret and remembers the first."""

    def __init__(self, redactor: Redactor, kinds: Sequence[Kind]) -> None:
        super().__init__(redactor, kinds)
        self.looking = True
        self.first: tuple[int, str] | None = None

    def note(self, name: str, start: int, end: int, length: int, rule: int, secret: bytes) -> None:  # noqa: ARG002
        if self.first is None:
            self.first = start, self.redactor.ruleset.rules[rule].id


# --- both in step -----------------------------------------------------------------------------


class _Verification:
    """One file verified."""

    def __init__(self, path: str, name: str, redactor: Redactor, limits: Limits, entry: Entry | None) -> None:
        self._path = path
        self._name = name
        self._redactor = redactor
        self._limits = limits
        self._entry = entry
        self._edits = _Edits(entry.edits) if entry is not None else None
        self._redactions = 0

    def run(self, before: _Read, scanned: _Scanned) -> Proof:
        problem = ""
        with scanned.running():
            try:
                self._compare(before, scanned)
            except _Differs as difference:
                problem = str(difference)
            scanned.finish()
        if scanned.left is not None:
            member, start, rule = scanned.left
            problem = f"{_place(member)}byte {start} begins a secret of {rule}, expected none to be left"
        elif not problem and self._entry is not None and scanned.digest != self._entry.digest_after:
            problem = "differs from the scrubbed file of the manifest, expected its SHA-256"
        return Proof(self._path, self._redactions, _joined(self._path, problem))

    def _compare(self, before: _Read, scanned: _Scanned) -> None:
        def take(name: str, source: Source) -> None:
            self._compare_content(name, source, scanned)

        walk(self._redactor, self._limits, self._name, Source(before), take)
        extra = scanned.next()
        if isinstance(extra, _Begin):
            raise _Differs(f"!{extra.member}: is in the scrubbed file only, expected the same members")
        if self._edits is not None and self._edits.rest():
            raise _Differs("has fewer contents than the manifest has edits for, expected all of them")

    def _compare_content(self, name: str, source: Source, scanned: _Scanned) -> None:
        member = member_of(name)
        begin = scanned.next()
        if not isinstance(begin, _Begin) or begin.member != member:
            raise _Differs(f"{_place(member)}is not in its place in the scrubbed file, expected the same members")
        narrow, wide = as_utf8(source)
        check = JsonCheck(narrow)
        comparison = _Comparison(member, scanned)
        whole = Source(check.read)
        if self._edits is None:
            scrubbed(self._redactor, name, whole, comparison, wide=wide)
        else:
            edited(self._edits.of(member), whole, comparison)
        end = comparison.finish()
        self._redactions += comparison.redactions
        if check.mistakes is not None and end.mistakes is not None and end.mistakes > check.mistakes:
            raise _Differs(f"{_place(member)}is no valid JSON any more, expected it to parse as the original does")


def _place(member: str) -> str:
    return f"!{member}: " if member else ""


def _joined(path: str, problem: str) -> str:
    if not problem:
        return ""
    return f"{path}{problem}" if problem.startswith("!") else f"{path}: {problem}"


class _Edits:
    """The edits of a manifest's entry, content by content. Those of two contents of one name follow each other."""

    def __init__(self, edits: tuple[Edit, ...]) -> None:
        self._edits = edits
        self._next = 0

    def of(self, member: str) -> Iterator[Edit]:
        """Yield the edits of the content that is next."""
        end = 0
        while self.rest():
            edit = self._edits[self._next]
            if edit.member != member or edit.start < end:
                return
            end = edit.end
            self._next += 1
            yield edit

    def rest(self) -> bool:
        """Tell whether there are more."""
        return self._next < len(self._edits)


class _Comparison:
    """Holds the pieces of an original content against the scrubbed one."""

    def __init__(self, member: str, scanned: _Scanned) -> None:
        self._member = member
        self._scanned = scanned
        self._block = b""
        self._end: _End | None = None
        self._position = 0
        self.redactions = 0

    def same(self, data: bytes, /) -> None:
        at = 0
        while at < len(data):
            block = self._take(len(data) - at)
            if not block:
                self._refuse(f"ends at byte {self._position}, expected it to go on")
            expected = data[at : at + len(block)]
            if block != expected:
                place = next(i for i, (one, other) in enumerate(zip(block, expected, strict=True)) if one != other)
                self._refuse(f"byte {self._position + place} outside the redacted ranges differs")
            at += len(block)
            self._position += len(block)

    def replaced(self, edit: Edit, lines: int, _new: bytes, /) -> None:
        start, left, found = self._position, edit.length, 0
        while left:
            block = self._take(left)
            if not block:
                self._refuse(f"ends at byte {self._position}, expected it to go on")
            found += block.count(b"\n")
            left -= len(block)
            self._position += len(block)
        if found != lines:
            self._refuse(f"the redacted range at byte {start} has {found} line ends, expected {lines}")
        self.redactions += 1

    def finish(self) -> _End:
        """Hold the ends against each other."""
        if self._take(1):
            self._refuse(f"goes on at byte {self._position}, expected its end")
        assert self._end is not None
        return self._end

    def _take(self, most: int) -> bytes:
        """Return the next bytes of the scrubbed content, at most ``most``; none at its end."""
        if not self._block and self._end is None:
            item = self._scanned.next()
            if isinstance(item, bytes):
                self._block = item
            elif isinstance(item, _End):
                self._end = item
            else:
                # Its scan ended without the end of this content, which next() raises an error for.
                self._refuse("has no end, expected one")
        data, self._block = self._block[:most], self._block[most:]
        return data

    def _refuse(self, problem: str) -> NoReturn:
        raise _Differs(f"{_place(self._member)}{problem}")
