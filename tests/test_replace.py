"""What stands in a secret's place, and the keys and policies that decide it."""

from __future__ import annotations

import base64
import json
import os
import re
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactor import HmacKey, Policy, PolicyError, Redactor
from redactor.replace import REDACTIONS, canonical, fingerprint
from redactor.syntax import PLACEHOLDER

SECRET = "kL9xQ2mZ8v/Bk3J7w+T1aN4c"
PLAIN = "kL9xQ2mZ8vBk3J7wT1aN4c"
KEY = HmacKey(b"0123456789abcdef")


def _redactor(policy: Policy, engine: str = "portable") -> Redactor:
    return Redactor(policy=policy, engine=engine)


def _jwt(header: object, payload: object) -> str:
    parts = (json.dumps(part).encode() for part in (header, payload))
    return ".".join(
        [*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), "c2lnbmF0dXJlLXNpZ25hdHVyZQ"]
    )


# --- redactions -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("redaction", "expected"),
    [
        ("placeholder", "sid=[REDACTED:session] ok"),
        ("mask", "sid=******** ok"),
        ("remove", "sid= ok"),
        ("jwt-claims", "sid=[REDACTED:session] ok"),
    ],
)
def test_each_redaction_without_a_key(engine: str, redaction: str, expected: str) -> None:
    """Without a key each redaction is a constant that tells nothing of the secret."""
    redactor = _redactor(Policy(redaction=redaction), engine)
    assert redactor.text(f"sid={PLAIN} ok") == expected
    assert redactor.text(f"sid={PLAIN[::-1]} ok") == expected
    assert redactor.text(expected) == expected


def test_the_redactions_are_these() -> None:
    """There are five ways to replace a secret."""
    assert set(REDACTIONS) == {"placeholder", "mask", "fingerprint", "jwt-claims", "remove"}


def test_a_rule_overrides_its_category_and_that_the_default() -> None:
    """The redaction of a rule counts first, then that of its category, then the default."""
    policy = Policy(redaction="remove", categories={"session": "mask"}, rules={"session": "placeholder"})
    redactor = _redactor(policy)
    assert redactor.text(f"sid={PLAIN}") == "sid=[REDACTED:session]"
    assert redactor.text(f"remember_token={PLAIN}") == "remember_token=********"
    assert redactor.text(f"token={PLAIN}") == "token="


# --- fingerprints ---------------------------------------------------------------------


def test_a_fingerprint_is_twelve_digits_of_a_keyed_hash() -> None:
    """With a key a placeholder ends in 12 hexadecimal digits; equal secrets give equal ones."""
    redactor = _redactor(Policy(hmac_key=KEY))
    found = re.fullmatch(r"a=1 sid=\[REDACTED:session:([0-9a-f]{12})\] b", redactor.text(f"a=1 sid={PLAIN} b"))
    assert found
    assert found.group(1) == fingerprint(PLAIN.encode(), KEY)
    assert redactor.text(f"token={PLAIN}") == f"token=[REDACTED:token:{found.group(1)}]"
    assert (
        _redactor(Policy(hmac_key=KEY, redaction="fingerprint")).text(f"sid={PLAIN}")
        == f"sid=[REDACTED:session:{found.group(1)}]"
    )


def test_no_key_no_fingerprint() -> None:
    """Without a key a placeholder holds the rule's id and nothing else."""
    assert _redactor(Policy()).text(f"sid={PLAIN}") == "sid=[REDACTED:session]"


def _spellings() -> dict[str, str]:
    percent = quote(SECRET, safe="")
    return {
        "raw": f"GET /?token={SECRET}",
        "quoted": f"token='{SECRET}'",
        "percent": f"GET /?token={percent}",
        "percent-lower": f"GET /?token={percent.replace('%2F', '%2f').replace('%2B', '%2b')}",
        "double-percent": f"GET /?next={quote(f'/cb?token={percent}', safe='')}",
        "json": json.dumps({"token": SECRET}),
        "json-slash": json.dumps({"token": SECRET}).replace("/", "\\/"),
        "json-unicode": json.dumps({"token": SECRET}).replace("/", "\\u002f").replace("+", "\\u002B"),
        "json-in-json": json.dumps({"body": json.dumps({"token": SECRET}).replace("/", "\\/")}),
        "bearer": f"Authorization: Bearer {SECRET}",
        "repr": repr({"token": SECRET}),
    }


