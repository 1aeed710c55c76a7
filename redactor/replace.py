"""What stands in a secret's place: placeholders, masks, fingerprints, JWT claims or nothing."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from redactor.errors import PolicyError, shown
from redactor.model import Found, Ruleset
from redactor.syntax import TOKEN_LIMIT

__all__ = ["ERROR_PLACEHOLDER", "REDACTIONS", "HmacKey", "Policy", "Replacer", "canonical", "fingerprint"]

ERROR_PLACEHOLDER: Final = "[REDACTED:error]"
"""What stands for a value that could not be inspected."""

REDACTIONS: Final = ("placeholder", "mask", "fingerprint", "jwt-claims", "remove")
"""The ways to replace a secret that a policy can name."""

_NOTHING: Final[Mapping[int, bytes]] = {}
_MASK: Final = b"********"
_PERCENT: Final = re.compile(rb"%[0-9A-Fa-f]{2}")
_ESCAPE: Final = re.compile(rb"\\+(?:u00([0-9a-fA-F]{2})|x([0-9a-fA-F]{2})|([0-3][0-7]{2})|(/))")
_KEPT_CLAIM: Final = re.compile(r"[A-Za-z0-9_.:/\-]{1,64}")


@dataclass(frozen=True, slots=True)
class HmacKey:
    """A key for fingerprints: at least 16 secret bytes and an optional id for rotation."""

    secret: bytes = field(repr=False)
    id: str = ""

    def __post_init__(self) -> None:
        if len(self.secret) < 16:
            raise PolicyError("the HMAC key is too short: expected at least 16 bytes")
        if not re.fullmatch(r"[A-Za-z0-9]{0,16}", self.id):
            raise PolicyError("the HMAC key's id must be at most 16 letters and digits")

    @classmethod
    def from_file(cls, path: Path) -> HmacKey:
        """Read a key file: the key on the first line, or ``id:key``.

        Raises ``PolicyError`` if the file cannot be read, is open to others or is too short.
        """
        try:
            with open(path, "rb") as file:
                if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
                    raise PolicyError(f"{path}: the key file is open to other users; expected mode 0600")
                line = file.readline(4096).strip()
        except OSError as error:
            raise PolicyError(f"{path}: the key file cannot be read: {error.strerror}") from None
        key_id, colon, secret = line.rpartition(b":")
        return cls(secret if colon else line, key_id.decode("ascii", "replace"))

    @classmethod
    def from_environment(cls) -> HmacKey | None:
        """Read the key file that ``REDACTOR_HMAC_KEY_FILE`` names, if it is set."""
        path = os.environ.get("REDACTOR_HMAC_KEY_FILE")
        return cls.from_file(Path(path)) if path else None


@dataclass(frozen=True, slots=True)
class Policy:
    """How secrets are replaced, and which values are not secrets here.

    ``redaction`` is the default; ``rules`` and ``categories`` override it by rule id and
    by category, the rule first. ``allowlist`` holds values to be left alone, matched
    whole, and rule ids may be switched off with ``disabled``. Raises ``PolicyError`` for
    an unknown redaction or for fingerprints without a key.
    """

    redaction: str = "placeholder"
    rules: Mapping[str, str] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)
    allowlist: frozenset[str] = field(default=frozenset(), repr=False)
    disabled: frozenset[str] = frozenset()
    hmac_key: HmacKey | None = None

    def __post_init__(self) -> None:
        for name in (self.redaction, *self.rules.values(), *self.categories.values()):
            if name not in REDACTIONS:
                raise PolicyError(f"unknown redaction '{name[:40]}'; expected one of {', '.join(REDACTIONS)}")
            if name == "fingerprint" and self.hmac_key is None:
                raise PolicyError("redaction 'fingerprint' needs a key: set REDACTOR_HMAC_KEY_FILE or hmac_key")

    def redaction_of(self, rule_id: str, category: str) -> str:
        """Return the redaction for one rule."""
        return self.rules.get(rule_id) or self.categories.get(category) or self.redaction

    def check(self, ruleset: Ruleset) -> None:
        """Raise ``PolicyError`` if the policy names a rule or category that does not exist."""
        ids = {rule.id for rule in ruleset.rules}
        categories = {rule.category for rule in ruleset.rules}
        for kind, named, known in (
            ("rule", self.rules, ids),
            ("rule", self.disabled, ids),
            ("category", self.categories, categories),
        ):
            for name in named:
                if name not in known:
                    raise PolicyError(f"the policy names the unknown {kind} '{name[:64]}'; see 'redactor rules list'")


def read_allowlist(path: Path) -> frozenset[str]:
    """Read a file with one value a line, for ``Policy.allowlist``. Its values are never shown.

    Raises ``PolicyError`` if it cannot be read or is not UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise PolicyError(f"{shown(path)}: {error.strerror}, expected a file with one value a line") from None
    except UnicodeDecodeError:
        raise PolicyError(f"{shown(path)}: not UTF-8, expected one value a line") from None
    return frozenset(line.rstrip("\r") for line in text.split("\n")) - {""}


