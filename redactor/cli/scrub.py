"""``redactor scrub``: sources in, the same bytes without their secrets out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from redactor.cli import exits
from redactor.cli.io import AtomicFile, Destination, Nowhere, Source, Visited, is_same_file, open_destination, visit
from redactor.cli.messages import complain, shown
from redactor.cli.options import Settings, policy_options, rule_options, sources_argument

if TYPE_CHECKING:
    from redactor.model import Summary
    from redactor.redactor import Redactor

__all__ = ["command"]


@click.command("scrub")
@sources_argument
@click.option("-o", "--output", type=click.Path(), metavar="FILE", help="Write to FILE, whole or not at all.")
@click.option("--line-buffered", is_flag=True, help="Pass complete lines on after every read.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if something would be redacted.")
@click.option("--dry-run", is_flag=True, help="Write nothing but the summary.")
@click.option("--summary/--no-summary", default=None, help="Say on stderr what was redacted.  [default: on a terminal]")
@policy_options(redactions=True)
@rule_options
def command(
    paths: Sequence[str],
    output: str | None,
    line_buffered: bool,
    check: bool,
    dry_run: bool,
    summary: bool | None,
    settings: Settings,
) -> int:
    """Write files or standard input without their secrets.

    Everything else stays as it is, byte for byte: line ends, NULs, invalid UTF-8 and
    UTF-16 with a byte order mark. Several PATHs are written one after the other; each is
    looked at by itself, so a secret that goes on in the next one is not found.

    A file goes through in blocks of 256 KiB. When a pipe or terminal has nothing more to
    read at the moment, all complete lines are passed on: "tail -F app.log | redactor scrub"
    keeps up. --line-buffered, which is the default on a terminal, does not even fill the
    block first.

    -o FILE is replaced atomically. It keeps its mode, and a new one can be read by you
    only. It is left as it was when no PATH can be read, when reading one fails midway, or
    when one changes while it is read (exit code 4). A device or pipe is written directly.

    Fingerprints need a key, in the file that REDACTOR_HMAC_KEY_FILE names.
    """
    target = None if output == "-" else output
    is_counting = check or dry_run
    if not is_counting:
        _refuse_same_file(paths, target)
    redactor = settings.redactor()
    with Nowhere() if is_counting else open_destination(target) as destination:
        at_once = line_buffered or destination.is_terminal()
        visited = visit(paths, lambda source: _scrub(redactor, source, destination, at_once))
        code = _exit_code(visited, checked=check and redactor.summary.total > 0)
        if isinstance(destination, AtomicFile) and _report_changed(visited, destination):
            return exits.CHANGED
        if visited.whole and not visited.cut:
            destination.commit()
    if dry_run or (sys.stderr is not None and sys.stderr.isatty() if summary is None else summary):
        _summarise(redactor.summary)
    return code


def _scrub(redactor: Redactor, source: Source, destination: Destination, at_once: bool) -> None:
    stream = redactor.open_stream(line_buffered=True)
    for block in source.blocks(at_once=at_once):
        destination.write(stream.feed(block))
    destination.write(stream.finish())


def _refuse_same_file(paths: Sequence[str], target: str | None) -> None:
    for path in paths:
        if is_same_file(path, target):
            raise click.UsageError(
                f"{shown(path)}: is source and destination at once, expected two files; "
                "use in-place scrubbing (-i) when available"
            )


def _report_changed(visited: Visited, destination: AtomicFile) -> bool:
    changed = [source for source in visited.whole if source.has_changed()]
    for source in changed:
        complain(f"{source.name}: changed while it was read, expected it to stay; {destination.name} is as it was")
    return bool(changed)


def _exit_code(visited: Visited, *, checked: bool) -> int:
    if visited.failed:
        return exits.SOURCE
    return exits.FINDINGS if checked else exits.DONE


def _summarise(summary: Summary) -> None:
    """Say how many secrets each rule found, the most frequent first."""
    complain(f"{summary.total} redacted" if summary.total else "nothing to redact")
    for rule, count in sorted(summary.redactions.items(), key=lambda item: (-item[1], item[0])):
        complain(f"{count:>8} {rule}")
