"""``redactor scrub``: sources in, the same bytes without their secrets out."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import click

from redactor.cli.options import Settings, policy_options, rule_options, sources_argument

__all__ = ["command"]

_SUFFIX: Final = re.compile(r"[.~_-][^/]*")
_SIZE: Final = re.compile(r"([0-9]+)([KMGT]?)", re.IGNORECASE)


class _LikeSed(click.Command):
    """A command whose ``-i`` takes a suffix as sed's does: only if it is attached, never the next argument."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Spell ``-i`` and ``-i.bak`` as ``--in-place=`` and ``--in-place=.bak``."""
        return super().parse_args(ctx, list(_spelled_out(args, self._options_with_value())))

    def _options_with_value(self) -> set[str]:
        options = (parameter for parameter in self.params if isinstance(parameter, click.Option))
        return {name for option in options if not option.is_flag and option.name != "in_place" for name in option.opts}


def _spelled_out(args: Iterable[str], with_value: set[str]) -> Iterator[str]:
    rest = iter(args)
    for arg in rest:
        if arg in ("-i", "--in-place"):
            yield "--in-place="
        elif arg.startswith("-i"):
            yield f"--in-place={arg[2:]}"
        else:
            yield arg
            if arg == "--":
                yield from rest
            elif arg in with_value:
                yield from islice(rest, 1)


