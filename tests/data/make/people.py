"""The synthetic users. Their passwords are chosen to need escaping in one syntax or another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Person:
    """A user of both shops, with the address and the browser seen by the proxy."""

    name: str
    email: str
    password: str
    address: str
    agent: str


ALICE: Final = Person(
    "alice",
    "alice@example.com",
    "Tide&Pool=42 ok",
    "203.0.113.7",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
)
BOB: Final = Person(
    "bob",
    "bob@example.com",
    "it's-Rain1ng!",
    "198.51.100.23",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.1 Safari/605.1.15",
)
CAROL: Final = Person(
    "carol",
    "carol@example.com",
    'Gr"und+Boden9\\',
    "2001:db8::c0",
    "shop-mobile/4.12.0 (Android 15)",
)
PEOPLE: Final = (ALICE, BOB, CAROL)
