"""What a token says of itself: who issued it for whom, and until when it is good. Offline.

Nothing here decides whether something is redacted, and nothing is believed: signatures
are not checked. What is read serves to rank and to group.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from redactor.report.timestamps import LATEST

__all__ = ["NO_CLAIMS", "Claims", "read_claims", "read_time"]


class Claims(NamedTuple):
    """What a token says of itself; "" and None where it does not.

    ``subject`` is personal: it must be fingerprinted before it is kept or shown.
    """

    issuer: str = ""
    client: str = ""
    key_id: str = ""
    subject: str = ""
    issued: int | None = None
    expires: int | None = None


NO_CLAIMS: Final = Claims()

_KEPT: Final = re.compile(r"[A-Za-z0-9_.:/\-]{1,128}")
_JOSE: Final = re.compile(rb"(eyJ[A-Za-z0-9_\-]{8,})\.([A-Za-z0-9_\-]*)\.[A-Za-z0-9_\-]*={0,2}\Z")
_FERNET: Final = re.compile(rb"gAAAA[A-Za-z0-9_\-]{67,}={0,2}\Z")
_DJANGO: Final = re.compile(rb"[A-Za-z0-9_.=\-]{1,4096}:([0-9A-Za-z]{6}):[A-Za-z0-9_\-]{27,43}\Z")
_ITSDANGEROUS: Final = re.compile(rb"\.?[A-Za-z0-9_=\-]{1,4096}\.([A-Za-z0-9_\-]{6})\.[A-Za-z0-9_\-]{27,86}\Z")
_DIGITS: Final = {
    digit: value for value, digit in enumerate(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
}
_PLAUSIBLE: Final = range(1262304000, 4102444800)
"""The years 2010 to 2099: a signer's time outside of them is no time."""


def read_claims(secret: bytes) -> Claims:
    """Return what a secret in its canonical form says of itself. Never raises.

    JWT: ``iss``, ``azp`` or ``client_id`` or a single ``aud``, ``kid``, ``sub``, ``iat`` or ``nbf``, and ``exp``
    (RFC 7519, section 4.1). Fernet, Django's and itsdangerous' signed values: only when they
    were made. An encrypted JWE says nothing but its ``kid``.
    """
    jose = _JOSE.match(secret)
    if jose is not None:
        return _of_jwt(_decode_object(jose[1]), _decode_object(jose[2]))
    made = _made(secret)
    return NO_CLAIMS if made is None else Claims(issued=made)


def read_time(value: object) -> int | None:
    """Return a NumericDate (RFC 7519, section 2) in whole seconds, None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return int(value) if 0 <= value <= LATEST else None


def _of_jwt(header: Mapping[str, object], payload: Mapping[str, object]) -> Claims:
    issued = read_time(payload.get("iat"))
    subject = payload.get("sub")
    return Claims(
        issuer=_kept(payload.get("iss")),
        client=_kept(payload.get("azp")) or _kept(payload.get("client_id")) or _kept(payload.get("aud")),
        key_id=_kept(header.get("kid")),
        subject=subject if isinstance(subject, str) else "",
        issued=read_time(payload.get("nbf")) if issued is None else issued,
        expires=read_time(payload.get("exp")),
    )


def _kept(value: object) -> str:
    """Return a claim that may be shown: letters, digits and ``_ . : / -``; or ""."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) and _KEPT.fullmatch(value) else ""


def _made(secret: bytes) -> int | None:
    """Return when a signed value was made."""
    made = None
    if _FERNET.match(secret):
        made = int.from_bytes(base64.urlsafe_b64decode(secret[:12])[1:9], "big")
    elif (django := _DJANGO.match(secret)) is not None:
        made = 0
        for digit in django[1]:
            made = made * 62 + _DIGITS[digit]
    elif (signed := _ITSDANGEROUS.match(secret)) is not None:
        made = int.from_bytes(base64.urlsafe_b64decode(signed[1] + b"=="), "big")
    # A range looks for anything but an integer one by one.
    return made if made is not None and made in _PLAUSIBLE else None


def _decode_object(part: bytes) -> Mapping[str, object]:
    try:
        decoded = json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}
