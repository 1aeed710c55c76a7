"""Reading sources and writing destinations, bytes in and bytes out."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from redactor.archive.atomic import AtomicFile, DestinationError, Metadata, sweep
from redactor.archive.identity import Identity
from redactor.cli.messages import complain
from redactor.errors import SourceError, internal, shown

__all__ = [
    "BLOCK",
    "Destination",
    "Nowhere",
    "OpenFile",
    "Source",
    "Visited",
    "is_same_file",
    "open_destination",
    "visit",
]

BLOCK: Final = 262144
"""How many bytes are read and scanned at a time."""

_BINARY: Final = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


# --- sources --------------------------------------------------------------------------


class Source:
    """A file, or standard input for ``-``, open for reading as a context manager.

    Raises ``SourceError`` when it cannot be opened or read, or is a directory.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = shown(path)
        self._handle = -1
        self._opened: os.stat_result | None = None
        self._ahead = b""
        """What was read but not yet given out."""
        self._ended = False

    def __enter__(self) -> Self:
        try:
            self._handle = _stdin() if self.path == "-" else os.open(self.path, os.O_RDONLY | _BINARY)
            self._opened = os.fstat(self._handle)
        except OSError as error:
            self._close()
            raise self._error(error) from None
        if stat.S_ISDIR(self._opened.st_mode):
            self._close()
            raise SourceError(f"{self.name}: is a directory, expected a file")
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def blocks(self, *, at_once: bool = False) -> Iterator[bytes]:
        """Yield the bytes in blocks of at most ``BLOCK``.

        Blocks are full while bytes keep coming. As soon as one would have to wait for
        more, what is there is yielded, so that a slow pipe is passed on as it comes.
        ``at_once`` yields what each read returns.
        """
        while first := self.take(BLOCK):
            block = bytearray(first)
            while not at_once and len(block) < BLOCK and self.has_more():
                more = self._read(BLOCK - len(block))
                if not more:
                    yield bytes(block)
                    return
                block += more
            yield bytes(block)

    def head(self, size: int) -> bytes:
        """Return the first bytes without giving them out: at least ``size``, or all there are.

        If one would have to wait for more, one whole line is enough: it could be passed on.
        """
        while len(self._ahead) < size and (b"\n" not in self._ahead or self.has_more()):
            if not self._look_ahead():
                break
        return self._ahead

    def first_line(self, most: int) -> bytes:
        """Return the first line without giving it out; if it has ``most`` bytes or more, only so much."""
        while len(self._ahead) < most and b"\n" not in self._ahead and self._look_ahead():
            pass
        return self._ahead[:most].partition(b"\n")[0]

    def take(self, size: int) -> bytes:
        """Give out the next bytes: what was looked at, or else at most ``size``; b"" at the end."""
        data, self._ahead = self._ahead, b""
        return data or self._read(size)

    @property
    def opened(self) -> os.stat_result:
        """What the source was when it was opened."""
        assert self._opened is not None
        return self._opened

    @property
    def regular_handle(self) -> int | None:
        """The descriptor of a regular file, which can be read twice; None for anything else."""
        return self._handle if stat.S_ISREG(self.opened.st_mode) else None

    def has_more(self) -> bool:
        """Tell whether reading would not have to wait; ``False`` where that cannot be known."""
        return _is_ready(self._handle, for_reading=True, timeout=0)

    def has_changed(self) -> bool:
        """Tell whether the path no longer names the file that was opened, as it was then."""
        if self._opened is None or not stat.S_ISREG(self._opened.st_mode):
            return False
        try:
            now = os.fstat(_stdin()) if self.path == "-" else Path(self.path).stat()
        except OSError:
            return True
        return Identity.of(now) != Identity.of(self._opened)

    def _look_ahead(self) -> bool:
        more = self._read(BLOCK)
        self._ahead += more
        return bool(more)

    def _read(self, size: int) -> bytes:
        while not self._ended:
            try:
                data = os.read(self._handle, size)
                # A terminal would want its end typed twice; a file may be gone back in.
                self._ended = not data and self.regular_handle is None
                return data
            except BlockingIOError:
                _wait(self._handle, for_reading=True)
            except OSError as error:
                raise self._error(error) from None
        return b""

    def _error(self, error: OSError) -> SourceError:
        return SourceError(f"{self.name}: {error.strerror}, expected a readable file")

    def _close(self) -> None:
        if self._handle >= 0 and self.path != "-":
            os.close(self._handle)
        self._handle = -1


@dataclass
class Visited:
    """What became of the sources: those processed, and whether some could not be."""

    whole: list[Source] = field(default_factory=list)
    failed: bool = False
    cut: bool = False
    """Some source failed after a part of it had been processed."""