def canonical(secret: bytes) -> bytes:
    """Return a secret without the layers its place put around it.

    JSON and Python escapes and up to three layers of percent-encoding are taken off, so
    that a value has one canonical form in a header, a URL, a JSON string and a repr.
    """
    if b"\\" in secret:
        secret = _ESCAPE.sub(_unescape, secret)
    for _ in range(3):
        if not _PERCENT.search(secret):
            break
        secret = unquote_to_bytes(secret)
    return secret.strip(b"\"'")


def _unescape(escape: re.Match[bytes]) -> bytes:
    by_u, by_x, by_octal, slash = escape.groups()
    if slash:
        return b"/"
    return bytes([int(by_octal, 8)] if by_octal else [int(by_u or by_x, 16)])


def fingerprint(secret: bytes, key: HmacKey) -> str:
    """Return 12 hexadecimal digits (48 bits) of the keyed BLAKE2b of the canonical secret.

    With a key id, ``.id`` follows. RFC 7693; keys over 64 bytes are hashed first.
    """
    secret_key = key.secret if len(key.secret) <= 64 else blake2b(key.secret).digest()
    digest = blake2b(canonical(secret), digest_size=6, key=secret_key, person=b"redactor-secret").hexdigest()
    return f"{digest}.{key.id}" if key.id else digest


class Replacer:
    """Turns a secret's bytes into what the policy puts in their place."""

    def __init__(self, ruleset: Ruleset, policy: Policy) -> None:
        self.policy = policy
        self.allowlist = frozenset(value.encode("utf-8", "surrogatepass") for value in policy.allowlist)
        self._key = policy.hmac_key
        self._rules = tuple(
            (
                policy.redaction_of(rule.id, rule.category),
                rule.id,
                f"[REDACTED:{rule.id}]".encode(),
                not rule.low_entropy,
            )
            for rule in ruleset.rules
        )
        #: Replacements that do not depend on the secret, by rule index; ``None`` where they do.
        self.constant = tuple(self._constant(how, mark, marked) for how, _, mark, marked in self._rules)

    def replacement(self, rule: int, secret: bytes) -> bytes:
        """Return what stands for ``secret``, which ``rule`` (an index) found."""
        constant = self.constant[rule]
        if constant is not None:
            return constant
        redaction, rule_id, placeholder, _ = self._rules[rule]
        if len(secret) > TOKEN_LIMIT:
            return placeholder
        claims = _claims(secret) if redaction == "jwt-claims" else ""
        mark = f":{fingerprint(secret, self._key)}" if self._key is not None else ""
        return f"[REDACTED:{rule_id}{mark}{claims}]".encode()

    def replacements(self, data: bytes, found: Sequence[Found], plain: Mapping[int, bytes] = _NOTHING) -> list[bytes]:
        """Return what stands for each range of ``found``.

        ``plain`` gives the secret itself where it is spelled in a way that ``canonical``
        does not undo, by the start of its range.
        """
        constant = self.constant
        return [
            fixed
            if (fixed := constant[rule]) is not None
            else self.replacement(rule, plain.get(start) or data[start:end])
            for start, end, rule in found
        ]

    @staticmethod
    def splice(
        data: bytes, found: Sequence[Found], replacements: Sequence[bytes], start: int = 0, end: int | None = None
    ) -> bytes:
        """Return ``data[start:end]`` with every range of ``found`` replaced; other bytes are the same."""
        pieces: list[bytes] = []
        position = start
        for (secret_start, secret_end, _), replacement in zip(found, replacements, strict=True):
            pieces.append(data[position:secret_start])
            pieces.append(replacement)
            position = secret_end
        pieces.append(data[position:end])
        return b"".join(pieces)

    def wanted(self, data: bytes, found: list[Found]) -> list[Found]:
        """Return ``found`` without the values that the policy's allowlist lets through."""
        if not self.allowlist:
            return found
        return [match for match in found if data[match[0] : match[1]] not in self.allowlist]

    def _constant(self, redaction: str, placeholder: bytes, fingerprinted: bool) -> bytes | None:
        if redaction == "mask":
            return _MASK
        if redaction == "remove":
            return b""
        shown = redaction == "jwt-claims" or self._key is not None
        return None if shown and fingerprinted else placeholder


def _claims(token: bytes) -> str:
    """Return ``alg``, ``kid``, ``iss`` and ``exp`` of a JWT (RFC 7519) as `` name=value`` pairs.

    Nothing personal is shown: other claims are left out, and so is a value with
    characters other than letters, digits and ``_ . : / -``.
    """
    parts = canonical(token).split(b".")
    shown = []
    for part, names in zip(parts, (("alg", "kid"), ("iss", "exp")), strict=False):
        for name, value in _pairs(_decode_object(part), names):
            if _KEPT_CLAIM.fullmatch(str(value)):
                shown.append(f" {name}={value}")
    return "".join(shown)


def _pairs(found: Mapping[str, object], names: Iterable[str]) -> Iterable[tuple[str, str | int]]:
    for name in names:
        value = found.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            yield name, value


def _decode_object(part: bytes) -> Mapping[str, object]:
    try:
        decoded = json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}
