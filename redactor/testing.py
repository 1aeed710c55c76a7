"""For tests: synthetic secrets to send through an application, and a look at what came out of it.

``canaries`` mints secrets that any session could hold and ``leaked`` tells which of them
an output holds in any spelling. ``find_leaks`` and ``assert_clean`` look with the rules
instead, for secrets that nobody planted. Nothing here ever shows a secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from redactor import known
from redactor.redactor import Redactor, default_redactor

__all__ = ["Canary", "Leak", "assert_clean", "canaries", "find_leaks", "leaked"]

_MOST_NAMED: Final = 10
"""How many leaks an error names; the others are counted."""


class Canary(NamedTuple):
    """A synthetic secret, and a text that gives it away by a name or by its shape.

    ``kind`` says in words what it is and ``rule`` is the id of the built-in rule that
    finds it in ``text``. Its repr shows neither ``text`` nor ``secret``.
    """

    kind: str
    rule: str
    text: str
    secret: str

    def __repr__(self) -> str:
        return f"Canary(kind={self.kind!r}, rule={self.rule!r})"


class Leak(NamedTuple):
    """A secret in an output: the rule that found it and where it starts, never what it is.

    ``place`` names the output. Lines, which end with a line feed, and columns count from 1;
    a column is the number of a character in a ``str`` and of a byte in ``bytes``.
    """

    rule: str
    place: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.place}, line {self.line}, column {self.column}: rule {self.rule}"


def canaries() -> tuple[Canary, ...]:
    """Mint four canaries of different kinds; no two calls give the same secrets."""
    cookie, jwt, bearer, refresh = secrets.token_hex(20), _jwt(), secrets.token_hex(20), secrets.token_hex(20)
    return (
        Canary("session cookie", "session", f"GET /me Cookie: sessionid={cookie}", cookie),
        Canary("JWT", "jwt", f"signed in with {jwt}", jwt),
        Canary("bearer token", "bearer", f"GET /me Authorization: Bearer {bearer}", bearer),
        Canary("refresh token in a URL", "token", f"GET /renew?refresh_token={refresh}&lang=en", refresh),
    )


def leaked(output: str | bytes, canaries: Iterable[Canary]) -> list[Canary]:
    """Return the canaries whose whole secret is in ``output``, in any of the spellings of ``redactor.known``.

    Those are plain, percent-encoded, JSON, HTML, repr, base64 at its three alignments and
    hexadecimal. A secret that was cut, compressed or encrypted on its way is not seen.
    """
    data = _as_bytes(output)
    return [canary for canary in canaries if any(s in data for s in known.spellings(canary.secret.encode()))]


def find_leaks(output: str | bytes, place: str, redactor: Redactor | None = None) -> list[Leak]:
    """Return where ``output``, which ``place`` names, holds a secret, in order.

    What ``redactor`` would replace is a leak: values of its policy's allowlist and
    placeholders are none, values that the application has registered are. Without a
    ``redactor``, the one that all hosts share looks. Its summary counts nothing.
    """
    data = _as_bytes(output)
    matches = (default_redactor() if redactor is None else redactor).matches(data)
    leaks = []
    line, column, passed = 1, 1, 0
    for match in matches:
        newline = data.rfind(b"\n", passed, match.start)
        if newline >= 0:
            line += data.count(b"\n", passed, match.start)
            column, passed = 1, newline + 1
        between = data[passed : match.start]
        column += len(between if isinstance(output, bytes) else between.decode("utf-8", "surrogatepass"))
        passed = match.start
        leaks.append(Leak(match.rule, place, line, column))
    return leaks


def assert_clean(output: str | bytes, place: str = "output", redactor: Redactor | None = None) -> None:
    """Raise ``AssertionError`` if ``output`` holds a secret, as ``find_leaks`` sees it.

    The error names rule and place of the first ten, never a value, and pytest shows where
    the test called, not this function.
    """
    __tracebackhide__ = True
    leaks = find_leaks(output, place, redactor)
    # pytest -l would show it in a traceback of this function.
    del output
    if leaks:
        raise AssertionError(described(leaks))


def described(leaks: Sequence[Leak]) -> str:
    """Return a text that counts ``leaks`` and names the first ten, one a line."""
    lines = [str(leak) for leak in leaks[:_MOST_NAMED]]
    if len(leaks) > _MOST_NAMED:
        lines.append(f"and {len(leaks) - _MOST_NAMED} more")
    count = "a secret leaked" if len(leaks) == 1 else f"secrets leaked at {len(leaks)} places"
    return f"{count}: " + "\n  ".join(lines)


def _as_bytes(output: str | bytes) -> bytes:
    return output if isinstance(output, bytes) else output.encode("utf-8", "surrogatepass")


def _jwt() -> str:
    """Return a JWT (RFC 7519) signed with HS256 and a key that nobody keeps."""
    header = _encoded({"alg": "HS256", "typ": "JWT"})
    claims = _encoded({"sub": secrets.token_hex(8), "jti": secrets.token_hex(8)})
    signature = hmac.digest(secrets.token_bytes(32), f"{header}.{claims}".encode(), hashlib.sha256)
    return f"{header}.{claims}.{_base64url(signature)}"


def _encoded(part: dict[str, str]) -> str:
    return _base64url(json.dumps(part, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
