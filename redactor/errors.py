"""Errors that redactor raises to its caller, and how they are worded; none ever carries input text."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["PolicyError", "RedactorError", "RuleError", "SourceError", "internal", "shown"]


def shown(text: str | bytes | os.PathLike[str]) -> str:
    """Return a path, a name or a message on one line: bytes that are no UTF-8 and control characters escaped."""
    readable = os.fsencode(text).decode("utf-8", "backslashreplace")
    if readable.isprintable():
        return readable
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in readable)


def internal(error: Exception) -> str:
    """Describe an error that should not happen: its type and place. Its message may hold input, so it is left out."""
    import traceback  # not needed as long as all is well

    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"internal error ({type(error).__name__}{place}), expected none; please report it"


class RedactorError(Exception):
    """Base of every error of ours: one line that says where, what and what was expected."""


class RuleError(RedactorError):
    """A rule file that cannot be used.

    Raised when rules are loaded or compiled, never while text is redacted.
    """

    def __init__(self, path: Path | str, line: int | None, problem: str) -> None:
        self.path = str(path)
        self.line = line
        self.problem = problem
        place = self.path if line is None else f"{self.path}:{line}"
        super().__init__(f"{place}: {problem}")


class PolicyError(RedactorError):
    """A policy, key file or configuration that cannot be used."""


class SourceError(RedactorError):
    """A source that cannot be read or a destination that cannot be written."""
