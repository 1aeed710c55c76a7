"""Errors that redactor raises to its caller; none ever carries input text."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PolicyError", "RedactorError", "RuleError", "SourceError"]


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