@pytest.mark.parametrize("spelling", _spellings())
def test_a_fingerprint_is_equal_in_every_spelling(engine: str, spelling: str) -> None:
    """One secret has one fingerprint in a header, a URL, JSON, JSON in JSON and a repr."""
    redacted = _redactor(Policy(hmac_key=KEY), engine).text(_spellings()[spelling])
    assert re.findall(r"\[REDACTED:[a-z\-]+:([0-9a-f]{12})\]", redacted) == [fingerprint(SECRET.encode(), KEY)], (
        redacted
    )


def test_values_and_texts_have_one_fingerprint() -> None:
    """A secret in a dict has the fingerprint it has in text."""
    redactor = _redactor(Policy(hmac_key=KEY))
    expected = f"[REDACTED:token:{fingerprint(SECRET.encode(), KEY)}]"
    for written in (SECRET, quote(SECRET, safe="")):
        assert redactor.value({"token": written}) == {"token": expected}
    assert redactor.value({"token": SECRET.encode()}) == {"token": expected.encode()}
    assert redactor.value({"name": "token", "value": SECRET}) == {"name": "token", "value": expected}


@given(secret=st.binary(min_size=1, max_size=40))
def test_canonical_takes_percent_encoding_off(secret: bytes) -> None:
    """Encoding a canonical secret up to three times over leaves its canonical form."""
    form = canonical(secret)
    if b"%" in form or b"\\" in form or canonical(form) != form:
        return
    once = quote(form, safe="").encode()
    twice = quote(once, safe="").encode()
    assert canonical(once) == canonical(twice) == form


@given(secret=st.binary(max_size=300))
def test_canonical_answers_for_any_bytes(secret: bytes) -> None:
    """Any bytes have a canonical form that is no longer than they are."""
    assert len(canonical(secret)) <= len(secret)
    assert re.fullmatch(r"[0-9a-f]{12}", fingerprint(secret, KEY))


def test_fingerprints_differ_by_key_and_show_its_id() -> None:
    """Another key gives another fingerprint, and a key's id follows after a dot."""
    other = HmacKey(b"fedcba9876543210", "k2")
    one = _redactor(Policy(hmac_key=KEY)).text(f"sid={PLAIN}")
    two = _redactor(Policy(hmac_key=other)).text(f"sid={PLAIN}")
    found = re.fullmatch(r"sid=\[REDACTED:session:([0-9a-f]{12})\.k2\]", two)
    assert found
    assert found.group(1) not in one
    long_one, long_two = HmacKey(b"a" * 64 + b"1"), HmacKey(b"a" * 64 + b"2")
    assert fingerprint(b"x", long_one) != fingerprint(b"x", long_two)


@pytest.mark.parametrize("text", ["otp=492817", "password=hunter2-hunter3", "Your verification code: 731902"])
def test_low_entropy_secrets_are_never_fingerprinted(text: str) -> None:
    """One-time codes and passwords could be guessed from a fingerprint, so they have none."""
    for policy in (Policy(hmac_key=KEY), Policy(hmac_key=KEY, redaction="fingerprint")):
        assert re.search(r"\[REDACTED:[a-z\-]+\]$", _redactor(policy).text(text))


def test_every_low_entropy_rule_is_constant() -> None:
    """No rule marked as low in entropy depends on its secret, whatever the redaction."""
    for redaction in REDACTIONS:
        redactor = _redactor(Policy(hmac_key=KEY, redaction=redaction))
        low = [rule for rule in redactor.ruleset.rules if rule.low_entropy]
        assert {"otp", "password"} <= {rule.id for rule in low}
        for number, rule in enumerate(redactor.ruleset.rules):
            if rule.low_entropy:
                replacement = redactor.replacer.replacement(number, b"492817")
                assert replacement == redactor.replacer.replacement(number, b"731902")


