"""What an examination finds: a row for each place at which text leaves the process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from redactor.testing import leaked

if TYPE_CHECKING:
    from redactor.redactor import Redactor
    from redactor.testing import Canary

__all__ = ["COVERED", "LEAKS", "NOT_CHECKED", "Judge", "Report", "Row", "texts"]

COVERED: Final = "covered"
LEAKS: Final = "leaks"
NOT_CHECKED: Final = "not checked"

_DEEPEST: Final = 64


class Row(NamedTuple):
    """One place: of which host, what it is, and what becomes of a secret there.

    ``state`` is ``covered``, ``leaks`` or ``not checked``. ``leaks`` names the kinds of
    canaries that got through, ``reason`` says why something was not checked or leaks, and
    ``fix`` is the line of code that stops a leak.
    """

    host: str
    what: str
    state: str
    leaks: tuple[str, ...] = ()
    reason: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Report:
    """The rows of an examination."""

    rows: tuple[Row, ...]

    @property
    def leaks(self) -> tuple[Row, ...]:
        """The rows that leak."""
        return tuple(row for row in self.rows if row.state == LEAKS)

    def count(self, state: str) -> int:
        """Return how many rows are in ``state``."""
        return sum(row.state == state for row in self.rows)


class Judge:
    """Says of what a place would have sent whether canaries are in it."""

    def __init__(self, canaries: Iterable[Canary], redactor: Redactor) -> None:
        # What the redactor leaves alone does not leak.
        self.canaries = tuple(each for each in canaries if redactor.matches(each.text))
        self._redactor = redactor

    def row(self, host: str, what: str, sent: Sequence[object], fix: str, *, dropped: str = "") -> Row:
        """Return the row of a place that would have sent ``sent``; ``dropped`` says why that may be nothing."""
        if not sent:
            return self.unchecked(host, what, dropped or "nothing came out of it")
        output = "\n".join(text for each in sent for text in texts(each))
        kinds = tuple(dict.fromkeys(canary.kind for canary in leaked(output, self.canaries)))
        return Row(host, self._shown(what), LEAKS, kinds, fix=fix) if kinds else Row(host, self._shown(what), COVERED)

    def unchecked(self, host: str, what: str, reason: str) -> Row:
        """Return the row of a place that was not looked at."""
        return Row(host, self._shown(what), NOT_CHECKED, reason=reason)

    def _shown(self, what: str) -> str:
        # Names of files and loggers are the application's: a secret may be among them.
        return self._redactor.text(what)


def texts(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield every text in a nested value, keys too; of other objects what ``str`` says."""
    if isinstance(value, str):
        yield str.__str__(value)
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, dict | list | tuple | set | frozenset) and depth < _DEEPEST:
        members = [each for pair in value.items() for each in pair] if isinstance(value, dict) else value
        for each in members:
            yield from texts(each, depth + 1)
    else:
        try:
            yield str(value)
        except Exception:
            yield ""
