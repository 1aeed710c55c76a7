"""``redactor scrub --diff``: what would be replaced, line by line, without a secret; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from redactor.archive.content import Limits
from redactor.archive.content import Source as Content
from redactor.archive.diff import diff_file, diff_source
from redactor.archive.tasks import ObjectResult
from redactor.archive.walk import Selection, find_tasks
from redactor.cli import exits
from redactor.cli.io import OpenFile, Source, visit
from redactor.cli.messages import complain
from redactor.cli.options import Settings
from redactor.cli.signals import received
from redactor.errors import SourceError

__all__ = ["diff_files", "diff_streams"]


def diff_files(selection: Selection, settings: Settings, limits: Limits, *, check: bool) -> int:
    """Show what would be replaced in the files of a selection; return the exit code."""
    redactor = settings.redactor()
    failed = False
    found = 0

    def report(result: ObjectResult) -> None:
        nonlocal failed
        failed = True
        complain(result.problem)

    with OpenFile() as output:
        write = partial(_write, output)
        for task in find_tasks(selection, report, sweeping=False):
            try:
                found += diff_file(task.source, redactor, write, limits)
            except SourceError as error:
                failed = True
                complain(str(error))
            if code := received():  # a library has swallowed what the signal raised
                return code
    return _exit_code(failed=failed, found=check and found > 0)


def diff_streams(paths: Sequence[str], settings: Settings, limits: Limits, *, check: bool) -> int:
    """Show what would be replaced in sources; return the exit code."""
    redactor = settings.redactor()
    found = 0
    with OpenFile() as output:
        write = partial(_write, output)

        def show(source: Source) -> None:
            nonlocal found
            found += diff_source(source.name, Content(source.take), redactor, write, limits)

        visited = visit(paths, show)
    return _exit_code(failed=visited.failed, found=check and found > 0)


def _write(output: OpenFile, text: str) -> None:
    output.write(text.encode("utf-8"))


def _exit_code(*, failed: bool, found: bool) -> int:
    if failed:
        return exits.SOURCE
    return exits.FINDINGS if found else exits.DONE