# --- keys -----------------------------------------------------------------------------


def test_a_key_is_never_shown() -> None:
    """The key's bytes are in no repr of a key, a policy or a redactor."""
    policy = Policy(hmac_key=KEY, allowlist=frozenset({PLAIN}))
    redactor = _redactor(policy)
    for shown in (repr(KEY), str(KEY), repr(policy), repr(redactor), repr(redactor.policy), f"{KEY}"):
        assert "0123456789abcdef" not in shown
        assert PLAIN not in shown


@pytest.mark.parametrize(
    ("content", "secret", "key_id"),
    [
        (b"0123456789abcdef\n", b"0123456789abcdef", ""),
        (b"0123456789abcdef", b"0123456789abcdef", ""),
        (b"k1:0123456789abcdef\nsecond line\n", b"0123456789abcdef", "k1"),
        (b"  0123456789abcdef  \r\n", b"0123456789abcdef", ""),
        (b"\xff" * 32 + b"\n", b"\xff" * 32, ""),
    ],
)
def test_a_key_file_is_read(tmp_path: Path, content: bytes, secret: bytes, key_id: str) -> None:
    """A key file holds the key, or id:key, on its first line."""
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    assert HmacKey.from_file(path) == HmacKey(secret, key_id)


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777])
def test_a_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """A key file that others can read or write is refused, in one line that names it."""
    path = tmp_path / "key"
    path.write_bytes(b"0123456789abcdef\n")
    path.chmod(mode)
    with pytest.raises(PolicyError, match="open to other users") as raised:
        HmacKey.from_file(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"short\n",
        b"0123456789abcde\n",
        b"k1:0123456789abcde\n",
        b"\n0123456789abcdef\n",
        b"k_1:0123456789abcdef\n",
        b"k" * 17 + b":0123456789abcdef",
    ],
)
def test_a_bad_key_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    """A short key or a wrong id is a PolicyError whose message and traceback do not show the key."""
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(PolicyError) as raised:
        HmacKey.from_file(path)
    shown = "".join(traceback.format_exception(raised.value))
    assert "0123456789abcde" not in shown
    assert "\n" not in str(raised.value)


def test_a_missing_key_file_is_refused(tmp_path: Path) -> None:
    """A key file that is missing or a folder is a PolicyError that names it."""
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(PolicyError) as raised:
            HmacKey.from_file(path)
        assert str(raised.value).startswith(f"{path}: the key file cannot be read")


def test_the_environment_names_the_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """REDACTOR_HMAC_KEY_FILE names the key file; unset or empty there is no key."""
    monkeypatch.delenv("REDACTOR_HMAC_KEY_FILE", raising=False)
    assert HmacKey.from_environment() is None
    monkeypatch.setenv("REDACTOR_HMAC_KEY_FILE", "")
    assert HmacKey.from_environment() is None
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(b"k1:0123456789abcdef")
    monkeypatch.setenv("REDACTOR_HMAC_KEY_FILE", str(path))
    assert HmacKey.from_environment() == HmacKey(b"0123456789abcdef", "k1")


# --- claims of JWTs -------------------------------------------------------------------

_CLAIMS = Policy(rules={"jwt": "jwt-claims"})


def test_claims_show_nothing_personal(engine: str) -> None:
    """Of a JWT, alg, kid, iss and exp are shown, in this order, and no other claim."""
    token = _jwt(
        {"alg": "RS256", "kid": "key-1", "typ": "JWT", "x5c": "abc", "jku": "https://keys.example"},
        {
            "iss": "https://id.example.com/",
            "exp": 1700000000,
            "sub": "alice",
            "email": "alice@example.com",
            "name": "Alice",
            "aud": "shop",
            "jti": "17",
        },
    )
    redacted = _redactor(_CLAIMS, engine).text(f"got {token} end")
    assert redacted == "got [REDACTED:jwt alg=RS256 kid=key-1 iss=https://id.example.com/ exp=1700000000] end"
    assert _redactor(_CLAIMS, engine).text(redacted) == redacted


