"""Looking with a stream: what scrubbing would replace, placed and described for people."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from redactor.model import Found, Rule
from redactor.redactor import Redactor
from redactor.replace import canonical, fingerprint
from redactor.report.claims import NO_CLAIMS, Claims, read_claims
from redactor.report.liveness import NO_EXPIRY, Expiry, expiry_beside, is_refresh
from redactor.report.timestamps import READ, written_at
from redactor.scanner import CONTEXT
from redactor.stream import BLOCK, HOLD, OPEN
from redactor.syntax import TOKEN_LIMIT

__all__ = ["Finding", "look"]

_KEPT: Final = OPEN + BLOCK + HOLD + CONTEXT
"""How many bytes a stream keeps at most, so how far back a secret can start."""

_REMEMBERED: Final = 4096
"""How many secrets' claims are remembered, by fingerprint: the same ones come again and again."""

_HOST: Final = re.compile(
    rb"(?:https?://(?:[^/\s\"'@]{0,256}@)?|(?i:\bhost)[\"'\\]{0,4}[:=][ ]?[\"'\\]{0,4})"
    rb"((?:[a-z0-9\-]{1,63}\.){1,8}[a-z]{2,24}|localhost)(?![A-Za-z0-9@.\-])"
)
_HOST_WITHIN: Final = 1024

_REMEDIES: Final = {
    "session": "revoke session",
    "csrf": "revoke session",
    "token": "revoke token",
    "oauth": "invalidate code",
    "credential": "change credential",
    "link": "invalidate link",
    "otp": "invalidate code",
    "saml": "revoke session",
    "signed-url": "invalidate link",
    "vendor": "revoke token",
}
"""What ends the power of a secret, by category."""


class Finding(NamedTuple):
    """A secret placed for people: where it is and what it lets be known, never what it is.

    ``line`` and ``column`` (in bytes) count from 1. ``fingerprint`` and ``subject``, the
    fingerprint of a token's ``sub``, are "" without a key. ``seen`` is when the line was
    written, in seconds of Unix time. ``remedy`` is what to do unless the secret has expired.
    """

    source: str
    line: int
    column: int
    rule: str
    fingerprint: str
    category: str = ""
    seen: int | None = None
    expiry: Expiry = NO_EXPIRY
    claims: Claims = NO_CLAIMS
    subject: str = ""
    host: str = ""
    remedy: str = ""


def look(
    redactor: Redactor, blocks: Iterable[bytes], source: str = "-", now: int | None = None
) -> Iterator[list[Finding]]:
    """Yield the findings in ``blocks``, in order, as soon as they are certain.

    Exactly what a stream of ``redactor`` would replace is found, in the same bounded
    memory, and counted in its summary. UTF-16 text with a byte order mark is counted
    as UTF-8 without it. With ``now``, findings are described; without it, only placed.
    """
    notes = _Notes(redactor, source, now)
    stream = redactor.open_stream(line_buffered=True, observer=notes)
    lines = _Lines()
    for block in _as_utf8(blocks):
        lines.feed(block)
        stream.feed(block)
        yield [lines.place(noted) for noted in notes.take()]
    stream.finish()
    yield [lines.place(noted) for noted in notes.take()]


class _Noted(NamedTuple):
    """A finding without its place, and the offset at which it starts."""

    offset: int
    finding: Finding


class _Notes:
    """The observer of a stream whose output nobody wants: notes where it would replace something."""

    def __init__(self, redactor: Redactor, source: str, now: int | None) -> None:
        self._summary = redactor.summary
        self._rules = redactor.ruleset.rules
        self._hmac_key = redactor.policy.hmac_key
        self._source = source
        self._describer = None if now is None else _Describer(redactor, now)
        self._noted: list[_Noted] = []

    def found(self, data: bytes, found: Sequence[Found], replacements: Sequence[bytes], base: int) -> None:  # noqa: ARG002
        self._summary.add([self._rules[rule].id for _, _, rule in found])
        for start, end, index in found:
            rule = self._rules[index]
            mark = "" if rule.low_entropy else self._fingerprint(data[start:end])
            finding = Finding(self._source, 0, 0, rule.id, mark, rule.category)
            if self._describer is not None:
                finding = self._describer.describe(finding, rule, data, start, end)
            self._noted.append(_Noted(base + start, finding))

    def prolonged(self, end: int) -> None:
        pass

    def take(self) -> list[_Noted]:
        """Return what was noted since the last call."""
        noted, self._noted = self._noted, []
        return noted

    def _fingerprint(self, secret: bytes) -> str:
        if self._hmac_key is None or len(secret) > TOKEN_LIMIT:
            return ""
        return fingerprint(secret, self._hmac_key)


