"""``redactor scan``: where the secrets are, never what they are."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from redactor.cli.io import OpenFile, Source, visit
from redactor.cli.options import Settings, policy_options, rule_options, sources_argument

if TYPE_CHECKING:
    from redactor.cli.finder import Finder
    from redactor.redactor import Redactor

__all__ = ["Finding", "command"]


class Finding(NamedTuple):
    """A secret's place for people: line and byte column count from 1."""

    path: str
    line: int
    column: int
    rule: str
    fingerprint: str


@click.command("scan")
@sources_argument
@click.option(
    "--format", "form", type=click.Choice(["text", "jsonl"]), default="text", show_default=True, help="How to print."
)
@policy_options(redactions=False)
@rule_options
def command(paths: Sequence[str], form: str, settings: Settings) -> int:
    """Print where PATHs (standard input without any) hold secrets: path:line:column: rule.

    Lines and columns count from 1. A column is the number of a byte, not of a character;
    UTF-16 text is counted as if it were UTF-8 without a byte order mark. When a key is set
    (REDACTOR_HMAC_KEY_FILE) the fingerprint follows, which is equal for equal secrets.

    Exit code 1 means findings, 0 none, 3 that some PATH could not be processed.
    """
    from redactor.cli.finder import Finder

    redactor = settings.redactor()
    finder = Finder(redactor)
    write = _text if form == "text" else _json
    with OpenFile() as output:

        def look(source: Source) -> None:
            for findings in _look(redactor, finder, source):
                output.write("".join(map(write, findings)).encode("utf-8"))

        try:
            visited = visit(paths, look)
        except BrokenPipeError:
            return 1  # there was a finding to write
    if visited.failed:
        return 3
    return 1 if redactor.summary.total else 0


def _look(redactor: Redactor, finder: Finder, source: Source) -> Iterator[list[Finding]]:
    """Yield the findings of a source, block by block."""
    from redactor.stream import Stream

    stream = Stream(redactor.scanner, finder, redactor.summary, line_buffered=True)
    places = _Places()
    for block in _as_utf8(source.blocks()):
        places.feed(block)
        stream.feed(block)
        yield list(_placed(finder, places, source.name))
    stream.finish()
    yield list(_placed(finder, places, source.name))


def _placed(finder: Finder, places: _Places, path: str) -> Iterator[Finding]:
    for distance, rule, fingerprint in finder.take():
        yield Finding(path, *places.of(distance), rule, fingerprint)


class _Places:
    """Turns offsets into lines and columns while blocks go by; they must be asked for in order.

    A secret may have begun before the last block, but then that line has not ended before
    the last block either: a stream is done with every line that is complete.
    """

    def __init__(self) -> None:
        self._block = b""
        self._block_start = 0
        self._done = 0
        self._line = 1
        self._line_start = 0

    def feed(self, block: bytes) -> None:
        self._advance(len(self._block))
        self._block_start += len(self._block)
        self._block = block
        self._done = 0

    def of(self, distance: int) -> tuple[int, int]:
        """Return line and column of the byte that is ``distance`` bytes before the last block's end."""
        within = len(self._block) - distance
        self._advance(within)
        return self._line, self._block_start + within - self._line_start + 1

    def _advance(self, within: int) -> None:
        if within <= self._done:
            return
        self._line += self._block.count(b"\n", self._done, within)
        newline = self._block.rfind(b"\n", self._done, within)
        if newline >= 0:
            self._line_start = self._block_start + newline + 1
        self._done = within


def _as_utf8(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass blocks on, those of UTF-16 text with a byte order mark as UTF-8 without it.

    Each is at most as long as a block of a source, which a stream takes in one piece.
    """
    from redactor.cli.io import BLOCK

    blocks = iter(blocks)
    first = b""
    while len(first) < 2 and (block := next(blocks, b"")):
        first += block
    decoder = None
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if first.startswith(mark):
            decoder = codecs.getincrementaldecoder(name)("surrogatepass")
            first = first[2:]
    for block in _chain(first, blocks):
        data = block if decoder is None else decoder.decode(block).encode("utf-8", "surrogatepass")
        for start in range(0, len(data), BLOCK):
            yield data[start : start + BLOCK]


def _chain(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _text(finding: Finding) -> str:
    mark = f" {finding.fingerprint}" if finding.fingerprint else ""
    return f"{finding.path}:{finding.line}:{finding.column}: {finding.rule}{mark}\n"


def _json(finding: Finding) -> str:
    fields = finding._asdict()
    if not finding.fingerprint:
        del fields["fingerprint"]
    return json.dumps(fields) + "\n"