def test_claims_and_a_fingerprint_go_together() -> None:
    """With a key the fingerprint stands before the claims."""
    token = _jwt({"alg": "HS256"}, {"sub": "42"})
    policy = Policy(rules={"jwt": "jwt-claims"}, hmac_key=HmacKey(b"0123456789abcdef", "k1"))
    assert _redactor(policy).text(token) == f"[REDACTED:jwt:{fingerprint(token.encode(), policy.hmac_key)} alg=HS256]"


_HOSTILE = [
    "a\nb",
    "a]b",
    "a[b",
    "a b",
    "a=b",
    "",
    "x" * 10_000,
    "\u00fc",
    "\x1b[31m",
    "alice@example.com",
    True,
    None,
    1.5,
    ["a"],
    {"a": 1},
    10**400,
    -1,
    "[REDACTED:jwt]",
]


@pytest.mark.parametrize("number", range(len(_HOSTILE)))
@pytest.mark.parametrize("claim", ["alg", "kid", "iss", "exp"])
def test_hostile_claims_cannot_break_a_placeholder(claim: str, number: int) -> None:
    """Whatever a claim holds, the result is one placeholder of at most 512 bytes without it."""
    header: dict[str, object] = {"alg": "HS256"}
    payload: dict[str, object] = {"sub": "alice"}
    if claim == "alg" and not (isinstance(_HOSTILE[number], str) and _HOSTILE[number]):
        return  # no JWT
    (header if claim in ("alg", "kid") else payload)[claim] = _HOSTILE[number]
    token = _jwt(header, payload)
    redacted = _redactor(_CLAIMS).text(token)
    assert PLACEHOLDER.fullmatch(redacted.encode())
    assert len(redacted) <= 512
    assert "alice" not in redacted
    if isinstance(_HOSTILE[number], str) and _HOSTILE[number]:
        assert f"{claim}=" not in redacted


def test_long_numbers_do_not_make_a_long_placeholder() -> None:
    """Numbers of hundreds of digits in every claim leave the placeholder at 512 bytes or fewer."""
    token = _jwt({"alg": "HS256", "kid": 10**400}, {"iss": 10**400, "exp": 10**400})
    redacted = _redactor(_CLAIMS).text(f"a {token} b")
    assert redacted.startswith("a [REDACTED:jwt alg=HS256")
    assert len(redacted) <= 512 + 4
    assert _redactor(_CLAIMS).text(redacted) == redacted


@given(
    claims=st.dictionaries(
        st.sampled_from(["iss", "exp", "sub", "email"]), st.one_of(st.text(max_size=80), st.integers(), st.none())
    ),
    header=st.dictionaries(st.sampled_from(["kid", "typ"]), st.one_of(st.text(max_size=80), st.integers())),
)
def test_any_claims_give_one_short_placeholder(claims: dict[str, object], header: dict[str, object]) -> None:
    """Any claims give one placeholder of at most 512 bytes that is recognised as ours."""
    redactor = _claims_redactor()
    redacted = redactor.text(_jwt({"alg": "HS256", **header}, claims)).encode()
    assert PLACEHOLDER.fullmatch(redacted)
    assert len(redacted) <= 512


_MADE: list[Redactor] = []


def _claims_redactor() -> Redactor:
    if not _MADE:
        _MADE.append(_redactor(Policy(rules={"jwt": "jwt-claims"}, hmac_key=HmacKey(b"0123456789abcdef", "k" * 16))))
    return _MADE[0]


@pytest.mark.parametrize(
    "token",
    [
        "eyJhbGciOiJIUzI1NiJ9.bm90anNvbg.eA",
        "eyJhbGciOiJIUzI1NiJ9." + "W10" * 5000,
        "eyJhbGciOiJIUzI1NiJ9." + "W1tb" * 10_000,
    ],
)
def test_broken_payloads_are_harmless(token: str) -> None:
    """A token whose payload cannot be read is replaced without an error."""
    redactor = _redactor(_CLAIMS)
    assert redactor.text(token).startswith("[REDACTED:jwt alg=HS256]")
    assert redactor.summary.errors == 0


