"""Until when a secret is good, as far as what stands beside it tells. Offline.

Liveness ranks findings. It never decides whether something is redacted: a clock may be
wrong, a server may be lax, and an expired token still says who its owner is.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from redactor.report.timestamps import LATEST, iso, parse_iso

__all__ = ["NO_EXPIRY", "Expiry", "expiry_beside", "is_live", "is_refresh", "liveness"]


class Expiry(NamedTuple):
    """When a secret expires (None: not known) and what says so.

    ``basis`` is "jwt", "cookie", "expires_in", "signed-url", or "" where nothing does.
    """

    at: int | None = None
    basis: str = ""

    @property
    def binding(self) -> bool:
        """Whether the server goes by it. A cookie's lifetime only binds the browser (RFC 6265, section 5.3)."""
        return self.at is not None and self.basis != "cookie"


NO_EXPIRY: Final = Expiry()

_AROUND: Final = 2048
"""How many bytes before and after a secret are looked at, inside its line."""

_ATTRIBUTES: Final = re.compile(rb"\"?(?:[ ]{0,2};[ ]{0,2}[A-Za-z\-]{1,32}(?:=[^;\r\n\"'\\]{0,128})?){1,12}")
_MAX_AGE: Final = re.compile(rb"(?i);[ ]{0,2}max-age=(-?[0-9]{1,12})(?![^; ])")
_EXPIRES: Final = re.compile(rb"(?i);[ ]{0,2}expires=([^;]{8,64})")
_EXPIRES_IN: Final = re.compile(
    rb"(?<![A-Za-z_])expires_?[iI]n[\"'\\]{0,8}[ ]?[:=]>?[ ]?[\"'\\]{0,8}([0-9]{1,9})(?![0-9])"
)
_REFRESH_EXPIRES_IN: Final = re.compile(
    rb"refresh_(?:token_)?expires_in[\"'\\]{0,8}[ ]?[:=]>?[ ]?[\"'\\]{0,8}([0-9]{1,9})(?![0-9])"
)
_REFRESH: Final = re.compile(rb"(?i)refresh[_\-]?token[\"'\\\]]{0,8}[ ]?[:=]>?[ ]?[\"'\\]{0,8}\Z")
_URL_END: Final = re.compile(rb"[\s\"'<>`]")
_DATED: Final = re.compile(
    rb"(?i)[?&]X-(?:Amz|Goog)-Date=([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z"
)
_LASTING: Final = re.compile(rb"(?i)[?&]X-(?:Amz|Goog)-Expires=([0-9]{1,9})(?![0-9])")
_SAS: Final = re.compile(rb"[?&]se=([0-9T:Z.+\-]{10,40})")
_EPOCH: Final = re.compile(rb"[?&]Expires=([0-9]{10})(?![0-9])")


def is_refresh(data: bytes, start: int) -> bool:
    """Tell whether the name before the secret at ``start`` calls it a refresh token."""
    return _REFRESH.search(data, max(0, start - 48), start) is not None


def expiry_beside(data: bytes, start: int, end: int, category: str, seen: int | None) -> Expiry:
    """Return what stands beside the secret ``data[start:end]`` about its end.

    ``seen`` is when its line was written: without it, what is relative to that tells nothing.
    Set-Cookie: ``Max-Age`` before ``Expires`` (RFC 6265, section 4.1.2). Signed URLs:
    ``X-Amz-Date`` + ``X-Amz-Expires``, the same of Google, ``se`` of Azure, ``Expires`` of CloudFront.
    Beside a token: ``expires_in``, which is that of the access token (RFC 6749, section 5.1).
    """
    if category == "signed-url":
        return _of_url(data, start, end)
    cookie = _of_cookie(data, end, seen)
    if cookie is not NO_EXPIRY or seen is None or category not in ("token", "vendor", "oauth"):
        return cookie
    lasting = _REFRESH_EXPIRES_IN if is_refresh(data, start) else _EXPIRES_IN
    found = lasting.search(data, *_line(data, start, end))
    return _expiry(seen + int(found[1]), "expires_in") if found else NO_EXPIRY


def is_live(at: int | None, now: int) -> bool:
    """Tell whether a secret may still be good: it is, unless it is known to have expired."""
    return at is None or at > now


def liveness(at: int | None, now: int) -> str:
    """Say in words whether a secret has expired."""
    if at is None:
        return "no expiry known"
    if at <= now:
        return f"expired since {iso(at)}"
    return f"expires in {_duration(at - now)}"


def _duration(seconds: int) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _of_cookie(data: bytes, end: int, seen: int | None) -> Expiry:
    attributes = _ATTRIBUTES.match(data, end, end + _AROUND)
    if attributes is None:
        return NO_EXPIRY
    lasting = _MAX_AGE.search(data, end, attributes.end())
    if lasting is not None:
        return NO_EXPIRY if seen is None else _expiry(seen + int(lasting[1]), "cookie")
    until = _EXPIRES.search(data, end, attributes.end())
    return NO_EXPIRY if until is None else _expiry(_http_date(until[1]), "cookie")


def _http_date(text: bytes) -> int | None:
    """Read a date as ``Wed, 21 Oct 2026 07:28:00 GMT`` (RFC 9110, section 5.6.7)."""
    try:
        when = parsedate_to_datetime(text.decode("ascii"))
        return int(when.replace(tzinfo=when.tzinfo or UTC).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _of_url(data: bytes, start: int, end: int) -> Expiry:
    first, last = _line(data, start, end)
    before = [found.end() for found in _URL_END.finditer(data, first, start)]
    after = _URL_END.search(data, end, last)
    url = data[before[-1] if before else first : after.start() if after else last]
    # Encoded inside another URL, or with the "&" of HTML and JSON.
    url = unquote_to_bytes(url).replace(b"&amp;", b"&").replace(b"\\u0026", b"&")
    dated, lasting = _DATED.search(url), _LASTING.search(url)
    if dated is not None and lasting is not None:
        made = parse_iso(b"%s-%s-%sT%s:%s:%sZ" % dated.groups())
        return NO_EXPIRY if made is None else _expiry(made + int(lasting[1]), "signed-url")
    sas = _SAS.search(url)
    if sas is not None:
        # The time may be left out: then it is midnight.
        day = sas[1] + b"T00:00:00Z" if len(sas[1]) == 10 else sas[1]
        return _expiry(parse_iso(day), "signed-url")
    epoch = _EPOCH.search(url)
    return NO_EXPIRY if epoch is None else _expiry(int(epoch[1]), "signed-url")


def _expiry(at: int | None, basis: str) -> Expiry:
    return NO_EXPIRY if at is None else Expiry(min(max(at, 0), LATEST), basis)


def _line(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return the part of the secret's line that is looked at."""
    first = data.rfind(b"\n", max(0, start - _AROUND), start) + 1 or max(0, start - _AROUND)
    last = data.find(b"\n", end, end + _AROUND)
    return first, min(len(data), end + _AROUND) if last < 0 else last
