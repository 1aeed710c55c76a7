"""What is to be scrubbed and what became of it: the words between workers and those who ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from redactor.archive.content import Edit, Limits

__all__ = ["Conditions", "ObjectResult", "Outcome", "Task"]


class Outcome(StrEnum):
    """What became of one file or object."""

    SCRUBBED = "scrubbed"
    """Secrets were replaced; the destination is whole and durable (or would be, in a dry run)."""

    CLEAN = "clean"
    """No secret was found. In place, the file was not touched; elsewhere it was copied."""

    CHANGED = "changed"
    """It changed while it was read, so it was left as it is."""

    REFUSED = "refused"
    """It is not processed for a stated reason: a link, broken, a bomb, not to be accounted for."""

    FAILED = "failed"
    """Reading or writing failed. The original is as it was and nothing stays behind."""


@dataclass(frozen=True, slots=True)
class Task:
    """One file to scrub. ``destination`` equals ``source`` for scrubbing in place.

    ``backup`` is the suffix under which the original is kept beside it, "" for none.
    """

    source: str
    destination: str
    backup: str = ""

    @property
    def in_place(self) -> bool:
        """Whether the file itself is to be replaced."""
        return self.source == self.destination


@dataclass(frozen=True, slots=True)
class Conditions:
    """What holds for every task of a run.

    ``write`` is False for runs that only count. ``receipt`` keeps every edit and the
    SHA-256 of the file before and after.
    """

    limits: Limits = field(default_factory=Limits)
    write: bool = True
    receipt: bool = False


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """What became of one task; nothing in it shows a secret.

    ``problem`` is one line that says where, what and what was expected, "" for SCRUBBED
    and CLEAN. Sizes are in bytes, digests hexadecimal SHA-256 ("" without a receipt).
    """

    task: Task
    outcome: Outcome
    problem: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()
    size_before: int = 0
    size_after: int = 0
    digest_before: str = ""
    digest_after: str = ""
