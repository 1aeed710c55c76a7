"""What the tests of files share: a line with a secret, one scrubbing of a file, and what is there afterwards."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from redactor import Redactor
from redactor.archive.files import scrub_file
from redactor.archive.tasks import Conditions, ObjectResult, Outcome, Task

SECRET = b"ml9mj78tt4pnjjl7w8ml86kl0uxovj1x"
DIRTY = b"user=alice sessionid=" + SECRET + b" ok\n"
DONE = b"user=alice sessionid=[REDACTED:session] ok\n"
CLEAN = b"GET /index.html 200 in 17 ms\n"


@cache
def redactor() -> Redactor:
    return Redactor()


def scrub(path: str | os.PathLike[str], destination: str | os.PathLike[str] | None = None, **wanted) -> ObjectResult:
    """Scrub a file in place, or into another one, in this process."""
    task = Task(os.fspath(path), os.fspath(destination or path), wanted.pop("backup", ""))
    return scrub_file(task, wanted.pop("by", None) or redactor(), Conditions(**wanted))


def said(result: ObjectResult) -> tuple[Outcome, str]:
    return result.outcome, result.problem


def names(folder: Path) -> set[str]:
    """Return the names of all that is below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the names and bytes of all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def new_file(path: Path, content: bytes = DIRTY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
