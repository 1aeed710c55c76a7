"""``redactor match``: which of one's own session ids and tokens are exposed."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redactor.cli import exits
from redactor.cli.io import OpenFile, Source
from redactor.cli.scan import NO_KEY, now_option
from redactor.errors import PolicyError, SourceError

if TYPE_CHECKING:
    from redactor.replace import HmacKey
    from redactor.report.inventory import Exposure

__all__ = ["command"]

_LONGEST: int = 1 << 20
"""How many bytes a line may have."""


@click.command("match")
@click.option(
    "--inventory", required=True, type=click.Path(path_type=Path), metavar="FILE", help="What 'redactor scan' wrote."
)
@click.option("--column", type=click.IntRange(min=1), help="Read CSV; the ids are in this column, from 1.")
@click.option("--delimiter", default=",", show_default=True, metavar="CHAR", help="What parts the columns.")
@click.option("--prefix", default="", help="Take this off each id; lines without it are passed over.")
@click.option(
    "--key",
    "key_files",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Try this key too, beside that of REDACTOR_HMAC_KEY_FILE. Repeatable.",
)
@click.option("--print-ids", is_flag=True, help="Print the ids that matched and nothing else: the list to revoke.")
@click.option("--mark", type=click.Choice(["open", "revoked", "accepted"]), help="Note this of what matched.")
@now_option
def command(
    inventory: Path,
    column: int | None,
    delimiter: str,
    prefix: str,
    key_files: Sequence[Path],
    print_ids: bool,
    mark: str | None,
    now: int,
) -> int:
    """Read session ids or tokens from standard input, one a line, and print which are exposed.

    A line for each: its number, fingerprint, rules, when it was first and last seen, liveness and
    what to do, with tabs between. No id is printed unless --print-ids asks for that.

    Exit code 1 means that there are some, 0 none.
    """
    if len(delimiter) != 1:
        raise click.BadParameter("expected one character", param_hint="--delimiter")
    keys = _keys(key_files)
    from redactor.report.inventory import Inventory
    from redactor.report.matching import match

    with Inventory(inventory, create=False) as opened, Source("-") as source, OpenFile() as output:
        lines = _Ids(source, column, delimiter, prefix)
        matched = []
        for found in match(lines, opened, *keys):
            matched.append(found.exposure.fingerprint)
            output.write(lines.current + b"\n" if print_ids else _row(lines.number, found.exposure, now))
        if mark is not None:
            opened.mark(matched, mark)
    return exits.FINDINGS if matched else exits.DONE


def _keys(paths: Sequence[Path]) -> list[HmacKey]:
    from redactor.replace import HmacKey

    own = HmacKey.from_environment()
    keys = [*([] if own is None else [own]), *map(HmacKey.from_file, paths)]
    if not keys:
        raise PolicyError(NO_KEY)
    return keys


class _Ids:
    """The ids on standard input; ``current`` and ``number`` are the last one and its line, from 1."""

    def __init__(self, source: Source, column: int | None, delimiter: str, prefix: str) -> None:
        self.current = b""
        self.number = 0
        self._source = source
        self._column = column
        self._delimiter = delimiter
        self._prefix = prefix.encode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[bytes]:
        ids = self._lines() if self._column is None else self._cells(self._column - 1)
        prefix = self._prefix
        for self.number, value in enumerate(ids, 1):
            if value.startswith(prefix) and len(value) > len(prefix):
                self.current = value[len(prefix) :]
                yield self.current

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        for block in self._source.blocks():
            *lines, rest = (rest + block).split(b"\n")
            if len(rest) > _LONGEST:
                raise SourceError(f"-: a line of more than {_LONGEST} bytes, expected one id a line")
            for line in lines:
                yield line.strip()
        yield rest.strip()

    def _cells(self, column: int) -> Iterator[bytes]:
        texts = (line.decode("utf-8", "surrogateescape") for line in self._lines())
        try:
            for row in csv.reader(texts, delimiter=self._delimiter):
                yield row[column].encode("utf-8", "surrogateescape") if column < len(row) else b""
        except csv.Error:
            raise SourceError("-: no CSV, expected a table with an id in each row") from None


def _row(number: int, exposure: Exposure, now: int) -> bytes:
    from redactor.report.liveness import liveness
    from redactor.report.timestamps import iso

    seen = ("-" if when is None else iso(when) for when in (exposure.first_seen, exposure.last_seen))
    cells = (
        str(number),
        exposure.fingerprint,
        ",".join(exposure.rules),
        *seen,
        liveness(exposure.expiry.at, now),
        exposure.action(now),
    )
    return ("\t".join(cells) + "\n").encode("utf-8")
