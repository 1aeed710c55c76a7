"""What is said on stderr: one line each, never with input in it."""

from __future__ import annotations

import os
import traceback
from contextlib import suppress
from pathlib import Path

import click

__all__ = ["complain", "internal", "shown"]


def complain(problem: str) -> None:
    """Say ``problem`` on stderr, as one line. A closed stderr is no reason to fail."""
    with suppress(OSError):
        click.echo(f"redactor: {shown(problem)}", err=True)


def shown(text: str | os.PathLike[str]) -> str:
    """Return a path or message with bytes and control characters that could disturb a line escaped."""
    readable = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in readable)


def internal(error: Exception) -> str:
    """Describe an error that should not happen: its type and place. Its message may hold input, so it is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"internal error ({type(error).__name__}{place}), expected none; please report it"
