"""What the tests of tar and zip archives share: a secret, contents, and one scrubbing run."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from redactor import Redactor
from redactor.archive import tar, zip  # noqa: A004
from redactor.archive.content import Kind, Limits, RefusedError, Source, Work

SECRET = b"kL9xQ2mZ8vBk3J7wT1aN4c"
PLACEHOLDER = b"[REDACTED:session]"
CLEAN = b"GET /index 200\n"
DIRTY = b"login sid=" + SECRET + b" ok\n"
DONE = b"login sid=" + PLACEHOLDER + b" ok\n"

ARCHIVES = (*tar.KINDS, *zip.KINDS)


@cache
def redactor() -> Redactor:
    """Return the redactor that all these tests use."""
    return Redactor()


class Written:
    """A sink that keeps what it takes."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        self.data += data


def work(kinds: Sequence[Kind] = ARCHIVES, limits: Limits | None = None, *, receipt: bool = False) -> Work:
    """Return the work of one run."""
    return Work(redactor(), kinds, limits, receipt=receipt)


def scrubbed(data: bytes, name: str, *, seekable: bool = False, run: Work | None = None) -> bytes:
    """Return ``data`` scrubbed, read from a file or from something like a pipe."""
    written = Written()
    run = run or work()
    if not seekable:
        run.scrub(name, Source(io.BytesIO(data).read), written)
        return bytes(written.data)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        handle = file.fileno()
        run.scrub(name, Source(lambda size: os.read(handle, size), handle), written)
    return bytes(written.data)


def refusal(data: bytes, name: str, *, seekable: bool = False, run: Work | None = None) -> str:
    """Return why ``data`` is refused, "" if it is not."""
    try:
        scrubbed(data, name, seekable=seekable, run=run)
    except RefusedError as error:
        return str(error)
    return ""


def assert_refused(build: Callable[[], bytes], name: str, reason: str) -> None:
    """Assert that what ``build`` makes is refused for ``reason``, in one line without the secret."""
    for seekable in (True, False):
        problem = refusal(build(), name, seekable=seekable)
        assert reason in problem
        assert problem.startswith(f"{name}: ")
        assert ", expected " in problem
        assert "\n" not in problem
        assert SECRET.decode() not in problem


class Watching(Written):
    """A sink that looks, before it takes something, into what this process has in files of a folder (Linux).

    ``largest`` is the size of the largest file that it saw; none may hold the secret.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = str(folder)
        self.largest = 0

    def write(self, data: bytes) -> None:
        for handle in Path("/proc/self/fd").iterdir():
            try:
                content = handle.read_bytes() if str(handle.readlink()).startswith(self._folder) else b""
            except OSError:
                continue  # closed since it was listed
            self.largest = max(self.largest, len(content))
            assert SECRET not in content
        super().write(data)
