"""The offline checks: what is random, what only looks so."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactor.validators import VALIDATORS, harmless, machine_made, word_like


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"aaaaaaaaaaaa", "repeats"),
        (b"********", "repeats"),
        (b"[REDACTED]", "mask"),
        (b"[FILTERED]", "mask"),
        (b"<redacted>", "mask"),
        (b"missing", "mask"),
        (b"undefined", "mask"),
        (b"changeme", "mask"),
        (b"${SESSION_TOKEN}", "template"),
        (b"{{ token }}", "template"),
        (b"%(token)s", "template"),
        (b"$TOKEN", "template"),
        (b"12345678", "number"),
        (b"3600.25", "number"),
        (b"15ms", "number"),
        (b"2026-11-24T10:00:00Z", "date"),
        (b"https://example.com/callback", "url"),
        (b"alice@example.com", "email"),
        (b"10.20.30.40/24", "host"),
        (b"cache.internal:6379", "host"),
        (b"v1.22.333", "version"),
        (b"4.1.0.3-7+deb12u1", "version"),
        (b"3.0.0~alpha1", "version"),
        (b"gtid_seq_no=1", "setting"),
        (b"NO)", "mask"),
        (b"$2)", "template"),
        (b"/usr/src/linux-6.x", "path"),
        (b"s.fcmToken", "words"),
        (b"PRIVATE_KEY_JWT", "words"),
        (b"arn:aws:iam::123456789012:role/Admin", "identifier"),
        (b"django.contrib.sessions.backends.database", "words"),
        (b"get_session_token", "words"),
        (b"/var/lib/sessions/current", "path"),
        (b"required", "mask"),
    ],
)
def test_look_alikes_are_named(value: bytes, reason: str) -> None:
    """Each look-alike of a secret is harmless, for the reason that fits it."""
    assert harmless(value) == reason
    assert not machine_made(value)


@pytest.mark.parametrize(
    "value",
    [
        b"4f1x9q8z7k2m5n0b3v6c1a8s7d4f9g2h",
        b"9f86d081884c7d659a2feaa0c55ad015",
        b"550e8400-e29b-41d4-a716-446655440000",
        b"kL9xQ2mZ8vBk3J7wT1aN4c",
        b"SplxlOBeZQQYbYS6WxSbIA",
        b"s%3Aq3Zk1LrYw9b2.Hn8d0PqT5vXc7sB1aE4",
        b"YWxpY2U6b3BlbiBzZXNhbWU=",
        b"7|3f786850e387550fdab836ed7e6dc881de23001b",
    ],
)
def test_random_values_are_machine_made(value: bytes) -> None:
    """Session ids of every alphabet are no look-alikes."""
    assert harmless(value) is None
    assert machine_made(value)


@pytest.mark.parametrize(
    "value",
    [
        "session",
        "invalid_token",
        "CsrfViewMiddleware",
        "SessionStoreFactory2",
        "step-two-of-three",
        "the quick brown fox",
    ],
)
def test_names_and_prose_are_word_like(value: str) -> None:
    """Identifiers and prose are made of words."""
    assert word_like(value)


@pytest.mark.parametrize("value", ["", "4f1x9q8z7k2m5n0b", "kL9xQ2mZ8vBk3J7wT1aN4c", "aBcDeFgHiJkL", "1234567890"])
def test_random_letters_are_not_word_like(value: str) -> None:
    """Random letters, digits and the empty string are no words."""
    assert not word_like(value)


@given(value=st.binary(max_size=600))
def test_every_check_answers_for_any_bytes(value: bytes) -> None:
    """No check raises on arbitrary bytes, and each is a function of them."""
    for validate in VALIDATORS.values():
        assert validate(value) == validate(bytes(value))
    assert harmless(value) is None or not machine_made(value)


@given(value=st.text(max_size=100))
def test_word_like_answers_for_any_text(value: str) -> None:
    """Reading words never raises."""
    assert word_like(value) in (True, False)


@pytest.mark.parametrize("unit", [b"a", b"aA1", b"[", b"<", b"x", b"a.", b"0:", b"/", b"{", b"=", b"%(", b"e", b"-"])
def test_checks_read_a_bounded_prefix(unit: bytes) -> None:
    """What a check says does not depend on anything behind its bounded prefix."""
    value = unit * (8192 // len(unit))
    assert harmless(value) == harmless(value + b"zZ9")
    assert machine_made(value) == machine_made(value + b"zZ9")
    for validate in VALIDATORS.values():
        validate(value * 20)


def _part(value: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


@pytest.mark.parametrize(
    ("header", "is_jose"),
    [
        ({"alg": "HS256"}, True),
        ({"alg": "none"}, True),
        ({"typ": "JWT", "kid": "a", "alg": "RS256"}, True),
        ({"enc": "A128GCM", "alg": "dir"}, True),
        ({"id": 12345, "dir": "next"}, False),
        ({"version": 3, "algorithm": "x"}, False),
        (["alg"], False),
        ("alg", False),
    ],
)
def test_a_jose_header_names_its_algorithm(header: object, is_jose: bool) -> None:
    """Only base64 of an object with alg or enc starts a JWT: RFC 7515 section 4, RFC 7516 section 4."""
    token = _part(header) + b"." + _part({"sub": "42"}) + b".c2lnbmF0dXJl"
    assert VALIDATORS["jose"](token) is is_jose


@given(user=st.text(max_size=12), password=st.text(max_size=12))
def test_a_credential_pair_has_a_colon(user: str, password: str) -> None:
    """Base64 of printable user-id:password is a pair; without a colon it is none: RFC 7617 section 2."""
    pair = f"{user}:{password}"
    assert VALIDATORS["credential-pair"](base64.b64encode(pair.encode())) is pair.isprintable()
    assert not VALIDATORS["credential-pair"](base64.b64encode(pair.replace(":", "").encode()))


def test_fernet_checks_version_and_time() -> None:
    """A Fernet token has version 0x80 and a time of this century."""
    body = b"\0" * 64
    good = b"\x80" + (1_700_000_000).to_bytes(8, "big") + body
    assert VALIDATORS["fernet"](base64.urlsafe_b64encode(good))
    assert not VALIDATORS["fernet"](base64.urlsafe_b64encode(b"\x81" + good[1:]))
    assert not VALIDATORS["fernet"](base64.urlsafe_b64encode(b"\x80" + b"\xff" * 8 + body))
    assert not VALIDATORS["fernet"](b"gAAAA")


@pytest.mark.parametrize(
    ("value", "is_distinct"),
    [
        (b"9KoZEhTWkvX32wdwaQrruK6TpYb8aJxe", True),
        (b"11fo1kf4288zslvpjao4ow9lk71nutty", True),
        (b"4bf92f3577b34da6a3ce929d0e0e4736", False),
        (b"550e8400-e29b-41d4-a716-446655440000", False),
        (b"01ARZ3NDEKTSV4RRFFQ69G5FAV", False),
        (b"kL9xQ2mZ", False),
        (b"org.example.SessionStoreFactory2", False),
        (b"X509SubjectAlternativeNameExtension", False),
        (b"TLS_PSK_DHE_WITH_AES_128_CCM_8", False),
        (b"ECDHE-RSA-AES128-GCM-SHA256", False),
        (b"ghlink-xmerl-1.3.13-id138", False),
        (b"celery-task-meta-550e8400-e29b-41d4-a716-446655440000", False),
        (b"undici.error.UND_ERR_WS_MESSAGE_SIZE_EXCEEDED", False),
        (b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", False),
        (b"quKZvpq0zjVFJRFqAAAF", True),
        (b"9HYYHvfuedxSZMG3SZPdUsnUewszJECL.lSxVfVqxK3hv26nLTmox0FYb", True),
        (b"Nzc:1vwyC8:3feJ0gDI_qIkwX0gvwr9I4NjP16gzuKf8cLM8vs_mqI", True),
        (b"NzA.awWPKg.TLP7qY_eYV1FpMDNk-7ecpGVx2w", True),
    ],
)
def test_identifiers_are_not_distinct(value: bytes, is_distinct: bool) -> None:
    """Trace ids, digests, UUIDs and names with numbers are not distinct; base62, base36 and signed values are."""
    assert VALIDATORS["distinct"](value) is is_distinct