def visit(paths: Sequence[str], work: Callable[[Source], None]) -> Visited:
    """Do ``work`` on every source; say on stderr which ones could not be processed.

    A source that fails does not keep the others from being processed; a destination that
    fails (``DestinationError``, ``BrokenPipeError``) ends everything and is passed on.
    """
    visited = Visited()
    for path in paths:
        source = Source(path)
        opened = False
        try:
            with source:
                opened = True
                work(source)
            visited.whole.append(source)
        except (DestinationError, BrokenPipeError):
            raise
        except SourceError as error:
            complain(str(error))
            visited.failed, visited.cut = True, visited.cut or opened
        except Exception as error:
            complain(f"{source.name}: {internal(error)}")
            visited.failed = visited.cut = True
    return visited


def is_same_file(path: str, destination: str | None) -> bool:
    """Tell whether a source is the regular file that the destination (``None``: stdout) already is."""
    try:
        target = os.fstat(1) if destination is None else Path(destination).stat()
        source = os.fstat(0) if path == "-" else Path(path).stat()
    except OSError:
        return False
    return stat.S_ISREG(source.st_mode) and os.path.samestat(source, target)


# --- destinations ---------------------------------------------------------------------


class Destination(Protocol):
    """Takes bytes; what it took counts once ``commit`` has been called.

    Raises ``DestinationError``, or ``BrokenPipeError`` when nobody reads any more.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def write(self, data: bytes) -> None:
        """Write all of ``data``."""

    def commit(self) -> None:
        """Make what was written final."""

    def is_terminal(self) -> bool:
        """Tell whether a person is watching."""


class Nowhere:
    """The destination of runs that only count."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, data: bytes) -> None:
        pass

    def commit(self) -> None:
        pass

    def is_terminal(self) -> bool:
        return False


class OpenFile:
    """A destination written as the bytes come: standard output, a pipe, a device."""

    def __init__(self, path: str | None = None) -> None:
        self.name = "standard output" if path is None else shown(path)
        self._own = path is not None
        try:
            self._handle = _stdout() if path is None else os.open(path, os.O_WRONLY | _BINARY)
        except OSError as error:
            raise _refusal(self.name, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._own:
            os.close(self._handle)

    def write(self, data: bytes) -> None:
        _write_all(self._handle, data, self.name)

    def commit(self) -> None:
        pass

    def is_terminal(self) -> bool:
        return os.isatty(self._handle)

    def has_colours(self) -> bool:
        """Tell whether colours are welcome: on a terminal, unless ``NO_COLOR`` is set to something."""
        return self.is_terminal() and not os.environ.get("NO_COLOR")


def open_destination(path: str | None) -> Destination:
    """Return the destination for ``path``: standard output for ``None``.

    A regular file, or one that is not there yet, is written atomically; it keeps its
    metadata, where that is permitted, and a new one has mode 0600. Anything else (a device,
    a pipe) is written directly: replacing it would destroy it.
    """
    if path is None:
        return OpenFile()
    target, name = os.path.realpath(path), shown(path)
    try:
        existing = Path(path).stat()
    except FileNotFoundError:
        sweep(Path(target).parent)
        return AtomicFile(target, name)
    except OSError as error:
        raise _refusal(name, error) from None
    if stat.S_ISDIR(existing.st_mode):
        raise DestinationError(f"{name}: is a directory, expected a file")
    if not stat.S_ISREG(existing.st_mode):
        return OpenFile(path)
    sweep(Path(target).parent)
    return AtomicFile(target, name, Metadata.of(target, existing, times=False, strict=False))


# --- inside ---------------------------------------------------------------------------


def _stdin() -> int:
    # With stdin closed, another file may have got its number.
    if sys.__stdin__ is None:
        raise OSError(9, "closed")
    return 0


def _stdout() -> int:
    if sys.__stdout__ is None:
        raise OSError(9, "closed")
    return 1


def _refusal(name: str, error: OSError) -> DestinationError:
    return DestinationError(f"{name}: {error.strerror}, expected to be able to write")


def _write_all(handle: int, data: bytes, name: str) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(handle, rest) :]
        except BlockingIOError:
            _wait(handle, for_reading=False)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _refusal(name, error) from None


def _wait(handle: int, *, for_reading: bool) -> None:
    """Wait until a non-blocking ``handle`` can go on."""
    _is_ready(handle, for_reading=for_reading, timeout=None)


def _is_ready(handle: int, *, for_reading: bool, timeout: int | None) -> bool:
    # poll and not select: select cannot take handles over 1,023. Windows has neither for files.
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(handle, select.POLLIN if for_reading else select.POLLOUT)
    return bool(poll.poll(timeout))