@pytest.mark.parametrize("redaction", REDACTIONS)
@pytest.mark.parametrize("key", [KEY, HmacKey(b"fedcba9876543210", "k2")])
def test_redacting_twice_changes_nothing_under_any_policy(engine: str, redaction: str, key: HmacKey) -> None:
    """A text or value redacted once is left alone the second time, fingerprints and claims included."""
    redactor = _redactor(Policy(redaction=redaction, hmac_key=key), engine)
    jwt = _jwt({"alg": "HS256", "kid": "key-1"}, {"iss": "https://id.example.com/", "exp": 1700000000})
    for text in (
        f"sid={PLAIN} token={jwt} otp=492817",
        f"Cookie: sessionid={PLAIN}; a=b",
        f"Authorization: Bearer {jwt}",
    ):
        once = redactor.text(text)
        assert redactor.text(once) is once
    for value in (
        {"sid": PLAIN, "token": jwt, "otp": "492817", "Authorization": f"Bearer {jwt}"},
        [("Cookie", f"a=b; sessionid={PLAIN}")],
    ):
        first = redactor.value(value)
        assert redactor.value(first) is first


# --- policies -------------------------------------------------------------------------


def test_the_allowlist_lets_exact_values_through(engine: str) -> None:
    """A value of the allowlist stays, matched whole; every other stays a secret."""
    redactor = _redactor(Policy(allowlist=frozenset({PLAIN, "caf\u00e9-Zk3vQ9xT1mB7"})), engine)
    text = f"sid={PLAIN}"
    assert redactor.text(text) is text
    assert redactor.value({"sid": PLAIN}) == {"sid": PLAIN}
    assert redactor.matches(text) == []
    assert b"".join(redactor.stream([text.encode()])) == text.encode()
    assert redactor.text(f"sid={PLAIN}x") == "sid=[REDACTED:session]"
    assert redactor.text(f"sid={PLAIN[:-1]}") == "sid=[REDACTED:session]"
    assert redactor.summary.redactions == {"session": 2}


def test_a_disabled_rule_finds_nothing(engine: str) -> None:
    """With a rule switched off what only it finds stays, and the others go on."""
    redactor = _redactor(Policy(disabled=frozenset({"session"})), engine)
    text = f"sid={PLAIN}"
    assert redactor.text(text) is text
    assert redactor.text(f"token={PLAIN}") == "token=[REDACTED:token]"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Policy(redaction="hash"), "unknown redaction 'hash'"),
        (lambda: Policy(rules={"jwt": "hash"}), "unknown redaction 'hash'"),
        (lambda: Policy(categories={"token": "hash"}), "unknown redaction 'hash'"),
        (lambda: Policy(redaction="fingerprint"), "needs a key"),
        (lambda: Policy(rules={"jwt": "fingerprint"}), "needs a key"),
        (lambda: Redactor(policy=Policy(rules={"jwtt": "mask"})), "unknown rule 'jwtt'"),
        (lambda: Redactor(policy=Policy(categories={"tokens": "mask"})), "unknown category 'tokens'"),
        (lambda: Redactor(policy=Policy(disabled=frozenset({"jwtt"}))), "unknown rule 'jwtt'"),
        (lambda: HmacKey(b"short"), "too short"),
        (lambda: HmacKey(b"0123456789abcdef", "k-1"), "id must be"),
    ],
)  # fmt: skip
def test_a_wrong_policy_is_refused(make: object, problem: str) -> None:
    """A policy that cannot be meant raises a PolicyError of one short line when it is made or used."""
    assert callable(make)
    with pytest.raises(PolicyError) as raised:
        make()
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_a_policy_cannot_be_changed() -> None:
    """Policies and keys are frozen."""
    with pytest.raises(AttributeError):
        Policy().redaction = "mask"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        KEY.id = "x"  # type: ignore[misc]
