"""Offline checks that decide whether a candidate is a secret or only looks like one.

Every check reads a bounded prefix of its value, returns and never raises. ``harmless``
answers with the reason why a value beside a secret's name is no secret; the validators
in ``VALIDATORS`` confirm a token by its own structure.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

__all__ = [
    "ALTERNATING",
    "CHECKED",
    "VALIDATORS",
    "credential_pair",
    "distinct",
    "harmless",
    "machine_made",
    "word_like",
]

CHECKED: Final = 256
"""How many bytes of a value the look-alike checks read."""

_WORDS: Final = 96
"""How many bytes of a value are read as words."""

# Letter pairs that each make up more than 0.02 % of the pairs in an English word list
# joined with the identifiers of the standard library: nine words in ten hold no other
# pair, two random letters form one with probability 0.53.
_PAIRS: Final = frozenset(
    first + second
    for first, seconds in (
        group.split(":")
        for group in (
            "a:abcdefghiklmnprstuvwxyz b:abeilorsuy c:acehiklorstuy d:abdegilmnorstuwy "
            "e:abcdefghiklmnopqrstuvwxyz f:aefilorstuy g:aeghilmnorsuy h:aeilmnorstuy "
            "i:abcdefgklmnoprstuvxz j:aeiou k:aeilnosy l:abcdefgiklmnopstuvy m:abeilmnopsuy "
            "n:abcdefghiklmnoprstuvy o:abcdefghiklmnoprstuvwxy p:aehiloprstuy q:u "
            "r:abcdefghiklmnoprstuvwy s:abcefhiklmnopqstuwy t:abcefhilmnoprstuwyz "
            "u:abcdefgilmnoprst v:aeio w:aehilnors x:aceipt y:aceilmnoprst z:aeioz"
        ).split()
    )
    for second in seconds
)

_CHUNK: Final = re.compile(r"[A-Za-z0-9]+")
_CHUNK_OF_WORDS: Final = re.compile(r"[0-9]{0,6}[A-Za-z]+[0-9]{0,6}|[A-Za-z]{2,}[0-9]{1,3}[A-Za-z]{2,}")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def word_like(value: str) -> bool:
    """Tell whether ``value`` is made of pronounceable words, as names, prose and paths are.

    At least 60 % of its letters and digits must belong to words of three letters or
    more whose letter pairs are common ones.
    """
    total = wordy = pairs = common = 0
    for chunk in _CHUNK.findall(value):
        total += len(chunk)
        if not _CHUNK_OF_WORDS.fullmatch(chunk):
            continue
        words = _WORD.findall(chunk)
        # Random letters change case every second letter; names change it at word starts.
        if len(words) > 1 and 4 * len(chunk) < 13 * len(words):
            continue
        for word in words:
            if len(word) < 3:
                continue
            lower = word.lower()
            wordy += len(word)
            pairs += len(word) - 1
            common += sum(lower[i : i + 2] in _PAIRS for i in range(len(lower) - 1))
    return total > 0 and wordy * 10 >= total * 6 and common * 100 >= pairs * 85


# Letters and digits that keep alternating from the first byte on: no name is written so.
ALTERNATING: Final = re.compile(
    rb"(?!0[xX])(?=[A-Za-z0-9_\-]{14})"
    rb"[A-Za-z]{0,16}+[0-9]{1,16}+[A-Za-z]{1,16}+[0-9]{1,16}+[A-Za-z]"
)
_MASK: Final = re.compile(
    rb"(?i)(?:[*x.#_\-+=]{3,}|(?:yes|no|n/a)\)?|.{0,8}[*]{3,}.{0,8}|.{0,6}x{8,}.{0,6}"
    rb"|[\[<{(%$#@]*_*(?:redacted|filtered|hidden|masked|removed|scrubbed|secret|sanitized|omitted"
    rb"|stripped|obfuscated|suppressed|private|sensitive|none|null|nil|undefined|true|false"
    rb"|empty|missing|required|invalid|expired|changeme|placeholder|unset|unknown|example)"
    rb"(?:[_\-: ]?(?:value|data|token|secret|by[_\-][a-z]{1,20}))?_*[\]>})%#@]*)\Z"
)
_TEMPLATE: Final = re.compile(
    rb"(?:\$[0-9]{1,2}\)?\Z|\$\{|\$\(|\{\{|\{%|<%|%\(|%\{|#\{|\$[A-Za-z_][A-Za-z0-9_]*\Z|%[sdrfiqvx]\b|%[+#]?v|:[a-z_]+\Z|\{\w*\}|@\w+@|~\w+\Z)"
)
_NUMBER: Final = re.compile(
    rb"[+\-]?(?:[0-9]{1,15}|[0-9]{1,9}(?:[.,:][0-9]{1,9}){1,4}|0[xX][0-9A-Fa-f]{1,16})"
    rb"(?:[eE][+\-]?[0-9]{1,3})?(?:\|[a-z]{1,2}(?:\|@[0-9.]{1,8})?(?:\|#.*)?|%|[kKMGTP]?i?[bB]|ns|us|ms|s|m|h|d|sec|min|px|rem|em)?\Z"
)
_NAMED_ID: Final = re.compile(rb"(?:arn:aws[a-z\-]{0,12}:|urn:[a-z0-9\-]{2,31}:|S-1-[0-9]{1,2}-)")
"""Amazon resource names, URNs (RFC 8141) and Windows security identifiers."""
_DATE: Final = re.compile(rb"[0-9]{4}[\-/][0-9]{2}[\-/][0-9]{2}(?:[T ][0-9:.,]{0,15}(?:Z|[+\-][0-9:]{4,6})?)?\Z")
_URL: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]{1,15}(?::|%3[Aa])(?:/|%2[Ff]|\\/){2}")
_EMAIL: Final = re.compile(rb"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63})+\Z")
_IPV4: Final = re.compile(rb"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]{1,5}|/[0-9]{1,2})?\Z")
_HOST: Final = re.compile(
    rb"(?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?\.)+(?:com|net|org|io|dev|local|internal|svc|localhost|example|test|[a-z]{2})(?::[0-9]{1,5})?\Z"
)
_VERSION: Final = re.compile(rb"[vV]?[0-9]{1,4}(?:\.[0-9]{1,6}){1,4}(?:[\-+.~][A-Za-z0-9.\-+~]{0,24})?\Z")
_SETTING: Final = re.compile(rb"[a-z][a-z_]{1,31}=[0-9.]{1,6}\Z")
_SECRETS_NAME: Final = re.compile(
    rb"(?i)[a-z_$.\-]{0,80}(?:token|jwt|key|secret|password|passwd|passphrase|session|cookie|nonce|credential)s?\)?\Z"
)
"""What a variable or a constant is called that holds a secret: ``req.apiKey``, ``PRIVATE_KEY_JWT``."""
_ROOTED: Final = re.compile(rb"(?:~|\.{1,2})?/[a-z]{2,12}/")
_PATH: Final = re.compile(rb"(?:~|\.{1,2}|[A-Za-z]:)?[/\\](?:[^/\\]{0,80}[/\\])*[^/\\]{0,80}\Z")


def harmless(value: bytes) -> str | None:
    """Say why ``value``, found beside a secret's name, is no secret; ``None`` if it may be one.

    The reason is one of a fixed set of words, so it can be shown.
    """
    value = value[:CHECKED]
    if ALTERNATING.match(value):
        return None
    known = _HARMLESS.get(value)
    if known is None:
        known = _look_alike(value)
        if known is not None:
            if len(_HARMLESS) >= _MOST_HARMLESS:
                _HARMLESS.clear()
            _HARMLESS[value] = known
    return known


_MOST_HARMLESS: Final = 1024
_HARMLESS: Final[dict[bytes, str]] = {}
"""Values judged to be no secrets, which come again and again; what may be a secret is not kept."""


def _look_alike(value: bytes) -> str | None:
    if len(set(value)) < 4 and len(value) > 3:
        return "repeats"
    if _MASK.match(value):
        return "mask"
    if _TEMPLATE.match(value):
        return "template"
    if _NUMBER.match(value):
        return "number"
    if _DATE.match(value):
        return "date"
    if _NAMED_ID.match(value):
        return "identifier"
    if _URL.match(value):
        return "url"
    if _EMAIL.match(value):
        return "email"
    if _IPV4.match(value) or _HOST.match(value):
        return "host"
    if _VERSION.match(value):
        return "version"
    if _SETTING.match(value):
        return "setting"
    if _ROOTED.match(value):
        return "path"
    if _SECRETS_NAME.match(value):
        return "words"
    if word_like(value[:_WORDS].decode("ascii", "replace")):
        return "path" if _PATH.match(value) else "words"
    return None


_DIGITS: Final = b"0123456789"
_UPPER: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER: Final = b"abcdefghijklmnopqrstuvwxyz"


def machine_made(value: bytes) -> bool:
    """Tell whether ``value`` looks random on its own: mixed letters and digits, or mixed case."""
    value = value[:CHECKED]
    if harmless(value) is not None or b"||" in value or b"&&" in value:
        return False
    digits = len(value) - len(value.translate(None, _DIGITS))
    upper = len(value) - len(value.translate(None, _UPPER))
    lower = len(value) - len(value.translate(None, _LOWER))
    letters = upper + lower
    if letters + digits < len(value) * 3 // 4 or len(set(value)) < 6:
        return False
    return bool(digits and letters) or (upper >= 2 and lower >= 2) or digits >= 20


_HEXADECIMAL: Final = re.compile(rb"[0-9A-Fa-f\-]*\Z")
_KNOWN_IDS: Final = re.compile(
    rb"(?:01[0-9A-HJKMNP-TV-Z]{24}|[A-Za-z]{2,8}-[0-9]{1,9}|[_A-Za-z\-]{2,32}[-_][0-9A-Fa-f\-]{16,64}|sha[0-9]{1,3}-.*|W/.*)\Z"
)

_STRUCTURED: Final = re.compile(
    rb"(?i:bcdefgh)|01234567|:|=[^=]|%3[dD][^%]|\\|(?:\.[a-z]{2,5})\Z|-[0-9]{1,3}(?:\.[0-9]{1,3}){1,3}(?:[\-_]|\Z)"
)
_DOTTED: Final = re.compile(rb"([A-Za-z]{12,})[./]")
_CUT: Final = re.compile(r"[-_./]")
_LONG_WORD: Final = re.compile(r"[A-Z]?[a-z]{3,}|[A-Z]{4,}(?![a-z])")


def distinct(value: bytes) -> bool:
    """Tell whether ``value`` is random in a way that identifiers are not.

    Hexadecimal strings, UUIDs and ULIDs are what traces, digests and rows are called, so
    only base64, base62 and base36 of some length count, and values with a time and a
    signature: where nothing but the value itself tells, a trace id must stay.
    """
    signed = _SIGNED.match(value[:_MOST_SIGNED])
    if signed is not None and machine_made(signed.group(1)):
        return True
    value = value[:CHECKED]
    if len(value) < 20 or _STRUCTURED.search(value) or _HEXADECIMAL.match(value) or _KNOWN_IDS.match(value):
        return False
    if not machine_made(value):
        return False
    digits = len(value) - len(value.translate(None, _DIGITS))
    mixed = value.upper() != value and value.lower() != value
    if digits > len(value) * 2 // 3 or not (mixed or len(value) >= 24):
        return False
    text = value.decode("ascii", "replace")
    return not _is_compound(text) and (digits >= 2 or _is_erratic(text))


def _is_compound(text: str) -> bool:
    """Tell whether ``text`` is a name with numbers in it, as ``X509SubjectAlternativeName``.

    Two fifths of it are words of four letters or more, where of 250 random values one is
    so; or it is cut into pieces as base64url hardly ever is.
    """
    pieces = _CUT.split(text)
    if len(pieces) > 2 and (max(map(len, pieces)) <= 8 or _is_snake_case(text)):
        return True
    if any(word_like(name.decode("ascii")) for name in _DOTTED.findall(text.encode("ascii", "replace"))):
        return True
    words = sum(len(word) for word in _LONG_WORD.findall(text) if _is_pronounceable(word))
    return words * (5 if len(pieces) > 3 else 2.5) >= len(text)


def _is_snake_case(text: str) -> bool:
    return text.count("_") > 1 and text in (text.upper(), text.lower())


def _is_erratic(text: str) -> bool:
    """Tell whether ``text`` changes case so often that every sixth character starts a short run."""
    return sum(len(word) < 3 for word in _WORD.findall(text)) * 6 >= len(text)


def _is_pronounceable(word: str) -> bool:
    lower = word.lower()
    common = sum(lower[at : at + 2] in _PAIRS for at in range(len(lower) - 1))
    return len(word) > 3 and common * 100 >= (len(word) - 1) * 85


_ASSIGNED: Final = re.compile(rb"=[^=]")


def _bearer(value: bytes) -> bool:
    """RFC 6750 section 2.1: ``=`` only pads a bearer token; ``Bearer expires_in=60`` holds none."""
    return _ASSIGNED.search(value[:CHECKED]) is None and harmless(value) is None


def _b64(data: bytes) -> bytes:
    """Decode a prefix of base64 or base64url ``data``; b"" if it is neither."""
    data = data[: len(data) - len(data) % 4] if len(data) % 4 == 1 else data
    data = data.rstrip(b"=").translate(_URLSAFE)
    try:
        return binascii.a2b_base64(data + b"=" * (-len(data) % 4))
    except binascii.Error:
        return b""


_URLSAFE: Final = bytes.maketrans(b"-_", b"+/")
_JOSE_START: Final = re.compile(rb'\s*\{\s*(?:"[A-Za-z]|\Z)')
_CUT_HEADERS: Final = (b'{"alg', b'{"typ":"JWT', b'{"typ":"at+jwt', b'{"kid":', b'{"x5t":', b'{"enc":')
_JOSE_NAME: Final = re.compile(
    rb'\A\s*\{\s*(?:"[^"\\]{0,64}"\s*:\s*(?:"[^"\\]{0,512}"|[0-9.]+|true|false|null|\[[^\[\]]{0,2048}\]|\{[^{}]{0,2048}\})\s*,\s*){0,16}"(?:alg|enc)"\s*:'
)


def starts_as_jose(value: bytes) -> bool:
    """Tell whether the first 16 characters of base64url decode to the beginning of an object."""
    return _JOSE_START.match(_b64(value[:16])) is not None


def _jose(value: bytes) -> bool:
    """RFC 7515 section 4 and RFC 7516 section 4: the first part decodes to an object with ``alg``.

    A token cut short inside its header counts by the header's first member; a whole header
    without a second part is none, as it is public (RFC 7515 section 7.2).
    """
    first, dot, _ = value[:4096].partition(b".")
    return _is_jose_header(first) if dot else _is_cut_jose_header(first)


@lru_cache(maxsize=512)
def _is_jose_header(part: bytes) -> bool:
    """Decide once for each header: they are public, and a service has few."""
    if not starts_as_jose(part):
        return False
    decoded = _b64(part)
    return bool(_JOSE_NAME.match(decoded)) or _is_object_with(decoded, ("alg", "enc"))


def _is_cut_jose_header(part: bytes) -> bool:
    if not starts_as_jose(part):
        return False
    decoded = _b64(part[:512])
    return not decoded.rstrip().endswith(b"}") and decoded.lstrip().startswith(_CUT_HEADERS)


def _is_object_with(data: bytes, names: tuple[str, ...]) -> bool:
    try:
        loaded = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(loaded, dict) and any(name in loaded for name in names)


def _laravel(value: bytes) -> bool:
    """Laravel ``Encrypter``: base64 of ``{"iv":..,"value":..,"mac":..}``."""
    return _b64(value[:64].replace(b"%3D", b"").replace(b"%3d", b"")).startswith(b'{"iv":"')


def credential_pair(value: bytes) -> bool:
    """RFC 7617 section 2: the base64 decodes to ``user-id:password`` in printable characters."""
    decoded = _b64(value[:512].replace(b"%3D", b"=").replace(b"%3d", b"="))
    try:
        return b":" in decoded and decoded.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def _fernet(value: bytes) -> bool:
    """Fernet spec: version byte 0x80, a 64-bit time in seconds, then at least 48 more bytes."""
    decoded = _b64(value[:24])
    if len(decoded) < 9 or decoded[0] != 0x80:
        return False
    return 0x40000000 <= int.from_bytes(decoded[1:9], "big") < 0x200000000


_MOST_SIGNED: Final = 4096
"""How many bytes of a signed value are looked at."""
_SIGNED: Final = re.compile(
    rb"\.?[A-Za-z0-9_\-]{3,4000}={0,2}(?:"
    rb":[A-Za-z0-9]{6}:|\.[A-Za-z0-9_\-]{5,8}\.)([A-Za-z0-9_\-]{27,86})\Z"
)


def _signed_timestamp(value: bytes) -> bool:
    """Django ``TimestampSigner`` and itsdangerous ``TimedSerializer``: payload, time, signature.

    The time is base62 in Django and base64 in itsdangerous; SHA-1 to SHA-512 signatures
    have 27 to 86 characters. A token of over 4,096 bytes is judged by its beginning.
    """
    return _SIGNED.match(value) is not None or (len(value) >= _MOST_SIGNED and not _jose(value))


def _gorilla(value: bytes) -> bool:
    """gorilla/securecookie: the time in seconds, a bar, then the value."""
    return re.match(rb"1[0-9]{9}\|", _b64(value[:20])) is not None


VALIDATORS: Final[dict[str, Callable[[bytes], bool]]] = {
    "": bool,
    "jose": _jose,
    "laravel": _laravel,
    "credential-pair": credential_pair,
    "fernet": _fernet,
    "signed-timestamp": _signed_timestamp,
    "bearer": _bearer,
    "gorilla": _gorilla,
    "machine-made": machine_made,
    "distinct": distinct,
    "not-masked": lambda value: harmless(value) not in ("mask", "template", "repeats"),
    "not-harmless": lambda value: harmless(value) is None,
}
"""The validators a rule may name, each from the whole token to a decision."""
