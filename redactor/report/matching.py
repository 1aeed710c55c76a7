"""Which of one's own session ids and tokens are exposed: the way from an inventory to revocation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from redactor.replace import HmacKey, canonical, fingerprint
from redactor.report.inventory import Exposure, Inventory

__all__ = ["Matched", "match"]

_LAYERED: Final = frozenset(b"\\%\"'")
"""A secret without these bytes is canonical as it is."""


class Matched(NamedTuple):
    """An id that is exposed, by its number in the order given, from 1."""

    number: int
    exposure: Exposure


def match(ids: Iterable[bytes], inventory: Inventory, *keys: HmacKey) -> Iterator[Matched]:
    """Yield which of ``ids`` are exposed, in order, each as often as it is given.

    An id must be what the cookie or header held, in any spelling that ``canonical`` undoes. Several
    keys are tried on each id: an inventory over a rotation holds fingerprints of both. Ids are read
    one by one; memory grows with the inventory (about 150 bytes for an exposure), not with the ids.
    """
    exposed = frozenset(inventory.fingerprints())
    tries = [(_hasher(key), digests, key) for key in keys if (digests := _digests(exposed, key))]
    for number, value in enumerate(ids, 1):
        for hasher, digests, key in tries:
            digest = hasher.copy()
            digest.update(value if _LAYERED.isdisjoint(value) else canonical(value))
            if digest.digest() in digests:
                exposure = inventory.exposure(fingerprint(value, key))
                if exposure is not None:
                    yield Matched(number, exposure)
                break


def _hasher(key: HmacKey) -> blake2b:
    """Return the hash of ``fingerprint`` that has read the key already."""
    secret_key = key.secret if len(key.secret) <= 64 else blake2b(key.secret).digest()
    return blake2b(digest_size=6, key=secret_key, person=b"redactor-secret")


def _digests(exposed: Iterable[str], key: HmacKey) -> frozenset[bytes]:
    """Return the digests of the fingerprints that ``key`` made."""
    parts: Iterable[Sequence[str]] = (mark.partition(".") for mark in exposed)
    return frozenset(bytes.fromhex(digest) for digest, _, key_id in parts if key_id == key.id)
