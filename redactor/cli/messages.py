"""What is said on stderr: one line each, never with input in it."""

from __future__ import annotations

from contextlib import suppress

import click

from redactor.errors import shown

__all__ = ["complain"]


def complain(problem: str) -> None:
    """Say ``problem`` on stderr, as one line. A closed stderr is no reason to fail."""
    with suppress(OSError):
        click.echo(f"redactor: {shown(problem)}", err=True)
