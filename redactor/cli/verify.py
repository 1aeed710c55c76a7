"""``redactor verify``: the proof that scrubbing changed nothing but the secrets, and left none."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from redactor.cli import exits
from redactor.cli.io import OpenFile
from redactor.cli.messages import complain
from redactor.cli.options import Settings, policy_options, rule_options
from redactor.cli.signals import received
from redactor.errors import SourceError, internal, shown

if TYPE_CHECKING:
    from redactor.archive.manifest import Entry, ManifestIndex
    from redactor.archive.verify import Proof
    from redactor.redactor import Redactor

__all__ = ["command"]


@click.command("verify")
@click.argument("original", type=click.Path())
@click.argument("scrubbed", type=click.Path())
@click.option(
    "--manifest", type=click.Path(), metavar="FILE", help="What 'redactor scrub --manifest' wrote of the run."
)
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@policy_options(redactions=True)
@rule_options
def command(original: str, scrubbed: str, manifest: str | None, form: str, settings: Settings) -> int:
    """Prove that only secrets were replaced in SCRUBBED, and that none is left.

    ORIGINAL and SCRUBBED are two files or two folders, in which files of the same name are
    compared, unpacked and member by member. Outside of the redacted ranges every byte must
    be the same; lines must be as many; JSON must still parse; another scan must find
    nothing. The ranges are those of the manifest, in which also the SHA-256 of both files
    must stand; of two folders, every file in it must be there. Without one, ORIGINAL is scrubbed again, in memory: give the options that
    it was scrubbed with.

    One line for each file: what is proven, or which byte differs, never what it is.

    Exit code 0 means that all is proven, 1 that something differs, 3 that something could
    not be read.
    """
    redactor = settings.redactor()
    with ExitStack() as stack:
        index = None
        if manifest is not None:
            from redactor.archive.manifest import ManifestIndex

            index = stack.enter_context(ManifestIndex(manifest))
            if index.header.rules != redactor.ruleset.digest:
                complain(f"{shown(manifest)}: is of other rules than these; the scan for what is left uses these")
        printer = _Printer(stack.enter_context(OpenFile()), form)
        for proof in _proofs(original, scrubbed, redactor, index):
            if code := received():  # a library has swallowed what the signal raised
                return code
            printer.take(proof)
        printer.finish()
    return printer.exit_code


def _proofs(original: str, scrubbed: str, redactor: Redactor, index: ManifestIndex | None) -> Iterator[Proof]:
    from redactor.archive.verify import Proof

    for pair in _pairs(original, scrubbed):
        if isinstance(pair, _Alone):
            yield Proof(shown(pair.path), problem=f"{shown(pair.path)}: {pair.problem}", read=pair.read)
            continue
        found = _Found(None, None) if index is None else _find(pair.original, index)
        yield found.proof or _verified(pair, redactor, found.entry)
    if index is None or not Path(original).is_dir():
        return
    for entry in index.missed():
        yield Proof(shown(entry.source), problem=f"{shown(entry.source)}: {_MISSED}")


def _verified(pair: _Pair, redactor: Redactor, entry: Entry | None) -> Proof:
    from redactor.archive.verify import Proof, verify_file

    try:
        return verify_file(pair.original, pair.scrubbed, redactor, entry)
    except Exception as error:
        path = shown(pair.original)
        return Proof(path, problem=f"{path}: {internal(error)}", read=False)


_MISSED = "is in the manifest and was not compared, expected its original and scrubbed file"
_FOREIGN = "is not in the manifest, expected an original with its SHA-256"


class _Found(NamedTuple):
    entry: Entry | None
    proof: Proof | None


def _find(original: str, index: ManifestIndex) -> _Found:
    """Return what the manifest says of a file, or a proof that says that it does not."""
    from redactor.archive.verify import Proof, digest_of

    path = shown(original)
    try:
        entry = index.find(digest_of(original))
    except SourceError as error:
        return _Found(None, Proof(path, problem=str(error), read=False))
    return _Found(entry, None) if entry is not None else _Found(None, Proof(path, problem=f"{path}: {_FOREIGN}"))


# --- files and trees --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pair:
    original: str
    scrubbed: str


@dataclass(frozen=True, slots=True)
class _Alone:
    """A file that has no pair, or a folder that cannot be read."""

    path: str
    problem: str
    read: bool = True


def _pairs(original: str, scrubbed: str) -> Iterator[_Pair | _Alone]:
    """Yield the pairs of files of two trees, in order of their names, and what has no pair; or the one pair."""
    folders = [Path(path).is_dir() for path in (original, scrubbed)]
    if not any(folders):
        yield _Pair(original, scrubbed)
        return
    if not all(folders):
        raise click.UsageError(f"{shown(original)} and {shown(scrubbed)}: expected two files or two folders")
    for path, below in _files(original):
        if isinstance(path, _Alone):
            yield path
        elif _is_file(other := os.path.join(scrubbed, below)):  # noqa: PTH118 (one of many)
            yield _Pair(path, other)
        else:
            yield _Alone(path, "has no scrubbed file, expected one of its name")
    for path, below in _files(scrubbed):
        if isinstance(path, _Alone):
            yield path
        elif not _is_file(os.path.join(original, below)):  # noqa: PTH118 (one of many)
            yield _Alone(path, "has no original, expected one of its name")


def _files(root: str) -> Iterator[tuple[str | _Alone, str]]:
    """Yield the path of every regular file in a tree, and that below its root; no link is followed."""
    waiting = [""]
    while waiting:
        below = waiting.pop()
        folder = os.path.join(root, below) if below else root  # noqa: PTH118 (one of many)
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            yield _Alone(folder, f"{error.strerror}, expected a readable folder", read=False), below
            continue
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                yield entry.path, below + entry.name
        waiting += [f"{below}{entry.name}/" for entry in reversed(entries) if entry.is_dir(follow_symlinks=False)]


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


# --- output -----------------------------------------------------------------------------------


class _Printer:
    """Writes one line, or one JSON object in a list, for each file."""

    def __init__(self, output: OpenFile, form: str) -> None:
        self._output = output
        self._json = form == "json"
        self._before = "[\n"
        self._differs = False
        self._unread = False

    @property
    def exit_code(self) -> int:
        """The exit code for all that was written."""
        if self._unread:
            return exits.SOURCE
        return exits.FINDINGS if self._differs else exits.DONE

    def take(self, proof: Proof) -> None:
        self._differs |= bool(proof.problem)
        self._unread |= not proof.read
        self._output.write((self._as_json(proof) if self._json else _as_text(proof)).encode("utf-8"))

    def finish(self) -> None:
        if self._json:
            self._output.write(b"[]\n" if self._before == "[\n" else b"\n]\n")

    def _as_json(self, proof: Proof) -> str:
        import json

        result = "unreadable" if not proof.read else "differs" if proof.problem else "ok"
        told = {"path": proof.path, "result": result, "redactions": proof.redactions, "problem": proof.problem}
        before, self._before = self._before, ",\n"
        return before + json.dumps(told)


def _as_text(proof: Proof) -> str:
    counted = "1 redaction" if proof.redactions == 1 else f"{proof.redactions} redactions"
    return f"{proof.problem or f'{proof.path}: ok, {counted}'}\n"
