"""``redactor scan``: where the secrets are, never what they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from redactor.cli import exits
from redactor.cli.io import OpenFile, Source, visit
from redactor.cli.options import Settings, policy_options, rule_options, sources_argument
from redactor.errors import PolicyError

if TYPE_CHECKING:
    from redactor.redactor import Redactor
    from redactor.report.findings import Finding
    from redactor.report.formats import Form

__all__ = ["NO_KEY", "command", "now_option"]

NO_KEY: Final = (
    "an inventory needs a key, expected REDACTOR_HMAC_KEY_FILE to name its file: make one with 'redactor key new FILE'"
)

_FORMATS: Final = ("text", "csv", "github", "json", "jsonl", "sarif")


def _read_now(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int:
    from redactor.report.timestamps import parse_iso

    if value is None:
        return int(time.time())
    now = parse_iso(value.encode("utf-8", "replace"))
    if now is None:
        raise click.BadParameter("expected a time as 2026-01-31T12:00:00Z")
    return now


now_option = click.option(
    "--now", metavar="TIME", callback=_read_now, help="Judge expiry as of TIME, as 2026-01-31T12:00:00Z."
)


@click.command("scan")
@sources_argument
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True, help="How to print.")
@click.option(
    "--inventory",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Add what is exposed to this inventory, a SQLite file; needs a key.",
)
@click.option(
    "--fail-on",
    multiple=True,
    metavar="RULE|CATEGORY|live",
    help="Give exit code 1 only for these; 'live' is all that is not known to have expired. Repeatable.",
)
@now_option
@policy_options(redactions=False)
@rule_options
def command(
    paths: Sequence[str], form: str, inventory: Path | None, fail_on: Sequence[str], now: int, settings: Settings
) -> int:
    """Print where secrets are, never what they are.

    One line for each secret in the PATHs (standard input without any): path:line:column: rule.
    Lines and columns count from 1. A column is the number of a byte, not of a character;
    UTF-16 text is counted as if it were UTF-8 without a byte order mark. When a key is set
    (REDACTOR_HMAC_KEY_FILE) the fingerprint follows, which is equal for equal secrets.

    Exit code 1 means findings, 0 none, 3 that some PATH could not be processed.
    """
    redactor = settings.redactor()
    wanted = _Wanted(redactor, fail_on, now)
    if inventory is not None and redactor.policy.hmac_key is None:
        raise PolicyError(NO_KEY)
    described = form != "text" or inventory is not None or bool(fail_on)
    with ExitStack() as stack:
        takers = [wanted.take]
        if inventory is not None:
            from redactor.report.inventory import Inventory

            takers.append(stack.enter_context(Inventory(inventory, now=now)).add)
        output = stack.enter_context(OpenFile())
        printer = _Printer(redactor, form, now, output)
        takers.append(printer.take)
        try:
            failed = _scan(redactor, paths, now if described else None, takers)
            printer.finish()
        except BrokenPipeError:
            return exits.FINDINGS  # there was a finding to write
    if failed:
        return exits.SOURCE
    return exits.FINDINGS if wanted.met else exits.DONE


def _scan(
    redactor: Redactor, paths: Sequence[str], now: int | None, takers: Sequence[Callable[[list[Finding]], None]]
) -> bool:
    """Hand the findings of all sources to the takers; return whether some source could not be processed."""
    from redactor.report.findings import look

    def work(source: Source) -> None:
        for findings in look(redactor, source.blocks(), source.name, now):
            if findings:
                for take in takers:
                    take(findings)

    return visit(paths, work).failed


class _Wanted:
    """Tells whether any finding was met that counts for the exit code."""

    def __init__(self, redactor: Redactor, fail_on: Sequence[str], now: int) -> None:
        self.met = False
        self._names = frozenset(fail_on)
        self._now = now
        rules = redactor.ruleset.rules
        known = {"live", *(rule.id for rule in rules), *(rule.category for rule in rules)}
        for name in fail_on:
            if name not in known:
                raise PolicyError(f"unknown rule or category '{name[:64]}'; see 'redactor rules list'")

    def take(self, findings: list[Finding]) -> None:
        self.met = self.met or any(map(self._counts, findings))

    def _counts(self, finding: Finding) -> bool:
        if not self._names or finding.rule in self._names or finding.category in self._names:
            return True
        at = finding.expiry.at
        return "live" in self._names and (at is None or at > self._now)


class _Printer:
    """Writes findings as they come: lines of text, or a form with a beginning and an end."""

    def __init__(self, redactor: Redactor, form: str, now: int, output: OpenFile) -> None:
        self._output = output
        self._form: Form | None = None
        if form == "text":
            self._put = _coloured if output.has_colours() else _text
            return
        from redactor.report.formats import FORMS

        self._form = FORMS[form](redactor.ruleset, now)
        self._put = self._form.add
        self._write(self._form.begin())

    def take(self, findings: list[Finding]) -> None:
        self._write("".join(map(self._put, findings)))

    def finish(self) -> None:
        if self._form is not None:
            self._write(self._form.end())

    def _write(self, text: str) -> None:
        if text:
            self._output.write(text.encode("utf-8"))


def _text(finding: Finding) -> str:
    mark = f" {finding.fingerprint}" if finding.fingerprint else ""
    return f"{finding.source}:{finding.line}:{finding.column}: {finding.rule}{mark}\n"


def _coloured(finding: Finding) -> str:
    return _text(
        finding._replace(source=click.style(finding.source, fg="magenta"), rule=click.style(finding.rule, fg="red"))
    )
