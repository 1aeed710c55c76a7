"""Scrubbing of sources, one after the other, into one destination."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from redactor.archive.atomic import AtomicFile
from redactor.archive.content import HEAD, Kind, Limits, Work
from redactor.archive.content import Source as Content
from redactor.archive.identity import Identity
from redactor.archive.kinds import every_kind, recognise
from redactor.cli import exits
from redactor.cli.io import BLOCK, Destination, Nowhere, Source, Visited, is_same_file, open_destination, visit
from redactor.cli.messages import complain
from redactor.cli.options import Settings
from redactor.cli.summary import say_counts, say_total
from redactor.errors import SourceError, shown
from redactor.redactor import Redactor

if TYPE_CHECKING:
    from redactor.archive.workers import Workers

__all__ = ["scrub_streams"]

_LONGEST_LINE: Final = 1024 * 1024
"""How many bytes are waited for, to see whether a pipe has one JSON value a line."""


def scrub_streams(
    paths: Sequence[str],
    target: str | None,
    settings: Settings,
    limits: Limits,
    *,
    jobs: int,
    write: bool,
    check: bool,
    line_buffered: bool,
    wants_summary: bool,
) -> int:
    """Scrub sources into ``target`` (``None``: standard output), or only count; return the exit code."""
    if write:
        _refuse_same_file(paths, target)
    with _processes(settings, jobs) as (redactor, workers), open_destination(target) if write else Nowhere() as output:
        passage = _Passage(redactor, limits, output, workers, at_once=line_buffered or output.is_terminal())
        visited = visit(paths, passage.scrub)
        code = _exit_code(visited, changed=passage.changed, found=check and passage.counts.total() > 0)
        if isinstance(output, AtomicFile) and _report_changed(visited, output):
            return exits.CHANGED
        if visited.whole and not visited.cut:
            output.commit()
    if wants_summary:
        say_total(passage.counts)
        say_counts(passage.counts)
    return code


@contextmanager
def _processes(settings: Settings, jobs: int) -> Iterator[tuple[Redactor, Workers | None]]:
    """Give a redactor, and processes if there are to be several."""
    if jobs == 1:
        yield settings.redactor(), None
        return
    from redactor.archive.workers import Workers

    with Workers(settings.redactor, jobs) as workers:
        yield workers.redactor, workers


class _Passage:
    """The way of sources into a destination; ``counts`` the secrets by rule."""

    def __init__(
        self, redactor: Redactor, limits: Limits, output: Destination, workers: Workers | None, *, at_once: bool
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.changed = False
        """Whether a source was found to change while it was read."""
        self._redactor = redactor
        self._limits = limits
        self._output = output
        self._workers = workers
        self._at_once = at_once

    def scrub(self, source: Source) -> None:
        """Scrub one source to its end."""
        kind = recognise(source.head(HEAD), source.name)
        work = Work(self._redactor, every_kind() if kind else (), self._limits)
        try:
            if kind is not None:
                self._scrub_kind(work, source, kind)
            elif self._workers is not None and source.regular_handle is not None and source.path != "-":
                self._scrub_in_parallel(work, source, self._workers)
            else:
                self._scrub_text(work, source)
        except SourceError:
            self.changed = self.changed or source.has_changed()
            raise
        finally:
            self.counts.update(work.ledger.counts)

    def _scrub_kind(self, work: Work, source: Source, kind: Kind) -> None:
        if kind.name == "json" and source.regular_handle is None and _is_json(source.first_line(_LONGEST_LINE)):
            lines = _Lines(source)
            while lines.begin():
                work.scrub(source.name, Content(lines.read), self._output)
        else:
            work.scrub(source.name, _content(source), self._output)

    def _scrub_text(self, work: Work, source: Source) -> None:
        stream = self._redactor.open_stream(line_buffered=True, observer=work.observer(source.name))
        for block in source.blocks(at_once=self._at_once):
            self._output.write(stream.feed(block))
        self._output.write(stream.finish())

    def _scrub_in_parallel(self, work: Work, source: Source, workers: Workers) -> None:
        from redactor.archive.segments import scrub_plain_parallel

        opened = Identity.of(source.opened)
        scrub_plain_parallel(work, source.name, _content(source), self._output, source.path, opened, workers)


def _content(source: Source) -> Content:
    """Return what is in a source; a file that becomes shorter raises ``SourceError``."""
    handle = source.regular_handle
    if handle is None:
        return Content(source.take)

    def read(size: int) -> bytes:
        data = source.take(size)
        if not data and os.lseek(handle, 0, os.SEEK_CUR) < source.opened.st_size:
            raise SourceError(f"{source.name}: became shorter while it was read, expected it to stay")
        return data

    return Content(read, handle)


class _Lines:
    """The lines of a pipe with one JSON value on each, as contents that end when there is nothing more for now.

    Lines of JSON have nothing to do with each other, so it makes no difference how they are
    put together; waiting for the end of a pipe would.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._ahead = b""
        self._ended = False

    def begin(self) -> bool:
        """Begin the next content, once there is one."""
        self._ended = False
        self._ahead = self._ahead or self._source.take(BLOCK)
        return bool(self._ahead)

    def read(self, size: int) -> bytes:
        """Return the next bytes of the content, b"" at its end."""
        if self._ended:
            return b""
        data, self._ahead = self._ahead or self._source.take(size), b""
        end = data.rfind(b"\n") + 1
        if end and not self._source.has_more():
            data, self._ahead, self._ended = data[:end], data[end:], True
        return data


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_same_file(paths: Sequence[str], target: str | None) -> None:
    for path in paths:
        if is_same_file(path, target):
            raise click.UsageError(
                f"{shown(path)}: is source and destination at once, expected two files; use -i to scrub in place"
            )


def _report_changed(visited: Visited, destination: AtomicFile) -> bool:
    changed = [source for source in visited.whole if source.has_changed()]
    for source in changed:
        complain(f"{source.name}: changed while it was read, expected it to stay; {destination.name} is as it was")
    return bool(changed)


def _exit_code(visited: Visited, *, changed: bool, found: bool) -> int:
    if changed:
        return exits.CHANGED
    if visited.failed:
        return exits.SOURCE
    return exits.FINDINGS if found else exits.DONE