class _Describer:
    """Adds to findings what the secrets and their lines tell."""

    def __init__(self, redactor: Redactor, now: int) -> None:
        self._redactor = redactor
        self._hmac_key = redactor.policy.hmac_key
        self._now = now
        self._claims: dict[str, tuple[Claims, str]] = {}
        self._harmless: dict[str, bool] = {}
        self._line = b""
        self._seen: int | None = None

    def describe(self, finding: Finding, rule: Rule, data: bytes, start: int, end: int) -> Finding:
        seen = self._written_at(data, start)
        claims, subject = self._claims_of(finding.fingerprint, data[start:end])
        expiry = (
            expiry_beside(data, start, end, rule.category, seen)
            if claims.expires is None
            else Expiry(claims.expires, "jwt")
        )
        remedy = _REMEDIES[rule.category]
        if rule.category == "token" and is_refresh(data, start):
            remedy = "rotate refresh family"
        return finding._replace(
            seen=seen, expiry=expiry, claims=claims, subject=subject, host=self._host(data, start), remedy=remedy
        )

    def _written_at(self, data: bytes, start: int) -> int | None:
        first = data.rfind(b"\n", 0, start) + 1
        line_end = data.find(b"\n", start, first + READ)
        line = data[first : line_end if line_end >= 0 else first + READ]
        if line != self._line:
            self._line, self._seen = line, written_at(line, self._now)
        return self._seen

    def _claims_of(self, mark: str, secret: bytes) -> tuple[Claims, str]:
        known = self._claims.get(mark) if mark else None
        if known is None:
            known = self._read(secret)
            if len(self._claims) >= _REMEMBERED:
                self._claims.clear()
            self._claims[mark] = known
        return known

    def _read(self, secret: bytes) -> tuple[Claims, str]:
        if len(secret) > TOKEN_LIMIT:
            return NO_CLAIMS, ""
        claims = read_claims(canonical(secret))
        subject = claims.subject.encode("utf-8", "surrogatepass")
        mark = fingerprint(subject, self._hmac_key) if subject and self._hmac_key is not None else ""
        return (
            claims._replace(
                issuer=self._shown(claims.issuer),
                client=self._shown(claims.client),
                key_id=self._shown(claims.key_id),
                subject="",
            ),
            mark,
        )

    def _host(self, data: bytes, start: int) -> str:
        """Return the last host that the line names before the secret."""
        first = max(data.rfind(b"\n", 0, start) + 1, start - _HOST_WITHIN)
        host = ""
        for found in _HOST.finditer(data, first, start):
            host = found[1].decode("ascii")
        return self._shown(host)

    def _shown(self, text: str) -> str:
        """Return a text that is to be shown; "" if it holds a secret itself."""
        harmless = self._harmless.get(text)
        if harmless is None:
            harmless = not self._redactor.matches(text)
            if len(self._harmless) >= _REMEMBERED:
                self._harmless.clear()
            self._harmless[text] = harmless
        return text if harmless else ""


class _Lines:
    """Counts lines while blocks go by. Places must be asked for in order.

    A secret starts in what the stream still keeps, which may be several blocks; so the
    last ``_KEPT`` bytes or more stay in a window.
    """

    def __init__(self) -> None:
        self._window = bytearray()
        self._base = 0
        """Offset of the window's first byte."""
        self._counted = 0
        self._line = 1
        self._column = 1
        """Line and column of the window's byte at ``_counted``."""

    def feed(self, block: bytes) -> None:
        self._window += block
        done_with = len(self._window) - _KEPT
        if done_with > _KEPT:  # not for every block: most are short when a pipe is slow
            self._count(done_with)
            del self._window[:done_with]
            self._base += done_with
            self._counted -= done_with

    def place(self, noted: _Noted) -> Finding:
        self._count(noted.offset - self._base)
        return noted.finding._replace(line=self._line, column=self._column)

    def _count(self, end: int) -> None:
        """Go on to the window's byte at ``end``."""
        if end <= self._counted:
            return
        newline = self._window.rfind(b"\n", self._counted, end)
        if newline < 0:
            self._column += end - self._counted
        else:
            self._line += self._window.count(b"\n", self._counted, end)
            self._column = end - newline
        self._counted = end


def _as_utf8(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass blocks on, those of UTF-16 text as UTF-8, each short enough for a stream to take it whole."""
    blocks = iter(blocks)
    first = b""
    while len(first) < 2 and (block := next(blocks, b"")):
        first += block
    decoder = None
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if first.startswith(mark):
            decoder = codecs.getincrementaldecoder(name)("surrogatepass")
            first = first[2:]
    for block in _chain(first, blocks):
        data = block if decoder is None else decoder.decode(block).encode("utf-8", "surrogatepass")
        for start in range(0, len(data), BLOCK):
            yield data[start : start + BLOCK]


def _chain(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
