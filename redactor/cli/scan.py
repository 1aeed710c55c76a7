"""``redactor scan``: where the secrets are, never what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from redactor.cli import exits
from redactor.cli.io import OpenFile, Source, visit
from redactor.cli.options import Settings, policy_options, rule_options, sources_argument

if TYPE_CHECKING:
    from redactor.cli.finder import Place

__all__ = ["command"]


@click.command("scan")
@sources_argument
@click.option(
    "--format", "form", type=click.Choice(["text", "jsonl"]), default="text", show_default=True, help="How to print."
)
@policy_options(redactions=False)
@rule_options
def command(paths: Sequence[str], form: str, settings: Settings) -> int:
    """Print where secrets are, never what they are.

    One line for each secret in the PATHs (standard input without any): path:line:column: rule.
    Lines and columns count from 1. A column is the number of a byte, not of a character;
    UTF-16 text is counted as if it were UTF-8 without a byte order mark. When a key is set
    (REDACTOR_HMAC_KEY_FILE) the fingerprint follows, which is equal for equal secrets.

    Exit code 1 means findings, 0 none, 3 that some PATH could not be processed.
    """
    from redactor.cli.finder import look

    redactor = settings.redactor()
    with OpenFile() as output:
        written = _json if form == "jsonl" else _coloured if output.has_colours() else _text

        def work(source: Source) -> None:
            for places in look(redactor, source.blocks()):
                output.write("".join(written(source.name, place) for place in places).encode("utf-8"))

        try:
            visited = visit(paths, work)
        except BrokenPipeError:
            return exits.FINDINGS  # there was a finding to write
    if visited.failed:
        return exits.SOURCE
    return exits.FINDINGS if redactor.summary.total else exits.DONE


def _text(path: str, place: Place) -> str:
    mark = f" {place.fingerprint}" if place.fingerprint else ""
    return f"{path}:{place.line}:{place.column}: {place.rule}{mark}\n"


def _coloured(path: str, place: Place) -> str:
    return _text(click.style(path, fg="magenta"), place._replace(rule=click.style(place.rule, fg="red")))


def _json(path: str, place: Place) -> str:
    import json  # not needed for the other form, nor for --help

    fields = {"path": path, **place._asdict()}
    if not place.fingerprint:
        del fields["fingerprint"]
    return json.dumps(fields) + "\n"
