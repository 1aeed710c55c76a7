"""The command line: ``main`` is the entry point, ``exits`` has the exit codes.

Whatever happens, errors are one line on stderr, without a traceback and without a byte
of any input.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Final

import click

from redactor import __version__
from redactor.cli import exits
from redactor.cli.messages import complain
from redactor.cli.signals import Interrupted, interruptible, received
from redactor.errors import RedactorError, SourceError, internal

__all__ = ["main"]

_COMMANDS: Final = {
    "completion": "completion",
    "doctor": "doctor",
    "explain": "explain",
    "key": "key",
    "match": "match",
    "rules": "rules",
    "scan": "scan",
    "scrub": "scrub",
    "verify": "verify",
}
"""The commands and the modules of this package they live in."""


class _LazyGroup(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"redactor.cli.{_COMMANDS[cmd_name]}").command
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=_LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="redactor")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Remove session secrets from logs, and nothing else.

    \b
    Exit codes: 0 done, 1 findings (scan, match, scrub --check, doctor, rules test, verify), 2 wrong
    option, rule or configuration, 3 a source could not be processed, 4 an input changed
    while it was read, 129/130/143 ended by SIGHUP/SIGINT/SIGTERM.
    A pipe whose reader has gone away ends the work quietly.
    """  # noqa: D301 (click wants the character)
    if ctx.invoked_subcommand is None:
        raise click.UsageError(f"no command, expected one of {', '.join(_COMMANDS)}; see 'redactor --help'")


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line on ``args`` (by default the process's) and return the exit code.

    Raises nothing: every error becomes one line on stderr and a code of the table above.
    """
    with interruptible():
        try:
            return _run(sys.argv[1:] if args is None else list(args))
        except click.exceptions.Exit as ended:
            return ended.exit_code
        except BrokenPipeError:
            _forget_stdout()
            return exits.DONE
        except Interrupted as interrupted:
            return interrupted.exit_code
        except Exception as error:
            # A signal that arrived inside a C callback may come out as an error of the library.
            return received() or _explained(error)


def _run(args: list[str]) -> int:
    """Do what ``cli.main`` of click does, without its own ideas of broken pipes, errors and exit codes."""
    asked = os.environ.get("_REDACTOR_COMPLETE")
    if asked:
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "redactor", "_REDACTOR_COMPLETE", asked)
    with cli.make_context("redactor", args) as context:
        return int(cli.invoke(context) or exits.DONE)


def _explained(error: Exception) -> int:
    """Say on stderr what went wrong, in one line, and return the exit code for it."""
    if isinstance(error, click.ClickException):
        complain(" ".join(error.format_message().split()))
        return exits.USAGE
    if isinstance(error, RedactorError):
        complain(str(error))
        return exits.SOURCE if isinstance(error, SourceError) else exits.USAGE
    if isinstance(error, OSError):
        complain(f"standard output: {error.strerror}, expected to be able to write")
        _forget_stdout()
        return exits.SOURCE
    complain(internal(error))
    return exits.SOURCE


def _forget_stdout() -> None:
    """Point stdout at nothing, so that Python does not fail once more when it flushes at exit."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.__stdout__.fileno() if sys.__stdout__ else 1)
        os.close(nowhere)
