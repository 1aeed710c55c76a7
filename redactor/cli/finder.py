"""Looking with a stream: a replacer that replaces nothing and notes where it would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from redactor.model import Found
from redactor.redactor import Redactor
from redactor.replace import Replacer, fingerprint
from redactor.syntax import TOKEN_LIMIT

__all__ = ["Finder", "Noted"]


class Noted(NamedTuple):
    """A secret, by how many bytes before the end of what the stream was fed it starts."""

    distance: int
    rule: str
    fingerprint: str


class Finder(Replacer):
    """Stands in for a stream's replacer, so that looking finds exactly what scrubbing replaces.

    The data that a stream has spliced always ends where what it was fed ends; hence distances.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__(redactor.ruleset, redactor.policy)
        self._ruleset = redactor.ruleset.rules
        self._hmac_key = redactor.policy.hmac_key
        self._noted: list[Noted] = []

    def splice(self, data: bytes, found: Sequence[Found], start: int = 0, end: int | None = None) -> bytes:
        """Note what was found and return the data as it is."""
        for secret_start, secret_end, index in found:
            rule = self._ruleset[index]
            mark = "" if rule.low_entropy else self._fingerprint(data[secret_start:secret_end])
            self._noted.append(Noted(len(data) - secret_start, rule.id, mark))
        return data[start:end]

    def take(self) -> Iterator[Noted]:
        """Yield what was noted since the last call, in order."""
        noted, self._noted = self._noted, []
        yield from noted

    def _fingerprint(self, secret: bytes) -> str:
        if self._hmac_key is None or len(secret) > TOKEN_LIMIT:
            return ""
        return fingerprint(secret, self._hmac_key)
