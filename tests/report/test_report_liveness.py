from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactor.report.claims import Claims, read_claims
from redactor.report.liveness import Expiry, expiry_beside, is_live, is_refresh, liveness
from redactor.report.timestamps import LATEST

SEEN = 1_714_565_696
TOKEN = b"Zk3v9QxT1mB7aZ4nL8pR"


def jwt(payload, header=None):
    parts = [header or {"alg": "HS256", "kid": "k-1"}, payload]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*encoded, b"c2lnbmF0dXJl"])


@pytest.mark.parametrize(
    ("category", "text", "expected"),
    [
        ("session", b"Set-Cookie: sid=%s; Path=/; Max-Age=60; Expires=Wed, 01 May 2024 00:00:00 GMT", (60, "cookie")),
        ("session", b"Set-Cookie: sid=%s; Expires=Wed, 01 May 2024 12:14:57 GMT; HttpOnly", (1, "cookie")),
        ("session", b"Cookie: sid=%s; theme=dark", None),
        ("token", b'{"access_token":"%s","expires_in":3600}', (3600, "expires_in")),
        ("token", b'{"refresh_token":"%s","expires_in":60,"refresh_expires_in":1800}', (1800, "expires_in")),
        ("token", b'{"refresh_token":"%s","expires_in":60}', None),
        ("token", b"token=%s\nexpires_in=60", None),
        ("signed-url", b"/b?X-Amz-Date=20240501T121456Z&X-Amz-Expires=90&X-Amz-Signature=%s", (90, "signed-url")),
        ("signed-url", b'u="/b?sig=%s&se=2024-05-01T12%%3A15%%3A56Z&sp=r"', (60, "signed-url")),
        ("signed-url", b"/b?Expires=1714565706&Signature=%s", (10, "signed-url")),
    ],
)
def test_what_stands_beside(category, text, expected):
    """An expiry is read from the attributes, members and parameters beside the secret, and from no others."""
    data = text % TOKEN
    start = data.index(TOKEN)
    found = expiry_beside(data, start, start + len(TOKEN), category, SEEN)
    assert found == (Expiry() if expected is None else Expiry(SEEN + expected[0], expected[1]))


def test_relative_needs_the_time_of_the_line():
    """What is relative to the line's time tells nothing without it."""
    data = b"sid=%s; Max-Age=60" % TOKEN
    assert expiry_beside(data, 4, 4 + len(TOKEN), "session", None) == Expiry()


def test_refresh():
    """A refresh token is one that is called so."""
    assert is_refresh(b'"refreshToken": "x', 17)
    assert not is_refresh(b'"refresh_token_count": "x', 24)


def test_claims():
    """A JWT says who issued it for whom and until when."""
    payload = {"iss": "https://id.example", "aud": ["api"], "sub": "17", "iat": 5, "exp": 9.5}
    assert read_claims(jwt(payload)) == Claims("https://id.example", "api", "k-1", "17", 5, 9)
    assert read_claims(jwt(payload | {"azp": "web", "iss": "alice@example.com"}))[:2] == ("", "web")


def test_signed_values_have_an_age():
    """Values signed by Django, itsdangerous and Fernet tell when they were made, and no expiry."""
    from django.conf import settings
    from django.core.signing import TimestampSigner
    from itsdangerous import URLSafeTimedSerializer

    if not settings.configured:
        settings.configure()
    django = TimestampSigner(key="synthetic", salt="s").sign("value").encode()
    flask = URLSafeTimedSerializer("synthetic").dumps({"a": 1}).encode()
    fernet = base64.urlsafe_b64encode(b"\x80" + SEEN.to_bytes(8, "big") + bytes(16 + 16 + 32))
    assert read_claims(fernet) == Claims(issued=SEEN)
    for value in (django, flask):
        claims = read_claims(value)
        assert claims == Claims(issued=claims.issued)
        assert (claims.issued or 0) > SEEN


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=4))
def test_any_claim_is_a_time_or_none(value):
    """Whatever stands in exp, it is a time in range or no expiry is known."""
    expires = read_claims(jwt({"exp": value})).expires
    assert expires is None or 0 <= expires <= LATEST
    assert isinstance(value, int | float) or expires is None


@given(st.integers(0, LATEST), st.integers(0, LATEST))
def test_words_agree_with_ranking(at, now):
    """A secret is said to have expired exactly if it is not live."""
    assert liveness(at, now).startswith("expires in") == is_live(at, now)


def test_words():
    """The words say since when, or how long."""
    assert liveness(None, 0) == "no expiry known"
    assert liveness(SEEN, SEEN) == "expired since 2024-05-01T12:14:56Z"
    assert [liveness(at, 0) for at in (59, 60, 7200, 172800)] == [
        "expires in 59 s", "expires in 1 min", "expires in 2 h", "expires in 2 d",
    ]  # fmt: skip
