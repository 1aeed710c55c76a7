"""``redactor doctor``: whether secrets get out of an app, as it is set up."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from redactor.cli import exits
from redactor.cli.io import OpenFile
from redactor.errors import SourceError, shown

if TYPE_CHECKING:
    from redactor.doctor import Report, Row

__all__ = ["command"]

_COLOURS: Final = {"covered": "green", "leaks": "red", "not checked": "yellow"}
_MOST_KINDS: Final = 6
_STDOUT, _STDERR = 1, 2


@click.command("doctor")
@click.option("--app", "place", metavar="MODULE[:ATTRIBUTE]", help="Import this app first, as uvicorn and gunicorn do.")
@click.option("--factory", is_flag=True, help="ATTRIBUTE is a function that makes the app; it is called.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print."
)
def command(place: str | None, factory: bool, form: str) -> int:
    """Say whether secrets get out of an app, and which line of code stops that.

    The app is imported with the current directory on the path; where DJANGO_SETTINGS_MODULE
    is set, Django is set up first. Then every place at which text leaves the process
    (handlers, sinks, clients, exporters, hooks) is given synthetic secrets, with its last
    step replaced, so that nothing is sent or written. What the app prints goes to stderr.
    Without --app a bare process is examined.

    Exit code 1 means that something leaks, 0 that nothing does, 3 that the app cannot be imported.
    """
    module, _, attribute = (place or "").partition(":")
    if factory and not attribute:
        raise click.UsageError("--factory needs an attribute to call, expected --app MODULE:ATTRIBUTE")
    if place is not None and not all(part.isidentifier() for part in module.split(".")):
        raise click.BadParameter("expected MODULE[:ATTRIBUTE], such as shop.web:app", param_hint="--app")
    kept = _divert()
    try:
        app = _imported(module, attribute, factory) if place is not None else None
        from redactor.doctor import examine  # slow, and not needed for --help

        report = examine(app=app, app_name=attribute or "app")
    finally:
        _bring_back(kept)
    if place is None:
        click.echo("redactor: no --app: this is what a process does that sets nothing up", err=True)
    with OpenFile() as output:
        text = _json(report) if form == "json" else "".join(_lines(report, output.has_colours()))
        output.write(text.encode("utf-8", "backslashreplace"))
    click.echo(f"redactor: {_summary(report)}", err=True)
    _divert()  # what the app says when the process ends is no part of the report
    return exits.FINDINGS if report.leaks else exits.DONE


# --- the app ------------------------------------------------------------------------------


def _divert() -> int | None:
    """Let what is written to standard output, by whatever code, go to standard error; return what brings it back."""
    _flush()
    try:
        kept = os.dup(_STDOUT)
        os.dup2(_STDERR, _STDOUT)
    except OSError:
        return None  # one of them is closed: there is nothing to keep apart
    return kept


def _bring_back(kept: int | None) -> None:
    _flush()
    if kept is not None:
        os.dup2(kept, _STDOUT)
        os.close(kept)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _imported(module: str, attribute: str, factory: bool) -> Any:
    """Return the app, or its module; raises ``SourceError``."""
    sys.path.insert(0, str(Path.cwd()))
    if os.environ.get("DJANGO_SETTINGS_MODULE"):
        with _refusing("DJANGO_SETTINGS_MODULE", "Django cannot be set up"):
            importlib.import_module("django").setup()
    with _refusing(module, "cannot be imported"):
        found: Any = importlib.import_module(module)
    for name in attribute.split(".") if attribute else ():
        with _refusing(f"{module}:{attribute}", "cannot be found"):
            found = getattr(found, name)
    if factory:
        with _refusing(f"{module}:{attribute}", "cannot be called"):
            found = found()
    return found


@contextmanager
def _refusing(what: str, problem: str) -> Iterator[None]:
    """Turn what the app raises into one line that shows no value: an exception's text may hold one."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise SourceError(f"{shown(what)}: {problem} ({type(error).__name__}), expected an app") from None


# --- the report ---------------------------------------------------------------------------


def _json(report: Report) -> str:
    import json  # not needed for the other form, nor for --help

    return json.dumps({"rows": [row._asdict() for row in report.rows]}, indent=2) + "\n"


def _lines(report: Report, colours: bool) -> Iterator[str]:
    hosts = max(len(row.host) for row in report.rows)
    states = max(len(row.state) for row in report.rows)
    for row in report.rows:
        state = row.state.ljust(states)
        if colours:
            state = click.style(state, fg=_COLOURS[row.state])
        yield f"{state}  {row.host.ljust(hosts)}  {shown(row.what)}\n"
        for line in _remarks(row):
            yield f"{' ' * (states + hosts + 4)}{shown(line)}\n"


def _remarks(row: Row) -> Iterator[str]:
    if row.leaks:
        yield f"got through: {_kinds(row.leaks)}"
    if row.reason:
        yield row.reason
    if row.fix:
        yield f"fix: {row.fix}"


def _kinds(kinds: Sequence[str]) -> str:
    more = len(kinds) - _MOST_KINDS
    return ", ".join(kinds[:_MOST_KINDS]) + (f" and {more} more" if more > 0 else "")


def _summary(report: Report) -> str:
    return ", ".join(f"{report.count(state)} {state}" for state in _COLOURS)