def _read_suffix(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value and not _SUFFIX.fullmatch(value):
        raise click.BadParameter("expected a suffix that begins with one of . ~ _ - and has no /, as in -i.bak")
    return value


def _read_size(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    parts = _SIZE.fullmatch(value)
    if parts is None or not int(parts[1]):
        raise click.BadParameter("expected a number of bytes, as 500M or 2G")
    return int(parts[1]) << (10 * " KMGT".index(parts[2].upper() or " "))


@click.command("scrub", cls=_LikeSed)
@sources_argument
@click.option("-o", "--output", type=click.Path(), metavar="FILE", help="Write to FILE, whole or not at all.")
@click.option(
    "-i",
    "--in-place",
    metavar="[.SUFFIX]",
    callback=_read_suffix,
    help="Replace each file that has secrets; keep the original as FILE.SUFFIX, if one is given.",
)
@click.option("-d", "--directory", type=click.Path(), metavar="DIR", help="Write each file under its name below DIR.")
@click.option(
    "--exclude",
    multiple=True,
    metavar="GLOB",
    help="Leave out files and folders whose name, or path below a tree, matches. Repeatable.",
)
@click.option("--filelist", type=click.Path(), metavar="FILE|-", help="Scrub the paths in FILE too, one a line.")
@click.option("-0", "--null", is_flag=True, help="The paths of --filelist end with a NUL, as find -print0 writes them.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    metavar="N",
    help="Work in N processes, 0 for one on each core.",
)
@click.option("--line-buffered", is_flag=True, help="Pass complete lines on after every read.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if something would be redacted.")
@click.option("--dry-run", is_flag=True, help="Write nothing but the summary.")
@click.option("--diff", is_flag=True, help="Write nothing; show the lines that would change, without their secrets.")
@click.option(
    "--manifest", type=click.Path(), metavar="FILE", help="Note in FILE what was replaced; see 'redactor verify'."
)
@click.option("--resume", type=click.Path(), metavar="JOURNAL", help="Note in JOURNAL what is done, and leave it out.")
@click.option("--progress/--no-progress", default=True, help="Show how far the work is.  [default: on a terminal]")
@click.option("--summary/--no-summary", default=None, help="Say on stderr what was redacted.  [default: on a terminal]")
@click.option(
    "--max-depth",
    type=click.IntRange(min=0),
    metavar="N",
    help="Refuse more containers in one another than N.  [default: 4]",
)
@click.option(
    "--max-ratio",
    type=click.IntRange(min=1),
    metavar="N",
    help="Refuse what unfolds to more than N times its size.  [default: 2000]",
)
@click.option(
    "--max-size",
    metavar="BYTES",
    callback=_read_size,
    help="Refuse what unfolds to more than so many bytes; K, M, G and T are understood.  [default: 4T]",
)
@policy_options(redactions=True)
@rule_options
def command(
    paths: Sequence[str],
    output: str | None,
    in_place: str | None,
    directory: str | None,
    exclude: Sequence[str],
    filelist: str | None,
    null: bool,
    jobs: int,
    line_buffered: bool,
    check: bool,
    dry_run: bool,
    diff: bool,
    manifest: str | None,
    resume: str | None,
    progress: bool,
    summary: bool | None,
    max_depth: int | None,
    max_ratio: int | None,
    max_size: int | None,
    settings: Settings,
) -> int:
    """Write files or standard input without their secrets.

    Everything else stays as it is, byte for byte: line ends, NULs, invalid UTF-8 and
    UTF-16 with a byte order mark. Several PATHs are written one after the other; each is
    looked at by itself, so a secret that goes on in the next one is not found.

    \b
    Compressed files and archives (gzip, bzip2, xz, zstd, lz4, tar, zip) stay what they are.

    A file goes through in blocks of 256 KiB. When a pipe or terminal has nothing more to
    read at the moment, all complete lines are passed on: "tail -F app.log | redactor scrub"
    keeps up. --line-buffered, which is the default on a terminal, does not even fill the
    block first.

    -o FILE is replaced atomically. It keeps its mode, and a new one can be read by you
    only. It is left as it was when no PATH can be read, when reading one fails midway, or
    when one changes while it is read (exit code 4). A device or pipe is written directly.

    With -i or -d each PATH is a file, a folder with all that is in it, or a pattern. A file
    is replaced whole or not at all, and not touched if it has no secrets. Files that change
    meanwhile, are open for writing, or have several names are left as they are and named.

    Fingerprints need a key, in the file that REDACTOR_HMAC_KEY_FILE names.
    """  # noqa: D301 (click wants the character)
    from redactor.archive.content import Limits

    given = {"depth": max_depth, "ratio": max_ratio, "size": max_size}
    limits = Limits(**{name: value for name, value in given.items() if value is not None})
    in_files = in_place is not None or directory is not None
    counting = check or dry_run or diff
    _refuse_conflicts(output, in_place, directory)
    if manifest and (not in_files or counting or resume):
        raise click.UsageError(
            "--manifest notes what becomes of files, expected -i or -d with it, and no --resume, --check, --dry-run or --diff"
        )
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    wants_summary = dry_run or (on_terminal if summary is None else summary)
    jobs = jobs or _cores()
    if in_files or (counting and (filelist or exclude or any(map(_is_folder, paths)))):
        from redactor.archive.walk import Selection

        selection = Selection(
            _named(paths, filelist, null=null),
            exclude=exclude,
            directory=directory,
            in_place=in_place is not None,
            backup=in_place or "",
        )
        if diff:
            from redactor.cli.scrub_diff import diff_files

            return diff_files(selection, settings, limits, check=check)
        from redactor.cli.scrub_files import scrub_files

        return scrub_files(
            selection,
            settings,
            limits,
            jobs=jobs,
            write=not counting,
            check=check,
            resume=None if counting else resume,
            manifest=manifest,
            shows_progress=progress and on_terminal,
            wants_summary=wants_summary,
        )
    if filelist or exclude or null:
        raise click.UsageError("--filelist and --exclude select files, expected -i, -d, --check or --dry-run with them")
    if resume:
        raise click.UsageError("--resume goes on with files, expected -i or -d with it")
    if diff:
        from redactor.cli.scrub_diff import diff_streams

        return diff_streams(paths, settings, limits, check=check)
    from redactor.cli.scrub_streams import scrub_streams

    return scrub_streams(
        paths,
        None if output == "-" else output,
        settings,
        limits,
        jobs=jobs,
        write=not counting,
        check=check,
        line_buffered=line_buffered,
        wants_summary=wants_summary,
    )


def _refuse_conflicts(output: str | None, in_place: str | None, directory: str | None) -> None:
    given = {"-o": output, "-i": in_place, "-d": directory}
    chosen = [option for option, value in given.items() if value is not None]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} exclude each other, expected one of them")
    if directory == "":
        raise click.UsageError("-d without a name, expected a folder")


def _named(paths: Sequence[str], filelist: str | None, *, null: bool) -> Sequence[str]:
    """Return the paths of the command line and of the file list; there is no reading from standard input."""
    named = [] if tuple(paths) == ("-",) and filelist else list(paths)
    if "-" in named:
        raise click.UsageError("-: is standard input, expected files or folders as PATH; ./- is a file called -")
    if filelist:
        from redactor.archive.walk import read_filelist

        named += read_filelist(filelist, null=null)
    return named


def _cores() -> int:
    """Return how many processors there are for this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False
